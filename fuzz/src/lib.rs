//! The parsers under test. They are those of `crates/dm-train/tests/hostile`, where the same inputs are tried on stable Rust.

#[path = "../../crates/dm-train/tests/hostile/parsers.rs"]
pub mod parsers;
#[path = "../../crates/dm-train/tests/hostile/peak.rs"]
mod peak;
#[path = "../../crates/dm-train/tests/hostile/zip.rs"]
mod zip;

pub use parsers::{check, parser};
