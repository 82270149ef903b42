//! Training steps and forward passes of the two networks that are compared, exactly as their configs have them, on a
//! batch that is there already; and a whole epoch as `dm train` runs it.

use std::cell::Cell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use dm_nn::data::{Dataset, SIDE};
use dm_nn::nets::{Network, rows};
use dm_nn::params::Params;
use dm_nn::rng::{Seed, Stream};
use dm_train::config::Config;
use dm_train::event::{Event, Observer};
use dm_train::gradients::Gradients;
use dm_train::observers::{Metrics, Samples, Saver};
use dm_train::optimizer::Adam;
use dm_train::run::Run;
use dm_train::{Error, Result, ema, objective};

/// A network, what it is trained with, and one batch.
pub struct Steps {
    name: String,
    config: Config,
    params: Params,
    network: Box<dyn Network>,
    /// The same parameters, nothing recorded.
    frozen: Box<dyn Network>,
    average: Option<Params>,
    optimizer: Adam,
    step: u64,
    x: Tensor,
    t: Tensor,
    target: Tensor,
}

/// A file of the workspace.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// The shipped config called `name`, with `overrides`.
pub fn config(name: &str, overrides: &[String]) -> Result<Config> {
    Config::read(&file("data/configs").join(name).with_extension("toml"), overrides)
}

/// The config whose network goes by `name` here.
fn of_network(name: &str) -> Result<Config> {
    match name {
        "ref_cnn" => config("ddpm-reference", &[]),
        "unet" => config("ddpm-unet", &[]),
        _ => Err(Error::invalid("network", name, "ref_cnn or unet")),
    }
}

impl Steps {
    /// The network `name` with a batch of `count` images.
    pub fn new(name: &str, count: usize) -> Result<Self> {
        let config = of_network(name)?;
        let device = Device::Cpu;
        let mut params = Params::new(config.seed, &device);
        let network = config.network.build(1, 1, params.trainable())?;
        let frozen = config.network.build(1, 1, params.frozen())?;
        let average = (config.training.ema_decay > 0.0).then(|| params.deep_copy()).transpose()?;
        let optimizer = Adam::new(&config.optimizer, 100_000, &params)?;
        let images = |place| {
            let mut values = vec![0.0; count * SIDE * SIDE];
            Seed(1).stream(Stream::Degrade, place, 0).fill_normal(&mut values);
            Tensor::from_vec(values, (count, 1, SIDE, SIDE), &device)
        };
        let mut times = vec![0.0; count];
        Seed(1).stream(Stream::Level, 0, 0).fill_uniform(&mut times);
        let (x, target) = (images(0)?, images(1)?);
        let t = Tensor::from_vec(times, count, &device)?;
        let name = name.to_owned();
        Ok(Self { name, config, params, network, frozen, average, optimizer, step: 0, x, t, target })
    }

    /// Whether this is the network `name` with a batch of `count` images.
    pub fn is_for(&self, name: &str, count: usize) -> bool {
        self.name == name && self.x.dims()[0] == count
    }

    /// Number of scalars in all parameters.
    pub fn parameters(&self) -> usize {
        self.params.count()
    }

    /// Forward, loss, backward, clipping, optimiser, average: what the config asks for.
    pub fn train(&mut self) -> Result<()> {
        let weights = vec![1.0 / self.t.elem_count() as f32; self.t.elem_count()];
        let losses = |part: &Range<usize>| {
            let output = self.network.forward(&rows(&self.x, part)?, &rows(&self.t, part)?)?;
            objective::losses(self.config.objective.prediction, &output, &rows(&self.target, part)?)
        };
        let learned = Gradients::of(&weights, &Device::Cpu, losses)?;
        self.optimizer.step(&learned.store, self.step)?;
        if let Some(average) = &self.average {
            ema::update(average, &self.params, self.config.training.ema_decay, self.step)?;
        }
        self.step += 1;
        let loss = learned.objective;
        if loss.is_finite() { Ok(()) } else { Err(Error::Diverged { step: self.step, loss }) }
    }

    /// The network's output, as sampling asks for it.
    pub fn forward(&mut self) -> Result<()> {
        self.frozen.forward(&self.x, &self.t)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(())
    }
}

/// One epoch of `steps` steps into a run folder: data, levels, noise, metrics, checkpoints, validation and sample
/// pictures included. Returns the time of the pictures.
pub fn epoch(name: &str, steps: usize) -> Result<Duration> {
    let mut config = of_network(name)?;
    config.training.epochs = 1;
    config.training.images = steps * config.training.batch;
    let folder = tempfile::tempdir().map_err(|error| Error::io(&std::env::temp_dir(), error))?;
    let path = folder.path().join("run");
    let data = Dataset::read(&file("data/mnist"))?;
    let run = Run::open(&path, &config, false, None)?;
    let (mut state, _) = run.state(&config, &data, &Device::Cpu)?;
    let start = Instant::now();
    let clock = || start.elapsed();
    let pictures = Cell::new(Duration::ZERO);
    let mut observers: Vec<Box<dyn Observer + '_>> = vec![
        Box::new(Metrics::new(path.join("metrics.jsonl"), &clock)),
        Box::new(Pictures { samples: Samples::new(path.join("samples")), taken: &pictures }),
        Box::new(Saver::new(&run, config.training.checkpoint_every, &clock)),
    ];
    dm_train::train::train(&mut state, &data, &mut observers, &|| false)?;
    drop(observers);
    Ok(pictures.get())
}

/// Draws sample pictures and says how long it took.
struct Pictures<'a> {
    samples: Samples,
    taken: &'a Cell<Duration>,
}

impl Observer for Pictures<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        let start = Instant::now();
        self.samples.observe(event)?;
        self.taken.set(self.taken.get() + start.elapsed());
        Ok(())
    }
}
