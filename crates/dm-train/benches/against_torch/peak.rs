//! The peak rate of multiply-adds of this machine: in registers, on all threads, with no memory traffic.

use std::hint::black_box;

use dm_nn::simd::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Number of independent chains of multiply-adds. A core starts two multiply-adds per cycle and each takes four or five cycles, so
/// that ten chains keep it busy; two are in reserve.
const CHAINS: usize = 12;
/// Steps of every chain.
const STEPS: usize = 20_000_000;

struct MultiplyAdds(f32);

impl WithSimd for MultiplyAdds {
    type Output = f64;

    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "a vector operation that is not inlined loses its instruction set"
    )]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (factor, term) = (simd.splat_f32s(self.0), simd.splat_f32s(1.0));
        let mut sums = [term; CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, term);
            }
        }
        black_box(sums.map(|sum| simd.reduce_sum_f32s(sum)));
        (2 * CHAINS * STEPS * S::F32_LANES) as f64
    }
}

/// Runs the multiply-adds; returns the number of operations, a multiply-add counted as two.
pub fn multiply_adds() -> f64 {
    let threads = rayon::current_num_threads();
    let run = |_| arch().dispatch(MultiplyAdds(black_box(0.5)));
    (0..threads).into_par_iter().with_max_len(1).map(run).sum()
}
