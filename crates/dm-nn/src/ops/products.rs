//! The register-blocked inner loop of the convolutions.
//!
//! Every convolution here, whether between Winograd transforms or direct, is a sum over steps k (an input channel, or a
//! channel and a tap) of a scalar weight times a run of vectors of `sources[k]`. Four output channels are computed together,
//! so that a vector once loaded is used four times. With 32 registers that is 4 channels by 3 vectors at a time. With 16 such
//! a block would leave none to spare, and its sums would be spilled; 2 channels by 6 vectors, in two passes, need one less.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "inner loops over vectors; bounds are fixed by the caller's geometry")]

use pulp::Simd;

use super::simd::{V, load, store};

/// Output channels computed together.
pub(crate) const OUT: usize = 4;

/// Results computed together where there is only one output channel.
const LONG: usize = 7;

/// Where a run of results goes.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// First result of the first channel.
    pub start: *mut f32,
    /// Floats from one channel to the next.
    pub channel: usize,
    /// Floats from one result to the next.
    pub step: usize,
    /// Channels to write, 1 to [`OUT`].
    pub channels: usize,
}

/// `target[m][p] = bias[m] + sum over k of weights[k][m] * sources[k][p]` for `p` in `0..n`, `at` floats into the sources.
///
/// # Safety
/// Every source is good for reading `n` vectors from there on, the target for writing them, all aligned.
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
                // Runs of such lengths that none of a single vector is left.
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

/// A run of `N` vectors, `M` output channels in each of at most two passes; returns `N`.
#[inline(always)]
unsafe fn products<S: Simd, const M: usize, const N: usize>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    weights: &[[f32; OUT]],
    bias: [V<S>; OUT],
    target: Target,
) -> usize {
    debug_assert!(target.channels <= 2 * M, "channels of a third pass");
    // SAFETY: the caller's promise.
    unsafe {
        product_block::<S, M, N>(simd, sources, at, weights, 0, bias, target);
        if M < target.channels {
            product_block::<S, M, N>(simd, sources, at, weights, M, bias, target);
        }
    }
    N
}

/// Output channels `first` and on.
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
        // What there is less of waits in registers while the other passes.
        if M < N {
            let mut w = [simd.splat_f32s(0.0); M];
            for m in 0..M {
                w[m] = simd.splat_f32s(weight[first + m]);
            }
            for p in 0..N {
                // SAFETY: the caller's promise for the sources.
                let v = unsafe { load::<S>(source.add(at + p * S::F32_LANES)) };
                for m in 0..M {
                    sums[m][p] = simd.mul_add_e_f32s(w[m], v, sums[m][p]);
                }
            }
        } else {
            let mut v = [simd.splat_f32s(0.0); N];
            for p in 0..N {
                // SAFETY: the caller's promise for the sources.
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
                // SAFETY: the caller's promise for the target.
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
    use crate::ops::pool::Buffer;
    use crate::ops::simd::on_all_sets;
    use pulp::WithSimd;

    /// A product of `from` sources and every number of channels, in runs of `n` vectors.
    fn product<S: Simd>(simd: S, from: usize, n: usize) {
        let l = S::F32_LANES;
        let at = 2 * l;
        let sources = Buffer::numbers(from, at + n * l, 0);
        let pointers: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
        let weights = Buffer::numbers(from, OUT, 1);
        let weights: Vec<[f32; OUT]> = weights.iter().map(|w| std::array::from_fn(|m| w[m])).collect();
        let bias = Buffer::numbers(OUT, l, 2);
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

    /// Blocks of registers differ between instruction sets.
    #[test]
    fn sums_are_exact_in_blocks_of_all_sizes() {
        on_all_sets(Runs);
    }
}
