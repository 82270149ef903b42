//! The diffusion process in both directions: degradations, parameterizations of the network's output, samplers, and models.
//!
#![doc = include_str!("../docs/picture.md")]
//!
//! A [`Degradation`] takes an image step by step to a prior that knows nothing of it; a [`Sampler`] walks back, with the
//! estimates of a [`Denoiser`] in place of the image. Everything works on slices of one image `[C, H, W]` and that image's
//! own random stream, so a batch is a plain parallel loop and a result depends on seed and sample alone. This crate does
//! not know how networks are trained.
//!
//! To add your own degradation, parameterization or sampler, implement its trait. It need not be registered anywhere: samplers
//! and training take any implementation. [`REGISTRY`] and the enums of kinds only give names to those of this crate, so that
//! configs and the command line can choose them.
//!
//! ```
//! use dm_degrade::degradations::ink::{Ink, InkConfig};
//! use dm_degrade::{Degradation, Timestep, streams};
//! use dm_nn::image::ImageShape;
//! use dm_nn::rng::Seed;
//!
//! // Ink for grey images of 16x16 pixels. The last argument is what `DegradationConfig::fit` usually computes from a training
//! // set. Here it is only the total intensity: the prior's images hold the ink of 32 white pixels, spread evenly over the page.
//! let shape = ImageShape::new(1, 16, 16);
//! let ink = Ink::new(&InkConfig::default(), shape, &[32.0])?;
//!
//! // A vertical bar, two pixels wide.
//! let image: Vec<f32> = (0..shape.len()).map(|p| if (7..9).contains(&(p % 16)) { 1.0 } else { 0.0 }).collect();
//! let mut x0 = vec![0.0; shape.len()];
//! ink.codec().encode_image(&image, &mut x0);
//!
//! // Its grains at t = 800 of T = 1000: whole numbers, all over the page.
//! let mut rng = Seed(1).stream(streams::DEGRADE, 0, 0);
//! let noise = ink.sample_noise(&mut rng);
//! let mut x_t = vec![0.0; shape.len()];
//! ink.degrade(&x0, Timestep(800), &noise, &mut x_t);
//! assert!(x_t.iter().all(|n| n.fract() == 0.0));
//!
//! // One step of the posterior q(x_s | x_t, x_0) back to s = 600: no grain is lost, and some join.
//! let posterior = ink.posterior().expect("ink has a posterior");
//! let mut x_s = vec![0.0; shape.len()];
//! posterior.sample_posterior(&x_t, &x0, Timestep(800), Timestep(600), &mut rng, &mut x_s)?;
//! assert!(x_s.iter().sum::<f32>() >= x_t.iter().sum::<f32>());
//! # Ok::<(), dm_degrade::Error>(())
//! ```

// No input may end a program: what a library cannot do is an error.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unimplemented)]

mod binomial;
pub mod codec;
pub mod degradation;
pub mod degradations;
pub mod denoiser;
mod error;
pub mod generate;
pub mod heat;
pub mod model;
pub mod model_config;
pub mod onnx;
pub mod parameterization;
pub mod photons;
pub mod poisson;
pub mod samplers;
pub mod schedule;
pub mod schema1;
pub mod streams;
mod timestep;

pub use codec::InputCodec;
pub use degradation::{Degradation, GaussianProcess, Grains, Intensity, Inverse, Posterior};
pub use degradations::{DegradationConfig, REGISTRY};
pub use denoiser::{Condition, Denoiser, NetworkDenoiser, WeakNetwork};
pub use error::{Error, Result};
pub use model::{Model, Provenance};
pub use model_config::{ModelConfig, SCHEMA};
pub use parameterization::{Parameterization, ParameterizationKind};
pub use samplers::{Sampler, SamplerKind, Sampling};
pub use timestep::{Noise, Timestep};
