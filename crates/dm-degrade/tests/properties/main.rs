//! What must hold for every degradation and sampler: properties over generated shapes, images, timesteps and noise,
//! statistical tests with fixed seeds, and tables against PyTorch.

#![allow(clippy::unwrap_used)]

mod blur_noise;
mod collapse;
mod config;
mod fade_counts;
mod few_evaluations;
mod gaussian;
mod heat;
mod ink;
mod ink_laws;
mod laws;
mod losses;
mod mode_prior;
mod parameterizations;
mod photons;
mod poisson;
mod registry;
mod samplers;
mod schema1;
mod shapes;
mod slices;
mod solvers;
mod spacing;

use std::path::Path;
use std::sync::OnceLock;

use dm_degrade::degradations::Registered;
use dm_degrade::degradations::ink::{Ink, InkConfig};
use dm_degrade::{Degradation, REGISTRY, streams};
use dm_nn::data::{Dataset, Images, ReadOptions};
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::rng::{Rng, Seed};
use proptest::prelude::*;

/// The shape of MNIST's images.
const MNIST: ImageShape = ImageShape::new(1, 28, 28);
/// Values of one of MNIST's images.
const PIXELS: usize = MNIST.len();

/// The real data set.
fn mnist() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist");
        Dataset::open(&path, &ReadOptions::default()).unwrap()
    })
}

/// Image `i` of `images`, in [0, 1].
fn unit(images: &Images, i: usize) -> Vec<f32> {
    let mut image = vec![0.0; images.shape.len()];
    to_unit(images.image(i), &mut image);
    image
}

/// Test image `i` in [0, 1].
fn digit(i: usize) -> Vec<f32> {
    unit(&mnist().test, i)
}

/// The registered degradations with their defaults, fitted to `images`.
fn built(images: &Images) -> Vec<Box<dyn Degradation>> {
    let build = |registered: &Registered| {
        let config = (registered.config)();
        config.build(images.shape, &config.fit(images)).unwrap()
    };
    REGISTRY.iter().map(build).collect()
}

/// The registered degradations with their defaults, fitted to MNIST's training set, built once.
fn processes() -> &'static [Box<dyn Degradation>] {
    static ALL: OnceLock<Vec<Box<dyn Degradation>>> = OnceLock::new();
    ALL.get_or_init(|| built(&mnist().train))
}

/// Ink with its defaults, as its own type.
fn ink() -> &'static Ink {
    static INK: OnceLock<Ink> = OnceLock::new();
    INK.get_or_init(|| fitted_ink(&InkConfig::default(), &mnist().train))
}

/// Ink fitted to `images`, as its own type.
fn fitted_ink(config: &InkConfig, images: &Images) -> Ink {
    let fitted = dm_degrade::DegradationConfig::Ink(config.clone()).fit(images);
    Ink::new(config, images.shape, &fitted).unwrap()
}

/// A stream for tests.
fn rng(seed: u64, index: u64) -> Rng {
    Seed(seed).stream(streams::DEGRADE, index, 0)
}

/// A generated image; a failing test prints one line about it, not hundreds of numbers.
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
        write!(f, "an image of {} inked values, {} in all", inked.clone().count(), inked.sum::<f32>())
    }
}

/// Blank, full, single-pixel and uniformly random images of `len` values.
fn made_up(len: usize) -> impl Strategy<Value = Image> {
    let kinds = prop_oneof![
        1 => Just(vec![0.0; len]),
        1 => Just(vec![1.0; len]),
        2 => (0..len, 0.0f32..=1.0).prop_map(move |(p, value)| {
            let mut image = vec![0.0; len];
            image[p] = value;
            image
        }),
        2 => proptest::collection::vec(0.0f32..=1.0, len),
    ];
    kinds.prop_map(Image)
}

/// Blank, full, single-pixel, uniformly random and real images of MNIST's shape.
fn images() -> impl Strategy<Value = Image> {
    prop_oneof![6 => made_up(PIXELS), 4 => (0..10_000usize).prop_map(digit).prop_map(Image)]
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
