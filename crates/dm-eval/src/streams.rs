//! The purpose for which this crate draws random streams; see [`dm_nn::rng`].

use dm_nn::rng::Purpose;

/// Whatever a metric draws: projections, subsets, splits, corruptions, the noise of a likelihood bound.
pub const METRIC: Purpose = Purpose(8);
