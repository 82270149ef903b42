//! Cold diffusion, algorithm 2 of Bansal et al. 2022: x_s = x_t - D(x0, t) + D(x0, s) with the restored image as x0 and
//! one frozen key per sample.

use dm_nn::data::PIXELS;

use super::{Chain, Watch};
use crate::degradation::{Key, Level};
use crate::error::Result;

pub(super) fn run(chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
    let process = chain.degradation;
    let stream = |i: usize, level: usize| (chain.randomness)(chain.first + i as u64, Level(level));
    let keys: Vec<Key> = (0..chain.count).map(|i| process.draw(&mut stream(i, 0))).collect();
    let prior = |(i, key)| process.prior_under(key, &mut stream(i, process.steps()));
    let mut x: Vec<f32> = keys.iter().enumerate().flat_map(prior).collect();
    watch(chain.levels[0], &x);
    for pair in chain.levels.windows(2) {
        let (t, s) = (pair[0], pair[1]);
        let mut restored = chain.restorer.restore(&x, t)?;
        let states = x.chunks_exact_mut(PIXELS).zip(restored.chunks_exact_mut(PIXELS)).zip(&keys);
        for ((x, x0), key) in states {
            process.clip(x0);
            let (at_t, at_s) = (process.apply(x0, t, key), process.apply(x0, s, key));
            x.iter_mut().zip(at_t.iter().zip(&at_s)).for_each(|(x, (at_t, at_s))| *x += at_s - at_t);
        }
        watch(s, &x);
    }
    Ok(x)
}
