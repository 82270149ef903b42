//! Cold diffusion, algorithm 1 of Bansal et al. 2022: x_s = D(x0, s), the restored image degraded again, with one frozen
//! key per sample. Whatever the restorer gets wrong in x_t is forgotten with it, and its own errors add up.

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
        let states = x0.par_chunks_exact(PIXELS).zip(&keys);
        x = states.flat_map_iter(|(x0, key)| process.apply(x0, s, key)).collect();
        watch(s, &x);
    }
    Ok(x)
}
