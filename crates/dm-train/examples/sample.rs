//! Sampling from a shipped model: sixteen digits as a PNG and as a sample set.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::path::Path;

use candle_core::Device;
use dm_degrade::generate::Request;
use dm_degrade::{Model, Sampling};
use dm_nn::data::SampleSet;
use dm_nn::picture::grid;
use dm_nn::rng::Seed;

/// Samples images, and writes them to files.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let model = Model::open(&root.join("data/models/ink-unet.safetensors"), &Device::Cpu)?;

    // The sampler of the model's config with ten network evaluations per image. Image i depends on the seed and on i alone.
    let sampling = Sampling { nfe: 10, ..model.sampling };
    let request = Request::new(Seed(1), 16, 16, sampling);
    let pixels = model.sample(&request, &mut |_, t, _| println!("timestep {}", t.0))?;

    let folder = tempfile::tempdir()?;
    grid::write(&folder.path().join("samples.png"), model.shape, &pixels, 4, 2)?;
    let metadata = [("model".to_owned(), model.name.clone())].into();
    let samples = SampleSet { shape: model.shape, pixels, labels: None, metadata };
    samples.write(&folder.path().join("samples.safetensors"))?;
    println!("{} samples of {}", samples.len(), samples.shape);
    Ok(())
}
