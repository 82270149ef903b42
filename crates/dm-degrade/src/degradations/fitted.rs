//! What priors know of the training set: a few quantiles of a law, and the mean image. Nothing of a particular image.

use dm_nn::data::{Images, PIXELS};
use dm_nn::rng::Rng;

use crate::error::{Error, Result};

/// Quantiles kept of a law.
pub const QUANTILES: usize = 257;

/// A law on the line, as evenly spaced quantiles from its least to its greatest value.
#[derive(Clone, Debug)]
pub struct Law(Vec<f32>);

impl Law {
    /// The law of `quantiles`, at least one.
    pub fn new(quantiles: &[f32]) -> Self {
        Self(quantiles.to_vec())
    }

    /// 257 quantiles of `values`; empty if there are none.
    pub fn fit(mut values: Vec<f32>) -> Vec<f32> {
        if values.is_empty() {
            return values;
        }
        values.sort_by(f32::total_cmp);
        let last = (values.len() - 1) as f64;
        let at = |i: usize| values[(last * i as f64 / (QUANTILES - 1) as f64).round() as usize];
        (0..QUANTILES).map(at).collect()
    }

    /// One draw.
    pub fn draw(&self, rng: &mut Rng) -> f32 {
        self.quantile(rng.uniform())
    }

    /// The quantile of `u` in [0, 1], straight lines between those that are kept.
    pub fn quantile(&self, u: f32) -> f32 {
        let at = u * (self.0.len() - 1) as f32;
        let low = at as usize;
        let high = (low + 1).min(self.0.len() - 1);
        self.0[low] + (self.0[high] - self.0[low]) * at.fract()
    }
}

/// The law of the total ink and the mean image of a training set, in full pixels.
#[derive(Clone, Debug)]
pub struct InkLaw {
    /// Total ink of an image.
    pub total: Law,
    /// Mean ink of each pixel.
    pub mean: Vec<f32>,
}

impl InkLaw {
    /// 257 quantiles of the total ink, then the mean in each of the 784 pixels. Empty if there are no images.
    pub fn fit(images: &Images) -> Vec<f32> {
        let totals = Law::fit(images.total_ink());
        if totals.is_empty() {
            return totals;
        }
        let mut sums = vec![0u64; PIXELS];
        for image in images.pixels.chunks_exact(PIXELS) {
            sums.iter_mut().zip(image).for_each(|(sum, &pixel)| *sum += u64::from(pixel));
        }
        let whole = 255.0 * images.len() as f64;
        totals.into_iter().chain(sums.iter().map(|&sum| (sum as f64 / whole) as f32)).collect()
    }

    /// Reads what [`Self::fit`] returned. Quantiles alone, up to 257, make a law of even ink.
    ///
    /// # Errors
    /// If `fitted` is something else.
    pub fn new(fitted: &[f32]) -> Result<Self> {
        check(fitted, QUANTILES + PIXELS, PIXELS as f32, &format!("{PIXELS} means"))?;
        let (totals, mean) = fitted.split_at(fitted.len().min(QUANTILES));
        let mean = if mean.is_empty() { vec![1.0; PIXELS] } else { mean.to_vec() };
        Ok(Self { total: Law::new(totals), mean })
    }
}

/// Checks that `fitted` holds 1 to 257 quantiles, or 257 and `rest` up to the length `whole`, all from 0 to `most`.
///
/// # Errors
/// If it does not.
pub fn check(fitted: &[f32], whole: usize, most: f32, rest: &str) -> Result<()> {
    if !(1..=QUANTILES).contains(&fitted.len()) && fitted.len() != whole {
        let expected = format!("1 to {QUANTILES} quantiles, or {QUANTILES} and {rest}");
        return Err(Error::invalid("fitted ink", format!("{} values", fitted.len()), expected));
    }
    match fitted.iter().position(|v| !(0.0..=most).contains(v)) {
        Some(i) => Err(Error::invalid(format!("fitted ink, value {i}"), fitted[i], format!("0 to {most}"))),
        None => Ok(()),
    }
}

/// `weights` over their sum; equal shares if there is nothing to share.
pub fn shares(weights: &[f32]) -> Vec<f32> {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let share = |&w: &f32| if total > 0.0 { (f64::from(w) / total) as f32 } else { 1.0 / PIXELS as f32 };
    weights.iter().map(share).collect()
}
