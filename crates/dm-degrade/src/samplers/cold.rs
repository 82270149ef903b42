//! Cold diffusion, algorithm 2 of Bansal et al. 2022: x_s = x_t - D(x0, t) + D(x0, s), where x0 is the estimate and D uses
//! the noise that the sample's prior was drawn with.

use rayon::prelude::*;

use super::chain::{Chain, Sampler, TrajectoryObserver};
use crate::degradation::Degradation;
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// Algorithm 2 of cold diffusion with one noise per sample.
#[derive(Clone, Copy, Debug)]
pub struct Cold;

impl Sampler for Cold {
    fn name(&self) -> &'static str {
        "cold"
    }

    fn summary(&self) -> &'static str {
        "cold diffusion, algorithm 2, with one noise per sample, for any degradation"
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
            states.for_each(|((x, x0), noise)| {
                exchange(chain.degradation, x, x0, (t, noise), (s, noise));
            });
            Ok(x)
        })
    }
}

/// x - D(x0, t, noise at t) + D(x0, s, noise at s), in place: one step of algorithm 2.
pub(super) fn exchange(
    degradation: &dyn Degradation,
    x: &mut [f32],
    x0: &[f32],
    (t, noise_t): (Timestep, &Noise),
    (s, noise_s): (Timestep, &Noise),
) {
    let (mut at_t, mut at_s) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    degradation.degrade(x0, t, noise_t, &mut at_t);
    degradation.degrade(x0, s, noise_s, &mut at_s);
    x.iter_mut().zip(at_t.iter().zip(&at_s)).for_each(|(x, (at_t, at_s))| *x += at_s - at_t);
}
