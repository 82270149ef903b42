//! A degradation of your own, trained, sampled and scored: at timestep t each pixel is noise with probability t/T.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use candle_core::Device;
use dm_degrade::codec::{InputCodec, UnitCodec};
use dm_degrade::generate::{Request, images};
use dm_degrade::parameterization::Sigmoid;
use dm_degrade::{Degradation, Noise, SamplerKind, Sampling, Timestep};
use dm_nn::data::{Dataset, ReadOptions};
use dm_nn::{image::ImageShape, nets::UNetConfig, rng::Rng, rng::Seed};
use dm_train::{DiffusionSettings, DiffusionTask, Trainer, TrainingSettings};

struct Dissolve(ImageShape, UnitCodec);

#[rustfmt::skip]
impl Degradation for Dissolve {
    fn name(&self) -> &'static str { "dissolve" }
    fn shape(&self) -> ImageShape { self.0 }
    fn timesteps(&self) -> usize { 100 }
    fn codec(&self) -> &dyn InputCodec { &self.1 }
    /// The value of t/T from which on each pixel is noise, and the value of that noise.
    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        let mut uniforms = vec![0.0; 2 * self.0.len()];
        rng.fill_uniform(&mut uniforms);
        Noise(uniforms)
    }
    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        let (share, (thresholds, values)) = (t.0 as f32 / 100.0, noise.0.split_at(x0.len()));
        for (i, out) in out.iter_mut().enumerate() {
            *out = if thresholds[i] < share { values[i] } else { x0[i] };
        }
    }
    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) { rng.fill_uniform(out); }
}

/// Trains a network to undo the degradation, samples from it, compares the samples with test images, and draws them.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data"));
    let data = Dataset::open(&root.join("mnist"), &ReadOptions::default())?;
    let shape = data.shape();
    let degradation = Box::new(Dissolve(shape, UnitCodec { channels: shape.channels }));
    let network = Box::new(UNetConfig { channels: vec![8, 16, 16], ..UNetConfig::default() });
    let options = DiffusionSettings { validation_images: 0, ..DiffusionSettings::default() };
    let task = DiffusionTask::new(degradation, network, std::sync::Arc::new(Sigmoid), options)?;
    let mut settings = TrainingSettings { max_images: 3200, batch_size: 64, ..TrainingSettings::default() };
    settings.optimizer.learning_rate = 1e-3;
    let mut trainer = Trainer::new(task, &settings, &data, &Device::Cpu)?;
    trainer.run(&mut [], &|| false)?;

    let request = Request::new(Seed(1), 128, 64, Sampling::new(SamplerKind::ColdFresh, 10));
    let samples = images(&trainer.state().denoiser(), &request, &mut |_, _, _| {})?;
    let classifier = dm_eval::Classifier::read(&root.join("models/classifier.safetensors"), &Device::Cpu)?;
    let features =
        |pixels: &[u8]| classifier.extract_features(pixels, &mut |_| ()).map(|output| output.features);
    let reference = features(&data.test.pixels[..1000 * shape.len()])?;
    println!("Frechet distance {:.1}", dm_eval::frechet::frechet(&features(&samples)?, &reference)?.value);
    dm_nn::picture::grid::write(&std::env::current_exe()?.with_extension("png"), shape, &samples, 16, 2)?;
    Ok(())
}
