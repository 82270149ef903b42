//! Sampling with the samplers of shipped configs. The networks are untrained, which does not change time and memory.

use candle_core::Device;
use dm_degrade::generate::{Request, images};
use dm_degrade::{Degradation, NetworkDenoiser};
use dm_nn::nets::{BuildNetwork, Network};
use dm_nn::params::Params;
use dm_nn::rng::Seed;
use dm_train::Result;
use dm_train::config::DiffusionConfig;

use super::steps::{SHAPE, config};

/// Images per batch when many images are sampled: the default of `dm sample`.
pub const BATCH: usize = 256;
/// Number of timesteps of the process on which a chain that visits every timestep is timed. Each step takes the same time.
const TIMED: usize = 20;

/// A model and how it is sampled.
pub struct Drawing {
    config: DiffusionConfig,
    degradation: Box<dyn Degradation>,
    network: Box<dyn Network>,
    /// Network evaluations per image in a whole chain.
    pub nfe: usize,
    /// Network evaluations per image in the part that is timed.
    pub timed: usize,
}

impl Drawing {
    /// The model of the config `name`: its whole chain, or [`TIMED`] timesteps of one that visits every timestep.
    pub fn new(name: &str) -> Result<Self> {
        let whole = config(name, &[])?;
        let nfe = whole.sampling.nfe_taken();
        if nfe < build(&whole)?.timesteps() {
            return Self::with(whole, nfe);
        }
        let short = ["degradation.timesteps", "sampling.nfe"].map(|key| format!("{key}={TIMED}"));
        Self::with(config(name, &short)?, nfe)
    }

    /// The same model with a chain of two steps, for measurements of time and memory over the number of images.
    pub fn short(name: &str) -> Result<Self> {
        Self::with(config(name, &["sampling.nfe=2".to_owned()])?, 2)
    }

    fn with(config: DiffusionConfig, nfe: usize) -> Result<Self> {
        let degradation = build(&config)?;
        let mut params = Params::new(config.seed, &Device::Cpu);
        let input = SHAPE.with_channels(degradation.codec().input_channels());
        let network = config.network.build(input, SHAPE.channels, params.frozen())?;
        let timed = config.sampling.nfe_taken();
        Ok(Self { config, degradation, network, nfe, timed })
    }

    /// Samples `count` images, `batch_size` at a time.
    pub fn draw(&self, count: usize, batch_size: usize) -> Result<()> {
        let parameterization = self.config.objective.parameterization.build();
        let denoiser = NetworkDenoiser {
            network: &*self.network,
            parameterization: &*parameterization,
            degradation: &*self.degradation,
            device: &Device::Cpu,
            condition: None,
            weak: None,
        };
        let request = Request::new(Seed(1), count, batch_size, self.config.sampling);
        images(&denoiser, &request, &mut |_, _, _| {})?;
        Ok(())
    }
}

/// The degradation of `config`.
fn build(config: &DiffusionConfig) -> Result<Box<dyn Degradation>> {
    // The prior of ink needs the total intensity of a digit; the time does not depend on where the intensity lies.
    Ok(config.degradation.build(SHAPE, &[102.0])?)
}
