//! Deterministic DDIM, Song et al. 2021, eq. 12 with eta = 0: keep the noise that explains x_t, move its share.

use dm_nn::data::PIXELS;

use super::{Chain, Watch, gaussian};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let mut x = chain.prior();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let (signal_t, noise_t) = gaussian(chain, "ddim", t)?;
        let (signal_s, noise_s) = gaussian(chain, "ddim", s)?;
        let mut x0 = chain.restorer.restore(&x, t)?;
        x0.chunks_exact_mut(PIXELS).for_each(|x0| chain.degradation.clip(x0));
        for (x, x0) in x.iter_mut().zip(&x0) {
            let eps = (*x - signal_t * x0) / noise_t;
            *x = signal_s * x0 + noise_s * eps;
        }
        watch(s, &x);
    }
    Ok(x)
}
