//! Weights into frequencies and weight gradients back.

use super::plan::FREQUENCIES;
use super::transform::{POINTS, WEIGHTS};
use crate::ops::products::OUT;

/// How a stored [O, I, 3, 3] weight is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// From I to O channels.
    Forward,
    /// From O to I channels with flipped taps: the input gradient.
    Transposed,
}

/// Transformed weights [frequency, to / 4, from, 4], `to` rounded up with zeros.
pub(super) fn transform(weight: &[f32], out: usize, inp: usize, how: Use) -> Vec<[f32; OUT]> {
    let (from, to) = match how {
        Use::Forward => (inp, out),
        Use::Transposed => (out, inp),
    };
    let groups = to.div_ceil(OUT);
    let mut result = vec![[0.0; OUT]; FREQUENCIES * groups * from];
    for group in 0..groups {
        for f in 0..from {
            let mut taps = [[0.0f32; OUT]; 9];
            for m in 0..OUT.min(to - group * OUT) {
                let t = group * OUT + m;
                for (k, tap) in taps.iter_mut().enumerate() {
                    tap[m] = match how {
                        Use::Forward => weight[(t * inp + f) * 9 + k],
                        Use::Transposed => weight[(f * inp + t) * 9 + 8 - k],
                    };
                }
            }
            let mut half = [[[0.0f32; OUT]; 3]; POINTS];
            for (row, g) in half.iter_mut().zip(WEIGHTS) {
                for (x, value) in row.iter_mut().enumerate() {
                    for m in 0..OUT {
                        value[m] = g[0] * taps[x][m] + g[1] * taps[3 + x][m] + g[2] * taps[6 + x][m];
                    }
                }
            }
            for (i, row) in half.iter().enumerate() {
                for (j, g) in WEIGHTS.iter().enumerate() {
                    let value = &mut result[((i * POINTS + j) * groups + group) * from + f];
                    for m in 0..OUT {
                        value[m] = g[0] * row[0][m] + g[1] * row[1][m] + g[2] * row[2][m];
                    }
                }
            }
        }
    }
    result
}

/// Gradient [O, I, 3, 3] from the gradient of the forward-transformed weights.
pub(super) fn gradient(sums: &[[f32; OUT]], out: usize, inp: usize) -> Vec<f32> {
    let groups = out.div_ceil(OUT);
    let mut result = vec![0.0; out * inp * 9];
    for group in 0..groups {
        for i in 0..inp {
            let mut half = [[[0.0f32; OUT]; POINTS]; 3];
            for a in 0..POINTS {
                for b in 0..POINTS {
                    let value = &sums[((a * POINTS + b) * groups + group) * inp + i];
                    for (y, row) in half.iter_mut().enumerate() {
                        for m in 0..OUT {
                            row[b][m] += WEIGHTS[a][y] * value[m];
                        }
                    }
                }
            }
            for m in 0..OUT.min(out - group * OUT) {
                for (y, row) in half.iter().enumerate() {
                    for x in 0..3 {
                        let sum = (0..POINTS).map(|b| WEIGHTS[b][x] * row[b][m]).sum();
                        result[((group * OUT + m) * inp + i) * 9 + y * 3 + x] = sum;
                    }
                }
            }
        }
    }
    result
}
