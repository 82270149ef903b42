//! The register-blocked inner loop of a direct convolution's weight gradient: sums over runs of vectors of the gradient
//! of an output channel times the input that a tap reads (the source of a step).
//!
//! Blocks are 4 output channels by 3 sources, or 2 by 6 with 16 registers, for the reason given in
//! [`products`](crate::engine::gemm::products).

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "inner loops over vectors; bounds are fixed by the caller's geometry")]

use pulp::Simd;

use crate::engine::gemm::products::OUT;
use crate::engine::substrate::simd::{load, sum4};

/// The runs of vectors that a weight gradient sums over.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    /// Number of runs.
    pub rows: usize,
    /// Vectors of a run.
    pub width: usize,
    /// Floats from one run of the gradient to the next.
    pub grad_row: usize,
    /// Floats from one run of the input to the next.
    pub x_row: usize,
}

/// `sums[k][m] += sum over runs, vectors and lanes of grad[m] * sources[k]`.
///
/// # Safety
/// Every pointer in `grad` and `sources` is valid for reads of the runs, and aligned to vectors.
#[inline(always)]
pub(super) unsafe fn correlate<S: Simd>(
    simd: S,
    grad: [*const f32; OUT],
    sources: &[*const f32],
    runs: Runs,
    sums: &mut [[f32; OUT]],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut done = if S::REGISTER_COUNT > 16 {
            correlations::<S, 3, OUT>(simd, grad, sources, runs, sums)
        } else {
            correlations::<S, 6, 2>(simd, grad, sources, runs, sums)
        };
        done += correlations::<S, 2, OUT>(simd, grad, &sources[done..], runs, &mut sums[done..]);
        correlations::<S, 1, OUT>(simd, grad, &sources[done..], runs, &mut sums[done..]);
    }
}

/// [`correlate`] for as many whole blocks of `N` sources as there are, `M` output channels at a time. Returns the
/// number of these sources.
#[inline(always)]
unsafe fn correlations<S: Simd, const N: usize, const M: usize>(
    simd: S,
    grad: [*const f32; OUT],
    sources: &[*const f32],
    runs: Runs,
    sums: &mut [[f32; OUT]],
) -> usize {
    const { assert!((M == OUT || 2 * M == OUT) && (M * N).is_multiple_of(4)) };
    let (blocks, _) = sources.as_chunks::<N>();
    for (sources, sums) in blocks.iter().zip(sums.as_chunks_mut::<N>().0) {
        // SAFETY: as promised by the caller.
        unsafe {
            correlation_block::<S, N, M>(simd, grad, 0, sources, runs, sums);
            if M < OUT {
                correlation_block::<S, N, M>(simd, grad, M, sources, runs, sums);
            }
        }
    }
    blocks.len() * N
}

/// `N` sources and the `M` output channels from `first` on.
#[inline(always)]
unsafe fn correlation_block<S: Simd, const N: usize, const M: usize>(
    simd: S,
    grad: [*const f32; OUT],
    first: usize,
    sources: &[*const f32; N],
    runs: Runs,
    sums: &mut [[f32; OUT]; N],
) {
    let mut acc = [[simd.splat_f32s(0.0); M]; N];
    for row in 0..runs.rows {
        for p in 0..runs.width {
            let column = p * S::F32_LANES;
            if M < N {
                let mut g = [simd.splat_f32s(0.0); M];
                for m in 0..M {
                    // SAFETY: as promised by the caller for `grad`.
                    g[m] = unsafe { load::<S>(grad[first + m].add(row * runs.grad_row + column)) };
                }
                for k in 0..N {
                    // SAFETY: as promised by the caller for the sources.
                    let v = unsafe { load::<S>(sources[k].add(row * runs.x_row + column)) };
                    for m in 0..M {
                        acc[k][m] = simd.mul_add_e_f32s(g[m], v, acc[k][m]);
                    }
                }
            } else {
                let mut v = [simd.splat_f32s(0.0); N];
                for k in 0..N {
                    // SAFETY: as promised by the caller for the sources.
                    v[k] = unsafe { load::<S>(sources[k].add(row * runs.x_row + column)) };
                }
                for m in 0..M {
                    // SAFETY: as promised by the caller for `grad`.
                    let g = unsafe { load::<S>(grad[first + m].add(row * runs.grad_row + column)) };
                    for k in 0..N {
                        acc[k][m] = simd.mul_add_e_f32s(g, v[k], acc[k][m]);
                    }
                }
            }
        }
    }
    let (fours, _) = acc.as_flattened().as_chunks::<4>();
    for (i, four) in fours.iter().enumerate() {
        for (j, total) in sum4(simd, *four).into_iter().enumerate() {
            let at = 4 * i + j;
            sums[at / M][first + at % M] += total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::substrate::pool::Buffer;
    use crate::engine::substrate::simd::on_all_sets;
    use pulp::WithSimd;

    /// Compares correlations with `from` sources over 3 rows of `width` vectors. The rows of the sources have a gap.
    fn correlation<S: Simd>(simd: S, from: usize, width: usize) {
        let l = S::F32_LANES;
        let runs = Runs { rows: 3, width, grad_row: width * l, x_row: (width + 2) * l };
        let grad = Buffer::test_integers(OUT, 3 * runs.grad_row, 3);
        let sources = Buffer::test_integers(from, 3 * runs.x_row, 4);
        let pointers: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
        let mut sums = vec![[2.0; OUT]; from];
        // SAFETY: all buffers are as long as the runs, and aligned.
        unsafe {
            let grad = std::array::from_fn(|m| grad[m].as_ptr());
            correlate(simd, grad, &pointers, runs, &mut sums);
        }
        for (k, sums) in sums.iter().enumerate() {
            for (m, &found) in sums.iter().enumerate() {
                let term = |i: usize| {
                    let (row, p) = (i / runs.grad_row, i % runs.grad_row);
                    grad[m][i] * sources[k][row * runs.x_row + p]
                };
                let expected = 2.0 + (0..3 * runs.grad_row).map(term).sum::<f32>();
                assert_eq!(found, expected, "{from} sources, {width} vectors, sum {k}, {m}");
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Sources;

    impl WithSimd for Sources {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            (1..=20).for_each(|from| correlation(simd, from, 3));
        }
    }

    /// The blocks differ between instruction sets.
    #[test]
    fn sums_are_exact_in_blocks_of_all_sizes() {
        on_all_sets(Sources);
    }
}
