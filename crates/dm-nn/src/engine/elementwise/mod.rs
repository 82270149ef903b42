//! Elementwise operations: sums, biases per channel, ReLU, concatenation and upsampling.

mod add;
mod channel_bias;
mod concat;
mod relu;
mod upsample;

pub use add::add;
pub(crate) use add::sum_of;
pub use channel_bias::add_channels;
pub(crate) use channel_bias::{bias_planes, channel_sums, per_image};
pub use concat::concat;
pub use relu::relu;
pub use upsample::upsample2;
