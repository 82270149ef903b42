//! The purposes for which this crate draws random streams; see [`dm_nn::rng`].

use dm_nn::rng::Purpose;

/// Order of the training images: index = epoch.
pub const SHUFFLE: Purpose = Purpose(2);

/// Timesteps of a training batch: index = training step.
pub const TIMESTEP: Purpose = Purpose(3);

/// Choice of the labels that are hidden from the network: index = training step.
pub const DROPOUT: Purpose = Purpose(5);

/// Noise of the validation images, the same throughout a run: index = position in the validation set.
pub const VALIDATE: Purpose = Purpose(7);

/// Random shifts of training images: index = training step, sub-index = position in the batch.
pub const AUGMENT: Purpose = Purpose(9);
