//! The diffusion process in both directions: schedules, degradations, what the network predicts, samplers.
//!
//! Everything here works on host slices of one image (784 floats) and its own random stream, so that a batch is a plain
//! parallel loop and a result depends on seed and sample alone. Networks enter through [`Restorer`]; training is not
//! known here.

mod binomial;
pub mod degradation;
pub mod degradations;
mod error;
pub mod heat;
pub mod poisson;
pub mod prediction;
pub mod restorer;
pub mod samplers;
pub mod schedule;

pub use degradation::{Degradation, Key, Level};
pub use degradations::{DegradationConfig, REGISTRY};
pub use error::{Error, Result};
pub use prediction::Prediction;
pub use restorer::{Condition, NetworkRestorer, Restorer};
pub use samplers::{SamplerKind, Sampling};
