//! Elementwise sum of two batches of planes: residual connections.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::lanes::{GradSlot, LanePlanes, add_assign, token, token_grad};
use super::pool::Buffer;

/// a + b.
pub(crate) fn add(a: &LanePlanes, b: &LanePlanes) -> Result<LanePlanes> {
    if a.shape != b.shape {
        candle_core::bail!("add: {:?} and {:?} differ", a.shape, b.shape);
    }
    let mut sum = Buffer::stale(a.data.len());
    sum.copy_from_slice(&a.data);
    add_assign(&mut sum, &b.data);
    let grad = Arc::<GradSlot>::default();
    let op = Add { a: a.grad.clone(), b: b.grad.clone(), out: grad.clone() };
    let token = a.token.apply_op2(&b.token, op)?;
    Ok(LanePlanes::new(token, a.shape, sum, grad))
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
        let Some(grad) = self.out.take() else { return Ok((None, None)) };
        let mut copy = Buffer::stale(grad.len());
        copy.copy_from_slice(&grad);
        self.a.accumulate(grad);
        self.b.accumulate(copy);
        Ok((token_grad()?, token_grad()?))
    }
}
