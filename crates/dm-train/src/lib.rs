//! From a checked config to a trained model: objectives, optimiser, EMA, one visible loop, events, observers, run folders.
//!
//! No clock, environment, working directory or standard output is used here: what a run needs of them is passed in.

mod batch;
pub mod checkpoint;
pub mod config;
pub mod ema;
mod error;
pub mod event;
pub mod film;
pub mod generate;
pub mod gradients;
pub mod grid;
pub mod import;
mod in_place;
pub mod interpolate;
pub mod judge;
pub mod levels;
pub mod model;
pub mod objective;
pub mod observers;
pub mod optimizer;
pub mod run;
pub mod totals;
pub mod train;

pub use config::Config;
pub use error::{Error, Result};
pub use model::Model;
