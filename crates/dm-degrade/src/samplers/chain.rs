//! The trait of samplers, the batch of chains that a sampler runs, and the loop over the timesteps that all samplers share.

use dm_nn::rng::Rng;
use rayon::prelude::*;

use crate::degradation::Degradation;
use crate::denoiser::Denoiser;
use crate::error::Result;
use crate::timestep::{Noise, Timestep};

/// A rule for the reverse chain, from the prior to images.
pub trait Sampler: Send + Sync {
    /// The name in configs and on the command line.
    fn name(&self) -> &'static str;

    /// What the sampler does, in a few words, and which degradations it can be used with.
    fn summary(&self) -> &'static str;

    /// Checks that this sampler can be used with `degradation`.
    ///
    /// # Errors
    /// If it cannot be used; the error names both.
    fn check(&self, degradation: &dyn Degradation) -> Result<()>;

    /// Whether the state at T and its noise determine the image, because no step draws random numbers.
    fn is_deterministic(&self) -> bool;

    /// The number of steps that `nfe` network evaluations per image allow.
    fn intervals(&self, nfe: usize) -> usize {
        nfe
    }

    /// The number of network evaluations per image in a chain of `intervals` steps, at least one.
    fn nfe(&self, intervals: usize) -> usize {
        intervals
    }

    /// Whether the chain has to visit every timestep.
    fn visits_every_timestep(&self) -> bool {
        false
    }

    /// Runs `chain` and returns its states at timestep 0, `[count, C, H, W]`.
    ///
    /// # Errors
    /// As [`Self::check`], or if the denoiser fails.
    fn sample(&self, chain: &Chain<'_>, observer: &mut TrajectoryObserver<'_>) -> Result<Vec<f32>>;
}

/// Returns the random stream of a sample, given the number of the sample and the number of the stream. Every use has a stream
/// of its own: t for the step that leaves timestep t, for t from 1 to T - 1, T for the draw from the prior, T + 1 for the step
/// that leaves T (the draw from the prior has taken T), and 0 for the noise that cold diffusion keeps. No step leaves timestep 0.
pub type Randomness<'a> = dyn Fn(u64, Timestep) -> Rng + Sync + 'a;

/// Returns the state `[C, H, W]` that a sample starts from and the noise that it was made with, given the number of the
/// sample.
pub type InitialState<'a> = dyn Fn(u64) -> (Vec<f32>, Noise) + Sync + 'a;

/// Observes every state of a batch of chains. The arguments are the timestep that has been reached and the states
/// `[n, C, H, W]`.
pub type TrajectoryObserver<'a> = dyn FnMut(Timestep, &[f32]) + 'a;

/// A batch of reverse chains.
pub struct Chain<'a> {
    /// The process.
    pub degradation: &'a dyn Degradation,
    /// Estimates the clean states.
    pub denoiser: &'a dyn Denoiser,
    /// The timesteps to visit, descending to 0; see [`super::Sampling::timesteps`].
    pub timesteps: &'a [Timestep],
    /// The random streams of the samples.
    pub randomness: &'a Randomness<'a>,
    /// Number of the first sample of this batch.
    pub first: u64,
    /// Number of samples in this batch.
    pub count: usize,
    /// The states to start from at the first of `timesteps`, which then may be below T; `None` draws them from the prior.
    pub start: Option<&'a InitialState<'a>>,
}

impl Chain<'_> {
    /// Walks the states `x`, given at the first timestep, through all others: `step(x, t, s)` returns the states at s. The
    /// observer sees the first and every later state.
    ///
    /// # Errors
    /// If a step fails.
    pub fn walk(
        &self,
        mut x: Vec<f32>,
        observer: &mut TrajectoryObserver<'_>,
        mut step: impl FnMut(Vec<f32>, Timestep, Timestep) -> Result<Vec<f32>>,
    ) -> Result<Vec<f32>> {
        if let Some(&first) = self.timesteps.first() {
            observer(first, &x);
        }
        for pair in self.timesteps.windows(2) {
            x = step(x, pair[0], pair[1])?;
            observer(pair[1], &x);
        }
        Ok(x)
    }

    /// The states that the chain starts from: those given, otherwise draws of the prior.
    pub fn sample_prior(&self) -> Vec<f32> {
        let len = self.degradation.shape().len();
        let mut states = vec![0.0; self.count * len];
        states.par_chunks_exact_mut(len).enumerate().for_each(|(i, out)| match self.start {
            Some(start) => out.copy_from_slice(&start(self.first + i as u64).0),
            None => self.degradation.sample_prior(&mut self.stream(i, self.degradation.timesteps()), out),
        });
        states
    }

    /// The states that the chain starts from, and the noise of each.
    pub fn sample_prior_and_noise(&self) -> (Vec<f32>, Vec<Noise>) {
        let len = self.degradation.shape().len();
        let mut states = vec![0.0; self.count * len];
        let noises = states.par_chunks_exact_mut(len).enumerate().map(|(i, out)| {
            if let Some(start) = self.start {
                let (state, noise) = start(self.first + i as u64);
                out.copy_from_slice(&state);
                return noise;
            }
            let noise = self.degradation.sample_noise(&mut self.stream(i, 0));
            let mut rng = self.stream(i, self.degradation.timesteps());
            self.degradation.sample_prior_given(&noise, &mut rng, out);
            noise
        });
        let noises = noises.collect();
        (states, noises)
    }

    /// The estimates of the clean states, clipped to what images can be.
    ///
    /// # Errors
    /// If the denoiser fails.
    pub fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        let mut x0 = self.denoiser.denoise(x_t, t)?;
        self.clip(&mut x0);
        Ok(x0)
    }

    /// Clips estimates of clean states to what images can be.
    pub fn clip(&self, x0: &mut [f32]) {
        x0.par_chunks_exact_mut(self.degradation.shape().len())
            .for_each(|x0| self.degradation.codec().clip(x0));
    }

    /// The stream of the step of sample `i` of this batch that leaves `t`. The prior used the stream numbered T, so the step
    /// that leaves T takes the next number.
    pub fn leaving(&self, i: usize, t: Timestep) -> Rng {
        self.stream(i, if t.0 == self.degradation.timesteps() { t.0 + 1 } else { t.0 })
    }

    /// Runs `step(x_t, x0, rng, x_s)` for every sample, which writes the next state to `x_s`; the stream is that of the step
    /// that leaves `t`.
    ///
    /// # Errors
    /// If a step fails.
    pub fn each(
        &self,
        x_t: &[f32],
        x0: &[f32],
        t: Timestep,
        step: impl Fn(&[f32], &[f32], &mut Rng, &mut [f32]) -> Result<()> + Sync,
    ) -> Result<Vec<f32>> {
        let len = self.degradation.shape().len();
        let mut x_s = vec![0.0; x_t.len()];
        let pairs = x_t.par_chunks_exact(len).zip(x0.par_chunks_exact(len));
        let samples = x_s.par_chunks_exact_mut(len).zip(pairs).enumerate();
        samples.try_for_each(|(i, (x_s, (x_t, x0)))| step(x_t, x0, &mut self.leaving(i, t), x_s))?;
        Ok(x_s)
    }

    /// The stream number `t` of sample `i` of this batch.
    fn stream(&self, i: usize, t: usize) -> Rng {
        (self.randomness)(self.first + i as u64, Timestep(t))
    }
}

/// Computes keep x + gain y, value by value.
pub fn blend((keep, gain): (f32, f32), x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| keep * x + gain * y).collect()
}
