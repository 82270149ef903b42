//! What must hold for every degradation and sampler: properties over generated images, levels and keys, statistical tests
//! with fixed seeds, and tables against PyTorch.

#![allow(clippy::unwrap_used)]

mod collapse;
mod config;
mod few_steps;
mod gaussian;
mod heat;
mod ink;
mod ink_laws;
mod laws;
mod poisson;
mod registry;
mod samplers;
mod solvers;

use std::path::Path;
use std::sync::OnceLock;

use dm_degrade::degradations::ink::{Ink, InkConfig, fit};
use dm_degrade::{Degradation, REGISTRY};
use dm_nn::data::{Dataset, PIXELS};
use dm_nn::rng::{Rng, Seed, Stream};
use proptest::prelude::*;

/// The real data set.
fn mnist() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| {
        Dataset::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist")).unwrap()
    })
}

/// Test image `i` in [0, 1].
fn digit(i: usize) -> Vec<f32> {
    mnist().test.image(i).iter().map(|&p| f32::from(p) / 255.0).collect()
}

/// The registered degradations with their defaults, fitted to the training set, built once.
fn processes() -> &'static [Box<dyn Degradation>] {
    static ALL: OnceLock<Vec<Box<dyn Degradation>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let build = |entry: &dm_degrade::degradations::Entry| {
            let config = (entry.config)();
            config.build(&config.fit(&mnist().train)).unwrap()
        };
        REGISTRY.iter().map(build).collect()
    })
}

/// Ink with its defaults, as its own type.
fn ink() -> &'static Ink {
    static INK: OnceLock<Ink> = OnceLock::new();
    INK.get_or_init(|| Ink::new(&InkConfig::default(), &fit(&mnist().train)).unwrap())
}

/// A stream for tests.
fn rng(seed: u64, index: u64) -> Rng {
    Seed(seed).stream(Stream::Degrade, index, 0)
}

/// A generated image; a failing test prints a line of it, not 784 numbers.
#[derive(Clone)]
struct Image(Vec<f32>);

impl std::ops::Deref for Image {
    type Target = Vec<f32>;
    fn deref(&self) -> &Vec<f32> {
        &self.0
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inked = self.0.iter().filter(|v| **v > 0.0);
        write!(f, "an image of {} inked pixels, {} in all", inked.clone().count(), inked.sum::<f32>())
    }
}

/// Blank, full, single-pixel, uniformly random and real images.
fn images() -> impl Strategy<Value = Image> {
    let kinds = prop_oneof![
        1 => Just(vec![0.0; PIXELS]),
        1 => Just(vec![1.0; PIXELS]),
        2 => (0..PIXELS, 0.0f32..=1.0).prop_map(|(p, value)| {
            let mut image = vec![0.0; PIXELS];
            image[p] = value;
            image
        }),
        2 => proptest::collection::vec(0.0f32..=1.0, PIXELS),
        4 => (0..10_000usize).prop_map(digit),
    ];
    kinds.prop_map(Image)
}

/// Largest difference between two slices.
fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A chi-square value as a standard normal (Wilson and Hilferty 1931): good to a few hundredths from 30 degrees up.
fn chi_square_z(value: f64, degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    ((value / degrees).cbrt() - (1.0 - spread)) / spread.sqrt()
}
