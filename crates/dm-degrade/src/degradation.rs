//! The seam every degradation implements: a process that takes an image from level 0 (whole) to level T (gone).
//!
//! Drawing and applying are apart. `draw` makes all the randomness of one image (its key); `apply` is a pure function of
//! image, level and key. Cold sampling needs the same key at two levels, and tests need to repeat a degradation.

use dm_nn::rng::Rng;

use crate::error::{Error, Result};

/// A level of degradation, 0 (the image itself) to T (the prior). Beyond T there is nothing: tables are indexed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(pub usize);

/// All the randomness of one image's degradation, at every level. What the numbers are is the degradation's own affair
/// (normals, uniforms, a centre); one without randomness has an empty key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Key(pub Vec<f32>);

/// A degradation of 28x28 images and what is known of its way back.
///
/// An image is 784 floats in [0, 1], 0 = paper, 1 = full ink. A *state* is what the process works on: the image in the
/// process's own units at level 0, degraded above. All slices have 784 elements unless said otherwise.
pub trait Degradation: Send + Sync {
    /// Name in configs, on the command line and in tables.
    fn name(&self) -> &'static str;

    /// T, the last level.
    fn steps(&self) -> usize;

    /// Image -> state at level 0.
    fn to_state(&self, image: &[f32]) -> Vec<f32>;

    /// State at level 0 -> image, clamped to [0, 1].
    fn to_image(&self, state: &[f32]) -> Vec<f32>;

    /// What a state at `level` looks like, as an image. Not what it restores to.
    fn picture(&self, state: &[f32], level: Level) -> Vec<f32> {
        let _ = level;
        self.to_image(state)
    }

    /// Draws the key of one image.
    fn draw(&self, rng: &mut Rng) -> Key;

    /// The state at `level` of an image whose state at level 0 is `x0`. Level 0 is the identity.
    fn apply(&self, x0: &[f32], level: Level, key: &Key) -> Vec<f32>;

    /// A state at level T that knows no image.
    fn prior(&self, rng: &mut Rng) -> Vec<f32>;

    /// A draw of the prior that goes with `key`: what level T shows of the key is taken from it, the rest is drawn. Cold
    /// sampling starts here, for it subtracts at level T what the key has added.
    fn prior_under(&self, key: &Key, rng: &mut Rng) -> Vec<f32> {
        let _ = key;
        self.prior(rng)
    }

    /// Whether there is a reverse transition that needs no key, see [`Self::bridge`].
    fn has_bridge(&self) -> bool {
        true
    }

    /// Draws the state at level `s` < `t` given the state at `t` and the state at level 0 (or an estimate of it): the
    /// degradation's own reverse transition.
    ///
    /// # Errors
    /// If this degradation has none, or unless s < t <= T.
    fn bridge(&self, x_t: &[f32], x0: &[f32], t: Level, s: Level, rng: &mut Rng) -> Result<Vec<f32>>;

    /// The state at level 0, recovered from the state at `level` and the key alone; `None` where that is impossible.
    fn invert(&self, x_t: &[f32], level: Level, key: &Key) -> Option<Vec<f32>>;

    /// Largest error of `invert`, per pixel in state units, for levels up to the second number.
    fn inversion_tolerance(&self) -> (f32, Level);

    /// Number of input channels the network sees.
    fn channels(&self) -> usize {
        1
    }

    /// What the network sees of a state: `out` is [channels, 784].
    fn encode(&self, x_t: &[f32], level: Level, out: &mut [f32]) {
        let _ = level;
        out.copy_from_slice(x_t);
    }

    /// Restricts an estimate of the state at level 0 to values images have.
    fn clip(&self, x0: &mut [f32]) {
        let _ = x0;
    }

    /// (a, b) if the state at `level` is a x0 + b noise with standard normal noise as the key; else `None`.
    fn signal_and_noise(&self, level: Level) -> Option<(f32, f32)> {
        let _ = level;
        None
    }

    /// beta_t, the variance that the step to `level` adds, if this is an additive Gaussian process; else `None`.
    fn step_variance(&self, level: Level) -> Option<f32> {
        let _ = level;
        None
    }

    /// Units of state per full pixel at `level` if states are intensities (nonnegative, conserved in these units); else
    /// `None`.
    fn density(&self, level: Level) -> Option<f32> {
        let _ = level;
        None
    }
}

/// Checks that s < t <= T: a bridge goes backward.
pub(crate) fn check_backward(degradation: &dyn Degradation, t: Level, s: Level) -> Result<()> {
    if s < t && t.0 <= degradation.steps() {
        return Ok(());
    }
    let expected = format!("s < t, t at most {}", degradation.steps());
    Err(Error::invalid("bridge levels", format!("t = {}, s = {}", t.0, s.0), expected))
}

/// The error of a bridge that does not exist, because only the key knows the way.
pub(crate) fn no_bridge(degradation: &dyn Degradation) -> Error {
    Error::invalid("sampler", format!("bridge with `{}`", degradation.name()), "a sampler that keeps a key")
}
