//! Convolutions (cross-correlations) with zero padding that keeps the size, by three algorithms.
//!
//! [`algorithm`] alone decides which algorithm computes which convolution. [`operations`] are the entry points.

mod algorithm;
mod conv_norm_gelu;
mod direct;
mod fft;
mod operations;
mod spatial;
mod weight;
mod winograd;

pub use algorithm::Algorithm;
pub use conv_norm_gelu::conv_norm_gelu;
pub use operations::{conv2d, conv2d_add, conv2d_by, conv2d_stride2, upsample2_conv2d};
pub use weight::ConvWeight;
