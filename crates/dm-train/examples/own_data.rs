//! Images of your own: a folder of PNG files whose subfolders are classes. A model is trained on them and sampled by class.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use dm_degrade::degradations::{DegradationConfig, GaussianConfig};
use dm_degrade::generate::{Class, Request, images};
use dm_degrade::parameterization::V;
use dm_degrade::{SamplerKind, Sampling};
use dm_nn::data::{Dataset, ReadOptions};
use dm_nn::nets::UNetConfig;
use dm_nn::picture::grid;
use dm_nn::rng::Seed;
use dm_train::{DiffusionSettings, DiffusionTask, Trainer, TrainingSettings};
use image::{Rgb, RgbImage};

/// Writes coloured stripes of 16x12 pixels: 40 images with horizontal and 40 with vertical ones.
fn write_images(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for class in ["horizontal", "vertical"] {
        fs::create_dir_all(folder.join(class))?;
        for i in 0..40 {
            let (width, color) = (2 + i % 4, Rgb([50 * (i % 5) as u8, 200, 25 * (i % 8) as u8]));
            let picture = RgbImage::from_fn(16, 12, |x, y| {
                let across = if class == "vertical" { x } else { y };
                if (across + i) / width % 2 == 0 { color } else { Rgb([0, 0, 0]) }
            });
            picture.save(folder.join(class).join(format!("{i:02}.png")))?;
        }
    }
    Ok(())
}

/// Writes the images, trains a model on them, and samples from it.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    write_images(&folder.path().join("stripes"))?;
    // Without subfolders `train` and `test`, one image in ten becomes a test image.
    let data = Dataset::open(&folder.path().join("stripes"), &ReadOptions::default())?;
    let (shape, num_classes) = (data.shape(), data.num_classes());
    println!("{} training images of {shape} in the classes {:?}", data.train.len(), data.class_names);

    // The width and height must be divisible by two once for every level of the U-Net after the first.
    let process = GaussianConfig { timesteps: 100, ..GaussianConfig::default() };
    let degradation = DegradationConfig::Gaussian(process).build(shape, &[])?;
    let network = UNetConfig { channels: vec![8, 16, 16], num_classes, ..UNetConfig::default() };
    let options = DiffusionSettings { validation_images: 0, ..DiffusionSettings::default() };
    let task = DiffusionTask::new(degradation, Box::new(network), Arc::new(V), options)?;
    let settings =
        TrainingSettings { epochs: 20, batch_size: 24, ema_decay: 0.9, ..TrainingSettings::default() };
    let mut trainer = Trainer::new(task, &settings, &data, &Device::Cpu)?;
    trainer.run(&mut [], &|| false)?;

    let sampling = Sampling::new(SamplerKind::Ddim, 10);
    let class = Some(Class::All { num_classes });
    let request = Request { class, guidance: 2.0, ..Request::new(Seed(1), 8, 8, sampling) };
    let samples = images(&trainer.state().denoiser(), &request, &mut |_, _, _| {})?;
    grid::write(&folder.path().join("samples.png"), shape, &samples, num_classes, 4)?;
    println!("{} samples, one column per class", samples.len() / shape.len());
    Ok(())
}
