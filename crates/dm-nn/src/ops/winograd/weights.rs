//! Weights into frequencies and weight gradients back.

use rayon::prelude::*;

use super::plan::FREQUENCIES;
use super::transform::{POINTS, WEIGHTS};
use crate::ops::pool::Buffer;
use crate::ops::products::OUT;

/// How a stored [O, I, 3, 3] weight is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// From I to O channels.
    Forward,
    /// From O to I channels with flipped taps: the input gradient.
    Transposed,
}

/// Floats of the transformed weights of so many channels.
pub(super) fn len(from: usize, to: usize) -> usize {
    FREQUENCIES * to.div_ceil(OUT) * from * OUT
}

/// Transformed weights [frequency, to / 4, from, 4], `to` rounded up with zeros.
pub(super) fn transform(weight: &[f32], out: usize, inp: usize, how: Use) -> Buffer {
    let (from, to) = match how {
        Use::Forward => (inp, out),
        Use::Transposed => (out, inp),
    };
    let pairs = to.div_ceil(OUT) * from;
    let mut result = Buffer::stale(len(from, to));
    result.par_chunks_mut(POINTS * pairs * OUT).zip(WEIGHTS).for_each(|(rows, g)| {
        let (rows, _) = rows.as_chunks_mut::<OUT>();
        for pair in 0..pairs {
            let (group, f) = (pair / from, pair % from);
            let mut row = [[0.0f32; OUT]; 3];
            for m in 0..OUT.min(to - group * OUT) {
                let t = group * OUT + m;
                let tap = |k: usize| match how {
                    Use::Forward => weight[(t * inp + f) * 9 + k],
                    Use::Transposed => weight[(f * inp + t) * 9 + 8 - k],
                };
                for (x, value) in row.iter_mut().enumerate() {
                    value[m] = g[0] * tap(x) + g[1] * tap(3 + x) + g[2] * tap(6 + x);
                }
            }
            for (j, g) in WEIGHTS.iter().enumerate() {
                let value = &mut rows[j * pairs + pair];
                for m in 0..OUT {
                    value[m] = g[0] * row[0][m] + g[1] * row[1][m] + g[2] * row[2][m];
                }
            }
        }
    });
    result
}

/// Gradient [O, I, 3, 3] from that of the forward-transformed weights, the sum of `parts` in their order.
pub(super) fn gradient(parts: &[Buffer], out: usize, inp: usize) -> Vec<f32> {
    let groups = out.div_ceil(OUT);
    let mut result = vec![0.0; out * inp * 9];
    result.par_chunks_mut(OUT * inp * 9).enumerate().for_each(|(group, result)| {
        for i in 0..inp {
            let mut half = [[[0.0f32; OUT]; POINTS]; 3];
            for (a, weights) in WEIGHTS.iter().enumerate() {
                for b in 0..POINTS {
                    let at = (((a * POINTS + b) * groups + group) * inp + i) * OUT;
                    let mut value = [0.0; OUT];
                    for part in parts {
                        value.iter_mut().zip(&part[at..at + OUT]).for_each(|(v, p)| *v += p);
                    }
                    for (y, row) in half.iter_mut().enumerate() {
                        for m in 0..OUT {
                            row[b][m] += weights[y] * value[m];
                        }
                    }
                }
            }
            for m in 0..OUT.min(out - group * OUT) {
                for (y, row) in half.iter().enumerate() {
                    for x in 0..3 {
                        let sum = (0..POINTS).map(|b| WEIGHTS[b][x] * row[b][m]).sum();
                        result[(m * inp + i) * 9 + y * 3 + x] = sum;
                    }
                }
            }
        }
    });
    result
}
