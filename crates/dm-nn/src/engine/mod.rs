//! The CPU engine: feature maps in the batch-lane layout, and the operations on them with their gradients.
//!
//! Networks are written against [`crate::planes`], which runs an operation here for f32 tensors on the CPU and through
//! candle elsewhere. The rooms of the engine, each of which uses only those before it:
//!
//! - `substrate`: memory, SIMD vectors and functions of them; knows nothing of images.
//! - `autograd`: the batch-lane layout, and how its feature maps take part in candle's automatic differentiation.
//! - `gemm`: the register-blocked matrix products, and linear layers.
//! - `elementwise`: sums, ReLU, biases per channel, upsampling and concatenation.
//! - `norm`: normalisation fused with its activation.
//! - `conv`: convolutions by three algorithms.
//!
//! Every operation is a candle custom operation with a complete backward pass. All `unsafe` code of this crate is here.
//! Miri checks it with `MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p dm-nn --lib
//! engine::tests::slow::tiny`.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

mod autograd;
mod conv;
mod elementwise;
mod gemm;
mod norm;
mod substrate;
#[cfg(test)]
mod tests;

pub use autograd::LanePlanes;
pub use conv::{ConvWeight, conv_norm_gelu, conv2d};
pub(crate) use conv::{conv2d_add, conv2d_stride2, upsample2_conv2d};
pub(crate) use elementwise::{add, concat, relu};
pub(crate) use gemm::linear;
pub(crate) use norm::group_norm_silu;
pub use norm::layer_norm_gelu;
pub use substrate::lanes;
