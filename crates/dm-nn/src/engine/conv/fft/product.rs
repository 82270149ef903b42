//! Products of spectra: the convolution itself, when planes and weight are in the frequency domain.
//!
//! The spectra of a block are stored in groups of four channels, `[channels/4][BINS][4][re, im][LANES]`. The last group
//! is smaller if the number of channels is not a multiple of four. One bin of a group is a few contiguous cache lines,
//! and neither a transform (one channel, all bins) nor a product (one bin, all channels) strides over more than a few
//! dozen memory pages.

#![allow(unsafe_code, reason = "bounds checks on every weight would cost a third of the products' speed")]

use pulp::{Simd, WithSimd};

use super::transform::BINS;
use super::weight_spectra::WeightSpectra;
use crate::engine::substrate::prefetch::prefetch;
use crate::engine::substrate::vector::F;

/// Channels whose spectra are stored together.
pub(crate) const GROUP: usize = 4;

/// The position of a channel in the spectra of a block: its first complex number, and the distance from bin to bin.
pub(crate) fn channel_bins(channel: usize, channels: usize) -> (usize, usize) {
    let first = channel / GROUP * GROUP;
    let size = GROUP.min(channels - first);
    (first * BINS + channel % GROUP, size)
}

/// Computes `Y[o] = sum over i of X[i] * W[i, o]` for every bin and some output channels o of one block.
pub(crate) struct Product<'a> {
    /// Spectra of the input channels.
    pub from: &'a [f32],
    /// Spectra of the weight.
    pub weight: &'a WeightSpectra,
    /// Whether W is conjugated: true in the forward pass, false for the input gradient, which uses
    /// [`WeightSpectra::transposed`].
    pub conjugate: bool,
    /// The first output channel.
    pub first: usize,
    /// Spectra of the output channels from `first` on, which are overwritten. Their number follows from the length of `to`.
    pub to: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { from, weight, first, to, .. } = self;
        if self.conjugate {
            multiply::<S, true>(simd, from, weight, first, to);
        } else {
            multiply::<S, false>(simd, from, weight, first, to);
        }
    }
}

#[inline(always)]
fn multiply<S: Simd, const CONJ: bool>(
    simd: S,
    from: &[f32],
    weight: &WeightSpectra,
    offset: usize,
    to: &mut [f32],
) {
    let WeightSpectra { inputs, outputs: stride, .. } = *weight;
    let from = S::as_simd_f32s(from).0;
    let to = S::as_mut_simd_f32s(to).0;
    let outputs = to.len() / (2 * BINS);
    assert!(from.len() == 2 * inputs * BINS && offset + outputs <= stride);
    assert!(weight.data.len() == BINS * 2 * weight.pairs && inputs * stride <= weight.pairs);
    for bin in 0..BINS {
        let values = &weight.data[bin * 2 * weight.pairs..][..2 * weight.pairs];
        let mut first = 0;
        while first < outputs {
            let which = Tile { bin, inputs, outputs, first, values, offset: offset + first, stride };
            // Each output channel has two sums. 16 registers hold the sums of six, two numbers of an input and one of a
            // weight.
            first += match outputs - first {
                1 => tile::<S, 1, CONJ>(simd, from, which, to),
                2 => tile::<S, 2, CONJ>(simd, from, which, to),
                3 => tile::<S, 3, CONJ>(simd, from, which, to),
                5 => tile::<S, 5, CONJ>(simd, from, which, to),
                8.. if S::REGISTER_COUNT > 16 => tile::<S, 8, CONJ>(simd, from, which, to),
                // Two tiles of four are faster than a tile of six and one of two.
                4 | 7 | 8 => tile::<S, 4, CONJ>(simd, from, which, to),
                _ => tile::<S, 6, CONJ>(simd, from, which, to),
            }
        }
    }
}

/// Some output channels of one bin.
#[derive(Clone, Copy)]
struct Tile<'a> {
    bin: usize,
    inputs: usize,
    outputs: usize,
    /// First output channel.
    first: usize,
    /// The spectra of the weight at this bin: real parts, then imaginary parts.
    values: &'a [f32],
    /// Position of the number of the first output and the first input channel, and the distance to that of the next
    /// input.
    offset: usize,
    stride: usize,
}

/// The first `T` output channels of a tile. Returns `T`.
#[inline(always)]
fn tile<S: Simd, const T: usize, const CONJ: bool>(
    simd: S,
    from: &[S::f32s],
    tile: Tile<'_>,
    to: &mut [S::f32s],
) -> usize {
    let Tile { bin, inputs, outputs, first, values, offset, stride } = tile;
    let mut sums = [(F::zero(simd), F::zero(simd)); T];
    let full = inputs / GROUP * GROUP;
    for group in (0..full).step_by(GROUP) {
        let x = &from[2 * (group * BINS + bin * GROUP)..][..2 * GROUP];
        // The inputs of the next bin are prefetched by the first tile, the weights by the tile that uses them.
        if first == 0 {
            prefetch(x.as_ptr_range().end.cast(), 2 * GROUP * S::F32_LANES);
        }
        for i in 0..GROUP {
            let at = offset + (group + i) * stride;
            let next = values.as_ptr().wrapping_add(values.len() + at);
            prefetch(next, T);
            prefetch(next.wrapping_add(values.len() / 2), T);
            accumulate::<S, T, CONJ>(simd, &mut sums, &x[2 * i..2 * i + 2], values, at);
        }
    }
    let rest = inputs - full;
    for i in 0..rest {
        let (x, at) = (&from[2 * (full * BINS + bin * rest + i)..][..2], offset + (full + i) * stride);
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

/// Adds the products of one input channel with the numbers of `T` output channels, which start at `at` in `values`.
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
    use crate::engine::substrate::pool::Buffer;
    use crate::engine::substrate::simd::on_all_sets;

    /// Integers as the spectra of `channels` channels of `blocks` blocks.
    pub fn spectrum(blocks: usize, channels: usize, lanes: usize, seed: usize) -> Buffer {
        Buffer::test_integers(1, blocks * 2 * channels * BINS * lanes, seed).remove(0)
    }

    /// One complex number of the spectra of one block.
    pub fn number(spectrum: &[f32], channels: usize, channel: usize, bin: usize, lane: usize) -> (f32, f32) {
        let lanes = spectrum.len() / (2 * channels * BINS);
        let (at, step) = channel_bins(channel, channels);
        let first = 2 * (at + bin * step) * lanes + lane;
        (spectrum[first], spectrum[first + lanes])
    }

    /// Compares products for `outputs` of the `all` output channels of a weight, from `first` on.
    fn product<S: Simd>(simd: S, inputs: usize, all: usize, first: usize, outputs: usize) {
        let l = S::F32_LANES;
        let from = spectrum(1, inputs, l, 0);
        let pairs = (inputs * all).next_multiple_of(l);
        let data = Buffer::test_integers(1, BINS * 2 * pairs, 1).remove(0);
        let weight = WeightSpectra { data, inputs, outputs: all, pairs };
        for conjugate in [true, false] {
            let mut to = spectrum(1, outputs, l, 2);
            Product { from: &from, weight: &weight, conjugate, first, to: &mut to }.with_simd(simd);
            for bin in 0..BINS {
                let (re, im) = weight.data[bin * 2 * pairs..][..2 * pairs].split_at(pairs);
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

    /// The tiles differ between instruction sets.
    #[test]
    fn products_are_exact_for_all_shapes() {
        on_all_sets(Shapes);
    }
}
