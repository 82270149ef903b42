//! How long every registered degradation takes, on real digits: one image at a time, and a training batch over all threads.
//! Networks are not timed here.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use dm_degrade::{Degradation, REGISTRY, Timestep, streams};
use dm_nn::data::{Dataset, ReadOptions};
use dm_nn::image::to_unit;
use dm_nn::rng::Seed;
use rayon::prelude::*;

/// A training batch.
const BATCH: usize = 128;

/// Draws the noise of image `i` and degrades it: what training does.
fn degrade(process: &dyn Degradation, x0: &[f32], i: usize, t: Timestep, out: &mut [f32]) {
    let noise = process.sample_noise(&mut Seed(1).stream(streams::DEGRADE, i as u64, 0));
    process.degrade(x0, t, &noise, out);
}

/// The states at timestep 0 of the first test images, one after another.
fn states(process: &dyn Degradation, data: &Dataset) -> Vec<f32> {
    let len = data.shape().len();
    let (mut image, mut states) = (vec![0.0; len], vec![0.0; BATCH * len]);
    for (i, state) in states.chunks_exact_mut(len).enumerate() {
        to_unit(data.test.image(i), &mut image);
        process.codec().encode_image(&image, state);
    }
    states
}

fn degradations(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist");
    let data = Dataset::open(&path, &ReadOptions::default()).unwrap();
    let len = data.shape().len();
    for registered in REGISTRY {
        let config = (registered.config)();
        let process = config.build(data.shape(), &config.fit(&data.train)).unwrap();
        let process = process.as_ref();
        let states = states(process, &data);
        let state = |i: usize| &states[i * len..(i + 1) * len];
        let last = process.timesteps();
        let mut out = vec![0.0; BATCH * len];
        let mut group = criterion.benchmark_group(registered.entry.name);
        group.warm_up_time(std::time::Duration::from_millis(500));
        group.measurement_time(std::time::Duration::from_secs(2));
        for (name, t) in [("T/4", last / 4), ("T/2", last / 2), ("T", last)] {
            let mut i = 0;
            group.bench_function(format!("sample_noise+degrade at {name}"), |b| {
                b.iter(|| {
                    i = (i + 1) % BATCH;
                    degrade(process, state(i), i, Timestep(t), &mut out[..len]);
                });
            });
        }
        group.bench_function("sample_noise+degrade, batch of 128 over all timesteps", |b| {
            let t = |i: usize| Timestep(1 + i * (last - 1) / (BATCH - 1));
            b.iter(|| {
                let images = out.par_chunks_exact_mut(len).enumerate();
                images.for_each(|(i, out)| degrade(process, state(i), i, t(i), out));
            });
        });
        group.bench_function("sample_prior", |b| {
            let mut rng = Seed(2).stream(streams::SAMPLE, 0, 0);
            b.iter(|| process.sample_prior(&mut rng, &mut out[..len]));
        });
        // One step of a chain of 100 at three timesteps.
        let Some(posterior) = process.posterior() else { continue };
        for (name, t) in [("T/4", last / 4), ("T/2", last / 2), ("T", last)] {
            let (t, s) = (Timestep(t), Timestep(t - (last / 100).max(1)));
            let mut x_t = vec![0.0; BATCH * len];
            for (i, x_t) in x_t.chunks_exact_mut(len).enumerate() {
                degrade(process, state(i), i, t, x_t);
            }
            let mut rng = Seed(3).stream(streams::SAMPLE, 0, 0);
            let mut i = 0;
            group.bench_function(format!("posterior from {name}"), |b| {
                b.iter(|| {
                    i = (i + 1) % BATCH;
                    let x_t = &x_t[i * len..(i + 1) * len];
                    posterior.sample_posterior(x_t, state(i), t, s, &mut rng, &mut out[..len]).unwrap();
                    black_box(&out[..len]);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, degradations);
criterion_main!(benches);
