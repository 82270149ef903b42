//! The gradients that are summed over the parts of a batch are those of the whole batch, and do not depend on the number of
//! threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor};
use dm_degrade::parameterization::{Eps, Parameterization, losses};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, Network, NetworkConfig, RefCnnConfig, UNetConfig, rows};
use dm_nn::params::Params;
use dm_nn::rng::{Purpose, Seed};
use dm_train::gradients::{Gradients, Pass};

/// Two full parts and an incomplete third one.
const COUNT: usize = 150;
const SHAPE: ImageShape = ImageShape::new(1, 28, 28);

fn networks() -> [NetworkConfig; 2] {
    [
        NetworkConfig::RefCnn(RefCnnConfig { channels: vec![6, 5], ..RefCnnConfig::default() }),
        NetworkConfig::Unet(UNetConfig {
            channels: vec![8, 8, 16],
            groups: 4,
            time_embed_dim: 16,
            ..UNetConfig::default()
        }),
    ]
}

fn normal(shape: &[usize], place: u64) -> Tensor {
    let mut values = vec![0.0; shape.iter().product()];
    Seed(4).stream(Purpose(100), place, 0).fill_normal(&mut values);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// A network none of whose parameters is zero.
fn network(config: &NetworkConfig) -> (Params, Box<dyn Network>) {
    let mut params = Params::new(Seed(5), &Device::Cpu);
    let network = config.build(SHAPE, 1, params.trainable()).unwrap();
    for (i, (_, var)) in params.iter().enumerate() {
        let noise = (normal(var.dims(), 100 + i as u64) * 0.05).unwrap();
        var.set(&(var.as_detached_tensor() + noise).unwrap()).unwrap();
    }
    (params, network)
}

fn by_name(params: &Params, store: &GradStore) -> BTreeMap<String, Vec<f32>> {
    let values = |var| store.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    params.iter().map(|(name, var)| (name.to_owned(), values(var))).collect()
}

#[test]
fn parts_add_up_to_the_batch_and_threads_change_no_bit() {
    for config in networks() {
        let (params, network) = network(&config);
        let (x, target) = (normal(&[COUNT, 1, 28, 28], 0), normal(&[COUNT, 1, 28, 28], 1));
        let t = (normal(&[COUNT], 2).abs().unwrap() * 0.3).unwrap();
        let weights: Vec<f32> = (0..COUNT).map(|i| (i % 7) as f32 / 300.0).collect();
        let eps: Arc<dyn Parameterization> = Arc::new(Eps);
        let part = |part: &Range<usize>| -> Result<Tensor> {
            let output = network.forward(&rows(&x, part)?, &rows(&t, part)?)?;
            losses(&eps, &output, &rows(&target, part)?)
        };

        let whole = part(&(0..COUNT)).unwrap();
        let objective = (&whole * Tensor::from_slice(&weights, COUNT, &Device::Cpu).unwrap()).unwrap();
        let objective = objective.sum_all().unwrap();
        let expected = by_name(&params, &objective.backward().unwrap());

        let learn = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Gradients::compute(&weights, Pass::whole(&Device::Cpu), part).unwrap())
        };
        let one = learn(1);
        assert_eq!(
            one.losses,
            whole.to_vec1::<f32>().unwrap(),
            "an image's loss does not depend on its part"
        );
        let all = f64::from(objective.to_scalar::<f32>().unwrap());
        assert!((one.objective - all).abs() <= 1e-5 * all.abs(), "{} and {all}", one.objective);

        let found = by_name(&params, &one.store);
        for (name, expected) in &expected {
            let size = expected.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            assert!(size > 0.0, "{name} learns nothing");
            let off =
                expected.iter().zip(&found[name]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            assert!(off <= 2e-5 * size, "{name}: off by {off}, size {size}");
        }
        // Micro-batches add up to the batch as well.
        for micro_batches in [2, 3, 150] {
            let pass = Pass { micro_batches, ..Pass::whole(&Device::Cpu) };
            let micro = Gradients::compute(&weights, pass, part).unwrap();
            assert_eq!(micro.losses, one.losses);
            assert!((micro.objective - one.objective).abs() <= 1e-9 * all.abs());
            for (name, values) in &by_name(&params, &micro.store) {
                let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
                let size = norm(&mut found[name].iter().map(|&g| f64::from(g)));
                let off = norm(&mut values.iter().zip(&found[name]).map(|(a, b)| f64::from(a - b)));
                assert!(
                    off <= 2e-5 * size,
                    "{micro_batches} micro-batches, {name}: off by {off}, size {size}"
                );
            }
        }
        let stopped = Pass { stop: &|| true, ..Pass::whole(&Device::Cpu) };
        assert!(Gradients::compute(&weights, stopped, part).is_err());
        for threads in [2, 4] {
            assert!(
                by_name(&params, &learn(threads).store) == found,
                "{config:?}: differs on {threads} threads"
            );
        }
    }
}
