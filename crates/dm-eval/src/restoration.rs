//! Similarity of restored images to their originals: PSNR and SSIM of images with values in [0, 1].
//!
//! These values measure restoration, not generation, and are not comparable with the other metrics. The caller degrades and
//! restores the images. The SSIM of an image with several channels is the mean over its channels.

use dm_nn::image::ImageShape;

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::products::squared_distance;
use crate::score::{Direction, Quantity, Score};

/// Peak signal-to-noise ratio.
pub const PSNR: Quantity = Quantity {
    name: "PSNR",
    unit: "dB",
    direction: Direction::Higher,
    source: "10 log10(1 / mean squared error of all pixels of all images)",
};

/// Structural similarity.
pub const SSIM: Quantity = Quantity {
    name: "SSIM",
    unit: "similarity",
    direction: Direction::Higher,
    source: "Wang et al. 2004, doi:10.1109/TIP.2003.819861",
};

/// Height and width of the window in pixels. For smaller images it is the largest odd number that fits.
const WINDOW: usize = 11;
/// Standard deviation of the window's weights in pixels.
const SIGMA: f64 = 1.5;
/// `(K_1 L)^2` of the paper with L = 1.
const C1: f64 = 0.01 * 0.01;
/// `(K_2 L)^2` of the paper with L = 1.
const C2: f64 = 0.03 * 0.03;

/// The similarity of each restored image to its original.
#[derive(Clone, Debug, PartialEq)]
pub struct Restoration {
    /// Mean squared error of each image, `[n]`.
    pub squared_error: Vec<f64>,
    /// SSIM of each image, `[n]`.
    pub ssim: Vec<f64>,
    /// Height and width of the SSIM's window in pixels.
    pub window: usize,
}

impl Restoration {
    /// The PSNR of the mean squared error over all images, and the mean SSIM. (The mean of the images' PSNR would be
    /// infinite if a single image were restored perfectly.)
    pub fn scores(&self) -> [Score; 2] {
        let (n, window) = (self.ssim.len(), self.window);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        let setting = format!("{window} x {window} Gaussian window, sigma 1.5, inside the image");
        [
            PSNR.score(decibel(mean(&self.squared_error)), n, n, "pooled over images"),
            SSIM.score(mean(&self.ssim), n, n, setting),
        ]
    }
}

/// The PSNR in decibels for a mean squared error and a peak of 1; infinite for an error of 0.
pub fn decibel(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.log10()
}

/// Compares each image of `restored` with the image of the same index in `original`. Both are sets of images of `shape`, one row
/// per image; see [`Features::from_pixels`].
///
/// # Errors
/// If a set is not one of images of `shape`, the sets differ in size, or a value is outside [0, 1].
pub fn restoration(restored: &Features, original: &Features, shape: ImageShape) -> Result<Restoration> {
    for (name, set) in [("restored", restored), ("original", original)] {
        if set.dim() != shape.len() {
            return Err(EvalError::Width { metric: PSNR.name, expected: shape.len(), found: set.dim() });
        }
        if let Some(at) = set.values().iter().position(|v| !(0.0..=1.0).contains(v)) {
            let (row, column, value) = (at / set.dim(), at % set.dim(), set.values()[at]);
            return Err(EvalError::Range { set: name.to_owned(), row, column, value, low: 0.0, high: 1.0 });
        }
    }
    if restored.n() != original.n() {
        let (expected, found) = (original.values().len(), restored.values().len());
        return Err(EvalError::Length { set: "restored".to_owned(), expected, found });
    }
    let window = window(shape);
    let pairs = || restored.rows().zip(original.rows());
    Ok(Restoration {
        squared_error: pairs().map(|(x, y)| squared_distance(x, y) / x.len() as f64).collect(),
        ssim: pairs().map(|(x, y)| ssim(x, y, shape, &window)).collect(),
        window: window.len(),
    })
}

/// The Gaussian weights of Wang et al. 2004 along one axis. Their sum is 1.
fn window(shape: ImageShape) -> Vec<f64> {
    let reach = (WINDOW.min(shape.height).min(shape.width) - 1) / 2;
    let weight = |i: usize| {
        let offset = i as f64 - reach as f64;
        (-offset * offset / (2.0 * SIGMA * SIGMA)).exp()
    };
    let mut weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    weights
}

/// The mean SSIM over the channels of two images `[C, H, W]`.
fn ssim(x: &[f64], y: &[f64], shape: ImageShape, window: &[f64]) -> f64 {
    let planes = x.chunks_exact(shape.pixels()).zip(y.chunks_exact(shape.pixels()));
    planes.map(|(x, y)| plane_ssim(x, y, shape.width, window)).sum::<f64>() / shape.channels as f64
}

/// The mean SSIM over all windows that lie inside the plane, as in the code of Wang et al.
fn plane_ssim(x: &[f64], y: &[f64], width: usize, window: &[f64]) -> f64 {
    let product = |f: fn(f64, f64) -> f64| -> Vec<f64> {
        let values: Vec<f64> = x.iter().zip(y).map(|(&a, &b)| f(a, b)).collect();
        smooth(&values, width, window)
    };
    let (mean_x, mean_y) = (smooth(x, width, window), smooth(y, width, window));
    let (xx, yy, xy) = (product(|a, _| a * a), product(|_, b| b * b), product(|a, b| a * b));
    let mut sum = 0.0;
    for i in 0..mean_x.len() {
        let (mx, my) = (mean_x[i], mean_y[i]);
        let (var_x, var_y, covariance) = (xx[i] - mx * mx, yy[i] - my * my, xy[i] - mx * my);
        sum += (2.0 * mx * my + C1) * (2.0 * covariance + C2)
            / ((mx * mx + my * my + C1) * (var_x + var_y + C2));
    }
    sum / mean_x.len() as f64
}

/// The weighted mean in each window inside a plane of the given width: along the rows first, then along the columns.
fn smooth(plane: &[f64], width: usize, window: &[f64]) -> Vec<f64> {
    let (height, side) = (plane.len() / width, window.len());
    let (down, across) = (height - side + 1, width - side + 1);
    let mut rows = vec![0.0; height * across];
    for (out, line) in rows.chunks_exact_mut(across).zip(plane.chunks_exact(width)) {
        for (o, patch) in out.iter_mut().zip(line.windows(side)) {
            *o = patch.iter().zip(window).map(|(v, w)| v * w).sum();
        }
    }
    let at = |i: usize| window.iter().enumerate().map(|(k, w)| w * rows[i + k * across]).sum();
    (0..down * across).map(at).collect()
}
