//! The CPU engine: feature maps in batch-lane layout and the operations on them.
//!
//! One operation per file, each a candle custom operation with a complete backward pass. Networks are written against
//! [`crate::planes`], which choose between these and candle's own.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

mod add;
mod channel_bias;
mod concat;
mod conv;
mod conv_norm_gelu;
mod disjoint;
mod fft;
#[cfg(test)]
mod fft_tests;
mod group_norm_silu;
mod kernels;
mod lanes;
mod layer_norm_gelu;
mod linear;
mod math;
mod memory;
mod norm_kernels;
#[cfg(test)]
mod oracle;
mod outer;
mod plane_data;
mod pool;
mod prefetch;
mod products;
mod relu;
mod simd;
#[cfg(test)]
mod slow_tests;
mod taps;
mod upsample;
mod vector;
mod winograd;

pub(crate) use add::add;
pub(crate) use channel_bias::add_channels;
pub(crate) use concat::concat;
pub(crate) use conv::{conv1x1, conv3x3, conv3x3_add, conv3x3_stride2, upsample2_conv3x3};
pub use conv_norm_gelu::conv_norm_gelu;
pub use fft::conv_fft;
pub(crate) use group_norm_silu::group_norm_silu;
pub use kernels::Kernels;
pub use lanes::LanePlanes;
pub use layer_norm_gelu::layer_norm_gelu;
pub(crate) use linear::linear;
pub(crate) use relu::relu;
pub use simd::lanes;
