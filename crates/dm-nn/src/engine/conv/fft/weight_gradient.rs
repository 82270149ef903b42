//! Weight gradients in the frequency domain: for every bin, sums over all images.

use pulp::{Simd, WithSimd};

use super::product::{GROUP, channel_bins};
use super::transform::BINS;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::prefetch::prefetch;
use crate::engine::substrate::simd::sum4;
use crate::engine::substrate::vector::F;

/// Computes `dW[i, o] = sum over images of X[i] * conj(dY[o])` for some bins, over all blocks.
pub(crate) struct WeightGradient<'a> {
    /// Spectra of the inputs of all blocks.
    pub x: &'a [f32],
    /// Spectra of the gradients of the outputs of all blocks.
    pub y: &'a [f32],
    /// Input and output channels.
    pub channels: (usize, usize),
    /// First bin.
    pub bin: usize,
    /// Pairs of channels, rounded up, see [`WeightSpectra`](super::weight_spectra::WeightSpectra).
    pub pairs: usize,
    /// The result, [bins][re, im][pairs]. The padding beyond the pairs of channels is not written.
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
        // One bin of all blocks is gathered, since the loops below read it many times.
        let mut x_bin = Buffer::recycled(blocks * 2 * inputs * S::F32_LANES);
        let mut y_bin = Buffer::recycled(blocks * 2 * outputs * S::F32_LANES);
        let x_bin = S::as_mut_simd_f32s(&mut x_bin).0;
        let y_bin = S::as_mut_simd_f32s(&mut y_bin).0;
        let pairs = self.pairs;
        // Input channels that are combined with four output channels. Each pair of channels has two sums in registers.
        let tall = if S::REGISTER_COUNT > 16 { 2 } else { 1 };
        let runs: Vec<Run> = runs::<S>(x, inputs).chain(runs::<S>(y, outputs)).collect();
        // Runs to prefetch at each of the products below. An empty batch has no runs.
        let at_once = runs.len().div_ceil(inputs.div_ceil(tall) * outputs.div_ceil(GROUP)).max(1);
        for (n, out) in self.out.chunks_exact_mut(2 * pairs).enumerate() {
            let bin = self.bin + n;
            assert!(bin < BINS);
            let mut runs = runs.chunks(at_once);
            gather(x, x_bin, bin, blocks, inputs, tall);
            gather(y, y_bin, bin, blocks, outputs, GROUP);
            for i in (0..inputs).step_by(tall) {
                let height = tall.min(inputs - i);
                let x = &x_bin[2 * i * blocks..][..2 * height * blocks];
                for o in (0..outputs).step_by(GROUP) {
                    let width = GROUP.min(outputs - o);
                    let y = &y_bin[2 * o * blocks..][..2 * width * blocks];
                    let at = (i * outputs + o, outputs, pairs);
                    // Prefetches a share of the next bin, which is gathered next.
                    for run in runs.next().unwrap_or_default() {
                        prefetch(run.start.wrapping_add((bin + 1) * run.len), run.len);
                    }
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

/// The spectra of one group of channels of one block, for prefetching.
struct Run {
    start: *const f32,
    /// Floats of a bin.
    len: usize,
}

fn runs<S: Simd>(spectra: &[S::f32s], channels: usize) -> impl Iterator<Item = Run> {
    spectra.chunks_exact(2 * channels * BINS).flat_map(move |block| {
        (0..channels).step_by(GROUP).map(move |first| {
            let (at, size) = channel_bins(first, channels);
            Run { start: block[2 * at..].as_ptr().cast(), len: 2 * size * S::F32_LANES }
        })
    })
}

/// Copies one bin of all blocks into [channels/group][blocks][group][re, im], where the last group may be smaller. `group`
/// divides [`GROUP`].
#[inline(always)]
fn gather<V: Copy>(from: &[V], to: &mut [V], bin: usize, blocks: usize, channels: usize, group: usize) {
    for first in (0..channels).step_by(group) {
        let size = group.min(channels - first);
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

/// Computes I x O complex numbers of the weight gradient at one bin, summed over blocks and lanes. `x` and `y` come
/// from [`gather`].
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

#[cfg(test)]
mod tests {
    use super::super::product::tests::{number, spectrum};
    use super::*;
    use crate::engine::substrate::simd::on_all_sets;

    /// Compares a few bins of the gradient.
    fn gradient<S: Simd>(simd: S, inputs: usize, outputs: usize, blocks: usize) {
        const COUNT: usize = 3;
        let l = S::F32_LANES;
        let (x, y) = (spectrum(blocks, inputs, l, 0), spectrum(blocks, outputs, l, 1));
        let pairs = (inputs * outputs).next_multiple_of(l);
        for bin in [0, 40, BINS - COUNT] {
            let mut out = Buffer::zeros(COUNT * 2 * pairs);
            let (x, y, channels) = (&*x, &*y, (inputs, outputs));
            WeightGradient { x, y, channels, bin, pairs, out: &mut out }.with_simd(simd);
            for (n, out) in out.chunks_exact(2 * pairs).enumerate() {
                for (i, o) in (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o))) {
                    let mut expected = (0.0, 0.0);
                    let block = |channels| 2 * channels * BINS * l;
                    for (x, y) in x.chunks(block(inputs)).zip(y.chunks(block(outputs))) {
                        for lane in 0..l {
                            let (a, b) = number(x, inputs, i, bin + n, lane);
                            let (c, d) = number(y, outputs, o, bin + n, lane);
                            expected.0 += a * c + b * d;
                            expected.1 += b * c - a * d;
                        }
                    }
                    let found = (out[i * outputs + o], out[pairs + i * outputs + o]);
                    assert_eq!(
                        found,
                        expected,
                        "{inputs}x{outputs}, {blocks} blocks: {i}, {o}, bin {}",
                        bin + n
                    );
                }
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Shapes;

    impl WithSimd for Shapes {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for (inputs, outputs, blocks) in [
                (1, 1, 1),
                (2, 4, 3),
                (3, 5, 2),
                (4, 6, 1),
                (5, 7, 2),
                (16, 1, 2),
                (1, 16, 2),
                (7, 8, 3),
                (3, 5, 0),
            ] {
                gradient(simd, inputs, outputs, blocks);
            }
        }
    }

    /// The tiles and the sums over lanes differ between instruction sets.
    #[test]
    fn gradients_are_exact_for_all_shapes() {
        on_all_sets(Shapes);
    }
}
