//! The transform of weights [O, I, k, k] to the frequency domain and back, one pair of an input and an output channel
//! per lane.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::fft32::POINTS;
use super::transform::{BINS, WORK, forward_columns, forward_row_pair, inverse_columns, inverse_row_pair};
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};
use crate::engine::substrate::vector::{C, F};

/// The factor that the transforms give a product of two spectra: 2 for each forward transform, and 32 x 32 for the
/// inverse.
const SCALE: f32 = 4096.0;
/// Bins that are copied together from one layout to the other.
const BIN_CHUNK: usize = 16;

/// The spectra of the weight of a convolution, scaled so that products need no further factor.
pub(crate) struct WeightSpectra {
    /// [BINS][re, im][pairs], pair (i, o) at i * outputs + o.
    pub data: Buffer,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// inputs * outputs, rounded up to whole vectors.
    pub pairs: usize,
}

impl WeightSpectra {
    /// Pairs of channels, rounded up to whole vectors.
    pub fn padded_pairs(inputs: usize, outputs: usize) -> usize {
        (inputs * outputs).next_multiple_of(lanes())
    }

    /// Transforms a weight [outputs, inputs, size, size].
    pub fn new(weight: &[f32], inputs: usize, outputs: usize, size: usize) -> Self {
        let l = lanes();
        let pairs = Self::padded_pairs(inputs, outputs);
        // The transforms write [pairs/LANES][BINS][re, im][LANES], but products read bin by bin.
        let mut by_pair = Buffer::recycled(pairs * BINS * 2);
        by_pair.par_chunks_mut(BINS * 2 * l).enumerate().for_each(|(group, out)| {
            let mut taps = Buffer::zeros(size * size * l);
            for lane in 0..l.min(inputs * outputs - group * l) {
                let (i, o) = ((group * l + lane) / outputs, (group * l + lane) % outputs);
                let kernel = &weight[(o * inputs + i) * size * size..][..size * size];
                for (tap, value) in taps[lane..].iter_mut().step_by(l).zip(kernel) {
                    *tap = value / SCALE;
                }
            }
            let mut work = Buffer::zeros(WORK * l);
            dispatch(ToSpectrum { taps: &taps, size, work: &mut work, out });
        });
        let mut data = Buffer::recycled(pairs * BINS * 2);
        data.par_chunks_mut(BIN_CHUNK * 2 * pairs).enumerate().for_each(|(chunk, to)| {
            let from = &by_pair[chunk * BIN_CHUNK * 2 * l..];
            dispatch(Gather { from, from_step: l, stride: BINS * 2 * l, to_step: pairs, to });
        });
        Self { data, inputs, outputs, pairs }
    }

    /// The same spectra with input and output channels exchanged.
    pub fn transposed(&self) -> Self {
        let Self { inputs, outputs, pairs, .. } = *self;
        let mut data = Buffer::recycled(self.data.len());
        data.par_chunks_mut(BIN_CHUNK * pairs).zip(self.data.par_chunks(BIN_CHUNK * pairs)).for_each(
            |(to, from)| {
                for (to, from) in to.chunks_exact_mut(pairs).zip(from.chunks_exact(pairs)) {
                    for (o, to) in to.chunks_exact_mut(inputs).take(outputs).enumerate() {
                        let from = from[o..].iter().step_by(outputs);
                        to.iter_mut().zip(from).for_each(|(t, f)| *t = *f);
                    }
                    to[inputs * outputs..].fill(0.0);
                }
            },
        );
        Self { data, inputs: outputs, outputs: inputs, pairs }
    }
}

/// Copies vectors between the layouts [groups][bins] and [bins][groups]: vector g of row r, which starts at
/// `from[r * from_step + g * stride]`, goes to `to[r * to_step + g * LANES]`.
struct Gather<'a> {
    from: &'a [f32],
    from_step: usize,
    stride: usize,
    to_step: usize,
    to: &'a mut [f32],
}

impl WithSimd for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let l = S::F32_LANES;
        let from = S::as_simd_f32s(self.from).0;
        let to = S::as_mut_simd_f32s(self.to).0;
        for (row, to) in to.chunks_exact_mut(self.to_step / l).enumerate() {
            let from = from[row * self.from_step / l..].iter().step_by(self.stride / l);
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
    }
}

/// The gradient of a weight [outputs, inputs, size, size] from its spectra [BINS][re, im][pairs].
pub(crate) fn spectra_to_weight(spectra: &[f32], inputs: usize, outputs: usize, size: usize) -> Vec<f32> {
    let l = lanes();
    let pairs = WeightSpectra::padded_pairs(inputs, outputs);
    let mut by_pair = vec![0.0; pairs * size * size];
    by_pair.par_chunks_mut(size * size * l).enumerate().for_each(|(group, taps)| {
        let mut spectrum = Buffer::recycled(BINS * 2 * l);
        let from = &spectra[group * l..];
        dispatch(Gather { from, from_step: pairs, stride: pairs, to_step: l, to: &mut spectrum });
        let mut work = Buffer::recycled(WORK * l);
        dispatch(FromSpectrum { spectrum: &spectrum, size, work: &mut work, taps });
    });
    let mut gradient = vec![0.0; inputs * outputs * size * size];
    gradient.chunks_exact_mut(size * size).enumerate().for_each(|(kernel, target)| {
        let (o, i) = (kernel / inputs, kernel % inputs);
        let pair = i * outputs + o;
        let source = by_pair[pair / l * l * size * size + pair % l..].iter().step_by(l);
        target.iter_mut().zip(source).for_each(|(t, s)| *t = s / SCALE);
    });
    gradient
}

/// The row (or column), of 32, at which row (or column) `tap` of a kernel lies. The centre of the kernel is at 0, and the
/// taps before the centre wrap around to the end.
#[inline(always)]
fn place(tap: usize, size: usize) -> usize {
    (tap + POINTS - size / 2) % POINTS
}

struct ToSpectrum<'a> {
    taps: &'a [f32],
    size: usize,
    /// Working memory, zero on entry.
    work: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for ToSpectrum<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { size, .. } = self;
        let taps = S::as_simd_f32s(self.taps).0;
        let work = S::as_mut_simd_f32s(self.work).0;
        for row in (0..size).step_by(2) {
            let mut line = [C::zero(simd); POINTS];
            for column in 0..size {
                let re = F(simd, taps[row * size + column]);
                let below = if row + 1 < size { taps.get((row + 1) * size + column) } else { None };
                let im = below.map_or(F::zero(simd), |v| F(simd, *v));
                line[place(column, size)] = C::new(re, im);
            }
            // The row after the last one is zero, and is written to a row that is zero.
            let (first, second) = (place(row, size), place(row + 1, size));
            forward_row_pair::<S, false>(
                simd,
                #[inline(always)]
                |w| line[w],
                work,
                first,
                second,
            );
        }
        let out = S::as_mut_simd_f32s(self.out).0;
        forward_columns::<S, false>(simd, POINTS, work, out, 1, 0);
    }
}

struct FromSpectrum<'a> {
    spectrum: &'a [f32],
    size: usize,
    work: &'a mut [f32],
    taps: &'a mut [f32],
}

impl WithSimd for FromSpectrum<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { size, .. } = self;
        let work = S::as_mut_simd_f32s(self.work).0;
        let taps = S::as_mut_simd_f32s(self.taps).0;
        inverse_columns(simd, S::as_simd_f32s(self.spectrum).0, 1, 0, work);
        for row in (0..size).step_by(2) {
            let mut line = [C::zero(simd); POINTS];
            inverse_row_pair(
                simd,
                work,
                place(row, size),
                place(row + 1, size),
                #[inline(always)]
                |w, v| line[w] = v,
            );
            for column in 0..size {
                let v = line[place(column, size)];
                taps[row * size + column] = v.re.1;
                if row + 1 < size {
                    taps[(row + 1) * size + column] = v.im.1;
                }
            }
        }
    }
}
