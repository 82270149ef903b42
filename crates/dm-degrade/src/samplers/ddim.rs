//! DDIM, Song et al. 2021, eq. 12 and 16: keep the noise that explains x_t, but renew a share of it.
//!
//! x_s = a_s x0 + sqrt(b_s^2 - sigma^2) eps + sigma noise, eps = (x_t - a_t x0) / b_t,
//! sigma = eta b_s/b_t sqrt(1 - alpha_t/alpha_s).

use super::step::{Step, blend};
use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let step = Step::new(chain, t, s)?;
        let sigma = chain.eta * step.b_s / step.b_t * step.beta().sqrt();
        let kept = (step.b_s.powi(2) - sigma.powi(2)).max(0.0).sqrt() / step.b_t;
        let (factors, sigma) = ((kept as f32, (step.a_s - step.a_t * kept) as f32), sigma as f32);
        let x0 = chain.restore(&x, t)?;
        x = chain.each(&x, &x0, t, |x_t, x0, rng| {
            let mut x_s = blend(factors, x_t, x0);
            if sigma > 0.0 {
                x_s.iter_mut().for_each(|x| *x += sigma * rng.normal());
            }
            Ok(x_s)
        })?;
        watch(s, &x);
    }
    Ok(x)
}
