//! The two register-blocked inner loops that all convolutions share.
//!
//! Every convolution here, whether between Winograd transforms or direct, is a sum over steps k (an input channel, or a
//! channel and a tap) of a scalar weight times a run of vectors of `sources[k]`; every weight gradient is the sum over
//! such runs of the product with a run of the output's gradient. Four output channels are computed together, so that a
//! vector once loaded is used four times.

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
    let mut done = 0;
    while done < n {
        // A single channel has registers for longer runs. Else runs of 3 and 2; 1 only when nothing else remains.
        let left = n - done;
        let run = if target.channels == 1 && left >= LONG {
            LONG
        } else if left == 1 {
            1
        } else if left == 2 || left == 4 {
            2
        } else {
            3
        };
        // SAFETY: `done + run <= n`.
        unsafe {
            let at = at + done * S::F32_LANES;
            let target = Target { start: target.start.add(done * target.step), ..target };
            match run {
                LONG => product_block::<S, 1, LONG>(simd, sources, at, weights, bias, target),
                3 => product_block::<S, OUT, 3>(simd, sources, at, weights, bias, target),
                2 => product_block::<S, OUT, 2>(simd, sources, at, weights, bias, target),
                _ => product_block::<S, OUT, 1>(simd, sources, at, weights, bias, target),
            }
        }
        done += run;
    }
}

#[inline(always)]
unsafe fn product_block<S: Simd, const M: usize, const N: usize>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    weights: &[[f32; OUT]],
    bias: [V<S>; OUT],
    target: Target,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for m in 0..M {
        sums[m] = [bias[m]; N];
    }
    for (source, weight) in sources.iter().zip(weights) {
        let mut v = [simd.splat_f32s(0.0); N];
        for p in 0..N {
            // SAFETY: the caller's promise for the sources.
            v[p] = unsafe { load::<S>(source.add(at + p * S::F32_LANES)) };
        }
        for m in 0..M {
            let w = simd.splat_f32s(weight[m]);
            for p in 0..N {
                sums[m][p] = simd.mul_add_e_f32s(w, v[p], sums[m][p]);
            }
        }
    }
    for m in 0..M {
        if m < target.channels {
            for p in 0..N {
                // SAFETY: the caller's promise for the target.
                unsafe { store::<S>(target.start.add(m * target.channel + p * target.step), sums[m][p]) }
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
    let (triples, rest) = sources.as_chunks::<3>();
    let (triple_sums, rest_sums) = sums.as_chunks_mut::<3>();
    // SAFETY: the caller's promise.
    unsafe {
        for (sources, sums) in triples.iter().zip(triple_sums) {
            correlate_block::<S, 3>(simd, grad, sources, at, runs, sums);
        }
        match rest {
            [a, b] => {
                if let Some(sums) = rest_sums.first_chunk_mut::<2>() {
                    correlate_block::<S, 2>(simd, grad, &[*a, *b], at, runs, sums);
                }
            }
            [a] => {
                if let Some(sums) = rest_sums.first_chunk_mut::<1>() {
                    correlate_block::<S, 1>(simd, grad, &[*a], at, runs, sums);
                }
            }
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn correlate_block<S: Simd, const N: usize>(
    simd: S,
    grad: [*const f32; OUT],
    sources: &[*const f32; N],
    at: usize,
    runs: Runs,
    sums: &mut [[f32; OUT]; N],
) {
    let mut acc = [[simd.splat_f32s(0.0); OUT]; N];
    for row in 0..runs.rows {
        for p in 0..runs.width {
            let column = p * S::F32_LANES;
            let mut v = [simd.splat_f32s(0.0); N];
            for k in 0..N {
                // SAFETY: the caller's promise for the sources.
                v[k] = unsafe { load::<S>(sources[k].add(at + row * runs.x_row + column)) };
            }
            for m in 0..OUT {
                // SAFETY: the caller's promise for `grad`.
                let g = unsafe { load::<S>(grad[m].add(row * runs.grad_row + column)) };
                for k in 0..N {
                    acc[k][m] = simd.mul_add_e_f32s(g, v[k], acc[k][m]);
                }
            }
        }
    }
    for k in 0..N {
        let total = sum4(simd, acc[k]);
        for m in 0..OUT {
            sums[k][m] += total[m];
        }
    }
}
