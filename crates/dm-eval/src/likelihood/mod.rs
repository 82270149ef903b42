//! Variational bounds: how many bits a model needs at most to tell an image, one file per degradation that has such a
//! bound. What is common to them stands here: levels, the bound itself, its interval.
//!
//! A bound belongs to one chain: the model is the prior, then the degradation's bridge from level to level with the
//! restored image in place of the true one, and its last step is a law over the data. Fewer levels are another, worse
//! model. Nothing is said of samplers without a law (cold updates, solvers).
//!
//! The two bounds are on different data and do not compare: [`gaussian`] bounds the 784 pixels of an image, each one of
//! 256 greys; [`ink`] bounds the 784 grain counts that an image is first turned into, which are random themselves.

pub mod gaussian;
pub mod ink;
mod normal;

use dm_degrade::{Degradation, Level, SamplerKind, Sampling};
use dm_nn::data::PIXELS;
use serde::Serialize;

use crate::error::{EvalError, Result};
use crate::interval::{mean, t_interval};
use crate::score::{Direction, Metric, Score};

pub use gaussian::{GAUSSIAN_BOUND, gaussian_bound};
pub use ink::{INK_BOUND, ink_bound};

/// Images whose states are restored together; does not change a bound.
const BATCH: usize = 32;

/// What the step from level t to level s < t costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// Level the step leaves.
    pub t: usize,
    /// Level it arrives at; at 0 the term is the decoder.
    pub s: usize,
    /// Mean over the images, in bits per dimension.
    pub bits: f64,
}

/// A part of the bound that belongs to no step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Part {
    /// What it pays for.
    pub name: &'static str,
    /// Mean over the images, in bits per dimension.
    pub bits: f64,
}

/// A bound on the negative logarithm of the likelihood, in bits per dimension; there are 784 dimensions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// Which bound.
    #[serde(flatten)]
    pub metric: Metric,
    /// Mean over the images; the sum of all parts and terms.
    pub total: f64,
    /// 95 % interval of that mean over images; `None` for one image.
    pub interval: Option<[f64; 2]>,
    /// Number of images.
    pub n: usize,
    /// What belongs to no step, the prior first.
    pub parts: Vec<Part>,
    /// What each step costs, from T down to the decoder.
    pub terms: Vec<Term>,
    /// Total of each image.
    #[serde(skip)]
    pub images: Vec<f64>,
}

/// The bits of every image, gathered step by step.
struct Account {
    metric: Metric,
    images: Vec<f64>,
    parts: Vec<Part>,
    terms: Vec<Term>,
}

impl Account {
    fn new(metric: Metric, n: usize) -> Self {
        Self { metric, images: vec![0.0; n], parts: Vec::new(), terms: Vec::new() }
    }

    /// Adds the nats of every image to its total; their mean in bits per dimension.
    fn book(&mut self, nats: &[f64]) -> f64 {
        let bits: Vec<f64> = nats.iter().map(|nats| nats / std::f64::consts::LN_2 / PIXELS as f64).collect();
        self.images.iter_mut().zip(&bits).for_each(|(total, bits)| *total += bits);
        mean(&bits)
    }

    fn part(&mut self, name: &'static str, nats: &[f64]) {
        let bits = self.book(nats);
        self.parts.push(Part { name, bits });
    }

    fn term(&mut self, t: Level, s: Level, nats: &[f64]) {
        let bits = self.book(nats);
        self.terms.push(Term { t: t.0, s: s.0, bits });
    }

    fn close(mut self) -> Bound {
        self.terms.sort_by_key(|term| std::cmp::Reverse(term.t));
        Bound {
            metric: self.metric,
            total: mean(&self.images),
            interval: t_interval(&self.images),
            n: self.images.len(),
            parts: self.parts,
            terms: self.terms,
            images: self.images,
        }
    }
}

impl Bound {
    /// The bound as a value among others.
    pub fn score(&self) -> Score {
        let levels = self.terms.len();
        self.metric.score(self.total, self.n, 0, format!("{levels} steps"))
    }
}

/// The levels of a chain of `steps` steps from T to 0, evenly spaced, level 1 always among them: the decoder then starts
/// where next to nothing is missing.
///
/// # Errors
/// If `steps` is zero or more than T.
pub fn levels(process: &dyn Degradation, steps: usize) -> Result<Vec<Level>> {
    let mut levels = Sampling::new(SamplerKind::Bridge, steps).levels(process)?;
    if !levels.contains(&Level(1)) {
        levels.insert(levels.len() - 1, Level(1));
    }
    Ok(levels)
}

/// Checks that `images` are whole images in [0, 1], at least one, and that `levels` descend from T to 0.
fn check(metric: Metric, process: &dyn Degradation, images: &[f32], levels: &[Level]) -> Result<usize> {
    let n = images.len() / PIXELS;
    if n == 0 || !images.len().is_multiple_of(PIXELS) {
        let expected = n.max(1) * PIXELS;
        return Err(EvalError::Length { set: "images".to_owned(), expected, found: images.len() });
    }
    if let Some(at) = images.iter().position(|v| !(0.0..=1.0).contains(v)) {
        let (row, column, value) = (at / PIXELS, at % PIXELS, f64::from(images[at]));
        return Err(EvalError::Range { set: "images".to_owned(), row, column, value, low: 0.0, high: 1.0 });
    }
    let ends = levels.first() == Some(&Level(process.steps())) && levels.last() == Some(&Level(0));
    if !ends || !levels.windows(2).all(|pair| pair[0] > pair[1]) {
        return Err(EvalError::Argument {
            metric: metric.name,
            argument: "levels",
            expected: format!("levels that descend from {} to 0", process.steps()),
            found: format!("{:?}", levels.iter().map(|level| level.0).collect::<Vec<_>>()),
        });
    }
    Ok(n)
}

/// The facts of a bound.
const fn bound(name: &'static str, source: &'static str) -> Metric {
    Metric { name, unit: "bits/dim", direction: Direction::Lower, source }
}
