//! How close restored images come to their originals: PSNR and SSIM of grey images of 28 x 28 pixels in [0, 1].
//!
//! Restoration is not generation; these never share a table with the other metrics. Degrading, restoring and looping over
//! levels is the caller's business.

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::score::{Direction, Metric, Score};

/// Peak signal-to-noise ratio.
pub const PSNR: Metric = Metric {
    name: "PSNR",
    unit: "dB",
    direction: Direction::Higher,
    source: "10 log10(1 / mean squared error of all pixels of all images)",
};

/// Structural similarity.
pub const SSIM: Metric = Metric {
    name: "SSIM",
    unit: "similarity",
    direction: Direction::Higher,
    source: "Wang et al. 2004, doi:10.1109/TIP.2003.819861",
};

/// Side of an image in pixels.
pub const SIDE: usize = 28;

const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// `(K_1 L)^2` and `(K_2 L)^2` of the paper with L = 1.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Values of every restored image.
#[derive(Clone, Debug, PartialEq)]
pub struct Restoration {
    /// Mean squared error per image.
    pub squared_error: Vec<f64>,
    /// SSIM per image.
    pub ssim: Vec<f64>,
}

impl Restoration {
    /// PSNR of the mean error over all images (a mean of decibels would be infinite as soon as one image is perfect), and
    /// the mean SSIM.
    pub fn scores(&self) -> [Score; 2] {
        let n = self.ssim.len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        [
            PSNR.score(decibel(mean(&self.squared_error)), n, n, "pooled over images"),
            SSIM.score(mean(&self.ssim), n, n, "11 x 11 Gaussian window, sigma 1.5, inside the image"),
        ]
    }
}

/// PSNR in decibels of a mean squared error with peak 1; infinite for 0.
pub fn decibel(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.log10()
}

/// Compares row i of `restored` with row i of `original`, each an image of 784 pixels.
///
/// # Errors
/// Sets that are not 784 wide, of different n, or with values outside [0, 1].
pub fn restoration(restored: &Features, original: &Features) -> Result<Restoration> {
    for (name, set) in [("restored", restored), ("original", original)] {
        if set.dim() != SIDE * SIDE {
            return Err(EvalError::Width { metric: PSNR.name, expected: SIDE * SIDE, found: set.dim() });
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
    let window = window();
    let pairs = || restored.rows().zip(original.rows());
    Ok(Restoration {
        squared_error: pairs().map(|(x, y)| mean_squared_error(x, y)).collect(),
        ssim: pairs().map(|(x, y)| ssim(x, y, &window)).collect(),
    })
}

fn mean_squared_error(x: &[f64], y: &[f64]) -> f64 {
    crate::distances::squared_distance(x, y) / x.len() as f64
}

/// The paper's circular Gaussian weights, one dimension of it; they sum to 1.
fn window() -> [f64; WINDOW] {
    let mut weights = std::array::from_fn(|i| {
        let offset = i as f64 - (WINDOW / 2) as f64;
        (-offset * offset / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    weights
}

/// Mean SSIM over the 18 x 18 windows that lie wholly inside the image, as the authors' code has it.
fn ssim(x: &[f64], y: &[f64], window: &[f64; WINDOW]) -> f64 {
    let product = |f: fn(f64, f64) -> f64| -> Vec<f64> {
        let pixels: Vec<f64> = x.iter().zip(y).map(|(&a, &b)| f(a, b)).collect();
        smooth(&pixels, window)
    };
    let (mean_x, mean_y) = (smooth(x, window), smooth(y, window));
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

/// Weighted mean in every window inside the image: rows first, then columns.
fn smooth(image: &[f64], window: &[f64; WINDOW]) -> Vec<f64> {
    const INSIDE: usize = SIDE - WINDOW + 1;
    let mut rows = vec![0.0; SIDE * INSIDE];
    for (out, line) in rows.chunks_exact_mut(INSIDE).zip(image.chunks_exact(SIDE)) {
        for (o, patch) in out.iter_mut().zip(line.windows(WINDOW)) {
            *o = patch.iter().zip(window).map(|(v, w)| v * w).sum();
        }
    }
    let mut out = vec![0.0; INSIDE * INSIDE];
    for (i, o) in out.iter_mut().enumerate() {
        *o = window.iter().enumerate().map(|(k, w)| w * rows[i + k * INSIDE]).sum();
    }
    out
}
