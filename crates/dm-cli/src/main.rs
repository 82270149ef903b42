//! dm
fn main() {}
