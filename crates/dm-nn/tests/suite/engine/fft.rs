//! The FFT convolution and the fused LayerNorm-GELU against candle's own operations in f64, over generated shapes, and
//! the same bits for any number of threads and any batch.

use candle_core::{DType, Device, Result, Tensor, Var};
use proptest::prelude::*;

use dm_nn::engine::{Algorithm, ConvWeight, LanePlanes, conv_norm_gelu, conv2d_by, lanes, layer_norm_gelu};

const EPS: f64 = 1e-5;

/// Reproducible values in about [-1, 1] without any generator: a hash of seed and index.
fn values(shape: &[usize], seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let data: Vec<f32> = (0..count as u64)
        .map(|i| {
            let mut z =
                (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd1b5_4a32_d192_ed03);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z >> 40) as f32 / (1u64 << 23) as f32) - 1.0
        })
        .collect();
    Tensor::from_vec(data, shape, &Device::Cpu).expect("shape")
}

/// The L2 norm of the difference over that of the reference.
fn relative_error(ours: &Tensor, reference: &Tensor) -> f64 {
    assert_eq!(ours.dims(), reference.dims());
    let ours = ours.to_dtype(DType::F64).expect("f64");
    let norm = |t: &Tensor| t.sqr()?.sum_all()?.to_scalar::<f64>();
    let reference = reference.to_dtype(DType::F64).expect("f64");
    let difference = norm(&(ours - &reference).expect("same shape")).expect("norm");
    (difference / norm(&reference).expect("norm").max(1e-30)).sqrt()
}

fn normalise(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let flat = if gamma.rank() == 3 { x.reshape((b, 1, c * h * w))? } else { x.reshape((b, c, h * w))? };
    let centred = flat.broadcast_sub(&flat.mean_keepdim(2)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(2)? + EPS)?.sqrt()?;
    let normal = centred.broadcast_div(&deviation)?.reshape((b, c, h, w))?;
    normal.broadcast_mul(gamma)?.broadcast_add(beta)?.gelu_erf()
}

/// An operation on x and parameters.
#[derive(Clone, Copy, Debug)]
enum Case {
    Conv,
    Norm,
    Block,
    BlockWithBias,
}

impl Case {
    /// On candle tensors [B, C, H, W]. Parameters: weight, bias, gamma, beta, channel bias.
    fn reference(self, x: &Tensor, p: &[Tensor]) -> Result<Tensor> {
        let conv = |x: &Tensor| {
            let (o, _, k, _) = p[0].dims4()?;
            x.conv2d(&p[0], k / 2, 1, 1, 1)?.broadcast_add(&p[1].reshape((1, o, 1, 1))?)
        };
        match self {
            Self::Conv => conv(x),
            Self::Norm => normalise(x, &p[2], &p[3]),
            Self::Block => normalise(&conv(x)?, &p[2], &p[3]),
            Self::BlockWithBias => {
                let (b, o) = p[4].dims2()?;
                normalise(&conv(x)?, &p[2], &p[3])?.broadcast_add(&p[4].reshape((b, o, 1, 1))?)
            }
        }
    }

    fn ours(self, x: &Tensor, p: &[Tensor]) -> Result<Tensor> {
        let x = LanePlanes::enter(x)?;
        match self {
            Self::Conv => conv2d_by(Algorithm::Fft, &x, &ConvWeight::from(&p[0]), &p[1], 1),
            Self::Norm => layer_norm_gelu(&x, &p[2], &p[3], EPS),
            Self::Block => conv_norm_gelu(&x, &ConvWeight::from(&p[0]), &p[1], &p[2], &p[3], None, EPS),
            Self::BlockWithBias => {
                conv_norm_gelu(&x, &ConvWeight::from(&p[0]), &p[1], &p[2], &p[3], Some(&p[4]), EPS)
            }
        }?
        .leave()
    }

    fn uses(self) -> &'static [usize] {
        match self {
            Self::Conv => &[0, 1],
            Self::Norm => &[2, 3],
            Self::Block => &[0, 1, 2, 3],
            Self::BlockWithBias => &[0, 1, 2, 3, 4],
        }
    }
}

/// Shapes of one comparison.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    inputs: usize,
    outputs: usize,
    height: usize,
    width: usize,
    kernel: usize,
    joint: bool,
}

fn inputs(case: Case, s: Sizes, seed: u64) -> (Tensor, Vec<Tensor>) {
    let norm_channels = if matches!(case, Case::Norm) { s.inputs } else { s.outputs };
    let norm = if s.joint { vec![norm_channels, s.height, s.width] } else { vec![s.height, s.width] };
    let x = (values(&[s.batch, s.inputs, s.height, s.width], seed) + 0.3).expect("x");
    let p = vec![
        (values(&[s.outputs, s.inputs, s.kernel, s.kernel], seed + 1) * 0.2).expect("weight"),
        values(&[s.outputs], seed + 2),
        (values(&norm, seed + 3) + 1.0).expect("gamma"),
        values(&norm, seed + 4),
        values(&[s.batch, s.outputs], seed + 5),
    ];
    (x, p)
}

/// Output and gradients (of the sum of output times fixed values) of x and the parameters the case uses.
fn run(
    f: impl Fn(&Tensor, &[Tensor]) -> Result<Tensor>,
    case: Case,
    x: &Tensor,
    p: &[Tensor],
    seed: u64,
) -> Vec<Tensor> {
    let var = |t: &Tensor| Var::from_tensor(t).expect("var");
    let (x, p): (Var, Vec<Var>) = (var(x), p.iter().map(var).collect());
    let tensors: Vec<Tensor> = p.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(x.as_tensor(), &tensors).expect("forward");
    let direction = values(y.dims(), seed + 9).to_dtype(y.dtype()).expect("dtype");
    let grads = (&y * direction).and_then(|t| t.sum_all()).and_then(|t| t.backward()).expect("backward");
    let mut all = vec![y.detach(), grads.get(&x).expect("x has a gradient").clone()];
    all.extend(case.uses().iter().map(|i| grads.get(&p[*i]).expect("parameter has a gradient").clone()));
    all
}

fn compare(case: Case, sizes: Sizes, seed: u64) {
    let (x, p) = inputs(case, sizes, seed);
    let ours = run(|x, p| case.ours(x, p), case, &x, &p, seed);
    let wide = |t: &Tensor| t.to_dtype(DType::F64).expect("f64");
    let p64: Vec<Tensor> = p.iter().map(wide).collect();
    let reference = run(|x, p| case.reference(x, p), case, &wide(&x), &p64, seed);
    let plain = run(|x, p| case.reference(x, p), case, &x, &p, seed);
    let alone = !sizes.joint || sizes.outputs == 1;
    for (i, ((mine, plain), reference)) in ours.iter().zip(&plain).zip(&reference).enumerate() {
        let name = ["output", "x", "parameter 1", "2", "3", "4", "5"][i];
        let lone = alone && sizes.inputs * sizes.kernel == 1;
        if i == 3 && alone && matches!(case, Case::Block | Case::BlockWithBias) {
            // A bias before a norm over each plane has no effect, so that its gradient is rounding error. The error is
            // small compared with beta's gradient divided by the standard deviation of the plane. If the convolution is a
            // multiplication by a single weight, this deviation is proportional to the weight.
            let size = |t: &Tensor| t.sqr()?.sum_all()?.to_scalar::<f32>();
            let (bias, beta) = (size(mine).expect("size"), size(&ours[5]).expect("size"));
            let variance = if lone { size(&p[0]).expect("size").min(1.0) } else { 1.0 };
            assert!(bias * variance < 1e-6 * beta, "{case:?} {sizes:?}: bias {bias:e} beside {beta:e}");
            continue;
        }
        let (error, plain) = (relative_error(mine, reference), relative_error(plain, reference));
        // A norm removes shifts and scales. With few channels the gradients before the norm are therefore small differences
        // of large numbers, which no f32 arithmetic computes accurately, so the error of candle in f32 is the yardstick. A
        // single weight only scales its input; without eps in the norm its gradient would be zero.
        let slack = if lone && i == 2 { 64.0 } else { 4.0 };
        assert!(
            error < 2e-5 || error < slack * plain,
            "{case:?} {sizes:?}: {name} is off by {error:e}, candle {plain:e}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn operations_match_f64_over_generated_shapes(
        case in prop_oneof![
            Just(Case::Conv), Just(Case::Norm), Just(Case::Block), Just(Case::BlockWithBias)
        ],
        batch in 1usize..20,
        inputs in 1usize..7,
        outputs in 1usize..7,
        height in 3usize..29,
        width in 3usize..29,
        half in 0usize..4,
        joint: bool,
        seed in 0u64..1000,
    ) {
        let sizes = Sizes { batch, inputs, outputs, height, width, kernel: 2 * half + 1, joint };
        compare(case, sizes, seed);
    }
}

#[test]
fn the_reference_networks_shapes_match_f64() {
    for (inputs, outputs) in [(1, 16), (16, 32), (32, 16)] {
        for joint in [true, false] {
            let sizes = Sizes { batch: 3, inputs, outputs, height: 28, width: 28, kernel: 7, joint };
            compare(Case::BlockWithBias, sizes, 7);
        }
    }
}

/// Planes that just fit the transform, and planes that are cut into tiles along one axis or both.
#[test]
fn planes_of_all_sizes_match_f64() {
    for (height, width, kernel) in [
        (29, 29, 7),
        (31, 30, 3),
        (30, 28, 7),
        (28, 30, 7),
        (30, 30, 7),
        (52, 53, 7),
        (1, 79, 7),
        (64, 48, 5),
        (31, 33, 1),
        (40, 25, 9),
        (21, 37, 17),
        (20, 18, 31),
    ] {
        let sizes = Sizes { batch: 2, inputs: 2, outputs: 3, height, width, kernel, joint: true };
        compare(Case::Conv, sizes, 3);
    }
    let sizes = Sizes { batch: 3, inputs: 2, outputs: 3, height: 45, width: 61, kernel: 7, joint: true };
    compare(Case::BlockWithBias, sizes, 5);
}

#[test]
fn a_kernel_that_leaves_no_tile_is_refused() {
    let sizes = Sizes { batch: 1, inputs: 1, outputs: 1, height: 20, width: 20, kernel: 33, joint: true };
    let (x, p) = inputs(Case::Conv, sizes, 1);
    let error = Case::Conv.ours(&x, &p).unwrap_err().to_string();
    assert!(error.contains("33x33 kernel is too large"), "{error}");
}

#[test]
fn constant_planes_give_no_nan() {
    let x = Tensor::zeros((3, 2, 5, 5), DType::F32, &Device::Cpu).expect("x");
    let sizes = Sizes { batch: 3, inputs: 2, outputs: 2, height: 5, width: 5, kernel: 3, joint: false };
    let (_, p) = inputs(Case::Norm, sizes, 2);
    for t in run(|x, p| Case::Norm.ours(x, p), Case::Norm, &x, &p, 5) {
        let sum = t.sum_all().and_then(|t| t.to_scalar::<f32>()).expect("sum");
        assert!(sum.is_finite());
    }
}

/// Two blocks in a row on LanePlanes, as a network has them.
fn chain(x: &Tensor, p: &[Tensor]) -> Result<Tensor> {
    let x = LanePlanes::enter(x)?;
    let x = conv_norm_gelu(&x, &ConvWeight::from(&p[0]), &p[1], &p[2], &p[3], Some(&p[4]), EPS)?;
    let weight = p[0].narrow(1, 0, 1)?.repeat((1, p[0].dim(0)?, 1, 1))?;
    conv_norm_gelu(&x, &ConvWeight::from(&weight), &p[1], &p[2], &p[3], None, EPS)?.leave()
}

/// Sizes that the transform takes whole, and sizes that are cut into tiles.
const SIZES: [(usize, usize); 2] = [(28, 28), (33, 57)];

#[test]
fn threads_do_not_change_a_bit() {
    for (height, width) in SIZES {
        let batch = 2 * lanes() + 3;
        let sizes = Sizes { batch, inputs: 2, outputs: 5, height, width, kernel: 7, joint: true };
        let (x, p) = inputs(Case::BlockWithBias, sizes, 11);
        let with_threads = |threads: usize| -> Vec<Vec<f32>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            let all = pool.install(|| run(chain, Case::BlockWithBias, &x, &p, 11));
            all.iter().map(|t| t.flatten_all().and_then(|t| t.to_vec1()).expect("values")).collect()
        };
        let one = with_threads(1);
        assert_eq!(one, with_threads(2));
        assert_eq!(one, with_threads(4));
    }
}

#[test]
fn an_image_does_not_depend_on_its_batch() {
    for (height, width) in SIZES {
        let batch = lanes() + 2;
        let sizes = Sizes { batch, inputs: 1, outputs: 3, height, width, kernel: 7, joint: true };
        let (x, p) = inputs(Case::BlockWithBias, sizes, 13);
        let all = chain(&x, &p).expect("batch");
        for image in [0, 1, batch - 1] {
            let mut own = p.clone();
            own[4] = p[4].narrow(0, image, 1).expect("row");
            let alone = chain(&x.narrow(0, image, 1).expect("image"), &own).expect("alone");
            let flat = |t: &Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
            assert_eq!(flat(&alone), flat(&all.narrow(0, image, 1).expect("image")));
        }
    }
}
