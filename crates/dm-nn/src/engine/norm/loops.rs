//! The vector loops of LayerNorm with GELU, over one plane or over one channel of all blocks.
//!
//! Values and statistics are vectors with one image per lane; gamma and beta are a scalar per pixel.

use pulp::{Simd, WithSimd};

use crate::engine::substrate::math::{gelu, gelu_slope};
use crate::engine::substrate::vector::F;

/// Pixels whose parameter gradients are summed over all blocks before those of the next pixels, so that the sums stay
/// in the first-level cache.
const PIXEL_CHUNK: usize = 56;

/// The `at`-th vector of a slice.
#[inline(always)]
fn vector<S: Simd>(simd: S, values: &[f32], at: usize) -> F<S> {
    F(simd, S::as_simd_f32s(values).0[at])
}

/// Computes the mean of a plane and the sum of squared deviations from the mean.
pub(crate) struct Moments<'a> {
    /// The plane.
    pub plane: &'a [f32],
    /// [2, LANES].
    pub out: &'a mut [f32],
}

impl WithSimd for Moments<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plane = S::as_simd_f32s(self.plane).0;
        let mean = sum(simd, plane, |v| v) * F::splat(simd, 1.0 / plane.len() as f32);
        let squares = sum(
            simd,
            plane,
            #[inline(always)]
            |v| (v - mean) * (v - mean),
        );
        let out = S::as_mut_simd_f32s(self.out).0;
        out[0] = mean.1;
        out[1] = squares.1;
    }
}

/// The sum of `f` over a plane, in four independent chains of additions.
#[inline(always)]
fn sum<S: Simd>(simd: S, plane: &[S::f32s], f: impl Fn(F<S>) -> F<S>) -> F<S> {
    let mut sums = [F::zero(simd); 4];
    let chunks = plane.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum = *sum + f(F(simd, *v));
        }
    }
    for v in rest {
        sums[0] = sums[0] + f(F(simd, *v));
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Computes gelu(gamma * (x - mean) / sigma + beta) + channel bias.
pub(crate) struct Activate<'a> {
    /// The plane.
    pub x: &'a [f32],
    /// Its mean and 1/sigma.
    pub stats: &'a [f32],
    /// Scale per pixel.
    pub gamma: &'a [f32],
    /// Shift per pixel.
    pub beta: &'a [f32],
    /// One value per image.
    pub channel_bias: Option<&'a [f32]>,
    /// The result.
    pub out: &'a mut [f32],
}

impl WithSimd for Activate<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (mean, scale) = (vector(simd, self.stats, 0), vector(simd, self.stats, 1));
        let bias = self.channel_bias.map_or(F::zero(simd), |b| vector(simd, b, 0));
        let x = S::as_simd_f32s(self.x).0;
        let out = S::as_mut_simd_f32s(self.out).0;
        let affine = self.gamma.iter().zip(self.beta);
        for ((out, x), (gamma, beta)) in out.iter_mut().zip(x).zip(affine) {
            let normal = (F(simd, *x) - mean) * scale;
            let u = normal.mul_add(F::splat(simd, *gamma), F::splat(simd, *beta));
            *out = (gelu(u) + bias).1;
        }
    }
}

/// First sweep of the backward pass, over one channel of all blocks: the gradient of the normalised x, and sums of it.
pub(crate) struct Slope<'a> {
    /// The channel's plane of each block.
    pub x: &'a [&'a [f32]],
    /// Mean and 1/sigma of each of these planes.
    pub stats: &'a [&'a [f32]],
    /// Scale per pixel.
    pub gamma: &'a [f32],
    /// Shift per pixel.
    pub beta: &'a [f32],
    /// On entry the gradient of the output, on return the gradient of the normalised x.
    pub grads: Vec<&'a mut [f32]>,
    /// [blocks, 3, LANES], zero on entry. On return the sums over pixels of the gradient of the normalised x, of this
    /// gradient times the normalised x, and of the gradient of the output.
    pub sums: &'a mut [f32],
    /// [2, pixels]: gradients of gamma and beta.
    pub affine: &'a mut [f32],
}

impl WithSimd for Slope<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let pixels = self.gamma.len();
        let sums = S::as_mut_simd_f32s(self.sums).0;
        let (gamma_grad, beta_grad) = self.affine.split_at_mut(pixels);
        for start in (0..pixels).step_by(PIXEL_CHUNK) {
            let count = PIXEL_CHUNK.min(pixels - start);
            let gamma = &self.gamma[start..][..count];
            let beta = &self.beta[start..][..count];
            let mut affine = [(F::zero(simd), F::zero(simd)); PIXEL_CHUNK];
            for (block, grad) in self.grads.iter_mut().enumerate() {
                let (mean, scale) = (vector(simd, self.stats[block], 0), vector(simd, self.stats[block], 1));
                let x = &S::as_simd_f32s(self.x[block]).0[start..][..count];
                let grad = &mut S::as_mut_simd_f32s(grad).0[start..][..count];
                let [mut sum, mut product, mut direct] = [F::zero(simd); 3];
                for ((((x, grad), gamma), beta), affine) in
                    x.iter().zip(grad).zip(gamma).zip(beta).zip(&mut affine)
                {
                    let gamma = F::splat(simd, *gamma);
                    let dy = F(simd, *grad);
                    let normal = (F(simd, *x) - mean) * scale;
                    let du = dy * gelu_slope(normal.mul_add(gamma, F::splat(simd, *beta)));
                    affine.0 = du.mul_add(normal, affine.0);
                    affine.1 = affine.1 + du;
                    let dx = du * gamma;
                    sum = sum + dx;
                    product = dx.mul_add(normal, product);
                    direct = direct + dy;
                    *grad = dx.1;
                }
                for (total, part) in sums[3 * block..][..3].iter_mut().zip([sum, product, direct]) {
                    *total = (F(simd, *total) + part).1;
                }
            }
            let targets = gamma_grad[start..].iter_mut().zip(&mut beta_grad[start..]);
            for ((gamma, beta), affine) in targets.zip(&affine[..count]) {
                *gamma = simd.reduce_sum_f32s(affine.0.1);
                *beta = simd.reduce_sum_f32s(affine.1.1);
            }
        }
    }
}

/// Second sweep of the backward pass: the gradient of x from the gradient of the normalised x.
pub(crate) struct Centre<'a> {
    /// The plane.
    pub x: &'a [f32],
    /// Its mean and 1/sigma.
    pub stats: &'a [f32],
    /// The gradient of the normalised x.
    pub grad: &'a [f32],
    /// Means over the normalised group: of `grad`, and of `grad` times the normalised x.
    pub means: &'a [f32],
    /// The result.
    pub out: &'a mut [f32],
}

impl WithSimd for Centre<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (mean, scale) = (vector(simd, self.stats, 0), vector(simd, self.stats, 1));
        let (shift, slope) = (vector(simd, self.means, 0), vector(simd, self.means, 1));
        let x = S::as_simd_f32s(self.x).0;
        let grad = S::as_simd_f32s(self.grad).0;
        let out = S::as_mut_simd_f32s(self.out).0;
        for ((out, x), grad) in out.iter_mut().zip(x).zip(grad) {
            let normal = (F(simd, *x) - mean) * scale;
            *out = (normal.neg_mul_add(slope, F(simd, *grad) - shift) * scale).1;
        }
    }
}
