//! One file or folder per command: its arguments, and what it does with the crates below.

pub mod data;
pub mod degrade;
pub mod eval;
pub mod import;
pub mod info;
pub mod likelihood;
pub mod restore;
pub mod sample;
pub mod sanity;
pub mod train;
