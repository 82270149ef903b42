//! The purpose for which this crate draws random streams; see [`dm_nn::rng`].

use dm_nn::rng::Purpose;

/// All random choices of metrics: projections, subsets, splits, corruptions, and the noise of a likelihood bound.
pub const METRIC: Purpose = Purpose(8);
