//! The range of a seed on the command line.

use clap::builder::RangedU64ValueParser;

/// Seeds from 0 to 2^63 - 1. Configs and recorded files store a seed as a signed number of 64 bits.
pub fn seed_range() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(0..=i64::MAX as u64)
}
