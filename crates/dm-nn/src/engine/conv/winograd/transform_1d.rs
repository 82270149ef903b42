//! The one-dimensional transforms of F(4, 3), and of the smaller tiles F(3, 3) and F(2, 3) with the same points.
//!
//! A convolution with 3 weights and 4 results is a product of polynomials, computed from their values at the points 0,
//! 1, -1, 2, -2 and infinity. Tiles of 3 and 2 results need only 5 and 4 of these points. All scale factors that depend
//! on the size of the tile are in the transform of the input, so that one set of transformed weights serves tiles of
//! every size.
//!
//! For a point a, let N_a be the product of (a - b) over the other points b of F(4, 3), and M_a(x) the product of (x -
//! b) over the other points b of the tile. The transform of the weights has the row (1, a, a^2) / N_a, the transform of
//! the input has the coefficients of M_a times N_a / M_a(a), and result i is the sum over the points of a^i times the
//! product at a.

use pulp::Simd;

use crate::engine::substrate::simd::V;

/// Points of F(4, 3): 0, 1, -1, 2, -2, infinity.
pub(super) const POINTS: usize = 6;

/// The transform of the three weights, one row per point.
pub(super) const WEIGHTS: [[f32; 3]; POINTS] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// Whether a tile of `span` results has point number `k`.
pub(super) const fn has_point(span: usize, k: usize) -> bool {
    match k {
        3 => span >= 3,
        4 => span >= 4,
        _ => true,
    }
}

/// Number of the point -1. A line whose values come in equal pairs is (1 + x) times a polynomial, and so zero at -1.
pub(super) const PAIRED: usize = 2;

/// [`input`] of a line that is upsampled by two: takes the `span / 2 + 2` values before upsampling, for an even `span`.
/// The result at [`PAIRED`] would be zero and has no defined content.
#[inline(always)]
pub(super) fn doubled_input<S: Simd, const SPAN: usize>(simd: S, d: [V<S>; POINTS]) -> [V<S>; POINTS] {
    let c = |x| simd.splat_f32s(x);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (sub, mul) = (|a, b| simd.sub_f32s(a, b), |a, b| simd.mul_f32s(a, b));
    if SPAN == 2 {
        return [mul(c(4.0), sub(d[0], d[1])), mul(c(-6.0), d[1]), d[2], d[3], d[4], sub(d[2], d[1])];
    }
    let minus5 = c(-5.0);
    [
        fma(c(4.0), d[0], fma(minus5, d[1], d[2])),
        mul(c(2.0), fma(c(-4.0), d[1], d[2])),
        d[2],
        mul(c(3.0), sub(d[2], d[1])),
        sub(d[1], d[2]),
        fma(c(4.0), d[1], fma(minus5, d[2], d[3])),
    ]
}

/// Sums of pairs of the results of [`output`], for an even `span`. The products at [`PAIRED`] cancel and are not read.
#[inline(always)]
pub(super) fn halved_output<S: Simd, const SPAN: usize>(simd: S, m: [V<S>; POINTS]) -> [V<S>; 4] {
    let c = |x| simd.splat_f32s(x);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let add = |a, b| simd.add_f32s(a, b);
    let first = fma(c(2.0), m[1], m[0]);
    if SPAN == 2 {
        return [add(first, m[5]), m[0], m[0], m[0]];
    }
    let high = fma(c(3.0), m[3], simd.neg_f32s(m[4]));
    [add(first, high), fma(c(4.0), high, fma(c(2.0), m[1], m[5])), m[0], m[0]]
}

/// The transform of `span + 2` inputs. Points that the tile does not have have no defined content.
#[inline(always)]
pub(super) fn input<S: Simd, const SPAN: usize>(simd: S, d: [V<S>; POINTS]) -> [V<S>; POINTS] {
    let c = |x| simd.splat_f32s(x);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (add, sub, mul) =
        (|a, b| simd.add_f32s(a, b), |a, b| simd.sub_f32s(a, b), |a, b| simd.mul_f32s(a, b));
    match SPAN {
        2 => {
            let minus3 = c(-3.0);
            [
                mul(c(4.0), sub(d[0], d[2])),
                mul(minus3, add(d[1], d[2])),
                mul(minus3, sub(d[2], d[1])),
                d[3],
                d[4],
                sub(d[3], d[1]),
            ]
        }
        3 => {
            let (two, minus2) = (c(2.0), c(-2.0));
            let odd = sub(d[3], d[1]);
            [
                mul(two, fma(two, sub(d[0], d[2]), odd)),
                mul(c(3.0), fma(minus2, d[1], sub(d[3], d[2]))),
                fma(two, d[1], fma(c(-3.0), d[2], d[3])),
                mul(c(4.0), odd),
                d[4],
                fma(minus2, odd, sub(d[4], d[2])),
            ]
        }
        _ => {
            let (two, minus2, minus4, minus5) = (c(2.0), c(-2.0), c(-4.0), c(-5.0));
            let even4 = fma(minus4, d[2], d[4]);
            let odd4 = fma(minus4, d[1], d[3]);
            let even = sub(d[4], d[2]);
            let odd = sub(d[3], d[1]);
            [
                fma(c(4.0), d[0], fma(minus5, d[2], d[4])),
                add(even4, odd4),
                sub(even4, odd4),
                fma(two, odd, even),
                fma(minus2, odd, even),
                fma(c(4.0), d[1], fma(minus5, d[3], d[5])),
            ]
        }
    }
}

/// The `span` results from the products at the points of the tile. Further results have no defined content.
#[inline(always)]
pub(super) fn output<S: Simd, const SPAN: usize>(simd: S, m: [V<S>; POINTS]) -> [V<S>; 4] {
    let c = |x| simd.splat_f32s(x);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (add, sub) = (|a, b| simd.add_f32s(a, b), |a, b| simd.sub_f32s(a, b));
    let even1 = add(m[1], m[2]);
    let odd1 = sub(m[1], m[2]);
    match SPAN {
        2 => [add(m[0], even1), add(odd1, m[5]), m[0], m[0]],
        3 => {
            [add(add(m[0], even1), m[3]), fma(c(2.0), m[3], odd1), add(fma(c(4.0), m[3], even1), m[5]), m[0]]
        }
        _ => {
            let even2 = add(m[3], m[4]);
            let odd2 = sub(m[3], m[4]);
            [
                add(add(m[0], even1), even2),
                fma(c(2.0), odd2, odd1),
                fma(c(4.0), even2, even1),
                add(fma(c(8.0), odd2, odd1), m[5]),
            ]
        }
    }
}

/// The transpose of [`output`], from gradients of the results to gradients of the products.
#[inline(always)]
pub(super) fn output_gradient<S: Simd, const SPAN: usize>(simd: S, y: [V<S>; 4]) -> [V<S>; POINTS] {
    let c = |x| simd.splat_f32s(x);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (add, sub) = (|a, b| simd.add_f32s(a, b), |a, b| simd.sub_f32s(a, b));
    match SPAN {
        2 => [y[0], add(y[0], y[1]), sub(y[0], y[1]), y[0], y[0], y[1]],
        3 => {
            let even = add(y[0], y[2]);
            let at2 = fma(c(4.0), y[2], fma(c(2.0), y[1], y[0]));
            [y[0], add(even, y[1]), sub(even, y[1]), at2, y[0], y[2]]
        }
        _ => {
            let (even, odd) = (add(y[0], y[2]), add(y[1], y[3]));
            let even4 = fma(c(4.0), y[2], y[0]);
            let odd4 = fma(c(4.0), y[3], y[1]);
            [y[0], add(even, odd), sub(even, odd), fma(c(2.0), odd4, even4), fma(c(-2.0), odd4, even4), y[3]]
        }
    }
}
