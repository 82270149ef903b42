//! Cold diffusion, algorithm 2 of Bansal et al. 2022, with new noise at every timestep: x_s = x_t - D(x0, t, n_t) +
//! D(x0, s, n_s). Each step subtracts the degradation made with the previous step's noise and adds one made with fresh noise.

use rayon::prelude::*;

use super::chain::{Chain, Sampler, TrajectoryObserver};
use super::cold::exchange;
use crate::degradation::Degradation;
use crate::error::Result;

/// Algorithm 2 of cold diffusion with fresh noise in every step.
#[derive(Clone, Copy, Debug)]
pub struct ColdFresh;

impl Sampler for ColdFresh {
    fn name(&self) -> &'static str {
        "cold_fresh"
    }

    fn summary(&self) -> &'static str {
        "cold diffusion, algorithm 2, with fresh noise in every step, for any degradation"
    }

    fn check(&self, _: &dyn Degradation) -> Result<()> {
        Ok(())
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let (x, mut noises) = chain.sample_prior_and_noise();
        let len = chain.degradation.shape().len();
        chain.walk(x, observer, |mut x, t, s| {
            let x0 = chain.denoise(&x, t)?;
            let states = x.par_chunks_exact_mut(len).zip(x0.par_chunks_exact(len)).zip(&mut noises);
            states.enumerate().for_each(|(i, ((x, x0), noise))| {
                let fresh = chain.degradation.sample_noise(&mut chain.leaving(i, t));
                exchange(chain.degradation, x, x0, (t, noise), (s, &fresh));
                *noise = fresh;
            });
            Ok(x)
        })
    }
}
