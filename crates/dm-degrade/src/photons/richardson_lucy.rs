//! Richardson-Lucy deconvolution (Richardson 1972, Lucy 1974), the classical method to restore photon counts.

use dm_nn::image::ImageShape;

use super::instrument::Instrument;

/// Means below this number of photons count as this number where they divide.
const SMALLEST_MEAN: f32 = 1e-6;

/// The image `[C, H, W]` after `iterations` steps of maximum likelihood for `counts` of `instrument`, starting from an even
/// page; values may exceed 1.
///
/// A step multiplies the image by P^T(counts / (F P image)) / P^T 1. The likelihood never falls and the image stays
/// nonnegative. After many iterations the image fits the noise, so the number of iterations is what smooths it.
pub fn richardson_lucy(
    shape: ImageShape,
    counts: &[f32],
    instrument: &Instrument,
    iterations: usize,
) -> Vec<f32> {
    let photons = instrument.photons as f32;
    let mean = counts.iter().sum::<f32>() / counts.len().max(1) as f32 / photons;
    let mut image = vec![mean; counts.len()];
    let reached = instrument.optics.blur_back(shape, &vec![1.0; counts.len()]);
    for _ in 0..iterations {
        let blurred = instrument.optics.blur(shape, &image);
        let ratio = |(n, mean): (&f32, &f32)| n / (photons * mean).max(SMALLEST_MEAN);
        let ratios: Vec<f32> = counts.iter().zip(&blurred).map(ratio).collect();
        let factors = instrument.optics.blur_back(shape, &ratios);
        for ((pixel, factor), reached) in image.iter_mut().zip(factors).zip(&reached) {
            *pixel *= factor / reached;
        }
    }
    image
}
