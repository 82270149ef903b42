//! The trait of a parameterization: what the network predicts, the loss, and the conversion to an estimate of x_0.

use dm_nn::image::ImageShape;

use crate::degradation::{Degradation, Intensity};
use crate::error::{Error, Result};
use crate::timestep::{Noise, Timestep};

/// The config key of a parameterization, as errors name it.
pub(super) const FIELD: &str = "objective.parameterization";

/// A meaning of the network's output. All slices have the length of one image, `[C, H, W]`.
pub trait Parameterization: Send + Sync {
    /// The name in configs and tables.
    fn name(&self) -> &'static str;

    /// What the loss measures, for example `mean squared error of the noise`.
    fn unit(&self) -> &'static str;

    /// Checks that this parameterization can be used with `degradation`.
    ///
    /// # Errors
    /// If it cannot be used; the error names both.
    fn check(&self, degradation: &dyn Degradation) -> Result<()>;

    /// Writes to `out` what the network should predict for the image with the clean state `x0`, degraded to `t` by `noise`.
    ///
    /// # Errors
    /// As [`Self::check`].
    fn target(
        &self,
        degradation: &dyn Degradation,
        x0: &[f32],
        t: Timestep,
        noise: &Noise,
        out: &mut [f32],
    ) -> Result<()>;

    /// The loss of one image of `shape`.
    fn loss(&self, shape: ImageShape, output: &[f32], target: &[f32]) -> f32;

    /// Writes `scale` times the gradient of the loss with respect to the output to `gradient`.
    fn loss_gradient(
        &self,
        shape: ImageShape,
        output: &[f32],
        target: &[f32],
        scale: f32,
        gradient: &mut [f32],
    );

    /// Converts the network's `output` for the state `x_t` to an estimate of the clean state, which is written to `x0`. The
    /// estimate is not clipped.
    ///
    /// # Errors
    /// As [`Self::check`].
    fn estimate(
        &self,
        degradation: &dyn Degradation,
        x_t: &[f32],
        t: Timestep,
        output: &[f32],
        x0: &mut [f32],
    ) -> Result<()>;

    /// The squared error of the output divided by the corresponding squared error of x_0, for the same x_t of a Gaussian
    /// process with the signal-to-noise ratio `snr` = alpha^2 / sigma^2. Weightings that are defined for x_0 are divided by
    /// this ratio.
    fn squared_error_scale(&self, snr: f64) -> f64 {
        let _ = snr;
        1.0
    }

    /// Whether the loss compares shares of an image's total intensity, so that a dark image counts as much as a bright one.
    fn compares_shares(&self) -> bool {
        false
    }
}

/// The intensities of `degradation`, for the parameterization `name`, which needs them.
pub(super) fn require_intensity<'a>(
    degradation: &'a dyn Degradation,
    name: &str,
) -> Result<&'a dyn Intensity> {
    let found = || format!("{name} with `{}`", degradation.name());
    degradation.intensity().ok_or_else(|| Error::invalid(FIELD, found(), "a degradation of intensities"))
}
