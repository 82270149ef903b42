//! Ho et al. 2020, algorithm 2, with the larger of the two variances of section 3.2, for any pair of levels.
//!
//! x_s = mean of q(x_s | x_t, x0) + sqrt(1 - alpha_t/alpha_s) noise; no noise at s = 0. `bridge` has the smaller variance,
//! that of q itself. The larger is right for images that are standard normal noise, the smaller for a single image.

use super::step::{Step, blend};
use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let step = Step::new(chain, t, s)?;
        let from_t = step.a_t / step.a_s * (step.b_s / step.b_t).powi(2);
        let from_0 = step.a_s * step.beta() / step.b_t.powi(2);
        let spread = if s.0 == 0 { 0.0 } else { step.beta().sqrt() as f32 };
        let x0 = chain.restore(&x, t)?;
        x = chain.each(&x, &x0, t, |x_t, x0, rng| {
            let mut x_s = blend((from_t as f32, from_0 as f32), x_t, x0);
            x_s.iter_mut().for_each(|x| *x += spread * rng.normal());
            Ok(x_s)
        })?;
        watch(s, &x);
    }
    Ok(x)
}
