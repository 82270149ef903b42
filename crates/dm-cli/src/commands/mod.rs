//! The commands, one file or folder each: arguments, and calls of the library crates.

pub mod data;
pub mod degrade;
pub mod eval;
pub mod import;
pub mod info;
pub mod likelihood;
pub mod restore;
pub mod runs;
pub mod sample;
pub mod sanity;
pub mod train;
