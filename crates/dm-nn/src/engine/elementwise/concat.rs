//! Concatenation along channels: the skip connections of a U-Net.
//!
//! No values are copied. The result borrows each plane from the input it comes from, and the gradient of an input is a
//! view of some channels of the gradient of the result.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use crate::engine::autograd::{GradSlot, LanePlanes, LaneShape, Pending, PlaneData, token, token_grad};

/// The channels of `a`, then those of `b`.
///
/// # Errors
/// If the batches or the planes differ in size.
pub fn concat(a: &LanePlanes, b: &LanePlanes) -> Result<LanePlanes> {
    if a.shape.with_channels(0) != b.shape.with_channels(0) {
        candle_core::bail!("concat: {:?} and {:?} differ in more than channels", a.shape, b.shape);
    }
    for part in [a, b] {
        part.data.materialized();
    }
    let parts = [(a.data.clone(), a.shape), (b.data.clone(), b.shape)];
    let grad = Arc::<GradSlot>::default();
    let op = Concat { a: (a.grad.clone(), a.shape), b: (b.grad.clone(), b.shape), out: grad.clone() };
    let token = a.token.apply_op2(&b.token, op)?;
    let shape = a.shape.with_channels(a.shape.channels + b.shape.channels);
    Ok(LanePlanes::new(token, shape, PlaneData::pending(Joined(parts)), grad))
}

/// The planes of two batches, one after the other.
struct Joined([(Arc<PlaneData>, LaneShape); 2]);

impl Joined {
    fn at(&self, block: usize, channel: usize) -> &[f32] {
        let [(a, a_shape), (b, b_shape)] = &self.0;
        match channel.checked_sub(a_shape.channels) {
            None => a.materialized().at(*a_shape, block, channel),
            Some(channel) => b.materialized().at(*b_shape, block, channel),
        }
    }
}

impl Pending for Joined {
    fn shape(&self) -> LaneShape {
        let [(_, a), (_, b)] = &self.0;
        a.with_channels(a.channels + b.channels)
    }

    fn compute(&self, block: usize, channel: usize, out: &mut [f32]) {
        out.copy_from_slice(self.at(block, channel));
    }

    fn borrowed(&self, block: usize, channel: usize) -> Option<&[f32]> {
        Some(self.at(block, channel))
    }

    fn is_view(&self) -> bool {
        true
    }
}

/// A view of some channels of feature maps, from `first` on.
struct Window {
    all: Arc<PlaneData>,
    all_shape: LaneShape,
    first: usize,
    shape: LaneShape,
}

impl Window {
    fn at(&self, block: usize, channel: usize) -> &[f32] {
        self.all.materialized().at(self.all_shape, block, self.first + channel)
    }
}

impl Pending for Window {
    fn shape(&self) -> LaneShape {
        self.shape
    }

    fn compute(&self, block: usize, channel: usize, out: &mut [f32]) {
        out.copy_from_slice(self.at(block, channel));
    }

    fn borrowed(&self, block: usize, channel: usize) -> Option<&[f32]> {
        Some(self.at(block, channel))
    }

    fn is_view(&self) -> bool {
        true
    }
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
        let Some(all) = self.out.take_data() else { return Ok((None, None)) };
        all.materialized();
        let split = self.a.1.channels;
        let all_shape = self.a.1.with_channels(split + self.b.1.channels);
        let part = |(slot, shape): &(Arc<GradSlot>, LaneShape), first: usize| {
            let window = Window { all: all.clone(), all_shape, first, shape: *shape };
            slot.accumulate(PlaneData::pending(window));
            token_grad()
        };
        let a = if a.track_op() { part(&self.a, 0)? } else { None };
        let b = if b.track_op() { part(&self.b, split)? } else { None };
        Ok((a, b))
    }
}
