//! Training steps and forward passes of the two networks that are compared, exactly as their configs define them, on a batch
//! that is already in memory; and a whole epoch as `dm train` runs it.

use std::cell::Cell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use dm_degrade::parameterization::{Parameterization, losses};
use dm_degrade::streams::DEGRADE;
use dm_nn::data::Dataset;
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, Network, rows, to_onnx};
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::Seed;
use dm_train::config::DiffusionConfig;
use dm_train::gradients::{Gradients, Pass};
use dm_train::observers::{Metrics, SamplePictures, Saver};
use dm_train::optimizer::Adam;
use dm_train::streams::TIMESTEP;
use dm_train::{
    DiffusionTask, Error, Event, Observer, OpenOptions, Result, RunConfig, RunFolder, Trainer, ema,
};

use super::counts;

/// The shape of MNIST's images.
pub const SHAPE: ImageShape = ImageShape::new(1, 28, 28);

/// A network, everything that a training step needs, and one batch.
pub struct Steps {
    name: String,
    shape: ImageShape,
    config: DiffusionConfig,
    parameterization: Arc<dyn Parameterization>,
    params: Params,
    network: Box<dyn Network>,
    /// The same network with the same parameters, without gradients.
    frozen: Box<dyn Network>,
    ema: Option<Params>,
    optimizer: Adam,
    step: u64,
    x: Tensor,
    times: Tensor,
    target: Tensor,
}

/// A file of the workspace.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// The shipped config called `name`, with `overrides`.
pub fn config(name: &str, overrides: &[String]) -> Result<DiffusionConfig> {
    let path = file("data/configs").join(name).with_extension("toml");
    match RunConfig::read(&path, overrides)? {
        RunConfig::Diffusion(config) => Ok(config),
        RunConfig::Classifier(_) => Err(Error::invalid("config", name, "a diffusion model")),
    }
}

/// The shipped config of the network that this benchmark calls `name`, and the shape of its images: MNIST's, or the one that
/// follows a hyphen, as in `unet-32x32x3` (height, width, channels).
fn of_network(name: &str) -> Result<(DiffusionConfig, ImageShape)> {
    let invalid =
        || Error::invalid("network", name, "ref_cnn, unet, or unet-SxSxC with images of S x S pixels");
    let (network, shape) = match name.split_once('-') {
        None => (name, SHAPE),
        Some((network, sizes)) => {
            let sizes: Vec<usize> = sizes.split('x').filter_map(|size| size.parse().ok()).collect();
            let [height, width, channels] = sizes[..] else { return Err(invalid()) };
            (network, ImageShape::new(channels, height, width))
        }
    };
    match network {
        "ref_cnn" if shape == SHAPE => Ok((config("ddpm-reference", &[])?, shape)),
        "unet" if shape.height == shape.width => Ok((config("ddpm-unet", &[])?, shape)),
        _ => Err(invalid()),
    }
}

impl Steps {
    /// The network `name` with a batch of `count` images.
    pub fn new(name: &str, count: usize) -> Result<Self> {
        let (config, shape) = of_network(name)?;
        let device = Device::Cpu;
        let mut params = Params::new(config.seed, &device);
        let network = config.network.build(shape, shape.channels, params.trainable())?;
        let frozen = config.network.build(shape, shape.channels, params.frozen())?;
        let ema = (config.training.ema_decay > 0.0).then(|| params.deep_copy()).transpose()?;
        let optimizer = Adam::new(&config.optimizer, 100_000, &params)?;
        let images = |place| {
            let mut values = vec![0.0; count * shape.len()];
            Seed(1).stream(DEGRADE, place, 0).fill_normal(&mut values);
            Tensor::from_vec(values, shape.dims(count), &device)
        };
        let mut times = vec![0.0; count];
        Seed(1).stream(TIMESTEP, 0, 0).fill_uniform(&mut times);
        let (x, target) = (images(0)?, images(1)?);
        let times = Tensor::from_vec(times, count, &device)?;
        let (name, parameterization) = (name.to_owned(), config.objective.parameterization.build());
        Ok(Self {
            name,
            shape,
            config,
            parameterization,
            params,
            network,
            frozen,
            ema,
            optimizer,
            step: 0,
            x,
            times,
            target,
        })
    }

    /// Whether this is the network `name` with a batch of `count` images.
    pub fn is_for(&self, name: &str, count: usize) -> bool {
        self.name == name && self.x.dims()[0] == count
    }

    /// Operations of the convolutions for one image: those of direct sums, and those that the engine does.
    pub fn operations(&self, training: bool) -> (f64, f64) {
        let side = self.shape.height;
        if self.name.starts_with("unet") {
            counts::of(&counts::unet(side, self.shape.channels), training)
        } else {
            counts::of(&counts::ref_cnn(), training)
        }
    }

    /// Writes the network as `folder/NAME.onnx`.
    pub fn write_onnx(&self, folder: &Path) -> Result<()> {
        let path = folder.join(format!("{}.onnx", self.name));
        let mut weights = TensorFile::new(&path);
        for (name, var) in self.params.iter() {
            weights.insert(name, var.as_tensor())?;
        }
        let onnx = to_onnx(&self.config.network, self.shape, self.shape.channels, &weights, &[])?;
        std::fs::write(&path, onnx).map_err(|error| Error::io(&path, error))
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.params.count()
    }

    /// One training step as the config defines it: forward, loss, backward, clipping, optimizer, moving average.
    pub fn train(&mut self) -> Result<()> {
        let weights = vec![1.0 / self.times.elem_count() as f32; self.times.elem_count()];
        let losses = |part: &Range<usize>| {
            let output = self.network.forward(&rows(&self.x, part)?, &rows(&self.times, part)?)?;
            losses(&self.parameterization, &output, &rows(&self.target, part)?)
        };
        let gradients = Gradients::compute(&weights, Pass::whole(&Device::Cpu), losses)?;
        self.optimizer.step(&gradients.store, self.step)?;
        if let Some(ema) = &self.ema {
            ema::update(ema, &self.params, self.config.training.ema_decay, self.step)?;
        }
        self.step += 1;
        Ok(())
    }

    /// One evaluation of the network as sampling needs it.
    pub fn forward(&mut self) -> Result<()> {
        self.frozen.forward(&self.x, &self.times)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(())
    }
}

/// One epoch of `steps` steps into a run folder, with data, timesteps, noise, metrics, checkpoints, validation and pictures
/// of samples. Returns the time spent on the pictures.
pub fn epoch(name: &str, steps: usize) -> Result<Duration> {
    let (mut config, _) = of_network(name)?;
    config.training.epochs = 1;
    config.training.max_images = steps * config.training.batch_size;
    let directory = tempfile::tempdir().map_err(|error| Error::io(&std::env::temp_dir(), error))?;
    let data = Dataset::open(&file("data/mnist"), &config.data.read_options())?;
    let config = config.resolve(&data)?;
    let run = RunConfig::Diffusion(config.clone());
    let folder = RunFolder::open(&directory.path().join("run"), &run, OpenOptions::default())?;
    let task = DiffusionTask::from_config(&config, &data)?;
    let mut trainer = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu)?;
    let start = Instant::now();
    let clock = || start.elapsed();
    let time = Cell::new(Duration::ZERO);
    let count = config.training.sample_count;
    let pictures = SamplePictures::new(&folder, count, config.picture_sampling(), &|| false);
    let mut observers: Vec<Box<dyn Observer<DiffusionTask> + '_>> = vec![
        Box::new(Metrics::new(&folder, &clock)),
        Box::new(TimedPictures { pictures, time: &time }),
        Box::new(Saver::new(&folder, &clock)),
    ];
    trainer.run(&mut observers, &|| false)?;
    drop(observers);
    Ok(time.get())
}

/// Draws pictures of samples and adds up the time that this takes.
struct TimedPictures<'a> {
    pictures: SamplePictures<'a>,
    time: &'a Cell<Duration>,
}

impl Observer<DiffusionTask> for TimedPictures<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> Result<()> {
        let start = Instant::now();
        self.pictures.observe(event)?;
        self.time.set(self.time.get() + start.elapsed());
        Ok(())
    }
}
