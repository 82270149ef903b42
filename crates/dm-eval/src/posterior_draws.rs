//! Calibration of draws from a posterior: whether the scatter of the draws agrees with their error.
//!
//! If the truth and the D draws come from the same distribution, the truth can be exchanged with any of the draws. Two consequences
//! are measured. The squared error of the mean of the draws is on average (1 + 1/D) times the variance among the draws, and the
//! truth lies between the smallest and the largest draw with probability (D - 1) / (D + 1).

use crate::error::{EvalError, Result};
use crate::features::Features;

/// A pixel is uncertain if the range of its draws is at least this large. A smaller range may be due to the rounding of values to
/// bytes.
const SMALLEST_RANGE: f64 = 4.0 / 255.0;

/// The mean, the scatter and the coverage of the draws of some images, one value per image.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorDraws {
    /// The mean of the draws of each image, `[n, pixels]`.
    pub mean: Vec<f64>,
    /// The standard deviation of the draws of each image, `[n, pixels]`.
    pub deviation: Vec<f64>,
    /// Mean squared error of the mean of the draws, `[n]`.
    pub squared_error: Vec<f64>,
    /// The squared error that the scatter of the draws predicts, (1 + 1/D) times their variance, `[n]`.
    pub predicted_error: Vec<f64>,
    /// The number of uncertain pixels of each image, and the number of these whose range of draws contains the truth, `[n]`.
    pub covered: Vec<[usize; 2]>,
    /// D, the number of draws of each image.
    pub count: usize,
}

impl PosteriorDraws {
    /// Compares `truth` `[n, pixels]` with its `draws` `[n * D, pixels]`, D rows for each image.
    ///
    /// # Errors
    /// If the rows differ in width, there is not the same number of draws for each image, or there are fewer than two.
    pub fn new(truth: &Features, draws: &Features) -> Result<Self> {
        let (n, dim) = (truth.n(), truth.dim());
        if draws.dim() != dim {
            return Err(EvalError::Width { metric: "posterior draws", expected: dim, found: draws.dim() });
        }
        let count = draws.n() / n;
        if count < 2 || draws.n() != n * count {
            let expected = n * count.max(2);
            return Err(EvalError::Length { set: "posterior draws".into(), expected, found: draws.n() });
        }
        let (mut mean, mut deviation) = (Vec::with_capacity(n * dim), Vec::with_capacity(n * dim));
        let (mut squared_error, mut predicted_error, mut covered) = (Vec::new(), Vec::new(), Vec::new());
        for (truth, draws) in truth.values().chunks_exact(dim).zip(draws.values().chunks_exact(dim * count)) {
            let (mut error, mut predicted, mut inside) = (0.0, 0.0, [0, 0]);
            for (p, &truth) in truth.iter().enumerate() {
                let values = || draws.iter().skip(p).step_by(dim);
                let centre = values().sum::<f64>() / count as f64;
                let variance = values().map(|v| (v - centre).powi(2)).sum::<f64>() / (count - 1) as f64;
                let low = values().copied().fold(f64::INFINITY, f64::min);
                let high = values().copied().fold(f64::NEG_INFINITY, f64::max);
                error += (centre - truth).powi(2) / dim as f64;
                predicted += (1.0 + 1.0 / count as f64) * variance / dim as f64;
                if high - low >= SMALLEST_RANGE {
                    inside[0] += 1;
                    inside[1] += usize::from((low..=high).contains(&truth));
                }
                mean.push(centre);
                deviation.push(variance.sqrt());
            }
            squared_error.push(error);
            predicted_error.push(predicted);
            covered.push(inside);
        }
        Ok(Self { mean, deviation, squared_error, predicted_error, covered, count })
    }

    /// The share of the uncertain pixels of all images whose range of draws contains the truth; `None` if no pixel is uncertain.
    pub fn coverage(&self) -> Option<f64> {
        let [uncertain, covered] = [0, 1].map(|i| self.covered.iter().map(|c| c[i]).sum::<usize>());
        (uncertain > 0).then(|| covered as f64 / uncertain as f64)
    }

    /// The coverage of calibrated draws, (D - 1) / (D + 1).
    pub fn expected_coverage(&self) -> f64 {
        (self.count - 1) as f64 / (self.count + 1) as f64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use dm_nn::rng::{Purpose, Seed};

    use super::*;
    use crate::interval::mean;

    /// Scores of 200 images of 50 pixels. The truth is uniform on [0, 1], and the draws are uniform on an interval of the given
    /// width in its middle.
    fn narrowed(width: f64) -> PosteriorDraws {
        let (n, dim, count) = (200, 50, 9);
        let mut rng = Seed(1).stream(Purpose(900), 0, 0);
        let mut uniform = |k: usize| (0..k).map(|_| rng.uniform_f64()).collect::<Vec<_>>();
        let truth = Features::new("truth", n, dim, uniform(n * dim)).unwrap();
        let draws = uniform(n * dim * count).iter().map(|u| 0.5 + width * (u - 0.5)).collect();
        PosteriorDraws::new(&truth, &Features::new("draws", n * count, dim, draws).unwrap()).unwrap()
    }

    #[test]
    fn draws_from_the_distribution_of_the_truth_are_calibrated() {
        let scores = narrowed(1.0);
        let ratio = mean(&scores.squared_error) / mean(&scores.predicted_error);
        assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
        assert!((scores.coverage().unwrap() - scores.expected_coverage()).abs() < 0.015);
        assert!((scores.expected_coverage() - 0.8).abs() < 1e-12);
    }

    #[test]
    fn draws_that_scatter_too_little_are_not() {
        let scores = narrowed(0.5);
        assert!(mean(&scores.squared_error) > 3.0 * mean(&scores.predicted_error));
        assert!(scores.coverage().unwrap() < 0.5);
    }

    #[test]
    fn equal_draws_leave_nothing_uncertain_and_one_draw_is_refused() {
        let truth = Features::new("truth", 1, 2, vec![0.0, 1.0]).unwrap();
        let draws = Features::new("draws", 3, 2, vec![0.25; 6]).unwrap();
        let scores = PosteriorDraws::new(&truth, &draws).unwrap();
        assert_eq!((scores.coverage(), scores.predicted_error[0]), (None, 0.0));
        assert!((scores.squared_error[0] - 0.3125).abs() < 1e-12);
        assert!(PosteriorDraws::new(&truth, &truth).is_err());
    }
}
