//! The bridge of second order: the restored image is continued in a straight line through its last two values.
//!
//! Over a step from t to s the best estimate moves on: a bridge that holds x0 still lags behind it by half a step. As in
//! the multistep solvers (DPM-Solver++ 2M, Lu et al. 2022, and its SDE form) the estimate in the middle of the step,
//! x0 + (t - s) / (2 (t' - t)) (x0 - x0'), takes its place, t' and x0' being the level and the estimate before. It costs no
//! evaluation of the network. The first step has nothing to continue, and the last, to level 0, takes x0 itself.

use super::step::blend;
use super::{Chain, Watch};
use crate::degradation::Level;
use crate::error::Result;
use dm_nn::data::PIXELS;
use rayon::prelude::*;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    let mut before: Option<(Level, Vec<f32>)> = None;
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let x0 = chain.restore(&x, t)?;
        let ahead = match &before {
            Some((above, x0_before)) if s.0 > 0 => {
                let lean = 0.5 * (t.0 - s.0) as f32 / (above.0 - t.0) as f32;
                let mut ahead = blend((1.0 + lean, -lean), &x0, x0_before);
                ahead.par_chunks_exact_mut(PIXELS).for_each(|ahead| chain.degradation.clip(ahead));
                ahead
            }
            _ => x0.clone(),
        };
        x = chain.each(&x, &ahead, t, |x_t, x0, rng| chain.degradation.bridge(x_t, x0, t, s, rng))?;
        before = Some((t, x0));
        watch(s, &x);
    }
    Ok(x)
}
