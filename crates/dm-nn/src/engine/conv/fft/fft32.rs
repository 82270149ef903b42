//! The complex Fourier transform of 32 points, made of transforms of eight and of four points; one transform per lane.
//!
//! The caller passes closures that load the points and store the results, so that nothing is copied in between.

use pulp::Simd;

use crate::engine::substrate::vector::{C, F, inlined};

/// Points of the transform.
pub(super) const POINTS: usize = 32;
/// Vectors that hold the 32 complex numbers of a transform.
pub(super) const LINE: usize = 2 * POINTS;

/// The twiddle factors exp(-2 pi i k / 32), as (real part, imaginary part).
static TWIDDLES: [(f32, f32); 22] = twiddles();

const fn twiddles() -> [(f32, f32); 22] {
    const COS: [f32; 9] = [
        1.0,
        0.980_785_3,
        0.923_879_5,
        0.831_469_6,
        std::f32::consts::FRAC_1_SQRT_2,
        0.555_570_24,
        0.382_683_43,
        0.195_090_32,
        0.0,
    ];
    let mut table = [(0.0, 0.0); 22];
    let mut k = 0;
    while k < 22 {
        let (cos, sin) = (COS[k % 8], COS[8 - k % 8]);
        table[k] = match k / 8 {
            0 => (cos, -sin),
            1 => (-sin, -cos),
            _ => (-cos, sin),
        };
        k += 1;
    }
    table
}

/// The transform of four points.
#[inline(always)]
fn fft4<S: Simd>(x: [C<S>; 4]) -> [C<S>; 4] {
    let (even, odd) = (x[0] + x[2], x[1] + x[3]);
    let (a, b) = (x[0] - x[2], x[1] - x[3]);
    [even + odd, C::new(a.re + b.im, a.im - b.re), even - odd, C::new(a.re - b.im, a.im + b.re)]
}

/// The transform of eight points. With `SEVEN`, `x[7]` is taken to be zero.
#[inline(always)]
fn fft8<S: Simd, const SEVEN: bool>(x: [C<S>; 8]) -> [C<S>; 8] {
    let e = fft4([x[0], x[2], x[4], x[6]]);
    let o = if SEVEN {
        let (even, odd) = (x[1] + x[5], x[3]);
        let (a, b) = (x[1] - x[5], x[3]);
        [even + odd, C::new(a.re + b.im, a.im - b.re), even - odd, C::new(a.re - b.im, a.im + b.re)]
    } else {
        fft4([x[1], x[3], x[5], x[7]])
    };
    let half = F::splat(x[0].re.0, std::f32::consts::FRAC_1_SQRT_2);
    let o1 = C::new(half * (o[1].re + o[1].im), half * (o[1].im - o[1].re));
    let o3 = C::new(half * (o[3].im - o[3].re), half * (o[3].re + o[3].im));
    [
        e[0] + o[0],
        e[1] + o1,
        C::new(e[2].re + o[2].im, e[2].im - o[2].re),
        C::new(e[3].re + o3.re, e[3].im - o3.im),
        e[0] - o[0],
        e[1] - o1,
        C::new(e[2].re - o[2].im, e[2].im + o[2].re),
        C::new(e[3].re - o3.re, e[3].im + o3.im),
    ]
}

/// The transform of 32 points, in natural order. With `INVERSE` it is the inverse without its factor 1/32. With `TAIL`,
/// points 28 to 31 are zero and not loaded. `part` is working memory of [`LINE`] vectors; an array in the function
/// would be set to zero in every call.
#[inline(always)]
pub(super) fn fft32<S: Simd, const INVERSE: bool, const TAIL: bool>(
    simd: S,
    part: &mut [S::f32s],
    load: impl Fn(usize) -> C<S>,
    mut store: impl FnMut(usize, C<S>),
) {
    let part = &mut part[..LINE];
    for n in 0..4 {
        let get = inlined(
            #[inline(always)]
            |i: usize| {
                let v = load(n + 4 * i);
                if INVERSE { v.swap() } else { v }
            },
        );
        let last = if TAIL { C::zero(simd) } else { get(7) };
        let y = fft8::<S, TAIL>([get(0), get(1), get(2), get(3), get(4), get(5), get(6), last]);
        for (k, v) in y.into_iter().enumerate() {
            let v = if n > 0 && k > 0 {
                let (cos, sin) = TWIDDLES[n * k];
                let (cos, sin) = (F::splat(simd, cos), F::splat(simd, sin));
                C::new(v.im.neg_mul_add(sin, v.re * cos), v.re.mul_add(sin, v.im * cos))
            } else {
                v
            };
            set::<S>(part, 8 * n + k, v);
        }
    }
    for k in 0..8 {
        let at = inlined(
            #[inline(always)]
            |n: usize| get(simd, part, 8 * n + k),
        );
        let y = fft4([at(0), at(1), at(2), at(3)]);
        for (j, v) in y.into_iter().enumerate() {
            store(k + 8 * j, if INVERSE { v.swap() } else { v });
        }
    }
}

/// Reads complex number `at` of a slice of vectors, in which real and imaginary parts alternate.
#[inline(always)]
pub(super) fn get<S: Simd>(simd: S, data: &[S::f32s], at: usize) -> C<S> {
    C::new(F(simd, data[2 * at]), F(simd, data[2 * at + 1]))
}

/// Writes complex number `at` of such a slice.
#[inline(always)]
pub(super) fn set<S: Simd>(data: &mut [S::f32s], at: usize, v: C<S>) {
    data[2 * at] = v.re.1;
    data[2 * at + 1] = v.im.1;
}
