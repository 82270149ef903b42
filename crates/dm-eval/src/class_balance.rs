//! The balance of the classes: total variation and Kullback-Leibler divergence between the histogram of the labels predicted for
//! generated images and that of the labels predicted for real images.
//!
//! Both are above 0 even for a perfect generator, because counts vary at random; [`simulated_baseline`] estimates by how much. The
//! predicted labels contain the errors of the classifier, which are not corrected.

use dm_nn::rng::{Rng, Seed};

use crate::error::{EvalError, Result};
use crate::score::{Direction, Quantity, Score};
use crate::streams::METRIC;

/// Half the sum of absolute differences between the two histograms.
pub const TOTAL_VARIATION: Quantity = Quantity {
    name: "class total variation",
    unit: "share",
    direction: Direction::Lower,
    source: "share of images to relabel for equal histograms",
};

/// KL(generated || real) of the histograms.
pub const CLASS_KL: Quantity = Quantity {
    name: "class divergence",
    unit: "nats",
    direction: Direction::Lower,
    source: "Kullback & Leibler 1951",
};

/// Both distances between two histograms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassBalance {
    /// See [`TOTAL_VARIATION`], in [0, 1].
    pub total_variation: f64,
    /// See [`CLASS_KL`].
    pub divergence: f64,
    /// Number of generated images.
    pub n: usize,
    /// Number of real images.
    pub n_reference: usize,
}

impl ClassBalance {
    /// Both distances as scores.
    pub fn scores(&self) -> [Score; 2] {
        [
            TOTAL_VARIATION.score(self.total_variation, self.n, self.n_reference, ""),
            CLASS_KL.score(self.divergence, self.n, self.n_reference, ""),
        ]
    }
}

/// Counts how often each of the labels 0 to `num_classes` - 1 occurs.
///
/// # Errors
/// If a label is not below `num_classes`.
pub fn histogram(labels: &[u8], num_classes: usize) -> Result<Vec<u64>> {
    let mut counts = vec![0; num_classes];
    for &label in labels {
        match counts.get_mut(usize::from(label)) {
            Some(count) => *count += 1,
            None => {
                return Err(argument("label", format!("a number below {num_classes}"), label.to_string()));
            }
        }
    }
    Ok(counts)
}

/// Distances of the class counts `generated` from the class counts `real`.
///
/// # Errors
/// If the numbers of classes differ, a histogram is empty, or a generated class does not occur in the real set: the divergence
/// would be infinite.
pub fn class_balance(generated: &[u64], real: &[u64]) -> Result<ClassBalance> {
    if generated.len() != real.len() {
        let (expected, found) = (real.len(), generated.len());
        return Err(EvalError::Length { set: "class counts of the generated set".into(), expected, found });
    }
    let (n, n_reference) = (generated.iter().sum::<u64>(), real.iter().sum::<u64>());
    for (set, total) in [("generated", n), ("reference", n_reference)] {
        if total == 0 {
            return Err(EvalError::TooFew { metric: TOTAL_VARIATION.name, set, needed: 1, found: 0 });
        }
    }
    let (mut total_variation, mut divergence) = (0.0, 0.0);
    for (class, (&g, &r)) in generated.iter().zip(real).enumerate() {
        let (p, q) = (g as f64 / n as f64, r as f64 / n_reference as f64);
        if r == 0 && g > 0 {
            let expected = "only classes that the real set has".to_owned();
            return Err(argument("generated counts", expected, format!("{g} images of class {class}")));
        }
        total_variation += (p - q).abs() / 2.0;
        if g > 0 {
            divergence += p * (p / q).ln();
        }
    }
    // For equal histograms rounding may give -1e-17.
    let divergence = divergence.max(0.0);
    Ok(ClassBalance { total_variation, divergence, n: n as usize, n_reference: n_reference as usize })
}

/// The distances of a perfect generator of `n` images: the given quantile (for example 0.95) of both distances over `draws`
/// simulated sets whose classes are distributed exactly as in `real`.
///
/// # Errors
/// If `real` is empty, `n` or `draws` is 0, or the quantile is outside [0, 1].
pub fn simulated_baseline(
    real: &[u64],
    n: usize,
    quantile: f64,
    draws: usize,
    seed: Seed,
) -> Result<ClassBalance> {
    if n == 0 || draws == 0 {
        return Err(argument("n and draws", "at least 1".to_owned(), format!("{n} and {draws}")));
    }
    if !(0.0..=1.0).contains(&quantile) {
        return Err(argument("quantile", "a number in [0, 1]".to_owned(), quantile.to_string()));
    }
    let mut cumulative = Vec::with_capacity(real.len());
    let mut total = 0;
    for count in real {
        total += count;
        cumulative.push(total);
    }
    if total == 0 {
        let set = "reference";
        return Err(EvalError::TooFew { metric: TOTAL_VARIATION.name, set, needed: 1, found: 0 });
    }
    let (mut variations, mut divergences) = (Vec::with_capacity(draws), Vec::with_capacity(draws));
    for draw in 0..draws {
        let mut rng = seed.stream(METRIC, draw as u64, 0);
        let balance = class_balance(&simulate(&cumulative, total, n, &mut rng), real)?;
        variations.push(balance.total_variation);
        divergences.push(balance.divergence);
    }
    let at = |values: &mut Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[(quantile * (draws - 1) as f64).round() as usize]
    };
    Ok(ClassBalance {
        total_variation: at(&mut variations),
        divergence: at(&mut divergences),
        n,
        n_reference: total as usize,
    })
}

/// Counts of `n` labels drawn from the histogram with the given cumulative counts.
fn simulate(cumulative: &[u64], total: u64, n: usize, rng: &mut Rng) -> Vec<u64> {
    let mut counts = vec![0; cumulative.len()];
    for _ in 0..n {
        let image = rng.below(total);
        counts[cumulative.partition_point(|&upper| upper <= image)] += 1;
    }
    counts
}

fn argument(argument: &'static str, expected: String, found: String) -> EvalError {
    EvalError::Argument { metric: TOTAL_VARIATION.name, argument, expected, found }
}
