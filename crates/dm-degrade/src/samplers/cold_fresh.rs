//! Cold diffusion, algorithm 2 of Bansal et al. 2022, with a new key at every level: x_s = x_t - D(x0, t, k_t) +
//! D(x0, s, k_s). The key that goes is the one that came with the step before.

use dm_nn::data::PIXELS;
use rayon::prelude::*;

use super::{Chain, Watch};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let process = chain.degradation;
    let (mut x, mut keys) = chain.prior_and_keys();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let x0 = chain.restore(&x, t)?;
        let states = x.par_chunks_exact_mut(PIXELS).zip(x0.par_chunks_exact(PIXELS)).zip(&mut keys);
        states.enumerate().for_each(|(i, ((x, x0), key))| {
            let at_t = process.apply(x0, t, key);
            *key = process.draw(&mut chain.leaving(i, t));
            let at_s = process.apply(x0, s, key);
            x.iter_mut().zip(at_t.iter().zip(&at_s)).for_each(|(x, (at_t, at_s))| *x += at_s - at_t);
        });
        watch(s, &x);
    }
    Ok(x)
}
