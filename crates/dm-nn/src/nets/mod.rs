//! Neural networks that map images and a time to images, and a classifier that maps images to features and class logits.
//!
//! Networks are written against [`Planes`](crate::planes::Planes), so that the same code runs in the CPU engine
//! and, on other devices, in candle's operations. The configuration of a network checks which image sizes it accepts.

mod attention;
pub mod classifier;
mod config;
mod layers;
mod network;
mod onnx;
mod parts;
mod ref_cnn;
mod residual;
mod unet;

pub use config::NetworkConfig;
pub use network::{BuildNetwork, Network};
pub use onnx::to_onnx;
pub use parts::{in_parts, parts, rows};
pub use ref_cnn::{Norm, RefCnn, RefCnnConfig, frequencies};
pub use unet::{UNet, UNetConfig};
