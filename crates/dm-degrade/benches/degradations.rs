//! How long every registered degradation takes, on real digits: one image at a time, and a training batch over all
//! threads. Networks are not timed here.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use dm_degrade::{Degradation, Level, REGISTRY};
use dm_nn::data::Dataset;
use dm_nn::rng::{Seed, Stream};
use rayon::prelude::*;

/// A training batch.
const BATCH: usize = 128;

fn digits() -> (Dataset, Vec<Vec<f32>>) {
    let data = Dataset::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist")).unwrap();
    let scale = |i: usize| data.test.image(i).iter().map(|&p| f32::from(p) / 255.0).collect();
    let images = (0..BATCH).map(scale).collect();
    (data, images)
}

/// Draws the key of image `i` and applies it: what training does.
fn degrade(process: &dyn Degradation, x0: &[f32], i: usize, level: Level) -> Vec<f32> {
    let key = process.draw(&mut Seed(1).stream(Stream::Degrade, i as u64, 0));
    process.apply(x0, level, &key)
}

fn degradations(criterion: &mut Criterion) {
    let (data, images) = digits();
    for entry in REGISTRY {
        let config = (entry.config)();
        let process = config.build(&config.fit(&data.train)).unwrap();
        let states: Vec<Vec<f32>> = images.iter().map(|image| process.to_state(image)).collect();
        let last = process.steps();
        let mut group = criterion.benchmark_group(entry.name);
        group.warm_up_time(std::time::Duration::from_millis(500));
        group.measurement_time(std::time::Duration::from_secs(2));
        for (name, level) in [("T/4", last / 4), ("T/2", last / 2), ("T", last)] {
            let mut i = 0;
            group.bench_function(format!("draw+apply at {name}"), |b| {
                b.iter(|| {
                    i = (i + 1) % BATCH;
                    degrade(process.as_ref(), &states[i], i, Level(level))
                });
            });
        }
        group.bench_function("draw+apply, batch of 128 over all levels", |b| {
            b.iter(|| {
                let level = |i: usize| Level(1 + i * (last - 1) / (BATCH - 1));
                let batch: Vec<Vec<f32>> = states
                    .par_iter()
                    .enumerate()
                    .map(|(i, x0)| degrade(process.as_ref(), x0, i, level(i)))
                    .collect();
                batch
            });
        });
        group.bench_function("prior", |b| {
            let mut rng = Seed(2).stream(Stream::Sample, 0, 0);
            b.iter(|| process.prior(&mut rng));
        });
        // One step of a chain of 100, the bridge's usual length, at three heights.
        let heights = [("T/4", last / 4), ("T/2", last / 2), ("T", last)];
        for (name, level) in heights.into_iter().filter(|_| process.has_bridge()) {
            let (t, s) = (Level(level), Level(level - (last / 100).max(1)));
            let x_t: Vec<Vec<f32>> =
                states.iter().enumerate().map(|(i, x0)| degrade(process.as_ref(), x0, i, t)).collect();
            let mut rng = Seed(3).stream(Stream::Sample, 0, 0);
            let mut i = 0;
            group.bench_function(format!("bridge from {name}"), |b| {
                b.iter(|| {
                    i = (i + 1) % BATCH;
                    black_box(process.bridge(&x_t[i], &states[i], t, s, &mut rng)).unwrap()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, degradations);
criterion_main!(benches);
