//! Time of the slowest parts of an evaluation: nearest neighbours, precision and recall, and the Frechet distance. The two cases
//! are 10,000 against 10,000 rows of features, as in the evaluation of a model, and 1,000 images against 60,000.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use dm_eval::Features;
use dm_eval::distances::{Exclude, nearest};
use dm_eval::frechet::{Moments, frechet_distance};
use dm_eval::kid::kid;
use dm_eval::manifold::manifold;
use dm_eval::streams::METRIC;
use dm_nn::rng::Seed;

#[allow(clippy::unwrap_used, reason = "the length fits the shape")]
fn uniform(n: usize, dim: usize, seed: u64) -> Features {
    let mut rng = Seed(seed).stream(METRIC, 0, 0);
    Features::new("uniform", n, dim, (0..n * dim).map(|_| rng.uniform_f64()).collect()).unwrap()
}

fn features(c: &mut Criterion) {
    let (a, b) = (uniform(10_000, 64, 1), uniform(10_000, 64, 2));
    let mut group = c.benchmark_group("10,000 x 10,000 x 64");
    group.sample_size(10).warm_up_time(Duration::from_millis(100));
    group.bench_function("nearest 5", |bench| bench.iter(|| nearest(&a, &b, 5, Exclude::Nothing)));
    group.bench_function("manifold", |bench| bench.iter(|| manifold(&a, &b, 5)));
    group.bench_function("kernel distance", |bench| bench.iter(|| kid(&a, &b)));
    group.bench_function("moments", |bench| bench.iter(|| Moments::of(black_box(&a))));
    if let (Ok(first), Ok(second)) = (Moments::of(&a), Moments::of(&b)) {
        group.bench_function("frechet of moments", |bench| bench.iter(|| frechet_distance(&first, &second)));
    }
}

fn pixels(c: &mut Criterion) {
    let (a, b) = (uniform(1000, 784, 1), uniform(60_000, 784, 2));
    let mut group = c.benchmark_group("1,000 x 60,000 x 784");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(1));
    group.bench_function("nearest 1", |bench| bench.iter(|| nearest(&a, &b, 1, Exclude::Nothing)));
}

criterion_group!(benches, features, pixels);
criterion_main!(benches);
