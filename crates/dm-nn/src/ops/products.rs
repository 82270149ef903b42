//! The two register-blocked inner loops of the convolutions.
//!
//! Every convolution here, whether between Winograd transforms or direct, is a sum over steps k (an input channel, or a
//! channel and a tap) of a scalar weight times a run of vectors of `sources[k]`; the weight gradient of a direct one is the
//! sum over such runs of the product with a run of the output's gradient. Four output channels are computed together, so that a
//! vector once loaded is used four times. With 32 registers that is 4 channels by 3 vectors at a time. With 16 such a block
//! would leave none to spare, and its sums would be spilled; 2 channels by 6 vectors, in two passes, need one less.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "inner loops over vectors; bounds are fixed by the caller's geometry")]

use pulp::Simd;

use super::simd::{V, load, store, sum4};

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

/// Shape of the runs that a weight gradient sums over.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    /// Number of runs.
    pub rows: usize,
    /// Vectors of a run.
    pub width: usize,
    /// Floats from one run of the gradient to the next.
    pub grad_row: usize,
    /// Floats from one run of the input to the next.
    pub x_row: usize,
}

/// `sums[k][m] += sum over runs, vectors and lanes of grad[m] * sources[k]`, `at` floats into the sources.
///
/// # Safety
/// Every grad pointer, and every source from there on, is good for reading the runs, all aligned.
#[inline(always)]
pub(crate) unsafe fn correlate<S: Simd>(
    simd: S,
    grad: [*const f32; OUT],
    sources: &[*const f32],
    at: usize,
    runs: Runs,
    sums: &mut [[f32; OUT]],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut done = if S::REGISTER_COUNT > 16 {
            correlations::<S, 3, OUT>(simd, grad, sources, at, runs, sums)
        } else {
            correlations::<S, 6, 2>(simd, grad, sources, at, runs, sums)
        };
        done += correlations::<S, 2, OUT>(simd, grad, &sources[done..], at, runs, &mut sums[done..]);
        correlations::<S, 1, OUT>(simd, grad, &sources[done..], at, runs, &mut sums[done..]);
    }
}

/// [`correlate`] with as many sources as `N` goes into, `M` output channels at a time; returns how many these were.
#[inline(always)]
unsafe fn correlations<S: Simd, const N: usize, const M: usize>(
    simd: S,
    grad: [*const f32; OUT],
    sources: &[*const f32],
    at: usize,
    runs: Runs,
    sums: &mut [[f32; OUT]],
) -> usize {
    const { assert!((M == OUT || 2 * M == OUT) && (M * N).is_multiple_of(4)) };
    let (blocks, _) = sources.as_chunks::<N>();
    for (sources, sums) in blocks.iter().zip(sums.as_chunks_mut::<N>().0) {
        // SAFETY: the caller's promise.
        unsafe {
            correlation_block::<S, N, M>(simd, grad, 0, sources, at, runs, sums);
            if M < OUT {
                correlation_block::<S, N, M>(simd, grad, M, sources, at, runs, sums);
            }
        }
    }
    blocks.len() * N
}

/// Output channels `first` and on.
#[inline(always)]
unsafe fn correlation_block<S: Simd, const N: usize, const M: usize>(
    simd: S,
    grad: [*const f32; OUT],
    first: usize,
    sources: &[*const f32; N],
    at: usize,
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
                    // SAFETY: the caller's promise for `grad`.
                    g[m] = unsafe { load::<S>(grad[first + m].add(row * runs.grad_row + column)) };
                }
                for k in 0..N {
                    // SAFETY: the caller's promise for the sources.
                    let v = unsafe { load::<S>(sources[k].add(at + row * runs.x_row + column)) };
                    for m in 0..M {
                        acc[k][m] = simd.mul_add_e_f32s(g[m], v, acc[k][m]);
                    }
                }
            } else {
                let mut v = [simd.splat_f32s(0.0); N];
                for k in 0..N {
                    // SAFETY: the caller's promise for the sources.
                    v[k] = unsafe { load::<S>(sources[k].add(at + row * runs.x_row + column)) };
                }
                for m in 0..M {
                    // SAFETY: the caller's promise for `grad`.
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
    use crate::ops::pool::Buffer;
    use crate::rng::{Seed, Stream};
    use pulp::{Arch, Scalar, WithSimd};

    /// `count` buffers of `len` normal floats.
    fn planes(count: usize, len: usize, place: u64) -> Vec<Buffer> {
        let plane = |i| {
            let mut plane = Buffer::stale(len);
            Seed(7).stream(Stream::Degrade, place, i).fill_normal(&mut plane);
            plane
        };
        (0..count as u64).map(plane).collect()
    }

    fn close(found: f32, expected: f64, what: &str) {
        assert!((f64::from(found) - expected).abs() < 1e-4, "{what}: found {found}, expected {expected}");
    }

    /// A product of `from` sources and every number of channels, in runs of `n` vectors.
    fn product<S: Simd>(simd: S, from: usize, n: usize) {
        let l = S::F32_LANES;
        let at = 2 * l;
        let sources = planes(from, at + n * l, 0);
        let pointers: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
        let weights = planes(from, OUT, 1);
        let weights: Vec<[f32; OUT]> = weights.iter().map(|w| std::array::from_fn(|m| w[m])).collect();
        let bias = planes(OUT, l, 2);
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
                let term = |k: usize| f64::from(weights[k][m]) * f64::from(sources[k][at + p]);
                let expected = f64::from(bias[m][p % l]) + (0..from).map(term).sum::<f64>();
                close(found, expected, &format!("{from} sources, {n} vectors, channel {m} of {channels}"));
            }
            assert!(out[channels * n * l..].iter().all(|&beyond| beyond == 0.0));
        }
    }

    /// Correlations with `from` sources over 3 rows of `width` vectors, the sources' rows with a gap.
    fn correlation<S: Simd>(simd: S, from: usize, width: usize) {
        let l = S::F32_LANES;
        let runs = Runs { rows: 3, width, grad_row: width * l, x_row: (width + 2) * l };
        let grad = planes(OUT, 3 * runs.grad_row, 3);
        let sources = planes(from, l + 3 * runs.x_row, 4);
        let pointers: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
        let mut sums = vec![[0.5; OUT]; from];
        // SAFETY: all buffers are as long as the runs, and aligned.
        unsafe {
            let grad = std::array::from_fn(|m| grad[m].as_ptr());
            correlate(simd, grad, &pointers, l, runs, &mut sums);
        }
        for (k, sums) in sums.iter().enumerate() {
            for (m, &found) in sums.iter().enumerate() {
                let term = |i: usize| {
                    let (row, p) = (i / runs.grad_row, i % runs.grad_row);
                    f64::from(grad[m][i]) * f64::from(sources[k][l + row * runs.x_row + p])
                };
                let expected = 0.5 + (0..3 * runs.grad_row).map(term).sum::<f64>();
                close(found, expected, &format!("{from} sources, {width} vectors, sum {k}, {m}"));
            }
        }
    }

    struct Shapes;

    impl WithSimd for Shapes {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for n in 1..=20 {
                product(simd, 5, n);
                correlation(simd, n, 3);
            }
        }
    }

    /// Blocks of registers differ between instruction sets: all that this machine has are tried.
    #[test]
    fn sums_are_right_in_blocks_of_all_sizes() {
        Arch::new().dispatch(Shapes);
        Simd::vectorize(Scalar, Shapes);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            Simd::vectorize(simd, Shapes);
        }
    }
}
