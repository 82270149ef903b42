//! Definitions that all parts of an evaluation share: the seed of the metrics, and the observer of progress.

use dm_nn::rng::Seed;

/// The seed of all random choices of metrics: projections, subsets, splits. With one seed, equal images get equal scores.
pub const SEED: Seed = Seed(0);

/// Receives the progress of a long computation: its name, the units done, and the units in total.
pub type ProgressObserver<'a> = dyn FnMut(&str, usize, usize) + 'a;
