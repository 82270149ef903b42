//! Checkpoints of PyTorch as models of this project: those of the starter notebook, whose config is read off the tensors, and
//! parameters of any network for which a config is given.

#![warn(clippy::indexing_slicing)]

mod names;
mod notebook;
mod schedule;
mod with_config;

pub use notebook::{Imported, convert, notebook};
pub use with_config::{convert_with, read_config};
