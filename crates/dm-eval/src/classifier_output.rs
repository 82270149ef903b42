//! Features and logits of a set of images, and the classes that the logits predict.

use crate::error::Result;
use crate::features::Features;

/// Features and logits of a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierOutput {
    /// Features before the last activation, [n, features].
    pub features: Features,
    /// Logits, that is, values before the softmax, [n, num_classes].
    pub logits: Features,
}

/// The classes that a classifier predicts for an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassPrediction {
    /// The most likely class.
    pub class: u8,
    /// The second most likely class; the most likely one if there is only one.
    pub second: u8,
    /// Probability of the most likely class.
    pub confidence: f64,
}

impl ClassifierOutput {
    /// Takes the features and logits of `n` images, row-major.
    ///
    /// # Errors
    /// If there are no images or no values, or a value is not finite.
    pub fn new(n: usize, features: &[f32], logits: &[f32]) -> Result<Self> {
        let columns = |values: &[f32]| values.len() / n.max(1);
        Ok(Self {
            features: Features::from_f32("classifier's features", n, columns(features), features)?,
            logits: Features::from_f32("classifier's logits", n, columns(logits), logits)?,
        })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.features.n()
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.logits.dim()
    }

    /// The output for the images with the indices `rows`.
    ///
    /// # Errors
    /// If no index is given, or an image does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self { features: self.features.select(rows)?, logits: self.logits.select(rows)? })
    }

    /// The output for several sets, one set after another.
    ///
    /// # Errors
    /// If there are no sets, or they come from classifiers of different sizes.
    pub fn join(parts: &[&Self]) -> Result<Self> {
        let all =
            |of: fn(&Self) -> &Features| Features::join(&parts.iter().map(|p| of(p)).collect::<Vec<_>>());
        Ok(Self { features: all(|part| &part.features)?, logits: all(|part| &part.logits)? })
    }

    /// The predicted class of each image, `[n]`: the class of the largest logit, and the first one of equal logits.
    pub fn labels(&self) -> Vec<u8> {
        self.logits.rows().map(|row| two_largest(row).0 as u8).collect()
    }

    /// The predicted classes of each image, `[n]`.
    pub fn predictions(&self) -> Vec<ClassPrediction> {
        let prediction = |row: &[f64]| {
            let (first, second) = two_largest(row);
            let sum: f64 = row.iter().map(|v| (v - row[first]).exp()).sum();
            ClassPrediction { class: first as u8, second: second as u8, confidence: 1.0 / sum }
        };
        self.logits.rows().map(prediction).collect()
    }
}

/// The indices of the largest and of the second largest value; of equal values the first one counts as larger.
fn two_largest(row: &[f64]) -> (usize, usize) {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
    let first = order.first().copied().unwrap_or(0);
    (first, order.get(1).copied().unwrap_or(first))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn predictions_name_the_two_most_likely_classes() {
        let output = ClassifierOutput::new(2, &[1.0, 2.0], &[0.0, 3.0, 3.0, 2.0, 0.0, 1.0]).unwrap();
        assert_eq!((output.n(), output.num_classes(), output.labels()), (2, 3, vec![1, 0]));
        let [first, second] = output.predictions()[..] else { panic!("two images") };
        assert_eq!((first.class, first.second, second.class, second.second), (1, 2, 0, 2));
        assert!((first.confidence - 1.0 / (2.0 + (-3.0f64).exp())).abs() < 1e-12);
        // A classifier of one class is always certain.
        let one = ClassifierOutput::new(1, &[1.0], &[5.0]).unwrap().predictions()[0];
        assert_eq!(one, ClassPrediction { class: 0, second: 0, confidence: 1.0 });
        assert!(ClassifierOutput::new(0, &[], &[]).is_err());
    }
}
