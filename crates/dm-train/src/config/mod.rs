//! The config of a run: typed TOML, unknown keys refused, every default written in these files.
//!
//! A resolved config has all defaults filled in, and the shape and number of classes of its data. It is part of every run
//! folder and of every model file.

mod classifier;
mod data;
mod diffusion;
mod run_config;
mod table;

pub use classifier::{ClassifierConfig, ClassifierTrainingConfig};
pub use data::DataConfig;
pub(crate) use diffusion::check_num_classes;
pub use diffusion::{DiffusionConfig, DiffusionTrainingConfig, ObjectiveConfig};
pub use run_config::RunConfig;
