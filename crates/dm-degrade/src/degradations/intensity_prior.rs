//! The prior of intensities: a total drawn from the training set's distribution, distributed like its mean image at T.

use super::intensity_statistics::shares;
use super::quantile_distribution::QuantileDistribution;

/// A prior of intensities.
#[derive(Clone, Debug)]
pub struct IntensityPrior {
    /// The total intensity of each channel, in full pixels.
    totals: Vec<QuantileDistribution>,
    /// The share of each pixel in its channel's total at T, `[C, H, W]`; sums to 1 per channel.
    share: Vec<f32>,
    pixels: usize,
}

impl IntensityPrior {
    /// The prior with these totals per channel; `mean_at_t` is the training set's mean image `[C, H, W]`, degraded to T, and
    /// `pixels` is H * W.
    pub fn new(totals: Vec<QuantileDistribution>, mean_at_t: &[f32], pixels: usize) -> Self {
        Self { totals, share: shares(mean_at_t, pixels), pixels }
    }

    /// The total of `channel` that is the quantile of `u` in [0, 1], in full pixels.
    pub fn total(&self, channel: usize, u: f32) -> f32 {
        self.totals[channel].quantile(u)
    }

    /// The share of each pixel in its channel's total, `[C, H, W]`.
    pub fn share(&self) -> &[f32] {
        &self.share
    }

    /// Writes to `out` the intensity whose totals are the quantiles of `u`, in units of which a full pixel holds `density`.
    /// One `u` serves all channels: bright images are bright in every channel.
    pub fn intensity(&self, u: f32, density: f32, out: &mut [f32]) {
        let planes = out.chunks_exact_mut(self.pixels).zip(self.share.chunks_exact(self.pixels));
        for (channel, (out, share)) in planes.enumerate() {
            let total = self.total(channel, u) * density;
            out.iter_mut().zip(share).for_each(|(out, share)| *out = total * share);
        }
    }
}
