//! Neural networks: images and a time in, images out; and a classifier, images in, features and classes out.
//!
//! Networks are written against [`Planes`](crate::planes::Planes), so that each runs in the CPU engine and in candle's
//! operations on other devices alike. Their configurations say which sizes of images they take.

mod attention;
pub mod classifier;
mod config;
mod layers;
mod network;
mod parts;
mod ref_cnn;
mod residual;
#[cfg(test)]
mod tests;
mod unet;

pub use config::NetworkConfig;
pub use network::{BuildNetwork, Network};
pub use parts::{in_parts, parts, rows};
pub use ref_cnn::{Norm, RefCnnConfig, frequencies};
pub use unet::UNetConfig;
