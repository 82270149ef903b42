//! The CPU engine: feature maps in batch-lane layout and the operations on them.
//!
//! One operation per file, each a candle custom operation with a complete backward pass. Networks do not see this
//! module; they are written against [`crate::planes::Planes`].

mod add;
mod lanes;
mod pool;
mod simd;

pub(crate) use add::add;
pub use lanes::LanePlanes;
pub use simd::lanes;
