//! The batch-lane layout, and how feature maps in it take part in candle's automatic differentiation.
//!
//! A batch of feature maps [B, C, H, W] is stored as [B/LANES, C, H, W, LANES]: the innermost axis holds the same pixel
//! of LANES images, see [`layout`].
//!
//! Feature maps in this layout are not candle tensors. Each [`LanePlanes`] owns a one-element *token* tensor that
//! stands for it in candle's graph. An operation is a candle custom operation from tokens (and parameter tensors) to a
//! token, so candle decides the order of the backward pass, while activations and their gradients travel beside it in
//! pooled buffers. The reason is speed: for every edge of the graph candle's backward pass allocates a tensor of zeros
//! and adds the gradient to it on one thread, which for these networks takes longer than all convolutions together.
//!
//! The contract of an operation: its `bwd` takes the output's gradient from the output's [`GradSlot`], adds each
//! input's gradient to that input's slot, and returns [`token_grad`] for input tokens and real gradients for
//! parameters.

mod gradients;
mod lane_planes;
mod layout;
mod plane_data;
mod saved;
mod token;

pub(crate) use gradients::GradSlot;
pub use lane_planes::LanePlanes;
pub(crate) use layout::{CHUNK, LaneShape};
pub(crate) use plane_data::{Materialized, Pending, PlaneData};
pub(crate) use saved::SavedForBackward;
pub(crate) use token::{slice, token, token_grad, with_slice};
