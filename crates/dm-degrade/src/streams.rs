//! The purposes for which this crate draws random streams; see [`dm_nn::rng`].

use dm_nn::rng::Purpose;

/// Noise of degraded training images: index = training step, sub-index = position in the batch.
pub const DEGRADE: Purpose = Purpose(4);

/// Sampling: index = number of the sample, sub-index = timestep of the reverse chain (see [`crate::samplers`]).
pub const SAMPLE: Purpose = Purpose(6);
