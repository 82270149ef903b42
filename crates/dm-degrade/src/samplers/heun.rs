//! Heun's method on the probability flow: Karras et al. 2022, algorithm 1 without its churn.
//!
//! Karras et al. integrate d(x/a) = eps d(b/a); where the signal vanishes, as it does at level T of a variance-preserving
//! process, b/a has no bound. With a = cos(phi) and b = sin(phi) the same flow is dx = v d phi, v = a eps - b x0 (Salimans
//! and Ho 2022), and phi goes from a right angle to zero. The step to level 0, where no network looks, is DDIM's, of first order;
//! on the cosine schedule, whose last steps in phi are the slowest to shrink, the whole chain measures order 1.5.

use super::step::{Step, blend};
use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let step = Step::new(chain, t, s)?;
        let x0 = chain.restore(&x, t)?;
        let mut next = blend(step.flow(), &x, &x0);
        if s.0 > 0 {
            let ahead = chain.restore(&next, s)?;
            let v = blend(step.velocity_t(), &x, &x0);
            let v_ahead = blend(step.velocity_s(), &next, &ahead);
            let turn = (0.5 * step.turn()) as f32;
            next = blend((1.0, turn), &x, &blend((1.0, 1.0), &v, &v_ahead));
        }
        x = next;
        watch(s, &x);
    }
    Ok(x)
}
