//! The degradation's own reverse transition: x_s ~ q(x_s | x_t, x0), the restored image in place of x0.

use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let x0 = chain.restore(&x, t)?;
        x = chain.each(&x, &x0, t, |x_t, x0, rng| chain.degradation.bridge(x_t, x0, t, s, rng))?;
        watch(s, &x);
    }
    Ok(x)
}
