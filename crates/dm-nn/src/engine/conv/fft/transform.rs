//! The real Fourier transform of planes of 32x32 pixels, in both directions; one plane per lane.
//!
//! A plane of at most 32x32 pixels, extended by zeros, becomes [`BINS`] complex numbers: the 514 that determine the
//! spectrum of a real plane. Columns 0 and 16 of the half spectrum are spectra of real sequences. One complex transform
//! computes both, and 17 rows of each are stored, since the others are complex conjugates of these. The order of the
//! bins is column 0 with rows 0 to 16, column 16 with rows 0 to 16, then columns 1 to 15 with 32 rows each.
//!
//! [`forward`] returns twice the transform and [`inverse`] 1024 times the inverse transform. The factors are
//! compensated in the spectra of the weights.

use pulp::Simd;

use super::fft32::{LINE, POINTS, fft32, get, set};
use crate::engine::substrate::prefetch::prefetch;
use crate::engine::substrate::vector::{C, F, inlined};

/// Complex numbers in the spectrum of a real plane.
pub(crate) const BINS: usize = 2 * 17 + 15 * 32;
/// The height and width for which the transforms are compiled without tests for the edge of the plane, and without
/// loading the last four points, which are zero.
pub(crate) const SHORT: usize = 28;

/// Complex numbers from one column to the next in working memory. It is odd so that columns do not fall into the same
/// cache sets.
const COLUMN: usize = POINTS + 1;
/// Vectors of all columns in working memory.
const COLUMNS: usize = 16 * COLUMN * 2;
/// Vectors of working memory that [`forward`] and [`inverse`] need: the columns, then two lines.
pub(crate) const WORK: usize = COLUMNS + 2 * LINE;

/// Twice the transforms of the real sequences a and b at k, from the values `u` at k and `v` at -k of the transform of
/// a + ib.
#[inline(always)]
fn split<S: Simd>(u: C<S>, v: C<S>) -> (C<S>, C<S>) {
    (C::new(u.re + v.re, u.im - v.im), C::new(u.im + v.im, v.re - u.re))
}

/// The values at k and -k of the transform of a + ib, from the transforms of the real sequences a and b at k.
#[inline(always)]
fn join<S: Simd>(a: C<S>, b: C<S>) -> (C<S>, C<S>) {
    (C::new(a.re - b.im, a.im + b.re), C::new(a.re + b.im, b.re - a.im))
}

/// Size of a plane, which is a slice of `height` rows of `width` vectors.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Rows, at most 32.
    pub height: usize,
    /// Columns, at most 32.
    pub width: usize,
}

/// Computes twice the spectrum of a plane [height, width]. Bin f is complex number `f * step + at` of `out`.
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
        // With a constant size the compiler removes every test for the edge of the plane.
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

/// A pixel of a row, zero outside the row.
#[inline(always)]
fn pixel<S: Simd>(simd: S, row: &[S::f32s], at: usize) -> F<S> {
    match row.get(at) {
        Some(v) => F(simd, *v),
        None => F::zero(simd),
    }
}

/// Transforms two real rows, which `load` returns as the real and imaginary parts of one complex row, into rows `first`
/// and `second` of the columns in `work`.
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

/// Prefetches the complex number that is two columns after number `at` of a spectrum.
#[inline(always)]
fn prefetch_ahead<S: Simd>(spectrum: *const S::f32s, at: usize, step: usize) {
    prefetch(spectrum.wrapping_add(2 * (at + 2 * POINTS * step)).cast(), 2 * S::F32_LANES);
}

/// Transforms the columns in `work` into the spectrum. Rows from `height` on are zero and not read.
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

/// Computes 1024 times the plane [height, width] of a spectrum that has the layout of [`forward`].
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

/// Transforms all columns of a spectrum back, into `work`.
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
                // At rows 0 and 16 both are the same number, which is real.
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

/// Transforms rows `first` and `second` of `work` back. `store` gets them as the real and imaginary parts of one
/// complex row.
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
