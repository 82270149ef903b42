//! The config of a run in TOML. Keys that no table has are refused.
//!
//! A resolved config has every default written out, and states the shape and the number of classes of its data. It is part of
//! every run folder and of every model file.

// These modules read files that may contain anything.
#![warn(clippy::indexing_slicing)]

mod checkpoints;
mod classifier;
mod data;
mod differences;
mod diffusion;
mod run_config;
mod table;

pub use checkpoints::CheckpointSettings;
pub(crate) use classifier::check_max_shift;
pub use classifier::{ClassifierConfig, ClassifierTrainingConfig};
pub use data::DataConfig;
pub use differences::{RESUMABLE, differences};
pub(crate) use diffusion::check_num_classes;
pub use diffusion::{DiffusionConfig, DiffusionTrainingConfig, ObjectiveConfig};
pub use run_config::RunConfig;
