//! Samplers: the whole way back from the prior to an image, one file each.
//!
//! A sampler walks a list of levels from T down to 0. All its randomness comes from one stream per (sample, level), so
//! a sample depends on its seed and number alone; a caller may replace any of it.

mod ancestral;
mod bridge;
mod bridge_2m;
mod cold;
mod cold_fresh;
mod cold_naive;
mod ddim;
mod dpmpp2m;
mod heun;
mod prince;
mod sampling;
mod step;

use std::str::FromStr;

use dm_nn::data::PIXELS;
use dm_nn::rng::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::degradation::{Degradation, Key, Level};
use crate::error::{Error, Result};
use crate::restorer::Restorer;

pub use sampling::{Sampling, Spacing, levels};

/// Which sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// The degradation's own reverse transition given the restored image: ancestral sampling for Gaussian noise (Ho et
    /// al. 2020, algorithm 2 with the posterior variance), grain by grain for ink.
    Bridge,
    /// The bridge with the restored image continued through its last two values: second order where its change over a
    /// step matters more than its noise.
    #[serde(rename = "bridge_2m")]
    Bridge2m,
    /// Ho et al. 2020, algorithm 2 with the variance of the forward step. Gaussian only.
    Ancestral,
    /// Prince 2023, algorithm 18.2: every level, variance beta, no clipping. Gaussian only; the notebook's.
    Prince,
    /// DDIM (Song et al. 2021, eq. 12); eta = 0 is deterministic, eta = 1 is `bridge`. Gaussian only.
    Ddim,
    /// DPM-Solver++ 2M (Lu et al. 2022, algorithm 2): second order from one evaluation a step. Gaussian only.
    Dpmpp2m,
    /// Heun's method on the probability flow (Karras et al. 2022): two evaluations a step. Gaussian only.
    Heun,
    /// Cold diffusion (Bansal et al. 2022, algorithm 2): x_s = x_t - D(x0, t) + D(x0, s) under one frozen key.
    Cold,
    /// Cold diffusion, algorithm 2 with a new key at every level.
    ColdFresh,
    /// Cold diffusion (Bansal et al. 2022, algorithm 1, the naive one): x_s = D(x0, s) under one frozen key.
    ColdNaive,
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
    /// Levels to visit, descending from T to 0; see [`Sampling::levels`].
    pub levels: &'a [Level],
    /// Share of fresh noise, 0 to 1, for the sampler that knows one; see [`Sampling::eta`].
    pub eta: f64,
    /// All randomness.
    pub randomness: &'a Randomness<'a>,
    /// Number of the first sample of this batch.
    pub first: u64,
    /// Samples in this batch.
    pub count: usize,
    /// States to start from at the first of `levels`, which then may be below T; `None` draws them from the prior at T.
    pub start: Option<&'a Start<'a>>,
}

/// The state `[784]` a sample (its number) starts from, and the key it was made with.
pub type Start<'a> = dyn Fn(u64) -> (Vec<f32>, Key) + Sync + 'a;

/// Sees every state of the chain: level reached, states [n, 784].
pub type Watch<'a> = dyn FnMut(Level, &[f32]) + 'a;

impl SamplerKind {
    /// Every sampler there is.
    pub const ALL: [Self; 10] = [
        Self::Bridge,
        Self::Bridge2m,
        Self::Ancestral,
        Self::Prince,
        Self::Ddim,
        Self::Dpmpp2m,
        Self::Heun,
        Self::Cold,
        Self::ColdFresh,
        Self::ColdNaive,
    ];

    /// The name in configs and on the command line, and what it does in a few words.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Bridge => {
                ("bridge", "the degradation's own reverse transition, any degradation that has one")
            }
            Self::Bridge2m => {
                ("bridge_2m", "bridge with the estimate continued through its last two values, for few steps")
            }
            Self::Ancestral => ("ancestral", "DDPM with the variance of the forward step, gaussian"),
            Self::Prince => ("prince", "DDPM as in the starter notebook, every level, gaussian"),
            Self::Ddim => ("ddim", "DDIM, deterministic unless --eta is above 0, gaussian"),
            Self::Dpmpp2m => ("dpmpp2m", "DPM-Solver++ 2M, second order, gaussian"),
            Self::Heun => ("heun", "Heun on the probability flow, two evaluations a step, gaussian"),
            Self::Cold => ("cold", "cold diffusion, algorithm 2 with one frozen key"),
            Self::ColdFresh => ("cold_fresh", "cold diffusion, algorithm 2 with a new key at every level"),
            Self::ColdNaive => ("cold_naive", "cold diffusion, algorithm 1"),
        }
    }

    /// The name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// What it does, in a few words, and which degradations it goes with.
    pub const fn summary(self) -> &'static str {
        self.words().1
    }

    /// Runs the chain and returns the states at level 0, [count, 784].
    ///
    /// # Errors
    /// If the sampler does not go with the degradation, or the network fails.
    pub fn run(self, chain: &Chain<'_>, watch: &mut Watch<'_>) -> Result<Vec<f32>> {
        self.check(chain.degradation)?;
        match self {
            Self::Bridge => bridge::run(chain, watch),
            Self::Bridge2m => bridge_2m::run(chain, watch),
            Self::Ancestral => ancestral::run(chain, watch),
            Self::Prince => prince::run(chain, watch),
            Self::Ddim => ddim::run(chain, watch),
            Self::Dpmpp2m => dpmpp2m::run(chain, watch),
            Self::Heun => heun::run(chain, watch),
            Self::Cold => cold::run(chain, watch),
            Self::ColdFresh => cold_fresh::run(chain, watch),
            Self::ColdNaive => cold_naive::run(chain, watch),
        }
    }

    /// Checks that this sampler goes with `degradation`.
    fn check(self, degradation: &dyn Degradation) -> Result<()> {
        let needs_gaussian =
            matches!(self, Self::Ancestral | Self::Prince | Self::Ddim | Self::Dpmpp2m | Self::Heun);
        if needs_gaussian && degradation.signal_and_noise(Level(degradation.steps())).is_none() {
            let found = format!("{} with `{}`", self.name(), degradation.name());
            return Err(Error::invalid("sampler", found, "a Gaussian degradation"));
        }
        if matches!(self, Self::Bridge | Self::Bridge2m) && !degradation.has_bridge() {
            let found = format!("{} with `{}`", self.name(), degradation.name());
            return Err(Error::invalid("sampler", found, "a sampler that keeps a key"));
        }
        Ok(())
    }
}

impl FromStr for SamplerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::invalid("sampler", name, format!("one of {}", known())))
    }
}

impl Chain<'_> {
    /// The states the chain starts from: those given, else drawn at level T.
    fn prior(&self) -> Vec<f32> {
        let draw = |i: usize| match self.start {
            Some(start) => start(self.first + i as u64).0,
            None => self.degradation.prior(&mut self.stream(i, self.degradation.steps())),
        };
        (0..self.count).into_par_iter().flat_map_iter(draw).collect()
    }

    /// The states the chain starts from, and the key of each.
    fn prior_and_keys(&self) -> (Vec<f32>, Vec<Key>) {
        let draw = |i: usize| {
            if let Some(start) = self.start {
                return start(self.first + i as u64);
            }
            let key = self.degradation.draw(&mut self.stream(i, 0));
            (self.degradation.prior_under(&key, &mut self.stream(i, self.degradation.steps())), key)
        };
        let (states, keys): (Vec<_>, Vec<_>) = (0..self.count).into_par_iter().map(draw).unzip();
        (states.concat(), keys)
    }

    /// The stream of sample `i` of this batch at level `t`.
    fn stream(&self, i: usize, t: usize) -> Rng {
        (self.randomness)(self.first + i as u64, Level(t))
    }

    /// The stream of the step of sample `i` that leaves `t`. The prior used level T's; the step that leaves T takes the
    /// next number, which no level has.
    fn leaving(&self, i: usize, t: Level) -> Rng {
        self.stream(i, if t.0 == self.degradation.steps() { t.0 + 1 } else { t.0 })
    }

    /// The restored states, clipped to what images can be.
    fn restore(&self, x_t: &[f32], t: Level) -> Result<Vec<f32>> {
        let mut x0 = self.restorer.restore(x_t, t)?;
        x0.par_chunks_exact_mut(PIXELS).for_each(|x0| self.degradation.clip(x0));
        Ok(x0)
    }

    /// Applies `step(x_t, x0, rng)` to every sample; the stream is that of the step that leaves `t`.
    fn each(
        &self,
        x_t: &[f32],
        x0: &[f32],
        t: Level,
        step: impl Fn(&[f32], &[f32], &mut Rng) -> Result<Vec<f32>> + Sync,
    ) -> Result<Vec<f32>> {
        let pairs = x_t.par_chunks(PIXELS).zip(x0.par_chunks(PIXELS)).enumerate();
        let states: Result<Vec<Vec<f32>>> =
            pairs.map(|(i, (x_t, x0))| step(x_t, x0, &mut self.leaving(i, t))).collect();
        Ok(states?.concat())
    }
}
