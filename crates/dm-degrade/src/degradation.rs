//! The trait that every degradation implements: a process that takes an image from timestep 0 (clean) to T (the prior).
//!
//! Randomness and its effect are separate. [`Degradation::sample_noise`] draws all random numbers of one image;
//! [`Degradation::degrade`] is a pure function of image, timestep and noise. Cold diffusion needs the same noise at two
//! timesteps, and tests need to repeat a degradation.
//!
//! Capabilities that only some degradations have are separate traits, which a [`Degradation`] returns as an `Option`: the
//! signal and noise factors of a Gaussian process, the posterior q(x_s | x_t, x_0), the density of an intensity, grains that
//! walk and fade, and an inverse.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;

use crate::codec::InputCodec;
use crate::error::{Error, Result};
use crate::timestep::{Noise, Timestep};

/// A degradation of images of one shape.
///
/// An image is `[C, H, W]` floats in [0, 1]. A pixel of 0 is paper and a pixel of 1 is full ink; pictures show paper black and
/// ink white, as MNIST does. The process works on *states*: at timestep 0 the image in the units of the process, afterwards
/// degraded. [`Self::codec`] translates between images and states.
///
/// All state slices have `shape().len()` elements, timesteps are at most [`Self::timesteps`], and noise comes from
/// [`Self::sample_noise`] of the same degradation; anything else may panic.
pub trait Degradation: Send + Sync {
    /// The name in configs, on the command line and in tables.
    fn name(&self) -> &str;

    /// The shape of the images and of the states.
    fn shape(&self) -> ImageShape;

    /// T, the last timestep.
    fn timesteps(&self) -> usize;

    /// Draws all random numbers of one image.
    fn sample_noise(&self, rng: &mut Rng) -> Noise;

    /// Writes to `out` the state at timestep `t` of an image whose clean state is `x0`. At t = 0 it is `x0` itself.
    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]);

    /// Writes to `out` a state drawn from the prior: timestep T without knowledge of any image.
    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]);

    /// Like [`Self::sample_prior`], but for the given `noise`: a state at T is a function of an image and a noise, and here
    /// only the part that depends on the image is drawn from `rng`. Gaussian noise draws nothing, and Ink draws an intensity.
    /// Cold diffusion starts from this state, because its first step subtracts the degradation that `noise` made. The default
    /// ignores `noise` and draws the whole state.
    fn sample_prior_given(&self, noise: &Noise, rng: &mut Rng, out: &mut [f32]) {
        let _ = noise;
        self.sample_prior(rng, out);
    }

    /// The conversion between images and states, and the network's input for a state.
    fn codec(&self) -> &dyn InputCodec;

    /// The process as an additive Gaussian one, if it is.
    fn gaussian(&self) -> Option<&dyn GaussianProcess> {
        None
    }

    /// The posterior q(x_s | x_t, x_0), if it can be sampled without the noise that made x_t.
    fn posterior(&self) -> Option<&dyn Posterior> {
        None
    }

    /// The density of the states, if the states are intensities: values that are never negative and whose sum over a channel
    /// is on average density(t) times the sum over the image's channel.
    fn intensity(&self) -> Option<&dyn Intensity> {
        None
    }

    /// The process as one of grains that walk and fade, if its states are whole counts of such grains.
    fn grains(&self) -> Option<&dyn Grains> {
        None
    }

    /// The inverse given the noise, if there is one.
    fn inverse(&self) -> Option<&dyn Inverse> {
        None
    }
}

/// An additive Gaussian process: x_t = alpha x_0 + sigma eps, with the standard normal eps as the noise.
pub trait GaussianProcess: Send + Sync {
    /// (alpha, sigma), the factors of x_0 and eps at timestep `t`, with alpha^2 + sigma^2 = 1. The alpha_t of a
    /// [`Schedule`](crate::schedule::Schedule), which Ho et al. 2020 write alpha-bar_t, is the square of this alpha.
    fn alpha_sigma(&self, t: Timestep) -> (f32, f32);

    /// beta_t, the variance that the step from t - 1 to t adds.
    fn beta(&self, t: Timestep) -> f32;
}

/// A process whose reverse transition is known given the clean state.
pub trait Posterior: Send + Sync {
    /// Draws x_s from q(x_s | x_t, x_0) for s < t into `out`. At s = 0 the result is `x0` itself. A sampler passes an
    /// estimate of x_0.
    ///
    /// # Errors
    /// Unless s < t <= T.
    fn sample_posterior(
        &self,
        x_t: &[f32],
        x0: &[f32],
        t: Timestep,
        s: Timestep,
        rng: &mut Rng,
        out: &mut [f32],
    ) -> Result<()>;
}

/// A process whose states are intensities.
pub trait Intensity: Send + Sync {
    /// Units of state that a pixel of value 1 holds at timestep `t`, for example grains per full pixel.
    fn density(&self, t: Timestep) -> f32;
}

/// A process whose states are independent Poisson counts of grains. Their means are density(t) times the image after the
/// heat equation has run for the time `walking_time(t)`.
pub trait Grains: Intensity {
    /// The walking time tau at timestep `t`. It never decreases with t. The spread is sqrt(2 tau) pixels.
    fn walking_time(&self, t: Timestep) -> f64;
}

/// A process that can be undone with the noise.
pub trait Inverse: Send + Sync {
    /// Writes to `out` the clean state, recovered from the state at `t` and the noise alone. Returns false, with `out`
    /// unspecified, where that is impossible.
    fn invert(&self, x_t: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) -> bool;

    /// The largest error of [`Self::invert`] per value, in units of the state, and the last timestep for which it holds.
    fn tolerance(&self) -> (f32, Timestep);
}

/// Checks that s < t <= T, as a reverse transition needs.
pub(crate) fn check_backward(timesteps: usize, t: Timestep, s: Timestep) -> Result<()> {
    if s < t && t.0 <= timesteps {
        return Ok(());
    }
    let expected = format!("s < t, t at most {timesteps}");
    Err(Error::invalid("posterior timesteps", format!("t = {}, s = {}", t.0, s.0), expected))
}

/// The Gaussian process of `degradation`, for `what` (the value of the config key `field`), which needs one.
pub(crate) fn require_gaussian<'a>(
    degradation: &'a dyn Degradation,
    field: &str,
    what: &str,
) -> Result<&'a dyn GaussianProcess> {
    let found = || format!("{what} with `{}`", degradation.name());
    degradation.gaussian().ok_or_else(|| Error::invalid(field, found(), "a Gaussian degradation"))
}
