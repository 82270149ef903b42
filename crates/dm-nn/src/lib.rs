//! Tensors and models for 28x28 images: seeds, data files, CPU kernels, layers, networks, parameter files.
//!
//! This crate knows nothing of diffusion: it does not know what a level, a schedule or a degradation is.

pub mod data;
mod error;
pub mod nets;
pub mod ops;
pub mod params;
pub mod planes;
pub mod rng;
pub mod threads;

pub use error::{Error, Result};
