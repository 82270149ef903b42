//! Heun's method on the probability flow: Karras et al. 2022, algorithm 1 without its churn.
//!
//! Karras et al. integrate d(x/a) = eps d(b/a); where the signal vanishes, as it does at level T of a variance-preserving
//! process, b/a has no bound. The same flow is d(x/b) = x0 d(a/b), which is harmless there, so this form is integrated. At
//! level 0, where a/b has no bound, the step is Euler's, as in the paper: x0 itself.

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
            let x0_ahead = chain.restore(&next, s)?;
            next = blend(step.flow(), &x, &blend((0.5, 0.5), &x0, &x0_ahead));
        }
        x = next;
        watch(s, &x);
    }
    Ok(x)
}
