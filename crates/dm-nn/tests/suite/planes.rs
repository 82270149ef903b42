//! Every operation in the engine against the same operation in candle, on planes of generated shapes.

use candle_core::{Device, Result, Tensor};
use proptest::prelude::*;

use dm_nn::planes::{ConvNorm, ConvWeight, Planes};

fn values(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> =
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2011) as f32 / 1005.5 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Asserts that `operation` gives the same planes in the engine and in candle, to a relative error of 1e-4.
fn same(x: &Tensor, what: &str, operation: impl Fn(&Planes) -> Result<Planes>) {
    let run = |x: Planes| operation(&x).unwrap().leave().unwrap();
    let (engine, candle) = (run(Planes::enter(x).unwrap()), run(Planes::portable(x).unwrap()));
    assert_eq!(engine.dims(), candle.dims(), "{what} of {:?}", x.shape());
    let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    let error = norm(&(&engine - &candle).unwrap()) / norm(&candle).max(0.1);
    assert!(error < 1e-4, "{what} of {:?}: relative error {error:e}", x.shape());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_engine_and_candle_agree(b in 1..19usize, c in 1..5usize, o in 1..12usize, h in 1..44usize, w in 1..44usize,
                                   half in 0..4usize, per_image: bool) {
        let x = values(&[b, c, h, w], 1);
        let weight = ConvWeight::from(values(&[o, c, 2 * half + 1, 2 * half + 1], 2));
        let bias = if per_image { values(&[b, o], 3) } else { values(&[o], 3) };
        let (one_bias, per_channel) = (values(&[o], 3), values(&[c], 5));
        same(&x, "conv", |x| x.conv(&weight, &bias));
        same(&x, "conv_add", |x| x.conv_add(&weight, &bias, &x.conv(&weight, &one_bias)?));
        same(&x, "conv_stride2", |x| x.conv_stride2(&weight, &bias));
        same(&x, "upsample2_conv", |x| x.upsample2_conv(&weight, &bias));
        same(&x, "relu, add and concat", |x| x.concat(&x.relu()?.add(x)?));
        same(&x, "group_norm_silu", |x| x.group_norm_silu(c, &per_channel, &per_channel, 1e-2));
        for affine in [vec![o, h, w], vec![h, w]] {
            let (gamma, beta) = (values(&affine, 6), values(&affine, 7));
            let p = ConvNorm { weight: &weight, bias: &one_bias, gamma: &gamma, beta: &beta, eps: 1e-2 };
            let channel_bias = values(&[b, o], 8);
            same(&x, "conv_norm_gelu", |x| x.conv_norm_gelu(&p, per_image.then_some(&channel_bias)));
        }
    }
}
