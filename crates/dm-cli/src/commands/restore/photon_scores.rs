//! Scores of restored photon counts whose true images are known.

use anyhow::Result;
use dm_eval::interval::{t_interval, wilson_interval};
use dm_eval::posterior_draws::PosteriorDraws;
use dm_eval::restoration::{decibel, restoration};
use dm_eval::{Classifier, Features};
use dm_nn::image::ImageShape;
use dm_record::{Calibration, PhotonScore};

/// The originals that restorations are compared with.
pub struct Originals<'a> {
    pub shape: ImageShape,
    /// Pixels [n, C, H, W].
    pub pixels: &'a [u8],
    /// The classes, `[n]`.
    pub labels: &'a [u8],
    /// Predicts the class of restored images, if one is used.
    pub classifier: Option<&'a Classifier>,
}

impl Originals<'_> {
    /// The scores of the restorations `pixels` [n, C, H, W] by the method `name`.
    ///
    /// # Errors
    /// If the images cannot be compared or classified.
    pub fn score(&self, name: &str, pixels: &[u8]) -> Result<PhotonScore> {
        let features = |pixels: &[u8]| Features::from_pixels(name, self.shape, pixels);
        let errors = restoration(&features(pixels)?, &features(self.pixels)?, self.shape)?.squared_error;
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        // A larger error is a smaller PSNR.
        let psnr_interval =
            t_interval(&errors).map(|[low, high]| [decibel(high), decibel(low.max(f64::MIN_POSITIVE))]);
        let mut score = PhotonScore {
            name: name.to_owned(),
            psnr: Some(decibel(mean)).filter(|psnr| psnr.is_finite()),
            psnr_interval: psnr_interval.filter(|interval| interval.iter().all(|v| v.is_finite())),
            accuracy: None,
            accuracy_interval: None,
        };
        if let Some(classifier) = self.classifier {
            let predicted = classifier.extract_features(pixels, &mut |_| {})?.labels();
            let (right, n) = (self.count_right(&predicted), self.labels.len() as u64);
            score.accuracy = Some(right as f64 / n as f64);
            score.accuracy_interval = Some(wilson_interval(right, n));
        }
        Ok(score)
    }

    /// The number of `predicted` classes that are the labels.
    fn count_right(&self, predicted: &[u8]) -> u64 {
        predicted.iter().zip(self.labels).filter(|(predicted, label)| predicted == label).count() as u64
    }

    /// The calibration of D posterior draws per image, whose pixels are `pixels` [n * D, C, H, W] and whose errors are in `draws`.
    ///
    /// # Errors
    /// If the draws cannot be classified.
    pub fn calibration(&self, draws: &PosteriorDraws, pixels: &[u8]) -> Result<Calibration> {
        let root = |errors: &[f64]| (errors.iter().sum::<f64>() / errors.len() as f64).sqrt();
        let mut calibration = Calibration {
            error: root(&draws.squared_error),
            predicted_error: root(&draws.predicted_error),
            coverage: draws.coverage(),
            expected_coverage: draws.expected_coverage(),
            class_confidence: None,
            class_accuracy: None,
        };
        if let Some(classifier) = self.classifier {
            let predicted = classifier.extract_features(pixels, &mut |_| {})?.labels();
            let votes: Vec<(u8, usize)> = predicted.chunks_exact(draws.count).map(most_frequent).collect();
            let n = votes.len() as f64;
            let share = votes.iter().map(|vote| vote.1 as f64).sum::<f64>() / (n * draws.count as f64);
            let winners: Vec<u8> = votes.iter().map(|vote| vote.0).collect();
            calibration.class_confidence = Some(share);
            calibration.class_accuracy = Some(self.count_right(&winners) as f64 / n);
        }
        Ok(calibration)
    }
}

/// The most frequent of `classes`, and how often it occurs. Of several, the class with the smallest number is taken.
fn most_frequent(classes: &[u8]) -> (u8, usize) {
    let mut counts = [0usize; 256];
    classes.iter().for_each(|&class| counts[usize::from(class)] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    (counts.iter().position(|&count| count == most).unwrap_or(0) as u8, most)
}

/// The lines of the table of scores.
pub fn table(scores: &[PhotonScore], calibration: Option<&Calibration>) -> Vec<String> {
    let interval = |value: Option<f64>, interval: Option<[f64; 2]>, digits: usize| match (value, interval) {
        (Some(value), Some([low, high])) => format!("{value:.digits$} ({low:.digits$} to {high:.digits$})"),
        (Some(value), None) => format!("{value:.digits$}"),
        (None, _) => "-".to_owned(),
    };
    let mut lines = vec![format!("{:<28}{:>26}{:>28}", "", "PSNR, dB", "classified correctly")];
    lines.extend(scores.iter().map(|score| {
        let psnr = interval(score.psnr, score.psnr_interval, 2);
        format!("{:<28}{psnr:>26}{:>28}", score.name, interval(score.accuracy, score.accuracy_interval, 3))
    }));
    if let Some(calibration) = calibration {
        let Calibration { error, predicted_error, expected_coverage, .. } = *calibration;
        lines.push(format!(
            "draws: the mean errs by {error:.4}, their scatter predicts {predicted_error:.4} (equal if calibrated)"
        ));
        if let Some(coverage) = calibration.coverage {
            lines.push(format!(
                "draws: the true value is in their range at {:.1} % of the uncertain pixels, {:.1} % if calibrated",
                100.0 * coverage,
                100.0 * expected_coverage
            ));
        }
        if let (Some(confidence), Some(accuracy)) = (calibration.class_confidence, calibration.class_accuracy)
        {
            lines.push(format!(
                "draws: {:.1} % are of the most frequent class, which is right for {:.1} % of the images",
                100.0 * confidence,
                100.0 * accuracy
            ));
        }
    }
    lines
}
