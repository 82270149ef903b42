//! Drawing images with the samplers of shipped configs, from networks that have learned nothing: time and memory are
//! the same. Their quality is left out.

use candle_core::Device;
use dm_degrade::degradation::{Degradation, Key, Level};
use dm_degrade::restorer::NetworkRestorer;
use dm_nn::nets::Network;
use dm_nn::params::Params;
use dm_nn::rng::{Seed, Stream};
use dm_train::Result;
use dm_train::config::Config;
use dm_train::generate::{Request, Start, images};

use super::steps::config;

/// Images per batch when many are drawn, as `dm sample` has it by default.
pub const BATCH: usize = 256;
/// Levels of a chain that visits all 1000 which are timed; each costs the same.
const TIMED: usize = 20;

/// A model and how far down its chains begin.
pub struct Drawing {
    config: Config,
    degradation: Box<dyn Degradation>,
    network: Box<dyn Network>,
    /// Evaluations of the network per image in a whole chain, and in the part that is timed.
    pub evaluations: usize,
    pub timed: usize,
}

impl Drawing {
    /// The model of the config `name`: its whole chain, or if that has 1000 levels the last [`TIMED`] of them.
    pub fn new(name: &str) -> Result<Self> {
        Self::of(config(name)?)
    }

    /// The same with a chain of two steps, where only the number of images matters.
    pub fn short(name: &str) -> Result<Self> {
        let mut config = config(name)?;
        config.sampling.steps = 2;
        Self::of(config)
    }

    fn of(config: Config) -> Result<Self> {
        // Ink's prior wants the ink of a digit, in full pixels; where on the page it lies costs nothing.
        let degradation = config.degradation.build(&[102.0])?;
        let mut params = Params::new(config.seed, &Device::Cpu);
        let network = config.network.build(degradation.channels(), 1, params.frozen())?;
        let evaluations = config.sampling.levels(&*degradation)?.len() - 1;
        let timed = if evaluations == degradation.steps() { TIMED } else { evaluations };
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
        let state = |sample: u64| {
            let mut rng = Seed(1).stream(Stream::Sample, sample, 0);
            (self.degradation.prior(&mut rng), Key::default())
        };
        let start = (self.timed < self.evaluations).then_some(Start { level: Level(TIMED), state: &state });
        let request = Request { start, ..Request::new(Seed(1), count, batch, self.config.sampling) };
        images(&restorer, &request, &mut |_, _, _| {})?;
        Ok(())
    }
}
