//! Cold diffusion, algorithm 2 of Bansal et al. 2022: x_s = x_t - D(x0, t) + D(x0, s) with the restored image as x0 and
//! one frozen key per sample, that of its prior.

use dm_nn::data::PIXELS;
use rayon::prelude::*;

use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let process = chain.degradation;
    let (mut x, keys) = chain.prior_and_keys();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let x0 = chain.restore(&x, t)?;
        let states = x.par_chunks_exact_mut(PIXELS).zip(x0.par_chunks_exact(PIXELS)).zip(&keys);
        states.for_each(|((x, x0), key)| {
            let (at_t, at_s) = (process.apply(x0, t, key), process.apply(x0, s, key));
            x.iter_mut().zip(at_t.iter().zip(&at_s)).for_each(|(x, (at_t, at_s))| *x += at_s - at_t);
        });
        watch(s, &x);
    }
    Ok(x)
}
