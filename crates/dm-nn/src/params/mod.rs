//! Named parameters of networks, and the files that store them.

pub mod file;
pub mod pth;
mod set;

pub use set::{Init, Params, Path};
