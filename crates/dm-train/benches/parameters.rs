//! Time that a training step spends on the parameters of both shipped networks: the optimizer's step, with and without
//! clipping, and the update of the moving average of the weights.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use candle_core::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use dm_nn::image::ImageShape;
use dm_nn::nets::BuildNetwork;
use dm_nn::params::Params;
use dm_train::optimizer::Adam;
use dm_train::{RunConfig, ema};

fn parameters(criterion: &mut Criterion) {
    for name in ["ddpm-reference", "ddpm-unet"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/configs").join(name);
        let config = match RunConfig::read(&file.with_extension("toml"), &[]).unwrap() {
            RunConfig::Diffusion(config) => config,
            RunConfig::Classifier(_) => panic!("{name}: expected the config of a diffusion model"),
        };
        let mut params = Params::new(config.seed, &Device::Cpu);
        config.network.build(ImageShape::new(1, 28, 28), 1, params.trainable()).unwrap();
        let ema = params.deep_copy().unwrap();
        // The gradient of half the sum of squares is the parameter itself.
        let squares = params.iter().map(|(_, var)| var.sqr().unwrap().sum_all().unwrap());
        let sum = squares.reduce(|a, b| (a + b).unwrap()).unwrap();
        let grads = (sum * 0.5).unwrap().backward().unwrap();

        let mut group = criterion.benchmark_group(format!("{name}, {} parameters", params.count()));
        for (what, clip) in [("optimizer step", 0.0), ("optimizer step, clipped", 1e-3)] {
            let mut optimizer = config.optimizer.clone();
            optimizer.grad_clip_norm = clip;
            let mut adam = Adam::new(&optimizer, 1_000_000, &params).unwrap();
            let mut step = 0;
            group.bench_function(what, |b| {
                b.iter(|| {
                    step += 1;
                    adam.step(&grads, step).unwrap()
                });
            });
        }
        group.bench_function("moving average of the weights", |b| {
            b.iter(|| ema::update(&ema, &params, 0.999, 1000).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, parameters);
criterion_main!(benches);
