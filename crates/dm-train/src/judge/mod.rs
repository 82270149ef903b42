//! Training of the judge, the classifier behind the measures of fidelity: config, loop, files.
//!
//! It shares optimiser, average, parameters, seeds and run folder with the training of diffusion models, and has a loop of
//! its own, because labels take the place of levels.

mod config;
mod files;
mod train;

pub use config::{Config, TrainingConfig};
pub use files::{Recorder, read_checkpoint, write_model};
pub use train::{Event, State, accuracy, train};
