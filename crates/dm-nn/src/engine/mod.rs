//! The CPU engine: feature maps in the batch-lane layout, and the operations on them with their gradients.
//!
//! Networks are written against [`crate::planes`], which runs an operation here for f32 tensors on the CPU and through
//! candle elsewhere. Each module of the engine uses only the modules before it in this list:
//!
//! - `substrate`: memory, SIMD vectors and functions of them; does not depend on images.
//! - `autograd`: the batch-lane layout, and how its feature maps take part in candle's automatic differentiation.
//! - `gemm`: the register-blocked matrix products, and linear layers.
//! - `elementwise`: sums, ReLU, biases per channel, upsampling and concatenation.
//! - `norm`: normalisation fused with its activation.
//! - `conv`: convolutions by three algorithms.
//!
//! Every operation is a candle custom operation with a complete backward pass. All `unsafe` code of this crate is here.
//! The integration tests `engine::slow::tiny_...` are small enough for Miri; see `crates/ARCHITECTURE.md`.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

mod autograd;
mod conv;
mod elementwise;
mod gemm;
mod norm;
mod substrate;

pub use autograd::LanePlanes;
pub use conv::{
    Algorithm, ConvWeight, conv_norm_gelu, conv2d, conv2d_add, conv2d_by, conv2d_stride2, upsample2_conv2d,
};
pub use elementwise::{add, add_channels, concat, relu, upsample2};
pub use gemm::linear;
pub use norm::{group_norm_silu, layer_norm_gelu};
pub use substrate::lanes;
