//! Named parameters of networks, and the files that store them.

pub mod file;
mod pickle;
mod pickled;
pub mod pth;
mod set;

pub use set::{Init, Params, Path};
