//! Speed of the operations of the U-Net at its own shapes with 128 images: forward, and forward with backward.

use std::hint::black_box;

use candle_core::{Device, Result, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use dm_nn::planes::{ConvWeight, Planes};

const BATCH: usize = 128;

fn values(shape: &[usize]) -> Result<Var> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 7919 % 1009) as f32 / 504.5 - 1.0) * 0.1).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Benchmarks `op` on planes of `channels` x `size` x `size`. A step includes entering and leaving the batch-lane layout.
fn bench(
    c: &mut Criterion,
    name: &str,
    channels: usize,
    size: usize,
    op: impl Fn(&Planes) -> Result<Planes>,
) -> Result<()> {
    let x = values(&[BATCH, channels, size, size])?;
    let planes = Planes::enter(&x.as_tensor().detach())?;
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    group.bench_function("forward", |b| b.iter(|| black_box(op(&planes).is_ok())));
    let step = || op(&Planes::enter(&x)?)?.leave()?.sum_all()?.backward();
    group.bench_function("step", |b| b.iter(|| black_box(step().is_ok())));
    group.finish();
    Ok(())
}

/// A weight in training, which is transformed anew in every step.
fn weight(shape: &[usize]) -> Result<ConvWeight> {
    Ok(values(shape)?.as_tensor().into())
}

fn all(c: &mut Criterion) -> Result<()> {
    for (i, o, size) in
        [(1, 32, 28), (32, 32, 28), (96, 32, 28), (64, 64, 14), (128, 64, 14), (64, 64, 7), (32, 1, 28)]
    {
        let (w, b) = (weight(&[o, i, 3, 3])?, values(&[o])?);
        bench(c, &format!("conv3x3 {i}->{o} @{size}"), i, size, |x| x.conv(&w, &b))?;
    }
    for (channels, size) in [(32, 28), (64, 14)] {
        let (w, b) = (weight(&[channels, channels, 3, 3])?, values(&[channels])?);
        bench(c, &format!("stride2 {channels} @{size}"), channels, size, |x| x.conv_stride2(&w, &b))?;
    }
    for (i, o, size) in [(96, 32, 28), (128, 64, 14)] {
        let (w, b) = (weight(&[o, i, 1, 1])?, values(&[o])?);
        bench(c, &format!("conv1x1 {i}->{o} @{size}"), i, size, |x| x.conv(&w, &b))?;
    }
    for (channels, size) in [(32, 28), (96, 28), (64, 14), (64, 7)] {
        let (gamma, beta) = (values(&[channels])?, values(&[channels])?);
        let norm = |x: &Planes| x.group_norm_silu(8, &gamma, &beta, 1e-5);
        bench(c, &format!("group_norm_silu {channels} @{size}"), channels, size, norm)?;
    }
    let bias = values(&[32])?;
    let per_image = values(&[BATCH, 32])?;
    let w = weight(&[32, 32, 3, 3])?;
    bench(c, "conv3x3 32->32 @28, a bias per image", 32, 28, |x| x.conv(&w, &per_image))?;
    bench(c, "conv3x3 32->32 @28, one bias", 32, 28, |x| x.conv(&w, &bias))?;
    let w = weight(&[32, 64, 3, 3])?;
    bench(c, "upsample2_conv 64->32 @14", 64, 14, |x| x.upsample2_conv(&w, &bias))?;
    bench(c, "concat 64+64 @14", 64, 14, |x| x.concat(x))?;
    bench(c, "add 32 @28", 32, 28, |x| x.add(x))?;
    bench(c, "relu 32 @28", 32, 28, Planes::relu)?;
    edges(c)
}

/// Entering and leaving the batch-lane layout, which a network does once each.
fn edges(c: &mut Criterion) -> Result<()> {
    let images = values(&[BATCH, 1, 28, 28])?.as_tensor().detach();
    let planes = Planes::enter(&images)?;
    c.bench_function("enter 1 @28", |b| b.iter(|| black_box(Planes::enter(&images).is_ok())));
    c.bench_function("leave 1 @28", |b| b.iter(|| black_box(planes.leave().is_ok())));
    Ok(())
}

fn run(c: &mut Criterion) {
    if let Err(error) = all(c) {
        panic!("bench: {error}");
    }
}

criterion_group!(benches, run);
criterion_main!(benches);
