//! Matrix products, blocked so that sums stay in registers, and the linear layer.

mod linear;
pub(crate) mod outer;
pub(crate) mod products;

pub use linear::linear;
