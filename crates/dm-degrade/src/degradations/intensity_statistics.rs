//! The statistics of the training set that priors of intensities use: the distribution of the total intensity of each
//! channel, and the mean image. No single image is stored.

use dm_nn::data::Images;
use dm_nn::image::{ImageShape, mean_intensity, total_intensity};

use super::quantile_distribution::{QUANTILES, QuantileDistribution};
use crate::error::{Error, Result};

/// Statistics of a training set, in full pixels.
#[derive(Clone, Debug)]
pub struct IntensityStatistics {
    /// The total intensity of each channel of an image.
    pub totals: Vec<QuantileDistribution>,
    /// The mean image, `[C, H, W]`.
    pub mean_image: Vec<f32>,
    /// The mean intensity of each channel, `[C]`, rounded to hundredths. The network's input is centred at
    /// this mean. Two digits are precise enough and do not change if a few images are added or removed. For MNIST the mean
    /// is 0.13.
    pub channel_mean: Vec<f32>,
}

impl IntensityStatistics {
    /// Computes, for each channel, 257 quantiles of its total intensity, followed by the mean image `[C, H, W]`, all in full
    /// pixels. The result is empty if there are no images.
    pub fn fit(images: &Images) -> Vec<f32> {
        let shape = images.shape;
        if images.is_empty() {
            return Vec::new();
        }
        let totals = |channel: usize| {
            let plane = channel * shape.pixels()..(channel + 1) * shape.pixels();
            images
                .pixels
                .chunks_exact(shape.len())
                .map(|image| total_intensity(&image[plane.clone()]))
                .collect()
        };
        let mut fitted: Vec<f32> =
            (0..shape.channels).flat_map(|channel| QuantileDistribution::fit(totals(channel))).collect();
        let mut sums = vec![0u64; shape.len()];
        for image in images.pixels.chunks_exact(shape.len()) {
            sums.iter_mut().zip(image).for_each(|(sum, &value)| *sum += u64::from(value));
        }
        fitted.extend(sums.iter().map(|&sum| mean_intensity(sum, images.len())));
        fitted
    }

    /// Reads what [`Self::fit`] returned for images of `shape`. If `fitted` has only 1 to 257 quantiles per
    /// channel and no mean image, the intensity is spread evenly.
    ///
    /// # Errors
    /// If `fitted` has another length, or a value is outside its range.
    pub fn new(fitted: &[f32], shape: ImageShape) -> Result<Self> {
        let (channels, pixels) = (shape.channels, shape.pixels());
        check_fitted(fitted, channels, shape.len(), pixels as f32, &format!("{} means", shape.len()))?;
        let (quantiles, means) = fitted.split_at(fitted.len().min(channels * QUANTILES));
        let totals: Vec<QuantileDistribution> =
            quantiles.chunks_exact(quantiles.len() / channels).map(QuantileDistribution::new).collect();
        let (mean_image, mean): (Vec<f32>, Vec<f64>) = if means.is_empty() {
            (vec![1.0; shape.len()], totals.iter().map(|total| total.mean() / pixels as f64).collect())
        } else {
            let mean = |plane: &[f32]| plane.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels as f64;
            (means.to_vec(), means.chunks_exact(pixels).map(mean).collect())
        };
        let channel_mean = mean.iter().map(|mean| ((100.0 * mean).round() / 100.0) as f32).collect();
        Ok(Self { totals, mean_image, channel_mean })
    }
}

/// Checks that `fitted` holds 1 to 257 quantiles for each of `groups` distributions, or 257 each and `rest` further values,
/// all from 0 to `max`. `rest_name` names the further values in the error.
///
/// # Errors
/// If it does not.
pub fn check_fitted(fitted: &[f32], groups: usize, rest: usize, max: f32, rest_name: &str) -> Result<()> {
    let quantiles_alone =
        fitted.len().is_multiple_of(groups) && (1..=QUANTILES).contains(&(fitted.len() / groups));
    if !quantiles_alone && fitted.len() != groups * QUANTILES + rest {
        let each = if groups == 1 { "" } else { " for each channel" };
        let expected = format!("1 to {QUANTILES} quantiles{each}, or {QUANTILES}{each} and {rest_name}");
        return Err(Error::invalid("fitted numbers", format!("{} values", fitted.len()), expected));
    }
    match fitted.iter().position(|v| !(0.0..=max).contains(v)) {
        Some(i) => {
            Err(Error::invalid(format!("fitted numbers, value {i}"), fitted[i], format!("0 to {max}")))
        }
        None => Ok(()),
    }
}

/// Divides each plane of `weights` `[C, H, W]` by its sum. A plane whose sum is zero becomes uniform.
pub fn shares(weights: &[f32], pixels: usize) -> Vec<f32> {
    let plane = |weights: &[f32]| {
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        let share = |&w: &f32| if total > 0.0 { (f64::from(w) / total) as f32 } else { 1.0 / pixels as f32 };
        weights.iter().map(share).collect::<Vec<_>>()
    };
    weights.chunks_exact(pixels).flat_map(plane).collect()
}
