//! The foundation of all operations: memory, SIMD vectors and functions of them. Nothing here depends on images.

pub(crate) mod disjoint;
pub(crate) mod math;
mod memory;
pub(crate) mod pool;
pub(crate) mod prefetch;
pub(crate) mod simd;
pub(crate) mod vector;

pub use simd::lanes;
