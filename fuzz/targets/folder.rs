//! Fuzzes the parser `folder`.

#![no_main]

use dm_fuzz::{check, parser};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(parser("folder"), input));
