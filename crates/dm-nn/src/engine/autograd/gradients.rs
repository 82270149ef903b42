//! The gradient of feature maps, which accumulates during the backward pass.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::layout::CHUNK;
use super::plane_data::PlaneData;
use crate::engine::substrate::pool::Buffer;

/// The gradient of one [`LanePlanes`](super::LanePlanes), summed over the operations that use them.
///
/// A gradient that is the same for several inputs (both terms of a sum) is shared until one of the holders has to
/// change it. Most gradients are only read.
#[derive(Default)]
pub(crate) struct GradSlot(Mutex<Option<Arc<PlaneData>>>);

impl GradSlot {
    /// Adds `grad` (a [`Buffer`], or planes still to be computed). The first gradient is moved in, not copied.
    pub fn accumulate(&self, grad: impl Into<PlaneData>) {
        self.accumulate_shared(Arc::new(grad.into()));
    }

    /// Adds `grad`, which other slots may hold too.
    pub fn accumulate_shared(&self, grad: Arc<PlaneData>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(match slot.take() {
            None => grad,
            Some(sum) => {
                // Adds into whichever of the two may be changed in place; the order of two terms does not change their
                // sum.
                let changeable = |data: &Arc<PlaneData>| Arc::strong_count(data) == 1 && data.is_buffer();
                let (sum, other) =
                    if changeable(&grad) && !changeable(&sum) { (grad, sum) } else { (sum, grad) };
                let mut sum = into_owned(sum);
                other.add_to(&mut sum);
                Arc::new(sum.into())
            }
        });
    }

    /// Takes the gradient as a buffer that the caller may change; `None` if the loss does not depend on these planes.
    pub fn take(&self) -> Option<Buffer> {
        self.take_data().map(into_owned)
    }

    /// Takes the gradient for reading only; `None` if the loss does not depend on these planes.
    pub fn take_data(&self) -> Option<Arc<PlaneData>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The values in a buffer of their own: the existing one if nobody else holds it, else a copy.
fn into_owned(data: Arc<PlaneData>) -> Buffer {
    match Arc::try_unwrap(data) {
        Ok(data) => data.into_buffer(),
        Err(shared) => {
            let mut copy = Buffer::recycled(shared.len());
            let chunks = copy.par_chunks_mut(CHUNK).zip(shared.par_chunks(CHUNK));
            chunks.for_each(|(copy, shared)| copy.copy_from_slice(shared));
            copy
        }
    }
}
