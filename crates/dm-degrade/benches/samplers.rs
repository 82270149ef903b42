//! How long every sampler takes apart from the network: a batch of 128 images through ten timesteps (or all, if the sampler
//! has to visit all), with a denoiser that costs next to nothing. Networks are timed elsewhere.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use dm_degrade::samplers::Chain;
use dm_degrade::{Degradation, Denoiser, REGISTRY, Result, SamplerKind, Sampling, Timestep, streams};
use dm_nn::data::Images;
use dm_nn::image::ImageShape;
use dm_nn::rng::Seed;

/// Images of a batch.
const BATCH: usize = 128;

/// Returns every state as the estimate of the clean state.
struct Identity;

impl Denoiser for Identity {
    fn denoise(&self, x_t: &[f32], _: Timestep) -> Result<Vec<f32>> {
        Ok(x_t.to_vec())
    }
}

/// Squares in the middle of the page, of one grey each: enough for what a degradation learns of its images.
fn squares() -> Images {
    let shape = ImageShape::new(1, 28, 28);
    let pixel = |i: usize, p: usize| {
        let (y, x) = (p / 28, p % 28);
        let inside = (9..19).contains(&y) && (9..19).contains(&x);
        if inside { 100 + i as u8 } else { 0 }
    };
    let pixels = (0..BATCH).flat_map(|i| (0..shape.len()).map(move |p| pixel(i, p))).collect();
    Images { shape, num_classes: 0, pixels, labels: vec![0; BATCH] }
}

fn samplers(criterion: &mut Criterion) {
    let images = squares();
    for registered in REGISTRY {
        let config = (registered.config)();
        let process = config.build(images.shape, &config.fit(&images)).unwrap();
        let process: &dyn Degradation = &*process;
        let mut group = criterion.benchmark_group(registered.entry.name);
        group.sample_size(10);
        for kind in SamplerKind::ALL {
            let nfe = if kind == SamplerKind::DdpmNotebook { process.timesteps() } else { 10 };
            let sampling = Sampling::new(kind, nfe);
            // A sampler that cannot be used with the degradation is left out.
            let Ok(timesteps) = sampling.timesteps(process) else { continue };
            let randomness = |sample, t: Timestep| Seed(1).stream(streams::SAMPLE, sample, t.0 as u64);
            let chain = Chain {
                degradation: process,
                denoiser: &Identity,
                timesteps: &timesteps,
                randomness: &randomness,
                first: 0,
                count: BATCH,
                start: None,
            };
            let sampler = sampling.build();
            group.bench_function(format!("{}, {nfe} evaluations", kind.name()), |b| {
                b.iter(|| sampler.sample(&chain, &mut |_, _| {}).unwrap());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, samplers);
criterion_main!(benches);
