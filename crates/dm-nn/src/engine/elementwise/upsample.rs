//! Nearest-neighbour upsampling by two: every pixel becomes a square of 2x2.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::engine::autograd::{GradSlot, LanePlanes, LaneShape, token, token_grad};
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::lanes;

/// Nearest-neighbour upsampling by two: [B, C, H, W] -> [B, C, 2H, 2W].
///
/// # Errors
/// If candle cannot record the operation.
pub fn upsample2(x: &LanePlanes) -> Result<LanePlanes> {
    let l = lanes();
    let shape = x.shape.doubled();
    let (row, wide) = (x.shape.width * l, shape.width * l);
    let mut y = Buffer::recycled(shape.len());
    y.par_chunks_mut(2 * wide).zip(x.data.par_chunks(row)).with_min_len(64).for_each(|(rows, source)| {
        let (upper, lower) = rows.split_at_mut(wide);
        for (pair, pixel) in upper.chunks_exact_mut(2 * l).zip(source.chunks_exact(l)) {
            pair[..l].copy_from_slice(pixel);
            pair[l..].copy_from_slice(pixel);
        }
        lower.copy_from_slice(upper);
    });
    let grad = Arc::<GradSlot>::default();
    let op = Upsample { shape: x.shape, x: x.grad.clone(), out: grad.clone() };
    let token = x.token.apply_op1(op)?;
    Ok(LanePlanes::new(token, shape, y, grad))
}

struct Upsample {
    shape: LaneShape,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp1 for Upsample {
    fn name(&self) -> &'static str {
        "lanes-upsample"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let Some(grad) = self.out.take_data() else { return Ok(None) };
        let l = lanes();
        let row = self.shape.width * l;
        let mut dx = Buffer::recycled(self.shape.len());
        dx.par_chunks_mut(row).zip(grad.par_chunks(4 * row)).with_min_len(64).for_each(|(sum, rows)| {
            let (upper, lower) = rows.split_at(2 * row);
            let pairs = upper.chunks_exact(2 * l).zip(lower.chunks_exact(2 * l));
            for (sum, (upper, lower)) in sum.chunks_exact_mut(l).zip(pairs) {
                for (i, s) in sum.iter_mut().enumerate() {
                    *s = (upper[i] + upper[l + i]) + (lower[i] + lower[l + i]);
                }
            }
        });
        drop(grad);
        self.x.accumulate(dx);
        token_grad()
    }
}
