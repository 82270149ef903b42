//! The commands, one file or folder each: their arguments, and the calls of the library crates.

pub mod completions;
pub mod data;
pub mod degrade;
pub mod eval;
pub mod export;
pub mod import;
pub mod info;
pub mod likelihood;
pub mod man;
pub mod restore;
pub mod runs;
pub mod sample;
pub mod sanity;
pub mod serve;
pub mod shards;
pub mod train;
