//! The Inception score with this project's classifier: `exp E_x KL(p(y|x) || p(y))`, from 1 to the number of classes.
//!
//! The score does not use real images, and on MNIST it saturates near 9.8 of 10. It is a sanity check and does not rank
//! models. The score of the whole set is computed, not the mean over ten splits.

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};

/// The exponential of the mean, over images, of the KL divergence of an image's class distribution from that of the set.
pub const CLASSIFIER_SCORE: Quantity = Quantity {
    name: "classifier score",
    unit: "classes",
    direction: Direction::Higher,
    source: "Salimans et al. 2016, arXiv:1606.03498",
};

/// Classifier score of `logits` [n, num_classes], the classifier's output before the softmax.
///
/// # Errors
/// If there are fewer than two rows or two classes.
pub fn classifier_score(logits: &Features) -> Result<Score> {
    logits.at_least(2, "generated", CLASSIFIER_SCORE.name)?;
    check_classes(logits.dim())?;
    let log_probabilities: Vec<f64> = logits.rows().flat_map(log_softmax).collect();
    let mut marginal = vec![0.0; logits.dim()];
    for row in log_probabilities.chunks_exact(logits.dim()) {
        marginal.iter_mut().zip(row).for_each(|(m, l)| *m += l.exp());
    }
    marginal.iter_mut().for_each(|m| *m /= logits.n() as f64);

    let mut divergence = 0.0;
    for row in log_probabilities.chunks_exact(logits.dim()) {
        for (l, m) in row.iter().zip(&marginal) {
            // A class whose probability underflows to 0 contributes 0 ln 0 = 0.
            let p = l.exp();
            if p > 0.0 {
                divergence += p * (l - m.ln());
            }
        }
    }
    let value = (divergence / logits.n() as f64).exp();
    Ok(CLASSIFIER_SCORE.score(value, logits.n(), 0, ""))
}

/// The sums from which the classifier score of images that arrive in parts is computed:
/// `exp(mean of sum_c p_c ln p_c - sum_c m_c ln m_c)` with the mean distribution m.
#[derive(Clone, Debug, Default)]
pub struct ScoreSums {
    n: usize,
    /// The sum of the images' class distributions, `[num_classes]`.
    marginal: Vec<f64>,
    /// The sum over images and classes of p ln p.
    negative_entropy: f64,
}

impl ScoreSums {
    /// Adds the images with these `logits` [n, num_classes].
    ///
    /// # Errors
    /// If there are fewer than two classes, or another number than before.
    pub fn add(&mut self, logits: &Features) -> Result<()> {
        check_classes(logits.dim())?;
        if self.n == 0 {
            self.marginal = vec![0.0; logits.dim()];
        }
        let (expected, found) = (self.marginal.len(), logits.dim());
        if expected != found {
            return Err(EvalError::Width { metric: CLASSIFIER_SCORE.name, expected, found });
        }
        for row in logits.rows() {
            for (sum, l) in self.marginal.iter_mut().zip(log_softmax(row)) {
                let p = l.exp();
                *sum += p;
                if p > 0.0 {
                    self.negative_entropy += p * l;
                }
            }
        }
        self.n += logits.n();
        Ok(())
    }

    /// The classifier score of all images.
    ///
    /// # Errors
    /// If there are fewer than two images.
    pub fn score(&self) -> Result<Score> {
        if self.n < 2 {
            let (metric, set, needed) = (CLASSIFIER_SCORE.name, "generated", 2);
            return Err(EvalError::TooFew { metric, set, needed, found: self.n });
        }
        let n = self.n as f64;
        let of_mean: f64 = self.marginal.iter().map(|m| m / n).filter(|&m| m > 0.0).map(|m| m * m.ln()).sum();
        let value = (self.negative_entropy / n - of_mean).exp();
        Ok(CLASSIFIER_SCORE.score(value, self.n, 0, ""))
    }
}

/// Checks that there are at least two classes.
fn check_classes(found: usize) -> Result<()> {
    if found >= 2 {
        return Ok(());
    }
    let (metric, argument) = (CLASSIFIER_SCORE.name, "number of classes");
    Err(EvalError::Argument { metric, argument, expected: "at least 2".into(), found: found.to_string() })
}

/// `ln softmax` of one row, without overflow for logits of any size.
fn log_softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
    row.iter().map(|v| v - largest - sum.ln()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn sums_over_parts_give_the_score_of_the_whole() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 23) - 900.0 * f64::from(i % 2)).collect();
        let logits = |rows: &[f64]| Features::new("logits", rows.len() / 3, 3, rows.to_vec()).unwrap();
        let whole = classifier_score(&logits(&values)).unwrap();
        let mut sums = ScoreSums::default();
        assert!(sums.score().is_err());
        values.chunks(21).for_each(|part| sums.add(&logits(part)).unwrap());
        let streamed = sums.score().unwrap();
        assert_eq!(streamed.n, 20);
        assert!((streamed.value - whole.value).abs() < 1e-12, "{} {}", streamed.value, whole.value);
        assert!(sums.add(&Features::new("logits", 1, 2, vec![0.0; 2]).unwrap()).is_err());
    }
}
