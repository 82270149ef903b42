//! Products of spectra: the convolution itself, once planes and kernels are in the frequency domain.
//!
//! The spectrum of one lane block lies in groups of four channels: [channels/4][BINS][4][re, im][LANES], the last group
//! smaller if the channels are not a multiple of four. A group of one bin is a handful of cache lines in a row, and
//! neither a transform (one channel, all bins) nor a product (one bin, all channels) strides through more than a few
//! dozen pages.

#![allow(unsafe_code, reason = "bounds checks on every weight would cost a third of the products' speed")]

use pulp::{Simd, WithSimd};

use super::super::pool::Buffer;
use super::super::simd::sum4;
use super::super::vector::{F, inlined};
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

/// Y[o] = sum over i of X[i] * W[i, o] for every bin and some outputs of one lane block.
pub(crate) struct Product<'a> {
    /// Spectrum of the inputs.
    pub from: &'a [f32],
    /// Spectra of the kernels.
    pub kernels: &'a KernelSpectra,
    /// Whether W is conjugated: it is going forward, and not (but [`KernelSpectra::transposed`]) going back.
    pub conjugate: bool,
    /// The first output.
    pub first: usize,
    /// Spectrum of as many outputs as it has room for; overwritten.
    pub to: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { from, kernels, first, to, .. } = self;
        if self.conjugate {
            multiply::<S, true>(simd, from, kernels, first, to);
        } else {
            multiply::<S, false>(simd, from, kernels, first, to);
        }
    }
}

#[inline(always)]
fn multiply<S: Simd, const CONJ: bool>(
    simd: S,
    from: &[f32],
    kernels: &KernelSpectra,
    offset: usize,
    to: &mut [f32],
) {
    let KernelSpectra { inputs, outputs: stride, .. } = *kernels;
    let from = S::as_simd_f32s(from).0;
    let to = S::as_mut_simd_f32s(to).0;
    let outputs = to.len() / (2 * BINS);
    assert!(from.len() == 2 * inputs * BINS && offset + outputs <= stride);
    assert!(kernels.data.len() == BINS * 2 * kernels.pairs && inputs * stride <= kernels.pairs);
    // Eight outputs at a time need 16 registers for the sums alone.
    let wide = if S::REGISTER_COUNT > 16 { outputs / 8 * 8 } else { 0 };
    for bin in 0..BINS {
        let values = &kernels.data[bin * 2 * kernels.pairs..][..2 * kernels.pairs];
        let tile_at = inlined(
            #[inline(always)]
            |first: usize| Tile { bin, inputs, outputs, first, values, weight: offset + first, stride },
        );
        for first in (0..wide).step_by(8) {
            tile::<S, 8, CONJ>(simd, from, tile_at(first), to);
        }
        for first in (wide..outputs).step_by(GROUP) {
            match outputs - first {
                1 => tile::<S, 1, CONJ>(simd, from, tile_at(first), to),
                2 => tile::<S, 2, CONJ>(simd, from, tile_at(first), to),
                3 => tile::<S, 3, CONJ>(simd, from, tile_at(first), to),
                _ => tile::<S, 4, CONJ>(simd, from, tile_at(first), to),
            }
        }
    }
}

/// Some outputs of one bin.
#[derive(Clone, Copy)]
struct Tile<'a> {
    bin: usize,
    inputs: usize,
    outputs: usize,
    /// First output.
    first: usize,
    /// The kernels' numbers of this bin: real parts, then imaginary parts.
    values: &'a [f32],
    /// The first output's number of the first input, and how far on the next input's is.
    weight: usize,
    stride: usize,
}

#[inline(always)]
fn tile<S: Simd, const T: usize, const CONJ: bool>(
    simd: S,
    from: &[S::f32s],
    tile: Tile<'_>,
    to: &mut [S::f32s],
) {
    let Tile { bin, inputs, outputs, first, values, weight, stride } = tile;
    let mut sums = [(F::zero(simd), F::zero(simd)); T];
    let full = inputs / GROUP * GROUP;
    for group in (0..full).step_by(GROUP) {
        let x = &from[2 * (group * BINS + bin * GROUP)..][..2 * GROUP];
        for i in 0..GROUP {
            let at = weight + (group + i) * stride;
            accumulate::<S, T, CONJ>(simd, &mut sums, &x[2 * i..2 * i + 2], values, at);
        }
    }
    let rest = inputs - full;
    for i in 0..rest {
        let (x, at) = (&from[2 * (full * BINS + bin * rest + i)..][..2], weight + (full + i) * stride);
        accumulate::<S, T, CONJ>(simd, &mut sums, x, values, at);
    }
    for (chunk, sums) in sums.chunks(GROUP).enumerate() {
        let first = first + chunk * GROUP;
        let size = GROUP.min(outputs - first);
        let to = &mut to[2 * (first * BINS + bin * size)..][..2 * size];
        for (to, (re, im)) in to.chunks_exact_mut(2).zip(sums) {
            to[0] = re.1;
            to[1] = im.1;
        }
    }
}

/// Adds the products of one input with the numbers of `T` outputs, the first of them at `at` in `values`.
#[inline(always)]
fn accumulate<S: Simd, const T: usize, const CONJ: bool>(
    simd: S,
    sums: &mut [(F<S>, F<S>); T],
    x: &[S::f32s],
    values: &[f32],
    at: usize,
) {
    let pairs = values.len() / 2;
    let (re, im) = (F(simd, x[0]), F(simd, x[1]));
    for (t, sum) in sums.iter_mut().enumerate() {
        let pair = at + t;
        debug_assert!(pair < pairs);
        // SAFETY: pair < inputs * stride <= pairs, and `values` has 2 * pairs elements (asserted by `multiply`).
        let (wr, wi) = unsafe { (*values.get_unchecked(pair), *values.get_unchecked(pairs + pair)) };
        let (wr, wi) = (F::splat(simd, wr), F::splat(simd, wi));
        if CONJ {
            *sum = (im.mul_add(wi, re.mul_add(wr, sum.0)), re.neg_mul_add(wi, im.mul_add(wr, sum.1)));
        } else {
            *sum = (im.neg_mul_add(wi, re.mul_add(wr, sum.0)), re.mul_add(wi, im.mul_add(wr, sum.1)));
        }
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
        let blocks = x.len() / (2 * inputs * BINS);
        assert!(x.len() == blocks * 2 * inputs * BINS && y.len() == blocks * 2 * outputs * BINS);
        assert!(inputs * outputs <= self.pairs);
        // One bin of all blocks, gathered: the loops below read it many times.
        let mut x_bin = Buffer::stale(blocks * 2 * inputs * S::F32_LANES);
        let mut y_bin = Buffer::stale(blocks * 2 * outputs * S::F32_LANES);
        let x_bin = S::as_mut_simd_f32s(&mut x_bin).0;
        let y_bin = S::as_mut_simd_f32s(&mut y_bin).0;
        let pairs = self.pairs;
        for (n, out) in self.out.chunks_exact_mut(2 * pairs).enumerate() {
            let bin = self.bin + n;
            assert!(bin < BINS);
            gather::<_, 2>(x, x_bin, bin, blocks, inputs);
            gather::<_, GROUP>(y, y_bin, bin, blocks, outputs);
            for i in (0..inputs).step_by(2) {
                let height = 2.min(inputs - i);
                let x = &x_bin[2 * i * blocks..][..2 * height * blocks];
                for o in (0..outputs).step_by(GROUP) {
                    let width = GROUP.min(outputs - o);
                    let y = &y_bin[2 * o * blocks..][..2 * width * blocks];
                    let at = (i * outputs + o, outputs, pairs);
                    match (height, width) {
                        (2, 4) => outer::<S, 2, 4>(simd, x, y, at, out),
                        (2, 3) => outer::<S, 2, 3>(simd, x, y, at, out),
                        (2, 2) => outer::<S, 2, 2>(simd, x, y, at, out),
                        (2, _) => outer::<S, 2, 1>(simd, x, y, at, out),
                        (_, 4) => outer::<S, 1, 4>(simd, x, y, at, out),
                        (_, 3) => outer::<S, 1, 3>(simd, x, y, at, out),
                        (_, 2) => outer::<S, 1, 2>(simd, x, y, at, out),
                        _ => outer::<S, 1, 1>(simd, x, y, at, out),
                    }
                }
            }
        }
    }
}

/// Copies one bin of all blocks into [channels/T][blocks][T][re, im], the last group smaller if need be.
#[inline(always)]
fn gather<V: Copy, const T: usize>(from: &[V], to: &mut [V], bin: usize, blocks: usize, channels: usize) {
    for first in (0..channels).step_by(T) {
        let size = T.min(channels - first);
        let (at, step) = channel_bins(first, channels);
        let to = to[2 * first * blocks..].chunks_exact_mut(2 * size);
        for (from, to) in from.chunks_exact(2 * channels * BINS).zip(to) {
            let from = &from[2 * (at + bin * step)..][..2 * size];
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
    }
}

/// I x O complex numbers of the weight gradient at one bin, summed over blocks and lanes; x and y as [`gather`] left
/// them.
#[inline(always)]
fn outer<S: Simd, const I: usize, const O: usize>(
    simd: S,
    x: &[S::f32s],
    y: &[S::f32s],
    (at, outputs, pairs): (usize, usize, usize),
    out: &mut [f32],
) {
    let mut sums = [[(F::zero(simd), F::zero(simd)); O]; I];
    for (x, y) in x.chunks_exact(2 * I).zip(y.chunks_exact(2 * O)) {
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
