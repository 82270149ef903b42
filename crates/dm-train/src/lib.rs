//! Trains diffusion models and classifiers, from a config or from components of your own.
//!
#![doc = include_str!("../docs/picture.md")]
//!
//! A [`Task`] says what is trained, a [`Trainer`] runs the one training loop of this crate, and [`Observer`]s watch it: they
//! write metrics, pictures of samples, checkpoints and the model into a [`RunFolder`]. A [`RunConfig`] describes a run
//! in TOML. This crate does not use the clock, the environment, the working directory or standard output. The caller passes in
//! what a run needs of them.
//!
//! ```
//! use candle_core::Device;
//! use dm_degrade::degradations::{DegradationConfig, GaussianConfig};
//! use dm_degrade::parameterization::X0;
//! use dm_degrade::{SamplerKind, Sampling, generate};
//! use dm_nn::data::{Dataset, Images};
//! use dm_nn::image::ImageShape;
//! use dm_nn::nets::UNetConfig;
//! use dm_nn::rng::Seed;
//! use dm_train::{DiffusionSettings, DiffusionTask, Trainer, TrainingSettings};
//!
//! // Sixteen images of 8x8 pixels, each with one white row.
//! let shape = ImageShape::new(1, 8, 8);
//! let row = |i: usize| (0..64).map(move |p| if p / 8 == i % 8 { 255 } else { 0 });
//! let pixels: Vec<u8> = (0..16).flat_map(row).collect();
//! let images = Images { shape, num_classes: 0, pixels, labels: vec![0; 16] };
//! let data = Dataset::in_memory(images.clone(), images)?;
//!
//! // A small U-Net learns to remove Gaussian noise by predicting the clean image.
//! let process = GaussianConfig { timesteps: 20, ..GaussianConfig::default() };
//! let degradation = DegradationConfig::Gaussian(process).build(shape, &[])?;
//! let network = UNetConfig { channels: vec![8, 8], groups: 4, ..UNetConfig::default() };
//! let task = DiffusionTask::new(
//!     degradation,
//!     Box::new(network),
//!     std::sync::Arc::new(X0),
//!     DiffusionSettings::default(),
//! )?;
//! let settings = TrainingSettings { epochs: 3, batch_size: 8, ..TrainingSettings::default() };
//! let mut trainer = Trainer::new(task, &settings, &data, &Device::Cpu)?;
//! assert!(trainer.run(&mut [], &|| false)?);
//! assert_eq!(trainer.state().step, 6);
//!
//! // Two samples in ten steps.
//! let sampling = Sampling::new(SamplerKind::Ancestral, 10);
//! let request = generate::Request::new(Seed(1), 2, 2, sampling);
//! let samples = generate::images(&trainer.state().denoiser(), &request, &mut |_, _, _| {})?;
//! assert_eq!(samples.len(), 2 * shape.len());
//! # Ok::<(), dm_train::Error>(())
//! ```

// No input may make this library panic. What it cannot do, it reports as an error.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unimplemented)]

mod batches;
pub mod checkpoint;
pub mod checkpoint_files;
pub mod classifier;
pub mod config;
mod degraded_batch;
pub mod diffusion;
mod diffusion_settings;
pub mod ema;
mod error;
pub mod event;
pub mod find_lr;
pub mod gradients;
pub mod import;
mod in_place;
pub mod interpolate;
pub mod interruptible;
mod json;
mod links;
pub mod loss_by_timestep;
pub mod manifest;
pub mod observers;
pub mod optimizer;
pub mod run_folder;
pub mod run_lock;
pub mod running_mean;
mod schema1;
pub mod settings;
pub mod state;
pub mod streams;
pub mod task;
mod tensorboard;
pub mod timestep_sampler;
pub mod trainer;
pub mod weighting;

pub use classifier::ClassifierTask;
pub use config::RunConfig;
pub use diffusion::DiffusionTask;
pub use diffusion_settings::DiffusionSettings;
pub use error::{Error, Result};
pub use event::{Event, Observer};
pub use run_folder::{OpenOptions, RunFolder};
pub use settings::TrainingSettings;
pub use state::TrainingState;
pub use task::Task;
pub use trainer::Trainer;
