//! Speed of the operations of the reference network: a training step and a forward pass of its four blocks, the 7x7
//! convolution (of planes that the Fourier transform takes whole, and of planes that are cut into tiles), and LayerNorm
//! with GELU.

use std::hint::black_box;

use candle_core::{DType, Device, Result, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use dm_nn::engine::{ConvWeight, LanePlanes, conv_norm_gelu, conv2d, layer_norm_gelu};

const CHANNELS: [usize; 5] = [1, 16, 32, 32, 16];

/// Deterministic values between -1 and 1.
fn values(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let data: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).expect("shape")
}

/// Weight, bias, gamma and beta of every block, as variables.
fn parameters() -> Vec<[Var; 4]> {
    let var = |t: Tensor| Var::from_tensor(&t).expect("var");
    let blocks = CHANNELS.windows(2).map(|c| {
        let weight = (values(&[c[1], c[0], 7, 7]) * 0.1).expect("weight");
        let ones = Tensor::ones((c[1], 28, 28), DType::F32, &Device::Cpu).expect("gamma");
        [var(weight), var(values(&[c[1]])), var(ones), var(values(&[c[1], 28, 28]))]
    });
    blocks.collect()
}

/// Weight, and bias, gamma and beta, of every block.
type Blocks = Vec<(ConvWeight, [Tensor; 3])>;

fn blocks(vars: &[[Var; 4]], tensor: fn(&Var) -> Tensor) -> Blocks {
    let block = |[weight, rest @ ..]: &[Var; 4]| (tensor(weight).into(), rest.each_ref().map(tensor));
    vars.iter().map(block).collect()
}

fn chain(x: &Tensor, blocks: &Blocks) -> Result<Tensor> {
    let mut x = LanePlanes::enter(x)?;
    for (weight, [bias, gamma, beta]) in blocks {
        x = conv_norm_gelu(&x, weight, bias, gamma, beta, None, 1e-5)?;
    }
    x.leave()
}

fn reference_network(c: &mut Criterion) {
    let vars = parameters();
    let (tracked, frozen) =
        (blocks(&vars, |v| v.as_tensor().clone()), blocks(&vars, Var::as_detached_tensor));
    let (x_128, x_256) = (values(&[128, 1, 28, 28]), values(&[256, 1, 28, 28]));
    let mut group = c.benchmark_group("reference blocks");
    group.sample_size(10);
    group.bench_function("training step, 128 images", |b| {
        b.iter(|| {
            let loss = chain(&x_128, &tracked).and_then(|y| y.sum_all()).expect("forward");
            black_box(loss.backward().expect("backward"));
        });
    });
    group.bench_function("forward, 256 images", |b| {
        b.iter(|| black_box(chain(&x_256, &frozen).expect("forward")));
    });
    group.finish();
}

fn operations(c: &mut Criterion) {
    let x = LanePlanes::enter(&values(&[128, 32, 28, 28])).expect("planes");
    let (weight, bias) = (values(&[32, 32, 7, 7]).into(), values(&[32]));
    let mut group = c.benchmark_group("32 channels at 28x28, 128 images");
    group.sample_size(20);
    group.bench_function("convolution 7x7", |b| {
        b.iter(|| black_box(conv2d(&x, &weight, &bias).expect("conv")));
    });
    let large = LanePlanes::enter(&values(&[32, 32, 64, 64])).expect("planes");
    group.bench_function("convolution 7x7 of 32 images at 64x64, in tiles", |b| {
        b.iter(|| black_box(conv2d(&large, &weight, &bias).expect("conv")));
    });
    for (name, shape) in [("joint", vec![32, 28, 28]), ("plane", vec![28, 28])] {
        let affine = values(&shape);
        group.bench_function(format!("LayerNorm-GELU, {name}, and leaving"), |b| {
            b.iter(|| {
                let y = layer_norm_gelu(&x, &affine, &affine, 1e-5).and_then(|y| y.leave());
                black_box(y.expect("norm"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reference_network, operations);
criterion_main!(benches);
