//! Named parameters of networks, and the files that store them.

// These modules read files that may contain anything.
#![warn(clippy::indexing_slicing)]

pub mod checkpoint;
pub mod file;
mod floats;
mod pickle;
mod pickled;
pub mod pth;
mod set;

pub use set::{Init, Params, Path};
