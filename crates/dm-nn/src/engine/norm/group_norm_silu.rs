//! Group normalisation (Wu and He, 2018) followed by SiLU, in one sweep for each of the forward and backward passes.
//!
//! Only the mean, 1/sigma and the input are saved for the backward pass; the input is shared with the operation that made
//! it. Computing the normalised values and the slope of the activation again is cheaper than reading them from memory.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::engine::autograd::{
    GradSlot, LanePlanes, LaneShape, PlaneData, SavedForBackward, token, token_grad, with_slice,
};
use crate::engine::substrate::math::sigmoid;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{V, dispatch, lanes};
use crate::engine::substrate::vector::{F, inlined};

/// silu(gamma * (x - mean) / sigma + beta) of `x` [B, C, H, W] with `gamma` and `beta` `[C]`. Mean and sigma are those
/// of the channels of each of `groups` groups; `eps` is added to the variance.
///
/// # Errors
/// If `groups` does not divide the channels, or the shapes do not fit together.
pub fn group_norm_silu(
    x: &LanePlanes,
    groups: usize,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f32,
) -> Result<LanePlanes> {
    let channels = x.shape.channels;
    if groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!(
            "group norm: found {groups} groups, expected a divisor of the {channels} channels"
        );
    }
    if gamma.dims() != [channels] || beta.dims() != [channels] {
        candle_core::bail!(
            "group norm: found gamma {:?} and beta {:?}, expected both [{channels}]",
            gamma.shape(),
            beta.shape()
        );
    }
    let l = lanes();
    let per_group = channels / groups;
    let len = per_group * x.shape.plane();
    let mut y = Buffer::recycled(x.data.len());
    let mut stats = Buffer::recycled(x.shape.blocks() * groups * 2 * l);
    let planes = x.data.materialized();
    with_slice(gamma, |gamma| {
        with_slice(beta, |beta| {
            y.par_chunks_mut(len).zip(stats.par_chunks_mut(2 * l)).enumerate().for_each(|(i, (y, stats))| {
                let first = i % groups * per_group;
                let (gamma, beta) = (&gamma[first..][..per_group], &beta[first..][..per_group]);
                let x = &planes.block(x.shape, i / groups, first..first + per_group);
                dispatch(Forward { x, gamma, beta, eps, stats, y });
            });
            Ok(())
        })
    })?;
    let grad = Arc::<GradSlot>::default();
    let track = x.token.track_op() || gamma.track_op() || beta.track_op();
    let op = GroupNormSilu {
        shape: x.shape,
        groups,
        saved: SavedForBackward::new(track.then(|| (x.data.clone(), stats))),
        x_grad: x.grad.clone(),
        grad: grad.clone(),
    };
    let token = x.token.apply_op3(gamma, beta, op)?;
    Ok(LanePlanes::new(token, x.shape, y, grad))
}

struct GroupNormSilu {
    shape: LaneShape,
    groups: usize,
    /// The input, and mean and 1/sigma of its groups, [blocks, groups, 2, LANES].
    saved: SavedForBackward<(Arc<PlaneData>, Buffer)>,
    x_grad: Arc<GradSlot>,
    grad: Arc<GradSlot>,
}

impl CustomOp3 for GroupNormSilu {
    fn name(&self) -> &'static str {
        "lanes-group-norm-silu"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        x_token: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(mut grad) = self.grad.take() else { return Ok((None, None, None)) };
        let (x, stats) = self.saved.take("GroupNorm-SiLU")?;
        let l = lanes();
        let channels = self.shape.channels;
        let per_group = channels / self.groups;
        let len = per_group * self.shape.plane();
        let mut sums = Buffer::recycled(self.shape.blocks() * channels * 2 * l);
        // The gradient of the input's other uses (of a residual connection, for example) as far as it has arrived.
        let others = if x_token.track_op() { self.x_grad.take_data() } else { None };
        let (planes, other_planes) = (x.materialized(), others.as_ref().map(|others| others.materialized()));
        with_slice(gamma, |gamma| {
            with_slice(beta, |beta| {
                // The gradient of the input overwrites that of the output.
                grad.par_chunks_mut(len)
                    .zip(stats.par_chunks(2 * l))
                    .zip(sums.par_chunks_mut(per_group * 2 * l))
                    .enumerate()
                    .for_each(|(i, ((grad, stats), sums))| {
                        let first = i % self.groups * per_group;
                        let (gamma, beta) = (&gamma[first..][..per_group], &beta[first..][..per_group]);
                        let (block, group) = (i / self.groups, first..first + per_group);
                        let others =
                            other_planes.map(|others| others.block(self.shape, block, group.clone()));
                        let others = others.as_deref();
                        let x = &planes.block(self.shape, block, group);
                        dispatch(Backward { x, gamma, beta, stats, others, grad, sums });
                    });
                Ok(())
            })
        })?;
        let mut totals = [vec![0.0f32; channels], vec![0.0f32; channels]];
        for block in sums.chunks(channels * 2 * l) {
            for (channel, pair) in block.chunks(2 * l).enumerate() {
                for (total, lanes) in totals.iter_mut().zip(pair.chunks(l)) {
                    total[channel] += lanes.iter().sum::<f32>();
                }
            }
        }
        let [d_beta, d_gamma] = totals.map(|t| Tensor::from_vec(t, channels, &Device::Cpu));
        let mut d_x = None;
        if x_token.track_op() {
            self.x_grad.accumulate(grad);
            d_x = token_grad()?;
        }
        Ok((d_x, Some(d_gamma?), Some(d_beta?)))
    }
}

/// The forward pass of one group of one block.
struct Forward<'a> {
    /// The planes of the group.
    x: &'a [&'a [f32]],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f32,
    stats: &'a mut [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (y, _) = S::as_mut_simd_f32s(self.y);
        let (stats, _) = S::as_mut_simd_f32s(self.stats);
        let (mean, scale) = statistics(simd, self.x, self.eps);
        stats[0] = mean;
        stats[1] = scale;
        let pixels = y.len() / self.gamma.len();
        let planes = self.x.iter().zip(y.chunks_exact_mut(pixels));
        for ((x, y), (gamma, beta)) in planes.zip(self.gamma.iter().zip(self.beta)) {
            let (x, _) = S::as_simd_f32s(x);
            let factor = simd.mul_f32s(scale, simd.splat_f32s(*gamma));
            let shift = simd.splat_f32s(*beta);
            for (x, y) in x.iter().zip(y) {
                let z = simd.mul_add_e_f32s(simd.sub_f32s(*x, mean), factor, shift);
                *y = simd.mul_f32s(z, sigmoid(F(simd, z)).1);
            }
        }
    }
}

/// Mean and 1/sigma of the planes of a group.
#[inline(always)]
fn statistics<S: Simd>(simd: S, planes: &[&[f32]], eps: f32) -> (V<S>, V<S>) {
    // Sums of deviations from the first value, which do not cancel if the mean is large compared with sigma.
    let origin = S::as_simd_f32s(planes[0]).0[0];
    let mut values = 0;
    let zero = simd.splat_f32s(0.0);
    let mut sums = [zero; 4];
    let mut squares = [zero; 4];
    for plane in planes {
        let (x, _) = S::as_simd_f32s(plane);
        values += x.len();
        let (quads, rest) = x.as_chunks::<4>();
        for quad in quads {
            for k in 0..4 {
                let d = simd.sub_f32s(quad[k], origin);
                sums[k] = simd.add_f32s(sums[k], d);
                squares[k] = simd.mul_add_e_f32s(d, d, squares[k]);
            }
        }
        for (k, x) in rest.iter().enumerate() {
            let d = simd.sub_f32s(*x, origin);
            sums[k] = simd.add_f32s(sums[k], d);
            squares[k] = simd.mul_add_e_f32s(d, d, squares[k]);
        }
    }
    let total = |v: [V<S>; 4]| simd.add_f32s(simd.add_f32s(v[0], v[1]), simd.add_f32s(v[2], v[3]));
    let count = simd.splat_f32s(1.0 / values as f32);
    let shift = simd.mul_f32s(total(sums), count);
    let variance = simd.negate_mul_add_e_f32s(shift, shift, simd.mul_f32s(total(squares), count));
    let variance = simd.add_f32s(simd.max_f32s(variance, zero), simd.splat_f32s(eps));
    (simd.add_f32s(origin, shift), simd.div_f32s(simd.splat_f32s(1.0), simd.sqrt_f32s(variance)))
}

/// The backward pass of one group of one block.
struct Backward<'a> {
    x: &'a [&'a [f32]],
    gamma: &'a [f32],
    beta: &'a [f32],
    stats: &'a [f32],
    /// The gradient of the input's other uses, which is added.
    others: Option<&'a [&'a [f32]]>,
    /// On entry the gradient of the output, on return the gradient of the input.
    grad: &'a mut [f32],
    /// Gradients of beta and gamma, [channels, 2, LANES].
    sums: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (grad, _) = S::as_mut_simd_f32s(self.grad);
        let (stats, _) = S::as_simd_f32s(self.stats);
        let (sums, _) = S::as_mut_simd_f32s(self.sums);
        let (mean, scale) = (stats[0], stats[1]);
        let zero = simd.splat_f32s(0.0);
        let one = simd.splat_f32s(1.0);
        let values = grad.len();
        let pixels = values / self.gamma.len();
        let (mut group_sum, mut group_product) = (zero, zero);
        for (c, (x, grad)) in self.x.iter().zip(grad.chunks_exact_mut(pixels)).enumerate() {
            let (x, _) = S::as_simd_f32s(x);
            let gamma = simd.splat_f32s(self.gamma[c]);
            let beta = simd.splat_f32s(self.beta[c]);
            let factor = simd.mul_f32s(scale, gamma);
            let (mut sum, mut product) = (zero, zero);
            for (x, grad) in x.iter().zip(grad) {
                let centred = simd.sub_f32s(*x, mean);
                let z = simd.mul_add_e_f32s(centred, factor, beta);
                let s = sigmoid(F(simd, z)).1;
                let slope = simd.mul_f32s(s, simd.mul_add_e_f32s(z, simd.sub_f32s(one, s), one));
                let e = simd.mul_f32s(*grad, slope);
                *grad = e;
                sum = simd.add_f32s(sum, e);
                product = simd.mul_add_e_f32s(e, centred, product);
            }
            let product = simd.mul_f32s(product, scale);
            sums[2 * c] = sum;
            sums[2 * c + 1] = product;
            group_sum = simd.mul_add_e_f32s(gamma, sum, group_sum);
            group_product = simd.mul_add_e_f32s(gamma, product, group_product);
        }
        // dx = scale * (gamma e - mean(gamma e) - normalised * mean(gamma e * normalised))
        let minus = simd.mul_f32s(scale, simd.splat_f32s(-1.0 / values as f32));
        let shift = simd.mul_f32s(minus, group_sum);
        let slope = simd.mul_f32s(simd.mul_f32s(minus, scale), group_product);
        for (c, (x, grad)) in self.x.iter().zip(grad.chunks_exact_mut(pixels)).enumerate() {
            let (x, _) = S::as_simd_f32s(x);
            let factor = simd.mul_f32s(scale, simd.splat_f32s(self.gamma[c]));
            let input = inlined(
                #[inline(always)]
                |(x, grad): (&V<S>, V<S>)| {
                    let rest = simd.mul_add_e_f32s(simd.sub_f32s(*x, mean), slope, shift);
                    simd.mul_add_e_f32s(grad, factor, rest)
                },
            );
            if let Some(others) = self.others {
                let (others, _) = S::as_simd_f32s(others[c]);
                for ((x, grad), other) in x.iter().zip(grad).zip(others) {
                    *grad = simd.add_f32s(input((x, *grad)), *other);
                }
            } else {
                for (x, grad) in x.iter().zip(grad) {
                    *grad = input((x, *grad));
                }
            }
        }
    }
}
