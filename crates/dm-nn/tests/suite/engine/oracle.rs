//! Every operation against candle's own in f64: values and gradients; the same bits for any number of threads and any
//! batch.

use candle_core::{DType, Device, Result, Tensor, Var};
use proptest::prelude::*;

use dm_nn::engine::*;

/// Largest relative L2 error of values and gradients.
const TOLERANCE: f64 = 1e-5;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            // Sum of four uniforms: roughly normal.
            let sum: f32 = (0..4)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 40) as f32 / (1u64 << 24) as f32
                })
                .sum();
            (sum - 2.0) * 1.7
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn norm(t: &Tensor) -> f64 {
    t.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
}

/// Asserts that the relative L2 error is below [`TOLERANCE`]. `terms` is the size of the terms whose sum is `expected`:
/// if they happen to cancel (as in the gradient of a single bias), the error is relative to the terms, not to their
/// sum.
fn close(what: &str, got: &Tensor, expected: &Tensor, terms: f64) {
    let got = got.to_dtype(DType::F64).unwrap();
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let error = norm(&(&got - expected).unwrap()) / norm(expected).max(terms);
    assert!(error < TOLERANCE, "{what}: relative error {error:e}");
}

/// Runs `ours` in the engine and `reference` in f64 on the same random input and parameters, and compares the values
/// and all gradients of a random linear function of the result.
fn check(
    input: [usize; 4],
    parameters: &[Vec<usize>],
    ours: impl Fn(&LanePlanes, &[Tensor]) -> Result<LanePlanes>,
    reference: impl Fn(&Tensor, &[Tensor]) -> Result<Tensor>,
) {
    let x = Var::from_tensor(&random(&input, 1)).unwrap();
    let vars: Vec<Var> = parameters
        .iter()
        .enumerate()
        .map(|(i, shape)| Var::from_tensor(&random(shape, i as u64 + 2)).unwrap())
        .collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = ours(&LanePlanes::enter(&x).unwrap(), &tensors).unwrap().leave().unwrap();
    let weights = random(y.dims(), 99);
    let grads = (&y * &weights).unwrap().sum_all().unwrap().backward().unwrap();

    let double = |v: &Var| Var::from_tensor(&v.to_dtype(DType::F64).unwrap()).unwrap();
    let x64 = double(&x);
    let vars64: Vec<Var> = vars.iter().map(double).collect();
    let tensors64: Vec<Tensor> = vars64.iter().map(|v| v.as_tensor().clone()).collect();
    let y64 = reference(&x64, &tensors64).unwrap();
    let loss64 = (&y64 * weights.to_dtype(DType::F64).unwrap()).unwrap().sum_all().unwrap();
    let grads64 = loss64.backward().unwrap();

    // Inputs and parameters are about standard normal, so terms are about the size of the output's gradient.
    let terms = 0.25 * norm(&weights.to_dtype(DType::F64).unwrap());
    close("values", &y, &y64, terms);
    close("input gradient", grads.get(&x).unwrap(), grads64.get(&x64).unwrap(), terms);
    for (i, (v, v64)) in vars.iter().zip(&vars64).enumerate() {
        close(&format!("gradient of parameter {i}"), grads.get(v).unwrap(), grads64.get(v64).unwrap(), terms);
    }
}

fn with_bias(y: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let bias = if bias.rank() == 1 { bias.unsqueeze(0)? } else { bias.clone() };
    y.broadcast_add(&bias.unsqueeze(2)?.unsqueeze(3)?)
}

fn bias_shape(batch: usize, out: usize, per_image: bool) -> Vec<usize> {
    if per_image { vec![batch, out] } else { vec![out] }
}

fn check_conv(kernel: usize, stride: usize, input: [usize; 4], out: usize, per_image: bool) {
    let parameters = [vec![out, input[1], kernel, kernel], bias_shape(input[0], out, per_image)];
    check(
        input,
        &parameters,
        |x, p| {
            let weight = ConvWeight::from(&p[0]);
            if stride == 1 { conv2d(x, &weight, &p[1]) } else { conv2d_stride2(x, &weight, &p[1]) }
        },
        |x, p| {
            // candle's backward pass of a strided convolution fails where height and width differ in parity.
            let y = x.conv2d(&p[0], kernel / 2, 1, 1, 1)?;
            let every = |n: usize| Tensor::arange_step(0, n as u32, stride as u32, &Device::Cpu);
            let y = y.index_select(&every(input[2])?, 2)?.index_select(&every(input[3])?, 3)?;
            with_bias(&y, &p[1])
        },
    );
}

fn reference_norm(x: &Tensor, groups: usize, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let grouped = x.reshape((b, groups, c / groups * h * w))?;
    let centred = grouped.broadcast_sub(&grouped.mean_keepdim(2)?)?;
    let sigma = (centred.sqr()?.mean_keepdim(2)? + 1e-5)?.sqrt()?;
    let y = centred.broadcast_div(&sigma)?.reshape((b, c, h, w))?;
    with_bias(&y.broadcast_mul(&gamma.reshape((1, c, 1, 1))?)?, beta)?.silu()
}

fn check_norm(input: [usize; 4], groups: usize) {
    check(
        input,
        &[vec![input[1]], vec![input[1]]],
        |x, p| group_norm_silu(x, groups, &p[0], &p[1], 1e-5),
        |x, p| reference_norm(x, groups, &p[0], &p[1]),
    );
}

/// Normalising two values leaves only their order, so the input gradient is a difference of nearly equal terms and no
/// computation in f32 has an error below 1e-5. The limit is therefore relative to the error of candle in f32.
#[test]
fn tiny_groups_are_as_exact_as_candle_in_f32() {
    let gradient = |dtype: DType, lanes: bool| {
        let x = Var::from_tensor(&random(&[19, 3, 2, 1], 1).to_dtype(dtype).unwrap()).unwrap();
        let p = [2, 3].map(|seed| random(&[3], seed).to_dtype(dtype).unwrap());
        let y = if lanes {
            group_norm_silu(&LanePlanes::enter(&x).unwrap(), 3, &p[0], &p[1], 1e-5).unwrap().leave().unwrap()
        } else {
            reference_norm(&x, 3, &p[0], &p[1]).unwrap()
        };
        let weights = random(y.dims(), 99).to_dtype(dtype).unwrap();
        let grads = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
        grads.get(&x).unwrap().to_dtype(DType::F64).unwrap()
    };
    let exact = gradient(DType::F64, false);
    let error = |t: &Tensor| norm(&(t - &exact).unwrap()) / norm(&exact);
    let (ours, candle) = (error(&gradient(DType::F32, true)), error(&gradient(DType::F32, false)));
    assert!(ours < 4.0 * candle, "relative error {ours:e}, candle's {candle:e}");
}

#[test]
fn network_shapes_match_candle() {
    for (input, out) in
        [([3, 32, 28, 28], 32), ([2, 8, 14, 14], 16), ([17, 12, 7, 7], 8), ([1, 16, 7, 7], 20)]
    {
        check_conv(3, 1, input, out, true);
    }
    // So large that each part of a weight gradient is summed over several chunks.
    check_conv(3, 1, [9, 32, 40, 40], 24, false);
    check_conv(3, 1, [3, 1, 28, 28], 8, false);
    check_conv(3, 1, [3, 8, 28, 28], 1, false);
    check_conv(3, 2, [2, 8, 28, 28], 8, false);
    check_conv(3, 2, [2, 8, 7, 7], 12, true);
    check_conv(1, 1, [2, 24, 14, 14], 16, false);
    check_norm([3, 32, 14, 14], 8);
}

#[test]
fn constant_planes_have_finite_gradients() {
    let x = Var::from_tensor(&Tensor::ones((3, 4, 5, 5), DType::F32, &Device::Cpu).unwrap()).unwrap();
    let p = [random(&[4], 1), random(&[4], 2)];
    let y = group_norm_silu(&LanePlanes::enter(&x).unwrap(), 2, &p[0], &p[1], 1e-5).unwrap().leave().unwrap();
    let grads = (&y * random(y.dims(), 3)).unwrap().sum_all().unwrap().backward().unwrap();
    for t in [&y, grads.get(&x).unwrap()] {
        assert!(t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| v.is_finite()));
    }
}

#[test]
fn concat_upsample_and_channel_bias_match_candle() {
    check(
        [3, 5, 7, 6],
        &[vec![3, 5]],
        |x, p| {
            let y = add_channels(x, &p[0])?;
            concat(&concat(&upsample2(&y)?, &upsample2(x)?)?, &upsample2(&add(x, &y)?)?)
        },
        |x, p| {
            let y = with_bias(x, &p[0])?;
            Tensor::cat(&[&up(&y)?, &up(x)?, &up(&(x + &y)?)?], 1)
        },
    );
}

/// Nearest upsampling by two; candle's own has a backward pass that is not the sum of the four pixels.
fn up(t: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = t.dims4()?;
    t.reshape((b, c, h, 1, w, 1))?.broadcast_as((b, c, h, 2, w, 2))?.reshape((b, c, 2 * h, 2 * w))
}

#[test]
fn a_convolution_after_upsampling_matches_candle() {
    // Sides that are and that are not multiples of a tile, rows wider than a segment, and planes one pixel high. With few
    // channels the planes are upsampled in memory.
    for (input, out) in [
        ([3, 8, 7, 7], 9),
        ([18, 12, 14, 14], 8),
        ([2, 9, 3, 5], 17),
        ([1, 8, 1, 2], 8),
        ([2, 8, 4, 25], 8),
        ([3, 2, 4, 3], 5),
    ] {
        check(
            input,
            &[vec![out, input[1], 3, 3], vec![out]],
            |x, p| upsample2_conv2d(x, &ConvWeight::from(&p[0]), &p[1]),
            |x, p| with_bias(&up(x)?.conv2d(&p[0], 1, 1, 1, 1)?, &p[1]),
        );
    }
}

#[test]
fn a_convolution_plus_other_planes_matches_candle() {
    for (input, out) in [([18, 8, 7, 9], 8), ([3, 9, 14, 5], 9), ([5, 3, 6, 6], 3)] {
        check(
            input,
            &[vec![out, input[1], 3, 3], vec![out]],
            |x, p| conv2d_add(&relu(x)?, &ConvWeight::from(&p[0]), &p[1], x),
            |x, p| with_bias(&x.relu()?.conv2d(&p[0], 1, 1, 1, 1)?, &p[1])? + x,
        );
    }
}

#[test]
fn relu_matches_candle() {
    check([19, 3, 6, 8], &[], |x, _| relu(x), |x, _| x.relu());
    check([5, 2, 4, 4], &[], |x, _| add(&relu(x)?, x), |x, _| x.relu()? + x);
}

#[test]
fn an_empty_batch_works() {
    let empty = |channels| Var::zeros((0, channels, 28, 28), DType::F32, &Device::Cpu).unwrap();
    let p: Vec<Var> = chain_parameters();
    let parameters: Vec<Tensor> = p.iter().map(|v| v.as_tensor().clone()).collect();
    let x = empty(1);
    let y = chain(&LanePlanes::enter(&x).unwrap(), &parameters).unwrap();
    let kernels = Var::from_tensor(&random(&[4, 8, 7, 7], 1)).unwrap();
    let y = conv2d(&y, &ConvWeight::from(kernels.as_tensor()), &random(&[4], 2)).unwrap().leave().unwrap();
    assert_eq!(y.dims(), [0, 4, 28, 28]);
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(grads.get(&x).unwrap().dims(), [0, 1, 28, 28]);
    for v in p.iter().chain([&kernels]) {
        assert_eq!(norm(&grads.get(v).unwrap().to_dtype(DType::F64).unwrap()), 0.0);
    }
}

#[test]
fn empty_planes_and_weights_are_refused() {
    for shape in [[1, 0, 4, 4], [1, 2, 0, 4], [1, 2, 4, 0]] {
        let x = Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap();
        let error = LanePlanes::enter(&x).err().unwrap().to_string();
        assert!(error.contains("above 0") && error.contains(&format!("{shape:?}")), "{error}");
    }
    let x = LanePlanes::enter(&random(&[1, 2, 4, 4], 1)).unwrap();
    let empty = |k: usize| ConvWeight::from(Tensor::zeros((0, 2, k, k), DType::F32, &Device::Cpu).unwrap());
    let bias = Tensor::zeros(0, DType::F32, &Device::Cpu).unwrap();
    for kernel in [1, 3, 5] {
        assert!(conv2d(&x, &empty(kernel), &bias).is_err());
    }
}

#[test]
fn an_algorithm_refuses_what_it_cannot_compute() {
    let x = LanePlanes::enter(&random(&[1, 2, 4, 4], 1)).unwrap();
    for (algorithm, kernel, stride) in [
        (Algorithm::Direct, 3, 0),
        (Algorithm::Winograd, 5, 1),
        (Algorithm::Winograd, 3, 2),
        (Algorithm::Fft, 7, 2),
    ] {
        let weight = ConvWeight::from(random(&[2, 2, kernel, kernel], 2));
        let result = conv2d_by(algorithm, &x, &weight, &random(&[2], 3), stride);
        assert!(result.is_err(), "{algorithm:?}, {kernel}, {stride}");
    }
}

/// A chain of all operations, with parameters of the shapes in [`chain_parameters`].
fn chain(x: &LanePlanes, p: &[Tensor]) -> Result<LanePlanes> {
    let h = conv2d(x, &ConvWeight::from(&p[0]), &p[1])?;
    let h = group_norm_silu(&h, 4, &p[2], &p[3], 1e-5)?;
    let g = conv2d_add(&h, &ConvWeight::from(&p[4]), &p[3], &conv2d(&h, &ConvWeight::from(&p[5]), &p[2])?)?;
    let g = conv2d_stride2(&g, &ConvWeight::from(&p[4]), &p[2])?;
    let g = upsample2_conv2d(&g, &ConvWeight::from(&p[4]), &p[3])?;
    let g = group_norm_silu(&concat(&g, &h)?, 8, &p[8], &p[8], 1e-5)?;
    conv2d(&g, &ConvWeight::from(&p[6]), &p[7])
}

fn chain_parameters() -> Vec<Var> {
    let shapes: [&[usize]; 9] =
        [&[16, 1, 3, 3], &[16], &[16], &[16], &[16, 16, 3, 3], &[16, 16, 1, 1], &[8, 32, 3, 3], &[8], &[32]];
    shapes.iter().enumerate().map(|(i, s)| Var::from_tensor(&random(s, i as u64 + 5)).unwrap()).collect()
}

fn bits(t: &Tensor) -> Vec<u32> {
    t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let vars = chain_parameters();
            let p: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
            let x = Var::from_tensor(&random(&[37, 1, 10, 14], 3)).unwrap();
            let y = chain(&LanePlanes::enter(&x).unwrap(), &p).unwrap().leave().unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let mut all = vec![bits(&y), bits(grads.get(&x).unwrap())];
            all.extend(vars.iter().map(|v| bits(grads.get(v).unwrap())));
            all
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(4));
}

#[test]
fn an_image_does_not_depend_on_its_batch() {
    let p: Vec<Tensor> = chain_parameters().iter().map(|v| v.as_tensor().detach()).collect();
    let images = random(&[37, 1, 10, 14], 3);
    let run = |x: &Tensor| chain(&LanePlanes::enter(x).unwrap(), &p).unwrap().leave().unwrap();
    let whole = run(&images);
    for (first, count) in [(0, 1), (5, 20), (36, 1)] {
        let part = run(&images.narrow(0, first, count).unwrap().contiguous().unwrap());
        assert_eq!(bits(&part), bits(&whole.narrow(0, first, count).unwrap().contiguous().unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn winograd_matches_candle(b in 1..20usize, i in 8..21usize, o in 8..21usize, h in 1..14usize, w in 1..40usize,
                               per_image in any::<bool>()) {
        check_conv(3, 1, [b, i, h, w], o, per_image);
    }

    #[test]
    fn direct_matches_candle(b in 1..20usize, i in 1..8usize, o in 1..12usize, h in 1..14usize, w in 1..20usize,
                             per_image in any::<bool>()) {
        check_conv(3, 1, [b, i, h, w], o, per_image);
    }

    #[test]
    fn stride2_matches_candle(b in 1..20usize, i in 1..9usize, o in 1..9usize, h in 1..14usize, w in 1..14usize,
                              per_image in any::<bool>()) {
        check_conv(3, 2, [b, i, h, w], o, per_image);
    }

    #[test]
    fn pointwise_matches_candle(b in 1..20usize, i in 1..20usize, o in 1..20usize, h in 1..14usize, w in 1..14usize,
                                per_image in any::<bool>()) {
        check_conv(1, 1, [b, i, h, w], o, per_image);
    }

    #[test]
    fn spectral_matches_candle(b in 1..20usize, i in 1..6usize, o in 1..6usize, h in 1..64usize, w in 1..64usize,
                               half in 2..5usize, per_image in any::<bool>()) {
        check_conv(2 * half + 1, 1, [b, i, h, w], o, per_image);
    }

    #[test]
    fn any_kernel_with_stride2_matches_candle(b in 1..20usize, i in 1..6usize, o in 1..6usize, h in 1..40usize,
                                              w in 1..40usize, half in 0..4usize, per_image in any::<bool>()) {
        check_conv(2 * half + 1, 2, [b, i, h, w], o, per_image);
    }

    #[test]
    fn every_algorithm_gives_the_same_convolution(b in 1..20usize, i in 1..6usize, o in 1..6usize, h in 1..48usize,
                                                  w in 1..48usize, half in 0..4usize) {
        let kernel = 2 * half + 1;
        for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Fft] {
            if algorithm == Algorithm::Winograd && kernel != 3 {
                continue;
            }
            check(
                [b, i, h, w],
                &[vec![o, i, kernel, kernel], vec![o]],
                |x, p| conv2d_by(algorithm, x, &ConvWeight::from(&p[0]), &p[1], 1),
                |x, p| with_bias(&x.conv2d(&p[0], half, 1, 1, 1)?, &p[1]),
            );
        }
    }

    #[test]
    fn a_convolution_halves_rounding_up_and_upsampling_doubles(b in 1..20usize, i in 1..6usize, o in 1..10usize,
                                                               h in 1..48usize, w in 1..48usize) {
        let x = LanePlanes::enter(&random(&[b, i, h, w], 1)).unwrap();
        let (weight, bias) = (ConvWeight::from(random(&[o, i, 3, 3], 2)), random(&[o], 3));
        let half = conv2d_stride2(&x, &weight, &bias).unwrap();
        assert_eq!(half.leave().unwrap().dims(), [b, o, h.div_ceil(2), w.div_ceil(2)]);
        let double = upsample2_conv2d(&x, &weight, &bias).unwrap();
        assert_eq!(double.leave().unwrap().dims(), [b, o, 2 * h, 2 * w]);
    }

    #[test]
    fn group_norm_silu_matches_candle(b in 1..20usize, groups in 1..5usize, per in 1..4usize, h in 3..9usize,
                                      w in 2..9usize) {
        check_norm([b, groups * per, h, w], groups);
    }
}
