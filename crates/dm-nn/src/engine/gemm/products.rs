//! The register-blocked inner loop of the convolutions.
//!
//! Direct convolutions and the products between Winograd transforms are sums over steps k (an input channel, or a
//! channel and a tap) of a scalar weight times a run of vectors of `sources[k]`. Four output channels are computed
//! together, so that each loaded vector is used four times. An instruction set with 32 registers computes blocks of 4
//! channels by 3 vectors. With 16 registers such a block would leave no register free and sums would be spilled to
//! memory, so blocks are 2 channels by 6 vectors in two passes, which need one register less.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "inner loops over vectors; bounds are fixed by the caller's geometry")]

use pulp::Simd;

use crate::engine::substrate::simd::{V, load, store};

/// Output channels computed together.
pub(crate) const OUT: usize = 4;

/// Vectors computed together if there is only one output channel.
const LONG: usize = 7;

/// Where a run of result vectors is written.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// First result vector of the first channel.
    pub start: *mut f32,
    /// Floats from one channel to the next.
    pub channel: usize,
    /// Floats from one result vector to the next.
    pub step: usize,
    /// Channels to write, 1 to [`OUT`].
    pub channels: usize,
}

/// `target[m][p] = bias[m] + sum over k of weights[k][m] * sources[k][p]` for vectors `p` in `0..n`, counted from `at`
/// floats into each source.
///
/// # Safety
/// Every source is valid for reads of `n` vectors from `at` on, and the target for writes of `n` vectors per channel.
/// All are aligned to vectors.
#[inline(always)]
pub(crate) unsafe fn product_run<S: Simd>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    weights: &[[f32; OUT]],
    bias: [V<S>; OUT],
    target: Target,
    n: usize,
) {
    let wide = S::REGISTER_COUNT > 16;
    let mut done = 0;
    while done < n {
        let at = at + done * S::F32_LANES;
        // SAFETY: `done` and what is added to it stay within `n`.
        done += unsafe {
            let target = Target { start: target.start.add(done * target.step), ..target };
            match n - done {
                left if target.channels == 1 && left >= LONG => {
                    products::<S, 1, LONG>(simd, sources, at, weights, bias, target)
                }
                1 => products::<S, OUT, 1>(simd, sources, at, weights, bias, target),
                2 => products::<S, OUT, 2>(simd, sources, at, weights, bias, target),
                // Blocks are chosen so that no single vector remains.
                4 if wide => products::<S, OUT, 2>(simd, sources, at, weights, bias, target),
                _ if wide => products::<S, OUT, 3>(simd, sources, at, weights, bias, target),
                3 => products::<S, 2, 3>(simd, sources, at, weights, bias, target),
                4 => products::<S, 2, 4>(simd, sources, at, weights, bias, target),
                5 | 7 => products::<S, 2, 5>(simd, sources, at, weights, bias, target),
                _ => products::<S, 2, 6>(simd, sources, at, weights, bias, target),
            }
        };
    }
}

/// `N` vectors of all output channels, `M` channels in each of at most two passes. Returns `N`.
#[inline(always)]
unsafe fn products<S: Simd, const M: usize, const N: usize>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    weights: &[[f32; OUT]],
    bias: [V<S>; OUT],
    target: Target,
) -> usize {
    debug_assert!(target.channels <= 2 * M, "the channels need a third pass");
    // SAFETY: as promised by the caller.
    unsafe {
        product_block::<S, M, N>(simd, sources, at, weights, 0, bias, target);
        if M < target.channels {
            product_block::<S, M, N>(simd, sources, at, weights, M, bias, target);
        }
    }
    N
}

/// `N` vectors of the `M` output channels from `first` on.
#[inline(always)]
unsafe fn product_block<S: Simd, const M: usize, const N: usize>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    weights: &[[f32; OUT]],
    first: usize,
    bias: [V<S>; OUT],
    target: Target,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for m in 0..M {
        sums[m] = [bias[first + m]; N];
    }
    for (source, weight) in sources.iter().zip(weights) {
        // The smaller operand stays in registers while the larger one streams through.
        if M < N {
            let mut w = [simd.splat_f32s(0.0); M];
            for m in 0..M {
                w[m] = simd.splat_f32s(weight[first + m]);
            }
            for p in 0..N {
                // SAFETY: as promised by the caller for the sources.
                let v = unsafe { load::<S>(source.add(at + p * S::F32_LANES)) };
                for m in 0..M {
                    sums[m][p] = simd.mul_add_e_f32s(w[m], v, sums[m][p]);
                }
            }
        } else {
            let mut v = [simd.splat_f32s(0.0); N];
            for p in 0..N {
                // SAFETY: as promised by the caller for the sources.
                v[p] = unsafe { load::<S>(source.add(at + p * S::F32_LANES)) };
            }
            for m in 0..M {
                let w = simd.splat_f32s(weight[first + m]);
                for p in 0..N {
                    sums[m][p] = simd.mul_add_e_f32s(w, v[p], sums[m][p]);
                }
            }
        }
    }
    for m in 0..M {
        if first + m < target.channels {
            for p in 0..N {
                // SAFETY: as promised by the caller for the target.
                unsafe {
                    store::<S>(target.start.add((first + m) * target.channel + p * target.step), sums[m][p]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::substrate::pool::Buffer;
    use crate::engine::substrate::simd::on_all_sets;
    use pulp::WithSimd;

    /// Compares products of `from` sources for every number of channels, in runs of `n` vectors.
    fn product<S: Simd>(simd: S, from: usize, n: usize) {
        let l = S::F32_LANES;
        let at = 2 * l;
        let sources = Buffer::test_integers(from, at + n * l, 0);
        let pointers: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
        let weights = Buffer::test_integers(from, OUT, 1);
        let weights: Vec<[f32; OUT]> = weights.iter().map(|w| std::array::from_fn(|m| w[m])).collect();
        let bias = Buffer::test_integers(OUT, l, 2);
        for channels in 1..=OUT {
            let mut out = Buffer::zeros((channels + 1) * n * l);
            let target = Target { start: out.as_mut_ptr(), channel: n * l, step: l, channels };
            // SAFETY: all buffers are as long as the runs, and aligned.
            unsafe {
                let bias = std::array::from_fn(|m| load::<S>(bias[m].as_ptr()));
                product_run(simd, &pointers, at, &weights, bias, target, n);
            }
            for (i, &found) in out[..channels * n * l].iter().enumerate() {
                let (m, p) = (i / (n * l), i % (n * l));
                let sum: f32 = (0..from).map(|k| weights[k][m] * sources[k][at + p]).sum();
                let expected = bias[m][p % l] + sum;
                assert_eq!(found, expected, "{from} sources, {n} vectors, channel {m} of {channels}");
            }
            assert!(out[channels * n * l..].iter().all(|&beyond| beyond == 0.0));
        }
    }

    #[derive(Clone, Copy)]
    struct Runs;

    impl WithSimd for Runs {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            (1..=20).for_each(|n| product(simd, 5, n));
        }
    }

    /// The blocks differ between instruction sets.
    #[test]
    fn sums_are_exact_in_blocks_of_all_sizes() {
        on_all_sets(Runs);
    }
}
