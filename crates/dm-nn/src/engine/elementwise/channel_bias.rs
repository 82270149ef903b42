//! Biases per image and channel, which add time embeddings, and the layout in which convolutions take their bias.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::engine::autograd::{GradSlot, LanePlanes, LaneShape, PlaneData, token, token_grad, with_slice};
use crate::engine::gemm::products::OUT;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// `x` [B, C, H, W] plus `bias` [B, C] on every pixel of a plane.
///
/// # Errors
/// If the shapes do not fit together.
pub fn add_channels(x: &LanePlanes, bias: &Tensor) -> Result<LanePlanes> {
    if bias.dims() != [x.shape.batch, x.shape.channels] {
        let (batch, channels) = (x.shape.batch, x.shape.channels);
        candle_core::bail!("channel bias: found {:?}, expected [{batch}, {channels}]", bias.shape());
    }
    let planes = bias_planes(bias, x.shape)?;
    let (l, channels) = (lanes(), x.shape.channels);
    let mut y = Buffer::recycled(x.data.len());
    y.par_chunks_mut(x.shape.plane()).zip(x.data.par_chunks(x.shape.plane())).enumerate().for_each(
        |(i, (y, x))| {
            let at = i / channels * channels.next_multiple_of(OUT) + i % channels;
            let bias = &planes[at * l..][..l];
            for (y, x) in y.chunks_exact_mut(l).zip(x.chunks_exact(l)) {
                for ((y, x), b) in y.iter_mut().zip(x).zip(bias) {
                    *y = x + b;
                }
            }
        },
    );
    let grad = Arc::<GradSlot>::default();
    let op = AddChannels { shape: x.shape, x: x.grad.clone(), out: grad.clone() };
    let token = x.token.apply_op2(bias, op)?;
    Ok(LanePlanes::new(token, x.shape, y, grad))
}

struct AddChannels {
    shape: LaneShape,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp2 for AddChannels {
    fn name(&self) -> &'static str {
        "lanes-add-channels"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(grad) = self.out.take_data() else { return Ok((None, None)) };
        let bias_grad = if bias.track_op() {
            Some(Tensor::from_vec(channel_sums(&grad, self.shape), bias.shape(), &Device::Cpu)?)
        } else {
            None
        };
        if !x.track_op() {
            return Ok((None, bias_grad));
        }
        self.x.accumulate_shared(grad);
        Ok((token_grad()?, bias_grad))
    }
}

/// A bias `[C]` or [B, C] as vectors [blocks, C rounded up to 4, LANES], zero in the padding.
pub(crate) fn bias_planes(bias: &Tensor, shape: LaneShape) -> Result<Buffer> {
    let (l, channels) = (lanes(), shape.channels);
    let padded = channels.next_multiple_of(OUT);
    let per_image = bias.rank() == 2;
    let mut planes = Buffer::zeros(shape.blocks() * padded * l);
    with_slice(bias, |values| {
        for image in 0..shape.batch {
            let values = if per_image { &values[image * channels..][..channels] } else { values };
            let start = image / l * padded * l + image % l;
            for (p, v) in planes[start..].iter_mut().step_by(l).zip(values) {
                *p = *v;
            }
        }
        Ok(())
    })?;
    Ok(planes)
}

/// The sum of every plane, [B, C].
pub(crate) fn channel_sums(grad: &PlaneData, shape: LaneShape) -> Vec<f32> {
    let (l, planes) = (lanes(), grad.materialized());
    let mut sums = Buffer::recycled(shape.blocks() * shape.channels * l);
    sums.par_chunks_mut(l).enumerate().with_min_len(8).for_each(|(i, sum)| {
        let plane = planes.at(shape, i / shape.channels, i % shape.channels);
        dispatch(PixelSum { plane, sum });
    });
    per_image(&sums, shape)
}

/// [blocks, C, LANES] -> [B, C].
pub(crate) fn per_image(sums: &[f32], shape: LaneShape) -> Vec<f32> {
    let l = lanes();
    let mut result = vec![0.0; shape.batch * shape.channels];
    for (i, value) in result.iter_mut().enumerate() {
        let (image, channel) = (i / shape.channels, i % shape.channels);
        *value = sums[(image / l * shape.channels + channel) * l + image % l];
    }
    result
}

struct PixelSum<'a> {
    plane: &'a [f32],
    sum: &'a mut [f32],
}

impl WithSimd for PixelSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (pixels, _) = S::as_simd_f32s(self.plane);
        let (quads, rest) = pixels.as_chunks::<4>();
        let mut acc = [simd.splat_f32s(0.0); 4];
        for quad in quads {
            for (a, v) in acc.iter_mut().zip(quad) {
                *a = simd.add_f32s(*a, *v);
            }
        }
        for (a, v) in acc.iter_mut().zip(rest) {
            *a = simd.add_f32s(*a, *v);
        }
        let (sum, _) = S::as_mut_simd_f32s(self.sum);
        sum[0] = simd.add_f32s(simd.add_f32s(acc[0], acc[1]), simd.add_f32s(acc[2], acc[3]));
    }
}
