//! Every operation against sums written out in f64, over generated shapes: the values, and the gradients along random
//! directions as finite differences of those sums. Nothing here comes from candle, with whose operations
//! [`oracle`](super::oracle) and [`fft`](super::fft) compare.

use candle_core::{Device, Result, Tensor, Var};
use proptest::prelude::*;

use dm_nn::engine::*;

/// Largest relative L2 error of values; the measured one is 1e-6.
const VALUES: f64 = 1e-5;
/// Largest error of a directional derivative, in units of its standard deviation over directions; the measured one is
/// 1e-5.
const SLOPES: f64 = 1e-4;
/// Half the distance of the two points of a finite difference.
const STEP: f64 = 1e-5;
const EPS: f64 = 1e-5;

/// An f64 tensor; images are [B, C, H, W].
#[derive(Clone, Debug)]
struct Host {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Host {
    /// Values between -1 and 1 that an f32 holds exactly: a hash of seed and index.
    fn random(shape: &[usize], seed: u64) -> Self {
        let value = |i: u64| {
            let mut z =
                (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd1b5_4a32_d192_ed03);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z >> 40) as f64 / f64::from(1u32 << 23) - 1.0
        };
        let values = (0..shape.iter().product::<usize>() as u64).map(value).collect();
        Self { shape: shape.to_vec(), values }
    }

    fn of(shape: [usize; 4], value: impl Fn([usize; 4]) -> f64) -> Self {
        let [b, c, h, w] = shape;
        let place = |i: usize| [i / (c * h * w), i / (h * w) % c, i / w % h, i % w];
        Self { shape: shape.to_vec(), values: (0..b * c * h * w).map(|i| value(place(i))).collect() }
    }

    fn dims(&self) -> [usize; 4] {
        [self.shape[0], self.shape[1], self.shape[2], self.shape[3]]
    }

    /// The value at a place, 0 outside the plane.
    fn at(&self, [b, c]: [usize; 2], [y, x]: [Option<usize>; 2]) -> f64 {
        let [_, channels, h, w] = self.dims();
        match (y.filter(|y| *y < h), x.filter(|x| *x < w)) {
            (Some(y), Some(x)) => self.values[((b * channels + c) * h + y) * w + x],
            _ => 0.0,
        }
    }

    fn tensor(&self) -> Tensor {
        let values: Vec<f32> = self.values.iter().map(|v| *v as f32).collect();
        Tensor::from_vec(values, self.shape.as_slice(), &Device::Cpu).unwrap()
    }

    fn moved(&self, direction: &Self, step: f64) -> Self {
        let pairs = self.values.iter().zip(&direction.values);
        Self { shape: self.shape.clone(), values: pairs.map(|(v, d)| v + step * d).collect() }
    }

    fn dot(&self, other: &Self) -> f64 {
        self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum()
    }
}

/// A value per channel, `[C]` or [B, C].
fn per_channel(p: &Host, b: usize, c: usize) -> f64 {
    if p.shape.len() == 1 { p.values[c] } else { p.values[b * p.shape[1] + c] }
}

fn conv(x: &Host, weight: &Host, bias: &Host, stride: usize) -> Host {
    let ([b, inputs, h, w], [outputs, _, k, _]) = (x.dims(), weight.dims());
    Host::of([b, outputs, h.div_ceil(stride), w.div_ceil(stride)], |[b, o, row, col]| {
        let mut sum = per_channel(bias, b, o);
        for i in 0..inputs {
            for tap in 0..k * k {
                let from =
                    [(row, tap / k), (col, tap % k)].map(|(at, tap)| (at * stride + tap).checked_sub(k / 2));
                sum += weight.at([o, i], [Some(tap / k), Some(tap % k)]) * x.at([b, i], from);
            }
        }
        sum
    })
}

/// (x - mean) / sigma over each run of `count` channels.
fn normal(x: &Host, count: usize) -> Host {
    let [_, _, h, w] = x.dims();
    let mut values = x.values.clone();
    for run in values.chunks_mut(count * h * w) {
        let n = run.len() as f64;
        let mean = run.iter().sum::<f64>() / n;
        let variance = run.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        run.iter_mut().for_each(|v| *v = (*v - mean) / (variance + EPS).sqrt());
    }
    Host { shape: x.shape.clone(), values }
}

fn group_norm(x: &Host, groups: usize, gamma: &Host, beta: &Host) -> Host {
    let normal = normal(x, x.shape[1] / groups);
    Host::of(x.dims(), |[b, c, row, col]| {
        let z = gamma.values[c] * normal.at([b, c], [Some(row), Some(col)]) + beta.values[c];
        z / (1.0 + (-z).exp())
    })
}

fn layer_norm(x: &Host, gamma: &Host, beta: &Host) -> Host {
    let ([_, channels, h, w], joint) = (x.dims(), gamma.shape.len() == 3);
    let normal = normal(x, if joint { channels } else { 1 });
    Host::of(x.dims(), |[b, c, row, col]| {
        let affine = (if joint { c * h } else { 0 } + row) * w + col;
        let z = gamma.values[affine] * normal.at([b, c], [Some(row), Some(col)]) + beta.values[affine];
        0.5 * z * (1.0 + erf(z * std::f64::consts::FRAC_1_SQRT_2))
    })
}

/// Abramowitz and Stegun, 7.1.6: a series of positive terms.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 2.0;
        term *= 2.0 * x * x / n;
        sum += term;
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()
}

/// Runs `ours` and `slow` on random inputs of these shapes (the first is that of the planes, the others are
/// parameters), and compares values and all gradients of a random linear function of the result.
fn check(
    what: &str,
    shapes: &[Vec<usize>],
    ours: impl Fn(&LanePlanes, &[Tensor]) -> Result<LanePlanes>,
    slow: impl Fn(&[Host]) -> Host,
) {
    let inputs: Vec<Host> = shapes.iter().zip(1..).map(|(shape, seed)| Host::random(shape, seed)).collect();
    let vars: Vec<Var> = inputs.iter().map(|host| Var::from_tensor(&host.tensor()).unwrap()).collect();
    let tensors: Vec<Tensor> = vars[1..].iter().map(|var| var.as_tensor().clone()).collect();
    let y = ours(&LanePlanes::enter(&vars[0]).unwrap(), &tensors).unwrap().leave().unwrap();
    let expected = slow(&inputs);
    assert_eq!(y.dims(), expected.shape, "{what} {shapes:?}");
    let found: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
    let miss =
        found.iter().zip(&expected.values).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    let size = expected.dot(&expected).sqrt().max(0.1);
    assert!(miss < VALUES * size, "{what} {shapes:?}: values off by {:e}", miss / size);

    let weights = Host::random(&expected.shape, 99);
    let grads = (&y * weights.tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        let values: Vec<f32> = grads.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let values = values.into_iter().map(f64::from).collect();
        let gradient = Host { shape: inputs[i].shape.clone(), values };
        let direction = Host::random(&inputs[i].shape, 7);
        let along = |step: f64| {
            let mut moved = inputs.clone();
            moved[i] = inputs[i].moved(&direction, step);
            slow(&moved).dot(&weights)
        };
        let slope = (along(STEP) - along(-STEP)) / (2.0 * STEP);
        // The typical slope along a direction, or if the terms of the gradient cancel, the size of the terms.
        let terms = 0.25 * weights.dot(&weights).sqrt();
        let scale = gradient.dot(&gradient).sqrt().max(terms) * 0.6;
        let miss = (gradient.dot(&direction) - slope).abs() / scale;
        assert!(miss < SLOPES, "{what} {shapes:?}: gradient {i} along a direction off by {miss:e}");
    }
}

fn check_conv(kernel: usize, stride: usize, [b, i, h, w]: [usize; 4], out: usize, per_image: bool) {
    let bias = if per_image { vec![b, out] } else { vec![out] };
    check(
        "convolution",
        &[vec![b, i, h, w], vec![out, i, kernel, kernel], bias],
        |x, p| {
            let weight = ConvWeight::from(&p[0]);
            if stride == 1 { conv2d(x, &weight, &p[1]) } else { conv2d_stride2(x, &weight, &p[1]) }
        },
        |p| conv(&p[0], &p[1], &p[2], stride),
    );
}

fn check_group_norm(input: [usize; 4], groups: usize) {
    let channels = vec![input[1]];
    check(
        "GroupNorm-SiLU",
        &[input.to_vec(), channels.clone(), channels],
        |x, p| group_norm_silu(x, groups, &p[0], &p[1], EPS as f32),
        |p| group_norm(&p[0], groups, &p[1], &p[2]),
    );
}

fn check_layer_norm(input: [usize; 4], joint: bool) {
    let affine = if joint { input[1..].to_vec() } else { input[2..].to_vec() };
    check(
        "LayerNorm-GELU",
        &[input.to_vec(), affine.clone(), affine],
        |x, p| layer_norm_gelu(x, &p[0], &p[1], EPS),
        |p| layer_norm(&p[0], &p[1], &p[2]),
    );
}

/// The operations that only move or add values.
fn check_moves([b, c, h, w]: [usize; 4]) {
    check(
        "upsample, channel bias, add, ReLU, concat",
        &[vec![b, c, h, w], vec![b, c]],
        |x, p| {
            let y = add(&relu(x)?, &add_channels(x, &p[0])?)?;
            concat(&upsample2(x)?, &upsample2(&y)?)
        },
        |p| {
            Host::of([b, 2 * c, 2 * h, 2 * w], |[image, channel, row, col]| {
                let x = p[0].at([image, channel % c], [Some(row / 2), Some(col / 2)]);
                if channel < c { x } else { x.max(0.0) + x + per_channel(&p[1], image, channel - c) }
            })
        },
    );
}

fn check_linear(b: usize, inputs: usize, outputs: usize) {
    check(
        "linear",
        &[vec![b, inputs, 1, 1], vec![outputs, inputs], vec![outputs]],
        |x, p| {
            let y = linear(&x.leave()?.flatten_from(1)?, &p[0], &p[1])?;
            LanePlanes::enter(&y.reshape((b, outputs, 1, 1))?)
        },
        |p| {
            let weight = Host { shape: vec![outputs, inputs, 1, 1], ..p[1].clone() };
            conv(&p[0], &weight, &p[2], 1)
        },
    );
}

/// Each test called tiny runs its operations once on the smallest input that reaches their loops, so that Miri can run
/// it.
#[test]
fn tiny_moves_match_sums_written_out() {
    check_moves([1, 2, 2, 3]);
}

#[test]
fn tiny_norms_match_sums_written_out() {
    check_group_norm([1, 4, 3, 2], 2);
    check_layer_norm([1, 2, 3, 3], true);
}

#[test]
fn tiny_linear_layers_match_sums_written_out() {
    check_linear(2, 3, 2);
}

#[test]
fn tiny_direct_convolutions_match_sums_written_out() {
    check_conv(3, 1, [1, 1, 3, 4], 2, false);
    check_conv(3, 2, [2, 1, 3, 5], 2, false);
    check_conv(1, 1, [1, 2, 3, 2], 5, true);
}

#[test]
fn tiny_winograd_convolutions_match_sums_written_out() {
    check_conv(3, 1, [1, 8, 5, 4], 8, true);
}

#[test]
fn tiny_spectral_convolutions_match_sums_written_out() {
    check_conv(5, 1, [1, 1, 4, 3], 1, false);
}

#[test]
fn the_error_function_is_right() {
    for (x, expected) in [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (-2.0, -0.995_322_265_018_952_7)] {
        assert!((erf(x) - expected).abs() < 1e-15);
    }
}

/// Odd, thin and non-square planes on both sides of the size that the Fourier transform takes whole.
#[test]
fn convolutions_of_large_planes_match_sums_written_out() {
    for ([h, w], kernel) in [([33, 30], 7), ([1, 61], 7), ([37, 2], 5), ([27, 31], 9), ([20, 19], 19)] {
        check_conv(kernel, 1, [2, 2, h, w], 1, true);
    }
    check_conv(3, 1, [1, 8, 31, 45], 8, false);
    check_conv(3, 2, [1, 3, 35, 29], 2, true);
    check_conv(5, 2, [2, 1, 12, 33], 3, false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn small_convolutions_match_sums_written_out(
        b in 1..20usize, i in 1..8usize, o in 1..8usize, h in 1..10usize, w in 1..14usize,
        (kernel, stride) in prop_oneof![Just((1, 1)), Just((3, 1)), Just((3, 2))], per_image: bool,
    ) {
        check_conv(kernel, stride, [b, i, h, w], o, per_image);
    }

    #[test]
    fn winograd_matches_sums_written_out(
        b in 1..11usize, i in 8..14usize, o in 8..14usize, h in 1..10usize, w in 1..18usize, per_image: bool,
    ) {
        check_conv(3, 1, [b, i, h, w], o, per_image);
    }

    #[test]
    fn spectral_convolutions_match_sums_written_out(
        b in 1..11usize, i in 1..4usize, o in 1..4usize, h in 1..14usize, w in 1..14usize, half in 2..4usize,
        per_image: bool,
    ) {
        check_conv(2 * half + 1, 1, [b, i, h, w], o, per_image);
    }

    #[test]
    fn norms_match_sums_written_out(
        b in 1..20usize, groups in 1..4usize, per in 1..3usize, h in 3..8usize, w in 3..8usize, joint: bool,
    ) {
        check_group_norm([b, groups * per, h, w], groups);
        check_layer_norm([b, groups * per, h, w], joint);
    }

    #[test]
    fn linear_layers_match_sums_written_out(b in 1..220usize, inputs in 1..40usize, outputs in 1..130usize) {
        check_linear(b, inputs, outputs);
    }

    #[test]
    fn moves_match_sums_written_out(b in 1..20usize, c in 1..4usize, h in 1..8usize, w in 1..8usize) {
        check_moves([b, c, h, w]);
    }
}
