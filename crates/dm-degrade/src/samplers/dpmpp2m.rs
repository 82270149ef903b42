//! DPM-Solver++ 2M, Lu et al. 2022 (DPM-Solver++), algorithm 2: the restored image is continued in a straight line
//! through its last two values, over lambda = ln(a/b).
//!
//! D = (1 + h/(2 h')) x0 - h/(2 h') x0', where h is the width of this step in lambda, h' and x0' those of the step before;
//! then x_s = b_s/b_t x_t - a_s (e^-h - 1) D. The first step has nothing to continue, and the last, to lambda = infinity,
//! takes x0 itself.

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
        let h = step.width();
        let x0 = chain.restore(&x, t)?;
        let ahead = match &before {
            Some((h_before, x0_before)) if s.0 > 0 => {
                let lean = (0.5 * h / h_before) as f32;
                blend((1.0 + lean, -lean), &x0, x0_before)
            }
            _ => x0.clone(),
        };
        x = blend(step.flow(), &x, &ahead);
        before = Some((h, x0));
        watch(s, &x);
    }
    Ok(x)
}
