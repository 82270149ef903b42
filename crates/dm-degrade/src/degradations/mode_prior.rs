//! A prior of intensities that keeps what survives at T: the joint distribution of the totals and of the lowest cosine
//! modes.
//!
//! At T the heat equation has erased the high modes of an image, but not the lowest ones: with the defaults of Ink the
//! first one keeps 67 % of its amplitude. [`IntensityPrior`](super::intensity_prior::IntensityPrior) gives every image the
//! same shape at T. This prior draws the shape as well. For each channel the logarithm of the total and the lowest modes
//! over the total are one normal vector, whose mean and covariance are fitted to the training set. No single image is
//! stored.

use dm_nn::data::Images;
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::rng::Rng;

use crate::error::{Error, Result};
use crate::heat::{CosineMode, low_modes};

/// Modes whose row and column numbers sum to at most this are kept, except for the constant one.
const ORDER: usize = 3;
/// Added to the variances, so that a value that never varies has a Cholesky factor.
const JITTER: f64 = 1e-9;

/// A prior of intensities whose totals and lowest modes vary as those of the training set do.
pub struct ModePrior {
    shape: ImageShape,
    /// The lowest modes.
    modes: Vec<CosineMode>,
    /// The share of each mode's amplitude that is left at T.
    left: Vec<f64>,
    /// What the mean image has at T besides the lowest modes, over its channel's total, `[C, H, W]`.
    rest: Vec<f64>,
    /// Mean of the vector: for each channel the logarithm of the total in full pixels, then its modes over the total.
    mean: Vec<f64>,
    /// Lower triangle of the Cholesky factor of the covariance, row by row.
    factor: Vec<f64>,
}

impl ModePrior {
    /// How many numbers [`Self::fit`] returns for images of `shape`.
    pub fn fitted_len(shape: ImageShape) -> usize {
        let size = shape.channels * (1 + low_modes(shape, ORDER).len());
        size + triangle(size)
    }

    /// The mean and the lower triangle of the covariance of the vector over `images`. Blank images, which have no shape, are
    /// left out; zeros if there are no others.
    pub fn fit(images: &Images) -> Vec<f32> {
        let (shape, modes) = (images.shape, low_modes(images.shape, ORDER));
        let size = shape.channels * (1 + modes.len());
        let (mut count, mut sums, mut products) = (0.0, vec![0.0; size], vec![0.0; triangle(size)]);
        let mut image = vec![0.0; shape.len()];
        for pixels in images.pixels.chunks_exact(shape.len()) {
            to_unit(pixels, &mut image);
            let Some(vector) = vector(&image, shape, &modes) else { continue };
            count += 1.0;
            for (i, a) in vector.iter().enumerate() {
                sums[i] += a;
                vector[..=i].iter().enumerate().for_each(|(j, b)| products[triangle(i) + j] += a * b);
            }
        }
        let count = f64::max(count, 1.0);
        let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let covariance = (0..size).flat_map(|i| (0..=i).map(move |j| (i, j)));
        let covariance = covariance.map(|(i, j)| products[triangle(i) + j] / count - mean[i] * mean[j]);
        mean.iter().copied().chain(covariance).map(|v| v as f32).collect()
    }

    /// The prior at the walking time `tau` from what [`Self::fit`] returned; `share` is the share of each pixel in its
    /// channel's total for the mean image at `tau`.
    ///
    /// # Errors
    /// If `fitted` has another length, or is not a mean and a covariance.
    pub fn new(fitted: &[f32], shape: ImageShape, tau: f64, share: &[f32]) -> Result<Self> {
        let modes = low_modes(shape, ORDER);
        let size = shape.channels * (1 + modes.len());
        if fitted.len() != size + triangle(size) || fitted.iter().any(|v| !v.is_finite()) {
            let expected = format!("{} finite numbers of the modes", size + triangle(size));
            return Err(Error::invalid("fitted numbers", format!("{} values", fitted.len()), expected));
        }
        let (mean, covariance) = fitted.split_at(size);
        let factor = cholesky(size, covariance).ok_or_else(|| {
            Error::invalid(
                "fitted numbers",
                "a matrix without a Cholesky factor",
                "the covariance of the modes",
            )
        })?;
        let mut rest: Vec<f64> = share.iter().map(|&v| f64::from(v)).collect();
        for plane in rest.chunks_exact_mut(shape.pixels()) {
            for mode in &modes {
                let amplitude: f64 = plane.iter().zip(&mode.values).map(|(v, c)| v * c).sum();
                plane.iter_mut().zip(&mode.values).for_each(|(v, c)| *v -= amplitude * c);
            }
        }
        let left = modes.iter().map(|mode| (-mode.lambda * tau).exp()).collect();
        let mean = mean.iter().map(|&v| f64::from(v)).collect();
        Ok(Self { shape, modes, left, rest, mean, factor })
    }

    /// Writes to `out` an intensity of the prior at T, in units of which a full pixel holds `density`.
    pub fn intensity(&self, density: f32, rng: &mut Rng, out: &mut [f32]) {
        let normals: Vec<f64> = self.mean.iter().map(|_| f64::from(rng.normal())).collect();
        let deviation = |i: usize| -> f64 {
            self.factor[triangle(i)..triangle(i + 1)].iter().zip(&normals).map(|(f, z)| f * z).sum()
        };
        let (pixels, size) = (self.shape.pixels(), 1 + self.modes.len());
        let planes = out.chunks_exact_mut(pixels).zip(self.rest.chunks_exact(pixels)).enumerate();
        for (channel, (out, rest)) in planes {
            let at = channel * size;
            // A total beyond every pixel of the page is a tail of the fitted normal distribution.
            let total = (self.mean[at] + deviation(at)).exp().min(pixels as f64);
            let amplitude = |k: usize| (self.mean[at + 1 + k] + deviation(at + 1 + k)) * self.left[k];
            let amplitudes: Vec<f64> = (0..self.modes.len()).map(amplitude).collect();
            for (p, (out, rest)) in out.iter_mut().zip(rest).enumerate() {
                let modes = self.modes.iter().zip(&amplitudes);
                let low: f64 = modes.map(|(mode, amplitude)| mode.values[p] * amplitude).sum();
                *out = (total * (rest + low)).max(0.0) as f32 * density;
            }
        }
    }
}

/// The length of the lower triangle of a square matrix of `size` rows.
fn triangle(size: usize) -> usize {
    size * (size + 1) / 2
}

/// For each channel of `image` the logarithm of its total and its modes over the total; `None` if a channel is blank.
fn vector(image: &[f32], shape: ImageShape, modes: &[CosineMode]) -> Option<Vec<f64>> {
    let mut vector = Vec::with_capacity(shape.channels * (1 + modes.len()));
    for plane in image.chunks_exact(shape.pixels()) {
        let total: f64 = plane.iter().map(|&v| f64::from(v)).sum();
        if total <= 0.0 {
            return None;
        }
        vector.push(total.ln());
        vector.extend(
            modes.iter().map(|mode| {
                plane.iter().zip(&mode.values).map(|(&v, c)| f64::from(v) * c).sum::<f64>() / total
            }),
        );
    }
    Some(vector)
}

/// The lower triangle of the Cholesky factor of the matrix with this lower triangle; `None` if the matrix has no factor.
fn cholesky(size: usize, lower: &[f32]) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; triangle(size)];
    for i in 0..size {
        for j in 0..=i {
            let (a, b) = (triangle(i), triangle(j));
            let sum: f64 = (0..j).map(|k| factor[a + k] * factor[b + k]).sum();
            let value = f64::from(lower[a + j]) - sum;
            factor[a + j] = if i == j {
                // Rounding may leave a variance of zero slightly negative.
                let variance = value + JITTER;
                (variance > -1e-6).then_some(variance.max(JITTER).sqrt())?
            } else {
                value / factor[b + j]
            };
        }
    }
    Some(factor)
}
