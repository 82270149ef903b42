//! What a training step does to the parameters besides the network: the optimiser's step, with and without clipping, and
//! the average of the weights; for both networks that ship.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use candle_core::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use dm_nn::params::Params;
use dm_train::config::Config;
use dm_train::ema;
use dm_train::optimizer::Adam;

fn parameters(criterion: &mut Criterion) {
    for name in ["ddpm-reference", "ddpm-unet"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/configs").join(name);
        let config = Config::read(&file.with_extension("toml"), &[]).unwrap();
        let mut params = Params::new(config.seed, &Device::Cpu);
        config.network.build(1, 1, params.trainable()).unwrap();
        let average = params.deep_copy().unwrap();
        // The gradient of half the sum of squares is the parameter itself.
        let squares = params.iter().map(|(_, var)| var.sqr().unwrap().sum_all().unwrap());
        let sum = squares.reduce(|a, b| (a + b).unwrap()).unwrap();
        let grads = (sum * 0.5).unwrap().backward().unwrap();

        let mut group = criterion.benchmark_group(format!("{name}, {} parameters", params.count()));
        for (what, clip) in [("optimiser step", 0.0), ("optimiser step, clipped", 1e-3)] {
            let mut optimizer = config.optimizer.clone();
            optimizer.clip = clip;
            let mut adam = Adam::new(&optimizer, 1_000_000, &params).unwrap();
            let mut step = 0;
            group.bench_function(what, |b| {
                b.iter(|| {
                    step += 1;
                    adam.step(&grads, step).unwrap()
                });
            });
        }
        group.bench_function("average of the weights", |b| {
            b.iter(|| ema::update(&average, &params, 0.999, 1000).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, parameters);
criterion_main!(benches);
