//! The transform of weights into frequencies, and its transpose for their gradients.
//!
//! The inner loops run over pairs of channels, which are contiguous in memory, so that the compiler vectorises them.

use rayon::prelude::*;

use super::plan::FREQUENCIES;
use super::transform_1d::{POINTS, WEIGHTS};
use crate::engine::gemm::products::OUT;
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// Taps of a 3x3 kernel.
const TAPS: usize = 9;
/// Floats that go through both passes of a transform together and stay in the first-level cache in between.
const BLOCK: usize = 128;

/// Which convolution the transformed weight [O, I, 3, 3] is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WeightUse {
    /// The forward pass, from I to O channels.
    Forward,
    /// The input gradient, from O to I channels with mirrored taps.
    Transposed,
}

/// Floats per frequency: pairs of channels, [to / 4, from, 4] with `to` rounded up.
fn pairs_len(from: usize, to: usize) -> usize {
    to.div_ceil(OUT) * from * OUT
}

/// The transformed weights, [frequency, to / 4, from, 4] with `to` rounded up and zeros beyond it.
pub(super) fn transform(weight: &[f32], out: usize, inp: usize, how: WeightUse) -> Buffer {
    let (from, to) = match how {
        WeightUse::Forward => (inp, out),
        WeightUse::Transposed => (out, inp),
    };
    let len = pairs_len(from, to);
    // [tap, to / 4, from, 4]
    let mut taps = Buffer::zeros(TAPS * len);
    taps.par_chunks_mut(len).enumerate().for_each(|(k, taps)| {
        let (taps, _) = taps.as_chunks_mut::<OUT>();
        for (pair, taps) in taps.iter_mut().enumerate() {
            let (first, f) = (pair / from * OUT, pair % from);
            for (t, tap) in (first..to).zip(taps) {
                *tap = match how {
                    WeightUse::Forward => weight[(t * inp + f) * TAPS + k],
                    WeightUse::Transposed => weight[(f * inp + t) * TAPS + TAPS - 1 - k],
                };
            }
        }
    });
    let mut result = Buffer::recycled(FREQUENCIES * len);
    result.par_chunks_mut(POINTS * len).zip(WEIGHTS).for_each(|(rows, g)| {
        dispatch(
            #[inline(always)]
            || {
                for start in (0..len).step_by(BLOCK) {
                    let n = BLOCK.min(len - start);
                    let mut row = [[0.0f32; BLOCK]; 3];
                    for (x, row) in row.iter_mut().enumerate() {
                        let tap = |y: usize| &taps[(3 * y + x) * len + start..][..n];
                        combine(&mut row[..n], g, tap(0), tap(1), tap(2));
                    }
                    for (j, g) in WEIGHTS.into_iter().enumerate() {
                        combine(&mut rows[j * len + start..][..n], g, &row[0], &row[1], &row[2]);
                    }
                }
            },
        );
    });
    result
}

/// `to = g[0] * a + g[1] * b + g[2] * c`.
#[inline(always)]
fn combine(to: &mut [f32], g: [f32; 3], a: &[f32], b: &[f32], c: &[f32]) {
    for (((to, a), b), c) in to.iter_mut().zip(a).zip(b).zip(c) {
        *to = g[0] * a + g[1] * b + g[2] * c;
    }
}

/// `to += factor * of`.
#[inline(always)]
fn add(to: &mut [f32], factor: f32, of: &[f32]) {
    for (to, of) in to.iter_mut().zip(of) {
        *to += factor * of;
    }
}

/// The gradient [O, I, 3, 3] of the weights. The gradient of the transformed weights is the sum of `parts`, in this
/// order. Each part is [frequency, O, I], or with `swapped` [frequency, I, O], with rows rounded up to whole vectors.
pub(super) fn gradient(parts: &[Buffer], out: usize, inp: usize, swapped: bool) -> Vec<f32> {
    let (rows, row) = if swapped { (inp, out) } else { (out, inp) };
    let row = row.next_multiple_of(lanes());
    let len = rows * row;
    // [block, tap, BLOCK]
    let mut taps = Buffer::recycled(len.div_ceil(BLOCK) * TAPS * BLOCK);
    taps.par_chunks_mut(TAPS * BLOCK).enumerate().for_each(|(block, taps)| {
        let start = block * BLOCK;
        dispatch(
            #[inline(always)]
            || to_taps(parts, len, start, BLOCK.min(len - start), taps),
        );
    });
    let mut result = vec![0.0; out * inp * TAPS];
    result.par_chunks_mut(inp * TAPS).enumerate().for_each(|(o, result)| {
        for (i, result) in result.chunks_exact_mut(TAPS).enumerate() {
            let at = if swapped { i * row + o } else { o * row + i };
            let taps = taps[at / BLOCK * TAPS * BLOCK + at % BLOCK..].iter().step_by(BLOCK);
            result.iter_mut().zip(taps).for_each(|(to, tap)| *to = *tap);
        }
    });
    result
}

/// The transposed transform of `n` pairs of channels, from pair `start` on.
#[inline(always)]
fn to_taps(parts: &[Buffer], len: usize, start: usize, n: usize, taps: &mut [f32]) {
    // Three taps for each of the six points along a row.
    let mut columns = [[[0.0; BLOCK]; 3]; POINTS];
    for (i, weights) in WEIGHTS.iter().enumerate() {
        for (j, column) in columns.iter_mut().enumerate() {
            let at = (i * POINTS + j) * len + start;
            let mut value = [0.0; BLOCK];
            for part in parts {
                add(&mut value[..n], 1.0, &part[at..][..n]);
            }
            for (tap, &weight) in column.iter_mut().zip(weights) {
                add(&mut tap[..n], weight, &value[..n]);
            }
        }
    }
    for (k, tap) in taps.chunks_exact_mut(BLOCK).enumerate() {
        tap.fill(0.0);
        for (column, weights) in columns.iter().zip(WEIGHTS) {
            add(&mut tap[..n], weights[k % 3], &column[k / 3][..n]);
        }
    }
}
