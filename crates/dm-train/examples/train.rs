//! Training from a config into a run folder, as `dm train` does it: metrics, pictures of samples, checkpoints and the model.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::path::Path;
use std::time::Instant;

use candle_core::Device;
use dm_degrade::Model;
use dm_nn::data::Dataset;
use dm_train::observers::{Metrics, SamplePictures, Saver};
use dm_train::{DiffusionTask, Event, Observer, OpenOptions, RunConfig, RunFolder, Trainer};

/// An observer of your own: prints the loss of every epoch.
struct PrintLoss;

impl Observer<DiffusionTask> for PrintLoss {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> dm_train::Result<()> {
        if let Event::Epoch { epoch, summary, .. } = event {
            println!("epoch {epoch}: loss {:.4}", summary.train_loss.unwrap_or(f64::NAN));
        }
        Ok(())
    }
}

/// Trains a model in a run folder, and opens the model.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The shipped config of the model `ink-unet`, reduced to a few seconds.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let overrides = [
        "network.channels=[8, 16, 16]",
        "training.epochs=2",
        "training.max_images=640",
        "training.batch_size=64",
        "training.validation_images=64",
        "training.sample_count=10",
        "training.sample_nfe=5",
    ];
    let config = RunConfig::read(&root.join("data/configs/ink-unet.toml"), &overrides.map(str::to_owned))?;
    let data = Dataset::open(&root.join(&config.data().path), &config.data().read_options())?;
    let RunConfig::Diffusion(config) = config.resolve(&data)? else {
        return Err("expected the config of a diffusion model".into());
    };

    // With `resume` the run in the folder continues if there is one.
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("run");
    let options = OpenOptions { resume: true, ..OpenOptions::default() };
    let folder = RunFolder::open(&path, &RunConfig::Diffusion(config.clone()), options)?;
    let task = DiffusionTask::from_config(&config, &data)?;
    let mut trainer = Trainer::open(&folder, task, &config.settings(), &data, &Device::Cpu)?;
    let (start, before) = (Instant::now(), trainer.elapsed());
    let clock = || before + start.elapsed();
    let stop = || false;
    let count = config.training.sample_count;
    let mut observers: Vec<Box<dyn Observer<DiffusionTask> + '_>> = vec![
        Box::new(PrintLoss),
        Box::new(Metrics::new(&folder, &clock)),
        Box::new(SamplePictures::new(&folder, count, config.picture_sampling(), &stop)),
        Box::new(Saver::new(&folder, &clock)),
    ];
    trainer.run(&mut observers, &stop)?;

    let model = Model::open(&path, &Device::Cpu)?;
    println!("{}: {} parameters, {} steps", model.name, model.parameters, model.provenance.step);
    Ok(())
}
