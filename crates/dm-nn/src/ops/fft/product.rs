//! Products of spectra: the convolution itself, once planes and kernels are in the frequency domain.
//!
//! The spectrum of one lane block lies in groups of four channels: [channels/4][BINS][4][re, im][LANES], the last group
//! smaller if the channels are not a multiple of four. A group of one bin is a handful of cache lines in a row, and
//! neither a transform (one channel, all bins) nor a product (one bin, all channels) strides through more than a few
//! dozen pages.

#![allow(unsafe_code, reason = "bounds checks on every weight would cost a third of the products' speed")]

use pulp::{Simd, WithSimd};

use super::super::simd::sum4;
use super::super::vector::F;
use super::transform::BINS;
use super::weights::KernelSpectra;

/// Channels whose spectra lie together.
pub(crate) const GROUP: usize = 4;

/// Where the numbers of one channel lie in a block's spectrum: first complex number, and from bin to bin.
pub(crate) fn channel_bins(channel: usize, channels: usize) -> (usize, usize) {
    let first = channel / GROUP * GROUP;
    let size = GROUP.min(channels - first);
    (first * BINS + channel % GROUP, size)
}

/// Y[o] = sum over i of X[i] * conj(W[i, o]) for every bin: the convolution's forward pass, one lane block.
pub(crate) struct Forward<'a> {
    /// Spectrum of the inputs.
    pub x: &'a [f32],
    /// Spectra of the kernels.
    pub kernels: &'a KernelSpectra,
    /// Spectrum of the outputs; overwritten.
    pub y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let KernelSpectra { inputs, outputs, .. } = *self.kernels;
        multiply::<S, true>(simd, self.x, self.y, self.kernels, (inputs, outputs), (outputs, 1));
    }
}

/// X[i] = sum over o of Y[o] * W[i, o]: the gradient of the inputs, one lane block.
pub(crate) struct Backward<'a> {
    /// Spectrum of the outputs' gradient.
    pub y: &'a [f32],
    /// Spectra of the kernels.
    pub kernels: &'a KernelSpectra,
    /// Spectrum of the inputs' gradient; overwritten.
    pub x: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let KernelSpectra { inputs, outputs, .. } = *self.kernels;
        multiply::<S, false>(simd, self.y, self.x, self.kernels, (outputs, inputs), (1, outputs));
    }
}

/// `to[o] = sum over i of from[i] * w[i * stride.0 + o * stride.1]` (conjugated with `CONJ`) for every bin.
#[inline(always)]
fn multiply<S: Simd, const CONJ: bool>(
    simd: S,
    from: &[f32],
    to: &mut [f32],
    kernels: &KernelSpectra,
    (inputs, outputs): (usize, usize),
    strides: (usize, usize),
) {
    let from = S::as_simd_f32s(from).0;
    let to = S::as_mut_simd_f32s(to).0;
    assert!(from.len() == 2 * inputs * BINS && to.len() == 2 * outputs * BINS);
    assert!(kernels.data.len() == BINS * 2 * kernels.pairs && inputs * outputs <= kernels.pairs);
    for bin in 0..BINS {
        let w = &kernels.data[bin * 2 * kernels.pairs..][..2 * kernels.pairs];
        for first in (0..outputs).step_by(GROUP) {
            let size = GROUP.min(outputs - first);
            let to = &mut to[2 * (first * BINS + bin * size)..][..2 * size];
            let w = Weights { values: w, pairs: kernels.pairs, first: first * strides.1, strides };
            match size {
                4 => tile::<S, 4, CONJ>(simd, from, inputs, bin, w, to),
                3 => tile::<S, 3, CONJ>(simd, from, inputs, bin, w, to),
                2 => tile::<S, 2, CONJ>(simd, from, inputs, bin, w, to),
                _ => tile::<S, 1, CONJ>(simd, from, inputs, bin, w, to),
            }
        }
    }
}

/// The kernels' numbers of one bin, as one tile sees them.
#[derive(Clone, Copy)]
struct Weights<'a> {
    values: &'a [f32],
    pairs: usize,
    first: usize,
    strides: (usize, usize),
}

#[inline(always)]
fn tile<S: Simd, const T: usize, const CONJ: bool>(
    simd: S,
    from: &[S::f32s],
    inputs: usize,
    bin: usize,
    w: Weights<'_>,
    to: &mut [S::f32s],
) {
    let mut sums = [(F::zero(simd), F::zero(simd)); T];
    for first in (0..inputs).step_by(GROUP) {
        let size = GROUP.min(inputs - first);
        let group = &from[2 * (first * BINS + bin * size)..][..2 * size];
        for i in 0..size {
            let (re, im) = (F(simd, group[2 * i]), F(simd, group[2 * i + 1]));
            let at = w.first + (first + i) * w.strides.0;
            for (t, sum) in sums.iter_mut().enumerate() {
                let pair = at + t * w.strides.1;
                debug_assert!(pair < w.pairs);
                // SAFETY: pair < inputs * outputs <= pairs, and `values` has 2 * pairs elements (asserted by the caller).
                let (wr, wi) =
                    unsafe { (*w.values.get_unchecked(pair), *w.values.get_unchecked(w.pairs + pair)) };
                let (wr, wi) = (F::splat(simd, wr), F::splat(simd, wi));
                if CONJ {
                    *sum = (im.mul_add(wi, re.mul_add(wr, sum.0)), re.neg_mul_add(wi, im.mul_add(wr, sum.1)));
                } else {
                    *sum = (im.neg_mul_add(wi, re.mul_add(wr, sum.0)), re.mul_add(wi, im.mul_add(wr, sum.1)));
                }
            }
        }
    }
    for (t, (re, im)) in sums.into_iter().enumerate() {
        to[2 * t] = re.1;
        to[2 * t + 1] = im.1;
    }
}

/// dW[i, o] = sum over images of X[i] * conj(dY[o]), for some bins of all lane blocks.
pub(crate) struct WeightGradient<'a> {
    /// Spectra of the inputs of all blocks.
    pub x: &'a [f32],
    /// Spectra of the outputs' gradients of all blocks.
    pub y: &'a [f32],
    /// Input and output channels.
    pub channels: (usize, usize),
    /// First bin.
    pub bin: usize,
    /// Numbers per half bin, see [`KernelSpectra`].
    pub pairs: usize,
    /// [bins][re, im][pairs]: where the result goes.
    pub out: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (inputs, outputs) = self.channels;
        let x = S::as_simd_f32s(self.x).0;
        let y = S::as_simd_f32s(self.y).0;
        let (block_x, block_y) = (2 * inputs * BINS, 2 * outputs * BINS);
        let blocks = x.len() / block_x;
        assert!(x.len() == blocks * block_x && y.len() == blocks * block_y && inputs * outputs <= self.pairs);
        for (n, out) in self.out.chunks_exact_mut(2 * self.pairs).enumerate() {
            let bin = self.bin + n;
            assert!(bin < BINS);
            for i in (0..inputs).step_by(2) {
                for o in (0..outputs).step_by(GROUP) {
                    let (width, height) = (GROUP.min(outputs - o), 2.min(inputs - i));
                    let size_x = GROUP.min(inputs - i / GROUP * GROUP);
                    let x = Side {
                        values: x,
                        start: 2 * (i / GROUP * GROUP * BINS + bin * size_x + i % GROUP),
                        block: block_x,
                    };
                    let y = Side { values: y, start: 2 * (o * BINS + bin * width), block: block_y };
                    let at = i * outputs + o;
                    let pairs = self.pairs;
                    match (height, width) {
                        (2, 4) => outer::<S, 2, 4>(simd, x, y, blocks, (at, outputs, pairs), out),
                        (1, 4) => outer::<S, 1, 4>(simd, x, y, blocks, (at, outputs, pairs), out),
                        _ => {
                            for h in 0..height {
                                for w in 0..width {
                                    let x = Side { start: x.start + 2 * h, ..x };
                                    let y = Side { start: y.start + 2 * w, ..y };
                                    let at = at + h * outputs + w;
                                    outer::<S, 1, 1>(simd, x, y, blocks, (at, outputs, pairs), out);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One operand of the weight gradient: vectors from `start` on, `block` apart.
struct Side<'a, V> {
    values: &'a [V],
    start: usize,
    block: usize,
}

impl<V> Clone for Side<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Side<'_, V> {}

/// I x O complex numbers of the weight gradient at one bin, summed over blocks and lanes.
#[inline(always)]
fn outer<S: Simd, const I: usize, const O: usize>(
    simd: S,
    x: Side<'_, S::f32s>,
    y: Side<'_, S::f32s>,
    blocks: usize,
    (at, outputs, pairs): (usize, usize, usize),
    out: &mut [f32],
) {
    let mut sums = [[(F::zero(simd), F::zero(simd)); O]; I];
    for block in 0..blocks {
        let x = &x.values[x.start + block * x.block..][..2 * I];
        let y = &y.values[y.start + block * y.block..][..2 * O];
        for (i, sums) in sums.iter_mut().enumerate() {
            let (xr, xi) = (F(simd, x[2 * i]), F(simd, x[2 * i + 1]));
            for (o, sum) in sums.iter_mut().enumerate() {
                let (yr, yi) = (F(simd, y[2 * o]), F(simd, y[2 * o + 1]));
                *sum = (yi.mul_add(xi, yr.mul_add(xr, sum.0)), yi.neg_mul_add(xr, yr.mul_add(xi, sum.1)));
            }
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        let at = at + i * outputs;
        if O == 4 {
            let re = sum4(simd, [0, 1, 2, 3].map(|o| sums[o % O].0.1));
            let im = sum4(simd, [0, 1, 2, 3].map(|o| sums[o % O].1.1));
            out[at..][..4].copy_from_slice(&re);
            out[pairs + at..][..4].copy_from_slice(&im);
        } else {
            for (o, (re, im)) in sums.into_iter().enumerate() {
                out[at + o] = simd.reduce_sum_f32s(re.1);
                out[pairs + at + o] = simd.reduce_sum_f32s(im.1);
            }
        }
    }
}
