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
    if logits.dim() < 2 {
        return Err(EvalError::Argument {
            metric: CLASSIFIER_SCORE.name,
            argument: "number of classes",
            expected: "at least 2".into(),
            found: logits.dim().to_string(),
        });
    }
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

/// `ln softmax` of one row, without overflow for logits of any size.
fn log_softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
    row.iter().map(|v| v - largest - sum.ln()).collect()
}
