//! Fuzzes the parser `record`.

#![no_main]

use dm_fuzz::{check, parser};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(parser("record"), input));
