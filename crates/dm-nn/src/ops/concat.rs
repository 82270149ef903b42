//! Concatenation along channels: the skip connections of a U-Net.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::lanes::{GradSlot, LanePlanes, LaneShape, token, token_grad};
use super::pool::Buffer;

/// All channels of `parts` in order.
pub(crate) fn concat(parts: &[&LanePlanes]) -> Result<LanePlanes> {
    let [first, rest @ ..] = parts else { candle_core::bail!("concat of nothing") };
    rest.iter().try_fold((*first).clone(), |left, right| concat2(&left, right))
}

fn concat2(a: &LanePlanes, b: &LanePlanes) -> Result<LanePlanes> {
    if a.shape.with_channels(0) != b.shape.with_channels(0) {
        candle_core::bail!("concat: {:?} and {:?} differ in more than channels", a.shape, b.shape);
    }
    let shape = a.shape.with_channels(a.shape.channels + b.shape.channels);
    let split = a.shape.channels;
    let mut y = Buffer::stale(shape.len());
    y.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, plane)| {
        let (block, channel) = (i / shape.channels, i % shape.channels);
        let (source, at) = if channel < split {
            (a, block * split + channel)
        } else {
            (b, block * b.shape.channels + channel - split)
        };
        plane.copy_from_slice(&source.data[at * shape.plane()..][..shape.plane()]);
    });
    let grad = Arc::<GradSlot>::default();
    let op = Concat { a: (a.grad.clone(), a.shape), b: (b.grad.clone(), b.shape), out: grad.clone() };
    let token = a.token.apply_op2(&b.token, op)?;
    Ok(LanePlanes::new(token, shape, y, grad))
}

struct Concat {
    a: (Arc<GradSlot>, LaneShape),
    b: (Arc<GradSlot>, LaneShape),
    out: Arc<GradSlot>,
}

impl CustomOp2 for Concat {
    fn name(&self) -> &'static str {
        "lanes-concat"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(grad) = self.out.take_data() else { return Ok((None, None)) };
        let all = self.a.1.channels + self.b.1.channels;
        let part = |(slot, shape): &(Arc<GradSlot>, LaneShape), first: usize| {
            let mut copy = Buffer::stale(shape.len());
            copy.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, plane)| {
                let at = i / shape.channels * all + first + i % shape.channels;
                plane.copy_from_slice(&grad[at * shape.plane()..][..shape.plane()]);
            });
            slot.accumulate(copy);
            token_grad()
        };
        let a = if a.track_op() { part(&self.a, 0)? } else { None };
        let b = if b.track_op() { part(&self.b, self.a.1.channels)? } else { None };
        Ok((a, b))
    }
}
