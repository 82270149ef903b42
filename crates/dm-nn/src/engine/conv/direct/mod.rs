//! Direct convolutions: the sum over taps and channels, for any kernel size, stride and number of channels.
//!
//! A task copies the rows of the input that its rows of results need into a patch with zero borders. The patch is split
//! by the stride into phases, so that the inputs of neighbouring results are neighbours in memory too. Then every tap
//! of every channel is one step of the register-blocked product loop of [`gemm`](crate::engine::gemm).

mod correlate;
mod forward;
mod input_gradient;
mod patch;
mod sweep;
mod weight_gradient;

pub(super) use forward::forward;
pub(super) use input_gradient::input_gradient;
pub(super) use patch::Geometry;
pub(super) use weight_gradient::weight_gradient;
