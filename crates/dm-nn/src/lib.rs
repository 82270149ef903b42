//! Building blocks for neural networks on images: random numbers, data sets, the CPU engine, networks, parameter files and
//! pictures.
//!
#![doc = include_str!("../docs/picture.md")]
//!
//! This crate knows nothing of diffusion. Timesteps, schedules and degradations are defined in the crates above it.
//! Images have any shape from 8x8 to 128x128 pixels with 1 to 4 channels; see [`image::ImageShape`].
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use dm_nn::image::ImageShape;
//! use dm_nn::nets::{BuildNetwork, UNetConfig};
//! use dm_nn::params::Params;
//! use dm_nn::rng::Seed;
//!
//! // A U-Net for colour images of 32x32 pixels, with attention at its deepest level of 8x8 pixels.
//! let shape = ImageShape::new(3, 32, 32);
//! let config = UNetConfig { channels: vec![8, 16, 16], attention: vec![2], ..UNetConfig::default() };
//! let mut params = Params::new(Seed(1), &Device::Cpu);
//! let network = config.build(shape, shape.channels, params.frozen())?;
//!
//! // Two images at the times 0.25 and 0.75.
//! let mut pixels = vec![0.0; 2 * shape.len()];
//! Seed(2).stream(dm_nn::rng::Purpose(100), 0, 0).fill_normal(&mut pixels);
//! let images = Tensor::from_vec(pixels, shape.dims(2), &Device::Cpu)?;
//! let times = Tensor::new(&[0.25f32, 0.75], &Device::Cpu)?;
//! assert_eq!(network.forward(&images, &times)?.dims(), [2, 3, 32, 32]);
//! # Ok::<(), dm_nn::Error>(())
//! ```

// No input may end a program: what a library cannot do is an error.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unimplemented)]

mod archive;
pub mod data;
pub mod engine;
mod error;
pub(crate) mod file_kind;
pub mod hash;
pub mod image;
pub mod nets;
mod one_line;
pub mod onnx;
pub mod params;
pub mod picture;
pub mod planes;
pub mod protobuf;
pub mod rng;
pub mod simd;
pub mod storage;
pub mod threads;

pub use error::{Error, Result};
pub use one_line::{escaped, one_line};
