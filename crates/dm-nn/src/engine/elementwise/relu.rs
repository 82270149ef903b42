//! The rectified linear unit, max(x, 0).

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::engine::autograd::{CHUNK, GradSlot, LanePlanes, PlaneData, token, token_grad};
use crate::engine::substrate::pool::Buffer;

/// max(x, 0).
///
/// # Errors
/// If candle cannot record the operation.
pub fn relu(x: &LanePlanes) -> Result<LanePlanes> {
    let mut y = Buffer::recycled(x.data.len());
    let chunks = y.par_chunks_mut(CHUNK).zip(x.data.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, x)| *y = x.max(0.0)));
    let (y, grad) = (Arc::new(PlaneData::from(y)), Arc::<GradSlot>::default());
    let op = Relu { y: y.clone(), x: x.grad.clone(), out: grad.clone() };
    let token = x.token.apply_op1(op)?;
    Ok(LanePlanes { token, shape: x.shape, data: y, grad })
}

struct Relu {
    y: Arc<PlaneData>,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "lanes-relu"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let Some(mut grad) = self.out.take() else { return Ok(None) };
        let chunks = grad.par_chunks_mut(CHUNK).zip(self.y.par_chunks(CHUNK));
        chunks.for_each(|(grad, y)| {
            grad.iter_mut().zip(y).for_each(|(grad, y)| *grad = if *y > 0.0 { *grad } else { 0.0 });
        });
        self.x.accumulate(grad);
        token_grad()
    }
}
