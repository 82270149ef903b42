//! Samplers: the whole way back from the prior to an image, one file each.
//!
//! A sampler walks a list of levels from T down to 0. All its randomness comes from one stream per (sample, level), so
//! a sample depends on its seed and number alone; a caller may replace any of it.

mod bridge;
mod cold;
mod ddim;
mod prince;

use dm_nn::data::PIXELS;
use dm_nn::rng::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::degradation::{Degradation, Level};
use crate::error::{Error, Result};
use crate::restorer::Restorer;

/// Which sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// The degradation's own reverse transition given the restored image: ancestral sampling for Gaussian noise (Ho et
    /// al. 2020, algorithm 2 with the posterior variance), grain by grain for ink.
    Bridge,
    /// Prince 2023, algorithm 18.2: every level, variance beta, no clipping. Gaussian only; the notebook's.
    Prince,
    /// Deterministic DDIM (Song et al. 2021, eq. 12 with eta = 0). Gaussian only.
    Ddim,
    /// Cold diffusion (Bansal et al. 2022, algorithm 2): x_s = x_t - D(x0, t) + D(x0, s) under one frozen key.
    Cold,
}

/// Draws the random stream of a sample (its number) at a level: T for the prior, T + 1 for the step that leaves T, t for
/// the step that leaves any other t, 0 for the sample's frozen key.
pub type Randomness<'a> = dyn Fn(u64, Level) -> Rng + Sync + 'a;

/// Everything a sampler needs.
pub struct Chain<'a> {
    /// The process.
    pub degradation: &'a dyn Degradation,
    /// The network.
    pub restorer: &'a dyn Restorer,
    /// Levels to visit, descending from T to 0; see [`levels`].
    pub levels: &'a [Level],
    /// All randomness.
    pub randomness: &'a Randomness<'a>,
    /// Number of the first sample of this batch.
    pub first: u64,
    /// Samples in this batch.
    pub count: usize,
    /// States to start from at the first of `levels`, which then may be below T; `None` draws them from the prior at T.
    pub start: Option<&'a Start<'a>>,
}

/// The state `[784]` a sample (its number) starts from.
pub type Start<'a> = dyn Fn(u64) -> Vec<f32> + Sync + 'a;

/// Sees every state of the chain: level reached, states [n, 784].
pub type Watch<'a> = dyn FnMut(Level, &[f32]) + 'a;

impl SamplerKind {
    /// Runs the chain and returns the states at level 0, [count, 784].
    ///
    /// # Errors
    /// If the sampler does not go with the degradation, or the network fails.
    pub fn run(self, chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
        match self {
            Self::Bridge => bridge::run(chain, watch),
            Self::Prince => prince::run(chain, watch),
            Self::Ddim => ddim::run(chain, watch),
            Self::Cold => cold::run(chain, watch),
        }
    }

    /// The name in configs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Prince => "prince",
            Self::Ddim => "ddim",
            Self::Cold => "cold",
        }
    }

    /// Every sampler there is.
    pub const ALL: [Self; 4] = [Self::Bridge, Self::Prince, Self::Ddim, Self::Cold];
}

/// `evaluations` + 1 levels from T to 0, evenly spaced: the network runs at all but the last.
///
/// # Errors
/// If `evaluations` is zero or more than T.
pub fn levels(degradation: &dyn Degradation, evaluations: usize) -> Result<Vec<Level>> {
    let steps = degradation.steps();
    if !(1..=steps).contains(&evaluations) {
        return Err(Error::invalid("sampling steps", evaluations, format!("1 to {steps}")));
    }
    let at = |i: usize| Level((steps * (evaluations - i) + evaluations / 2) / evaluations);
    Ok((0..=evaluations).map(at).collect())
}

impl Chain<'_> {
    /// The states the chain starts from: those given, else drawn at level T.
    fn prior(&self) -> Vec<f32> {
        let steps = Level(self.degradation.steps());
        let draw = |sample: u64| match self.start {
            Some(start) => start(sample),
            None => self.degradation.prior(&mut (self.randomness)(sample, steps)),
        };
        (0..self.count).into_par_iter().flat_map_iter(|i| draw(self.first + i as u64)).collect()
    }

    /// Applies `step(x_t, x0, rng)` to every sample; the stream is that of level `t`, after the prior's draws at T.
    fn each(
        &self,
        x_t: &[f32],
        x0: &[f32],
        t: Level,
        step: impl Fn(&[f32], &[f32], &mut Rng) -> Result<Vec<f32>> + Sync,
    ) -> Result<Vec<f32>> {
        let pairs = x_t.par_chunks(PIXELS).zip(x0.par_chunks(PIXELS)).enumerate();
        let states: Result<Vec<Vec<f32>>> = pairs
            .map(|(i, (x_t, x0))| {
                // The prior used level T's stream; the step that leaves T takes the next number, which no level has.
                let stream = if t.0 == self.degradation.steps() { Level(t.0 + 1) } else { t };
                step(x_t, x0, &mut (self.randomness)(self.first + i as u64, stream))
            })
            .collect();
        Ok(states?.concat())
    }
}

/// The tables of an additive Gaussian process, or an error that says which sampler needs it.
fn gaussian(chain: &Chain<'_>, sampler: &str, level: Level) -> Result<(f32, f32)> {
    let name = chain.degradation.name();
    let refuse = || Error::invalid("sampler", format!("{sampler} with `{name}`"), "a Gaussian degradation");
    chain.degradation.signal_and_noise(level).ok_or_else(refuse)
}
