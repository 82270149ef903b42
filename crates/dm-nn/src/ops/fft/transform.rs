//! The exact 32x32 real Fourier transform of one plane per lane, in both directions.
//!
//! A plane of at most 32x32 pixels, zero outside, becomes [`BINS`] complex numbers: the 514 that determine the spectrum
//! of a real plane. Columns 0 and 16 of the half spectrum belong to real sequences, so one complex transform does both,
//! and of each the 17 rows that are not conjugates of others are kept. Order: column 0 rows 0..=16, column 16 rows
//! 0..=16, then columns 1..=15 with 32 rows each.
//!
//! Scale: `forward` returns twice the transform, `inverse` 1024 times the inverse transform; who multiplies spectra
//! folds the factors into one of them.

use pulp::Simd;

use super::super::prefetch::prefetch;
use super::super::vector::{C, F, inlined};
use super::fft32::{LINE, fft32, get, set};

/// Points of the transform along each axis.
pub(crate) const POINTS: usize = 32;
/// Complex numbers in the spectrum of a real plane.
pub(crate) const BINS: usize = 2 * 17 + 15 * 32;
/// Rows and columns of a plane up to which the last inputs of every transform are known to be zero.
pub(crate) const SHORT: usize = 28;

/// Complex numbers from one column to the next in the working buffer; odd, so that columns do not share cache sets.
const COLUMN: usize = POINTS + 1;
/// Vectors of the columns in the working memory.
const COLUMNS: usize = 16 * COLUMN * 2;
/// Working memory of `forward` and `inverse`, in vectors: the columns, then two lines.
pub(crate) const WORK: usize = COLUMNS + 2 * LINE;

/// Splits the transform of a + ib into twice the transforms of a and b at `k`, given its values at k and -k.
#[inline(always)]
fn split<S: Simd>(u: C<S>, v: C<S>) -> (C<S>, C<S>) {
    (C::new(u.re + v.re, u.im - v.im), C::new(u.im + v.im, v.re - u.re))
}

/// The number at k, and the one at -k, of the transform of a + ib, given those of a and b at k.
#[inline(always)]
fn join<S: Simd>(a: C<S>, b: C<S>) -> (C<S>, C<S>) {
    (C::new(a.re - b.im, a.im + b.re), C::new(a.re + b.im, b.re - a.im))
}

/// Where the rows of a plane lie: a slice of `height` rows of `width` vectors.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Rows, at most 32.
    pub height: usize,
    /// Columns, at most 32.
    pub width: usize,
}

/// plane [height, width] -> twice its spectrum, bin f at `out[(f * step + at)]` as complex numbers.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    simd: S,
    plane: &[S::f32s],
    extent: Extent,
    work: &mut [S::f32s],
    out: &mut [S::f32s],
    step: usize,
    at: usize,
) {
    if extent.height == SHORT && extent.width == SHORT {
        // Constants let the compiler drop every edge test of the usual size.
        let extent = Extent { height: SHORT, width: SHORT };
        forward_sized::<S, true>(simd, plane, extent, work, out, step, at);
    } else {
        forward_sized::<S, false>(simd, plane, extent, work, out, step, at);
    }
}

#[inline(always)]
fn forward_sized<S: Simd, const TAIL: bool>(
    simd: S,
    plane: &[S::f32s],
    extent: Extent,
    work: &mut [S::f32s],
    out: &mut [S::f32s],
    step: usize,
    at: usize,
) {
    let Extent { height, width } = extent;
    let plane = &plane[..height * width];
    for row in (0..height).step_by(2) {
        let first = &plane[row * width..][..width];
        let second = if row + 1 < height { &plane[(row + 1) * width..][..width] } else { &[] };
        forward_row_pair::<S, TAIL>(
            simd,
            #[inline(always)]
            |w| C::new(pixel(simd, first, w), pixel(simd, second, w)),
            work,
            row,
            row + 1,
        );
    }
    forward_columns::<S, TAIL>(simd, height.next_multiple_of(2), work, out, step, at);
}

/// A row's pixel, zero outside.
#[inline(always)]
fn pixel<S: Simd>(simd: S, row: &[S::f32s], at: usize) -> F<S> {
    match row.get(at) {
        Some(v) => F(simd, *v),
        None => F::zero(simd),
    }
}

/// Transforms two real rows, given as one complex row, into rows `first` and `second` of the columns in `work`.
#[inline(always)]
pub(super) fn forward_row_pair<S: Simd, const TAIL: bool>(
    simd: S,
    load: impl Fn(usize) -> C<S>,
    work: &mut [S::f32s],
    first: usize,
    second: usize,
) {
    let (work, lines) = work[..WORK].split_at_mut(COLUMNS);
    let (part, y) = lines.split_at_mut(LINE);
    fft32::<S, false, TAIL>(
        simd,
        part,
        load,
        #[inline(always)]
        |k, v| set::<S>(y, k, v),
    );
    let (zero, half) = (get(simd, y, 0), get(simd, y, 16));
    set::<S>(work, first, C::new(zero.re, half.re));
    set::<S>(work, second, C::new(zero.im, half.im));
    for k in 1..16 {
        let (a, b) = split(get(simd, y, k), get(simd, y, POINTS - k));
        set::<S>(work, k * COLUMN + first, a);
        set::<S>(work, k * COLUMN + second, b);
    }
}

/// Asks for the number two columns on from number `at` of a spectrum.
#[inline(always)]
fn prefetch_ahead<S: Simd>(spectrum: *const S::f32s, at: usize, step: usize) {
    prefetch(spectrum.wrapping_add(2 * (at + 2 * POINTS * step)).cast(), 2 * S::F32_LANES);
}

/// Transforms the columns in `work`, of which rows from `height` on are zero, into the spectrum.
#[inline(always)]
pub(super) fn forward_columns<S: Simd, const TAIL: bool>(
    simd: S,
    height: usize,
    work: &mut [S::f32s],
    out: &mut [S::f32s],
    step: usize,
    at: usize,
) {
    let (work, lines) = work[..WORK].split_at_mut(COLUMNS);
    let (part, y) = lines.split_at_mut(LINE);
    for k in 0..16 {
        let column = &work[2 * k * COLUMN..][..2 * POINTS];
        let load = inlined(
            #[inline(always)]
            |row: usize| {
                if TAIL || row < height { get(simd, column, row) } else { C::zero(simd) }
            },
        );
        if k == 0 {
            fft32::<S, false, TAIL>(
                simd,
                part,
                load,
                #[inline(always)]
                |k, v| set::<S>(y, k, v),
            );
            for m in 0..17 {
                let (first, last) = split(get(simd, y, m), get(simd, y, (POINTS - m) % POINTS));
                set::<S>(out, m * step + at, first);
                set::<S>(out, (17 + m) * step + at, last);
            }
        } else {
            let start = (34 + (k - 1) * POINTS) * step + at;
            fft32::<S, false, TAIL>(
                simd,
                part,
                load,
                #[inline(always)]
                |r, v| {
                    prefetch_ahead::<S>(out.as_ptr(), start + r * step, step);
                    set::<S>(out, start + r * step, v);
                },
            );
        }
    }
}

/// Spectrum, laid out as [`forward`] writes it -> 1024 times the plane [height, width].
#[inline(always)]
pub(crate) fn inverse<S: Simd>(
    simd: S,
    spectrum: &[S::f32s],
    step: usize,
    at: usize,
    work: &mut [S::f32s],
    plane: &mut [S::f32s],
    extent: Extent,
) {
    if extent.height == SHORT && extent.width == SHORT {
        let extent = Extent { height: SHORT, width: SHORT };
        inverse_sized(simd, spectrum, step, at, work, plane, extent);
    } else {
        inverse_sized(simd, spectrum, step, at, work, plane, extent);
    }
}

#[inline(always)]
fn inverse_sized<S: Simd>(
    simd: S,
    spectrum: &[S::f32s],
    step: usize,
    at: usize,
    work: &mut [S::f32s],
    plane: &mut [S::f32s],
    extent: Extent,
) {
    let Extent { height, width } = extent;
    inverse_columns(simd, spectrum, step, at, work);
    let plane = &mut plane[..height * width];
    for row in (0..height).step_by(2) {
        let (first, second) = plane[row * width..].split_at_mut(width);
        let second = if row + 1 < height { &mut second[..width] } else { &mut [] };
        inverse_row_pair(
            simd,
            work,
            row,
            row + 1,
            #[inline(always)]
            |w, v| {
                if w < width {
                    first[w] = v.re.1;
                    if let Some(pixel) = second.get_mut(w) {
                        *pixel = v.im.1;
                    }
                }
            },
        );
    }
}

/// Inverse transforms of all columns, into `work`.
#[inline(always)]
pub(super) fn inverse_columns<S: Simd>(
    simd: S,
    spectrum: &[S::f32s],
    step: usize,
    at: usize,
    work: &mut [S::f32s],
) {
    let (work, lines) = work[..WORK].split_at_mut(COLUMNS);
    let (part, z) = lines.split_at_mut(LINE);
    for k in 0..16 {
        let column = &mut work[2 * k * COLUMN..][..2 * POINTS];
        if k == 0 {
            for m in 0..17 {
                let a = get(simd, spectrum, m * step + at);
                let b = get(simd, spectrum, (17 + m) * step + at);
                let (plus, minus) = join(a, b);
                // At rows 0 and 16 both are the same number, and real parts only.
                set::<S>(z, (POINTS - m) % POINTS, minus);
                set::<S>(z, m, plus);
            }
            fft32::<S, true, false>(
                simd,
                part,
                #[inline(always)]
                |m| get(simd, z, m),
                #[inline(always)]
                |row, v| set::<S>(column, row, v),
            );
        } else {
            let start = (34 + (k - 1) * POINTS) * step + at;
            fft32::<S, true, false>(
                simd,
                part,
                #[inline(always)]
                |r| {
                    prefetch_ahead::<S>(spectrum.as_ptr(), start + r * step, step);
                    get(simd, spectrum, start + r * step)
                },
                #[inline(always)]
                |row, v| set::<S>(column, row, v),
            );
        }
    }
}

/// Inverse transforms of rows `first` and `second` of `work`: real parts are the first row, imaginary the second.
#[inline(always)]
pub(super) fn inverse_row_pair<S: Simd>(
    simd: S,
    work: &mut [S::f32s],
    first: usize,
    second: usize,
    store: impl FnMut(usize, C<S>),
) {
    let (work, lines) = work[..WORK].split_at_mut(COLUMNS);
    let (part, z) = lines.split_at_mut(LINE);
    let (a, b) = (get(simd, work, first), get(simd, work, second));
    set::<S>(z, 0, C::new(a.re, b.re));
    set::<S>(z, 16, C::new(a.im, b.im));
    for k in 1..16 {
        let (a, b) = (get(simd, work, k * COLUMN + first), get(simd, work, k * COLUMN + second));
        let (plus, minus) = join(a, b);
        set::<S>(z, k, plus);
        set::<S>(z, POINTS - k, minus);
    }
    fft32::<S, true, false>(
        simd,
        part,
        #[inline(always)]
        |k| get(simd, z, k),
        store,
    );
}
