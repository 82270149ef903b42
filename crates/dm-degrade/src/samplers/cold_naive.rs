//! Cold diffusion, algorithm 1 of Bansal et al. 2022: x_s = D(x0, s), the estimate degraded again with the sample's one
//! noise. Nothing of x_t is kept, so errors of the estimate accumulate.

use rayon::prelude::*;

use super::chain::{Chain, Sampler, TrajectoryObserver};
use crate::degradation::Degradation;
use crate::error::Result;

/// Algorithm 1 of cold diffusion.
#[derive(Clone, Copy, Debug)]
pub struct ColdNaive;

impl Sampler for ColdNaive {
    fn name(&self) -> &'static str {
        "cold_naive"
    }

    fn summary(&self) -> &'static str {
        "cold diffusion, algorithm 1, for any degradation"
    }

    fn check(&self, _: &dyn Degradation) -> Result<()> {
        Ok(())
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>> {
        let (x, noises) = chain.sample_prior_and_noise();
        let len = chain.degradation.shape().len();
        chain.walk(x, observer, |mut x, t, s| {
            let x0 = chain.denoise(&x, t)?;
            let states = x.par_chunks_exact_mut(len).zip(x0.par_chunks_exact(len)).zip(&noises);
            states.for_each(|((x, x0), noise)| chain.degradation.degrade(x0, s, noise, x));
            Ok(x)
        })
    }
}
