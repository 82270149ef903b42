//! The elementwise sum of two batches of feature maps: residual connections.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::engine::autograd::{CHUNK, GradSlot, LanePlanes, token, token_grad};
use crate::engine::substrate::pool::Buffer;

/// a + b.
///
/// # Errors
/// If the shapes differ.
pub fn add(a: &LanePlanes, b: &LanePlanes) -> Result<LanePlanes> {
    if a.shape != b.shape {
        candle_core::bail!("add: {:?} and {:?} differ", a.shape, b.shape);
    }
    let mut sum = Buffer::recycled(a.data.len());
    let chunks = sum.par_chunks_mut(CHUNK).zip(a.data.par_chunks(CHUNK)).zip(b.data.par_chunks(CHUNK));
    chunks.for_each(|((sum, a), b)| sum.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum = a + b));
    sum_of(sum, &a.token, &a.grad, b)
}

/// The result of an operation that has already computed `sum`, the sum of `b` and of the planes of token `a`, whose
/// gradient gathers in `a_grad`.
pub(crate) fn sum_of(sum: Buffer, a: &Tensor, a_grad: &Arc<GradSlot>, b: &LanePlanes) -> Result<LanePlanes> {
    let grad = Arc::<GradSlot>::default();
    let op = Add { a: a_grad.clone(), b: b.grad.clone(), out: grad.clone() };
    let token = a.apply_op2(&b.token, op)?;
    Ok(LanePlanes::new(token, b.shape, sum, grad))
}

struct Add {
    a: Arc<GradSlot>,
    b: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "lanes-add"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(grad) = self.out.take_data() else { return Ok((None, None)) };
        self.b.accumulate_shared(grad.clone());
        self.a.accumulate_shared(grad);
        Ok((token_grad()?, token_grad()?))
    }
}
