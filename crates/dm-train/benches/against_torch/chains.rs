//! Drawing images with the samplers of shipped configs, from networks that have learned nothing: time and memory are
//! the same. Their quality is left out.

use candle_core::Device;
use dm_degrade::degradation::Degradation;
use dm_degrade::restorer::NetworkRestorer;
use dm_nn::nets::Network;
use dm_nn::params::Params;
use dm_nn::rng::Seed;
use dm_train::Result;
use dm_train::config::Config;
use dm_train::generate::{Request, images};

use super::steps::config;

/// Images per batch when many are drawn, as `dm sample` has it by default.
pub const BATCH: usize = 256;
/// A chain that visits all levels is timed on so many instead; each costs the same.
const TIMED: usize = 20;

/// A model and how it is drawn from.
pub struct Drawing {
    config: Config,
    degradation: Box<dyn Degradation>,
    network: Box<dyn Network>,
    /// Evaluations of the network per image in a whole chain, and in the part that is timed.
    pub evaluations: usize,
    pub timed: usize,
}

impl Drawing {
    /// The model of the config `name`: its whole chain, or [`TIMED`] levels for one that visits all there are.
    pub fn new(name: &str) -> Result<Self> {
        let whole = config(name, &[])?;
        let levels = Self::build(&whole)?.steps();
        let evaluations = whole.sampling.evaluations();
        if evaluations < levels {
            return Self::of(whole, evaluations);
        }
        let short = ["degradation.steps", "sampling.steps"].map(|key| format!("{key}={TIMED}"));
        Self::of(config(name, &short)?, evaluations)
    }

    /// The same with a chain of two steps, where only the number of images matters.
    pub fn short(name: &str) -> Result<Self> {
        Self::of(config(name, &["sampling.steps=2".to_owned()])?, 2)
    }

    fn build(config: &Config) -> Result<Box<dyn Degradation>> {
        // Ink's prior wants the ink of a digit, in full pixels; where on the page it lies costs nothing.
        Ok(config.degradation.build(&[102.0])?)
    }

    fn of(config: Config, evaluations: usize) -> Result<Self> {
        let degradation = Self::build(&config)?;
        let mut params = Params::new(config.seed, &Device::Cpu);
        let network = config.network.build(degradation.channels(), 1, params.frozen())?;
        let timed = config.sampling.evaluations();
        Ok(Self { config, degradation, network, evaluations, timed })
    }

    /// Draws `count` images, `batch` at a time.
    pub fn draw(&self, count: usize, batch: usize) -> Result<()> {
        let restorer = NetworkRestorer {
            network: &*self.network,
            prediction: self.config.objective.prediction,
            degradation: &*self.degradation,
            device: &Device::Cpu,
            condition: None,
        };
        let request = Request::new(Seed(1), count, batch, self.config.sampling);
        images(&restorer, &request, &mut |_, _, _| {})?;
        Ok(())
    }
}
