//! Products of spectra: the convolution itself, once planes and kernels are in the frequency domain.
//!
//! The spectrum of one lane block lies in groups of four channels: [channels/4][BINS][4][re, im][LANES], the last group
//! smaller if the channels are not a multiple of four. A group of one bin is a handful of cache lines in a row, and
//! neither a transform (one channel, all bins) nor a product (one bin, all channels) strides through more than a few
//! dozen pages.

#![allow(unsafe_code, reason = "bounds checks on every weight would cost a third of the products' speed")]

use pulp::{Simd, WithSimd};

use super::super::prefetch::prefetch;
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
    for bin in 0..BINS {
        let values = &kernels.data[bin * 2 * kernels.pairs..][..2 * kernels.pairs];
        let mut first = 0;
        while first < outputs {
            let which = Tile { bin, inputs, outputs, first, values, weight: offset + first, stride };
            // Each output has two sums; 16 registers hold those of six, two numbers of an input and one of a kernel.
            first += match outputs - first {
                1 => tile::<S, 1, CONJ>(simd, from, which, to),
                2 => tile::<S, 2, CONJ>(simd, from, which, to),
                3 => tile::<S, 3, CONJ>(simd, from, which, to),
                5 => tile::<S, 5, CONJ>(simd, from, which, to),
                8.. if S::REGISTER_COUNT > 16 => tile::<S, 8, CONJ>(simd, from, which, to),
                // Two tiles of four rather than a last one of two.
                4 | 7 | 8 => tile::<S, 4, CONJ>(simd, from, which, to),
                _ => tile::<S, 6, CONJ>(simd, from, which, to),
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

/// The first `T` of them; returns `T`.
#[inline(always)]
fn tile<S: Simd, const T: usize, const CONJ: bool>(
    simd: S,
    from: &[S::f32s],
    tile: Tile<'_>,
    to: &mut [S::f32s],
) -> usize {
    let Tile { bin, inputs, outputs, first, values, weight, stride } = tile;
    let mut sums = [(F::zero(simd), F::zero(simd)); T];
    let full = inputs / GROUP * GROUP;
    for group in (0..full).step_by(GROUP) {
        let x = &from[2 * (group * BINS + bin * GROUP)..][..2 * GROUP];
        // Of the next bin, inputs are asked for by the first tile, kernels by the tile that multiplies with them.
        if first == 0 {
            prefetch(x.as_ptr_range().end.cast(), 2 * GROUP * S::F32_LANES);
        }
        for i in 0..GROUP {
            let at = weight + (group + i) * stride;
            let next = values.as_ptr().wrapping_add(values.len() + at);
            prefetch(next, T);
            prefetch(next.wrapping_add(values.len() / 2), T);
            accumulate::<S, T, CONJ>(simd, &mut sums, &x[2 * i..2 * i + 2], values, at);
        }
    }
    let rest = inputs - full;
    for i in 0..rest {
        let (x, at) = (&from[2 * (full * BINS + bin * rest + i)..][..2], weight + (full + i) * stride);
        accumulate::<S, T, CONJ>(simd, &mut sums, x, values, at);
    }
    for (t, (re, im)) in sums.into_iter().enumerate() {
        let (at, step) = channel_bins(first + t, outputs);
        let to = &mut to[2 * (at + bin * step)..][..2];
        prefetch(to.as_ptr().wrapping_add(2 * step).cast(), 2 * S::F32_LANES);
        to[0] = re.1;
        to[1] = im.1;
    }
    T
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ops::pool::Buffer;
    use crate::ops::simd::on_all_sets;

    /// Whole numbers as the spectrum of so many channels and blocks.
    pub fn spectrum(blocks: usize, channels: usize, lanes: usize, seed: usize) -> Buffer {
        Buffer::numbers(1, blocks * 2 * channels * BINS * lanes, seed).remove(0)
    }

    /// One complex number of one block's spectrum.
    pub fn number(spectrum: &[f32], channels: usize, channel: usize, bin: usize, lane: usize) -> (f32, f32) {
        let lanes = spectrum.len() / (2 * channels * BINS);
        let (at, step) = channel_bins(channel, channels);
        let first = 2 * (at + bin * step) * lanes + lane;
        (spectrum[first], spectrum[first + lanes])
    }

    /// `outputs` of the kernels' `all`, from `first` on.
    fn product<S: Simd>(simd: S, inputs: usize, all: usize, first: usize, outputs: usize) {
        let l = S::F32_LANES;
        let from = spectrum(1, inputs, l, 0);
        let pairs = (inputs * all).next_multiple_of(l);
        let data = Buffer::numbers(1, BINS * 2 * pairs, 1).remove(0);
        let kernels = KernelSpectra { data, inputs, outputs: all, pairs };
        for conjugate in [true, false] {
            let mut to = spectrum(1, outputs, l, 2);
            Product { from: &from, kernels: &kernels, conjugate, first, to: &mut to }.with_simd(simd);
            for bin in 0..BINS {
                let (re, im) = kernels.data[bin * 2 * pairs..][..2 * pairs].split_at(pairs);
                for (o, lane) in (0..outputs).flat_map(|o| [(o, 0), (o, l - 1)]) {
                    let mut expected = (0.0, 0.0);
                    for i in 0..inputs {
                        let (a, b) = number(&from, inputs, i, bin, lane);
                        let (c, d) = (re[i * all + first + o], im[i * all + first + o]);
                        let d = if conjugate { -d } else { d };
                        expected.0 += a * c - b * d;
                        expected.1 += a * d + b * c;
                    }
                    let found = number(&to, outputs, o, bin, lane);
                    assert_eq!(found, expected, "{inputs} to {outputs} of {all}: output {o}, bin {bin}");
                }
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Shapes;

    impl WithSimd for Shapes {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for outputs in 1..=17 {
                product(simd, 5, outputs, 0, outputs);
            }
            for (inputs, all, first, outputs) in [(1, 16, 8, 8), (3, 40, 32, 8), (4, 37, 32, 5), (8, 4, 0, 4)]
            {
                product(simd, inputs, all, first, outputs);
            }
        }
    }

    /// Blocks of registers differ between instruction sets.
    #[test]
    fn products_are_exact_for_all_shapes() {
        on_all_sets(Shapes);
    }
}
