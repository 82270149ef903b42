//! How long every sampler takes beside the network: a batch of 128 through ten levels (all of them where the sampler
//! wants all), with a restorer that costs next to nothing. Networks are timed elsewhere.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::restorer::Restorer;
use dm_degrade::samplers::{Chain, SamplerKind, Sampling};
use dm_degrade::{REGISTRY, Result};
use dm_nn::data::{Images, PIXELS};
use dm_nn::rng::{Seed, Stream};

/// A training batch.
const BATCH: usize = 128;

/// Takes every state for the whole image.
struct Content;

impl Restorer for Content {
    fn restore(&self, x_t: &[f32], _: Level) -> Result<Vec<f32>> {
        Ok(x_t.to_vec())
    }
}

/// Squares of ink in the middle of the page, one pixel value each: enough for what a degradation learns of its images.
fn squares() -> Images {
    let pixel = |i: usize, p: usize| {
        let (y, x) = (p / 28, p % 28);
        let inside = (9..19).contains(&y) && (9..19).contains(&x);
        if inside { 100 + i as u8 } else { 0 }
    };
    let pixels = (0..BATCH).flat_map(|i| (0..PIXELS).map(move |p| pixel(i, p))).collect();
    Images { pixels, labels: vec![0; BATCH] }
}

fn samplers(criterion: &mut Criterion) {
    let images = squares();
    for entry in REGISTRY {
        let config = (entry.config)();
        let process = config.build(&config.fit(&images)).unwrap();
        let process: &dyn Degradation = &*process;
        let mut group = criterion.benchmark_group(entry.name);
        group.sample_size(10);
        for kind in SamplerKind::ALL {
            let steps = if kind == SamplerKind::Prince { process.steps() } else { 10 };
            let sampling = Sampling::new(kind, steps);
            // A sampler that does not go with the degradation says so.
            let Ok(levels) = sampling.levels(process) else { continue };
            let randomness = |sample, level: Level| Seed(1).stream(Stream::Sample, sample, level.0 as u64);
            let restorer = &Content;
            let chain = Chain {
                degradation: process,
                restorer,
                levels: &levels,
                eta: sampling.eta,
                randomness: &randomness,
                first: 0,
                count: BATCH,
                start: None,
            };
            group.bench_function(format!("{}, {steps} steps", kind.name()), |b| {
                b.iter(|| kind.run(&chain, &mut |_, _| {}).unwrap());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, samplers);
criterion_main!(benches);
