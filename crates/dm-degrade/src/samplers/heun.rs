//! Heun's method on the probability flow: Karras et al. 2022, algorithm 1 without its churn.
//!
//! Karras et al. integrate d(x/a) = eps d(b/a); where the signal vanishes, as it does at level T of a variance-preserving
//! process, b/a has no bound. With a = cos(phi) and b = sin(phi) the same flow is dx = v d phi, v = a eps - b x0 (Salimans
//! and Ho 2022), and phi goes from a right angle to zero.
//!
//! No network looks at level 0, so that the step there cannot be corrected. Along the flow the restored image is a
//! function of (b/a)^2 (dx = -1/2 score d(b/a)^2 where a = 1), and at zero it is the image: the last step continues it
//! to zero in a straight line through its last two values. Taking the last value as it stands, as DDIM does, would make
//! the whole chain of order 1.5 on the cosine schedule, whose last step is the slowest to shrink.

use super::step::{Step, blend};
use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    let mut before: Option<(f64, Vec<f32>)> = None;
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let step = Step::new(chain, t, s)?;
        let x0 = chain.restore(&x, t)?;
        let noise = (step.b_t / step.a_t).powi(2);
        x = if s.0 > 0 {
            let next = blend(step.flow(), &x, &x0);
            let ahead = chain.restore(&next, s)?;
            let v = blend(step.velocity_t(), &x, &x0);
            let v_ahead = blend(step.velocity_s(), &next, &ahead);
            let turn = (0.5 * step.turn()) as f32;
            blend((1.0, turn), &x, &blend((1.0, 1.0), &v, &v_ahead))
        } else if let Some((noise_before, x0_before)) = &before {
            let lean = (noise / (noise_before - noise)) as f32;
            blend((1.0 + lean, -lean), &x0, x0_before)
        } else {
            x0.clone()
        };
        before = Some((noise, x0));
        watch(s, &x);
    }
    Ok(x)
}
