//! Elementwise operations: sums, biases per channel, ReLU, concatenation and upsampling.

mod add;
mod channel_bias;
mod concat;
mod relu;
mod upsample;

pub(crate) use add::{add, sum_of};
pub(crate) use channel_bias::{add_channels, bias_planes, channel_sums, per_image};
pub(crate) use concat::concat;
pub(crate) use relu::relu;
pub(crate) use upsample::upsample2;
