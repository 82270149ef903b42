//! The loop of a direct convolution: all channels and taps over some rows of results.

#![allow(unsafe_code, reason = "loops over vectors in patches; bounds come from the geometry")]

use pulp::{Simd, WithSimd};

use crate::engine::gemm::products::{OUT, Target, product_run};

/// A convolution over some rows: the weights of its steps, and the layout of sources and results.
#[derive(Clone, Copy)]
pub(super) struct Sweep<'a> {
    /// Packed weights, [output channels / 4, steps, 4].
    pub weights: &'a [[f32; OUT]],
    /// Output channels.
    pub to: usize,
    /// Results of a row.
    pub width: usize,
    /// Floats between rows of the sources.
    pub source_row: usize,
    /// Floats between channels, rows and columns of the results.
    pub channel: usize,
    pub row: usize,
    pub col: usize,
}

/// Computes `rows` rows of a sweep.
pub(super) struct Run<'a> {
    pub sweep: Sweep<'a>,
    /// For each step, the pixels that its weights multiply in the first row.
    pub sources: &'a [*const f32],
    /// Rows of results.
    pub rows: usize,
    /// The bias, [output channels rounded up to 4, LANES].
    pub bias: &'a [f32],
    /// The first result.
    pub out: *mut f32,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.sweep;
        let steps = self.sources.len();
        let (biases, _) = S::as_simd_f32s(self.bias);
        for c in (0..s.to).step_by(OUT) {
            let weights = &s.weights[c / OUT * steps..][..steps];
            let bias = [biases[c], biases[c + 1], biases[c + 2], biases[c + 3]];
            for r in 0..self.rows {
                // SAFETY: the sources hold all pixels of `rows` rows, and `out` is valid for writes of these rows.
                unsafe {
                    let target = Target {
                        start: self.out.add(c * s.channel + r * s.row),
                        channel: s.channel,
                        step: s.col,
                        channels: OUT.min(s.to - c),
                    };
                    product_run(simd, self.sources, r * s.source_row, weights, bias, target, s.width);
                }
            }
        }
    }
}

/// Packs `weight(t, f, k)` of `to` and `from` channels and `taps` taps as [to / 4, from x taps, 4], with zeros beyond
/// `to`.
pub(super) fn pack(
    from: usize,
    to: usize,
    taps: usize,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Vec<[f32; OUT]> {
    let mut packed = vec![[0.0; OUT]; to.div_ceil(OUT) * from * taps];
    for t in 0..to {
        for f in 0..from {
            for k in 0..taps {
                packed[(t / OUT * from + f) * taps + k][t % OUT] = weight(t, f, k);
            }
        }
    }
    packed
}
