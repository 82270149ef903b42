//! 3x3 convolutions by Winograd's minimal filtering algorithm F(4x4, 3x3) (Lavin and Gray, 2016) in the batch-lane
//! layout.
//!
//! A tile of 4x4 results takes 36 products per pair of channels instead of 144. Input tiles are transformed to 36
//! frequencies, at every frequency the channels are multiplied by a matrix, and the products are transformed back. The
//! input gradient is the same convolution with flipped weights. The weight gradient multiplies the transformed input
//! with the transformed gradient and transforms the sums back to 3x3.
//!
//! A convolution after nearest-neighbour upsampling reads its source before upsampling: an upsampled line is zero at
//! one of the six points whatever its values, so that 25 of the 36 products remain.

mod convolve;
mod plan;
mod tiles;
mod transform_1d;
mod transform_2d;
mod weight_gradient;
mod weights;

pub(super) use convolve::{Addends, forward, input_gradient, transform_weight};
pub(super) use weight_gradient::weight_gradient;
