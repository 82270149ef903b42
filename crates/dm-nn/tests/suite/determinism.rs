//! Whole networks give the same bits for any number of threads, and the same bits for an image in any batch.

use candle_core::{Device, Tensor};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, Network, NetworkConfig, RefCnnConfig, UNetConfig};
use dm_nn::params::Params;
use dm_nn::rng::{Purpose, Seed};

/// With 8 lanes, two full blocks and a partial third one; with 16 lanes, a full one and a partial one.
const BATCH: usize = 19;

/// The usual shape, and one that is neither square nor grey.
const SHAPES: [ImageShape; 2] = [ImageShape::new(1, 28, 28), ImageShape::new(3, 12, 20)];

/// Stream of the pixels.
const PIXELS: Purpose = Purpose(4);
/// Stream of the times.
const TIMES: Purpose = Purpose(3);
/// Stream of what is added to the parameters.
const NOISE: Purpose = Purpose(1);

/// A network and the shape of its images.
#[derive(Clone, Debug)]
struct Case {
    config: NetworkConfig,
    shape: ImageShape,
}

impl Case {
    fn build(&self, path: dm_nn::params::Path<'_>) -> Box<dyn Network> {
        self.config.build(self.shape, self.shape.channels, path).unwrap()
    }
}

fn unet() -> UNetConfig {
    UNetConfig {
        channels: vec![8, 16, 16],
        groups: 4,
        time_embed_dim: 32,
        attention: vec![1, 2],
        ..UNetConfig::default()
    }
}

fn networks() -> Vec<Case> {
    let reference = RefCnnConfig { channels: vec![20, 5, 3], ..RefCnnConfig::default() };
    let configs = [NetworkConfig::RefCnn(reference), NetworkConfig::Unet(unet())];
    SHAPES.into_iter().flat_map(|shape| configs.clone().map(|config| Case { config, shape })).collect()
}

/// `count` images and times.
fn inputs(shape: ImageShape, count: usize) -> (Tensor, Tensor) {
    let (mut pixels, mut times) = (vec![0.0; count * shape.len()], vec![0.0; count]);
    Seed(2).stream(PIXELS, 0, 0).fill_normal(&mut pixels);
    Seed(2).stream(TIMES, 0, 0).fill_uniform(&mut times);
    let x = Tensor::from_vec(pixels, shape.dims(count), &Device::Cpu).unwrap();
    (x, Tensor::from_vec(times, count, &Device::Cpu).unwrap())
}

/// A network whose parameters are all different from zero; the last convolutions of a fresh U-Net are zero.
fn params(case: &Case) -> (Params, Box<dyn Network>) {
    let mut params = Params::new(Seed(5), &Device::Cpu);
    let network = case.build(params.trainable());
    for (i, (_, var)) in params.iter().enumerate() {
        let mut noise = vec![0.0; var.elem_count()];
        Seed(6).stream(NOISE, i as u64, 0).fill_normal(&mut noise);
        let noise = (Tensor::from_vec(noise, var.shape(), &Device::Cpu).unwrap() * 0.05).unwrap();
        var.set(&(var.as_detached_tensor() + noise).unwrap()).unwrap();
    }
    (params, network)
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn output_and_gradients_do_not_depend_on_the_number_of_threads() {
    for case in networks() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let ((params, network), (x, t)) = (params(&case), inputs(case.shape, BATCH));
                let y = network.forward(&x, &t).unwrap();
                let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                let mut all = vec![("output".to_owned(), bits(&y))];
                all.extend(params.iter().map(|(name, var)| (name.to_owned(), bits(grads.get(var).unwrap()))));
                all
            })
        };
        let one = run(1);
        assert!(one.iter().all(|(_, bits)| bits.iter().any(|bits| *bits != 0)));
        for threads in [2, 4] {
            for ((name, one), (_, many)) in one.iter().zip(run(threads)) {
                assert!(*one == many, "{case:?}: {name} differs on {threads} threads");
            }
        }
    }
}

#[test]
fn an_image_does_not_depend_on_the_batch_it_is_in() {
    for case in networks() {
        let ((_params, network), (x, t)) = (params(&case), inputs(case.shape, BATCH));
        let whole = bits(&network.forward(&x, &t).unwrap());
        // Around the sizes of blocks of 8 and 16 lanes.
        for size in [1, 2, 7, 8, 9, 15, 16, 17, 18] {
            for first in [0, BATCH - size] {
                let part = |tensor: &Tensor| tensor.narrow(0, first, size).unwrap().contiguous().unwrap();
                let found = bits(&network.forward(&part(&x), &part(&t)).unwrap());
                let same = found == whole[first * case.shape.len()..(first + size) * case.shape.len()];
                assert!(same, "{case:?}: images {first}.. in a batch of {size} differ");
            }
        }
    }
}

#[test]
fn a_frozen_network_evaluates_batches_in_parts_without_changing_a_bit() {
    // Two full parts and a partial third one.
    const COUNT: usize = 150;
    for case in networks() {
        let ((mut params, network), (x, t)) = (params(&case), inputs(case.shape, COUNT));
        let whole = bits(&network.forward(&x, &t).unwrap());
        for threads in [1, 2, 4] {
            // In a new network, the parts transform the weights at the same time.
            let frozen = case.build(params.frozen());
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| bits(&frozen.forward(&x, &t).unwrap()));
            assert!(found == whole, "{case:?}: differs on {threads} threads");
        }
    }
}

#[test]
fn a_frozen_network_follows_its_parameters() {
    // Transformed weights are cached, but not after the weights have changed.
    for case in networks() {
        let ((mut params, network), (x, t)) = (params(&case), inputs(case.shape, BATCH));
        let frozen = case.build(params.frozen());
        for round in 0..3 {
            let trained = bits(&network.forward(&x, &t).unwrap());
            for _ in 0..2 {
                assert!(bits(&frozen.forward(&x, &t).unwrap()) == trained, "{case:?}: round {round}");
            }
            for (_, var) in params.iter() {
                var.set(&(var.as_detached_tensor() * 1.1).unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn a_batch_may_be_empty() {
    for case in networks() {
        let ((params, network), (x, t)) = (params(&case), inputs(case.shape, 0));
        let y = network.forward(&x, &t).unwrap();
        assert_eq!(y.dims4().unwrap(), case.shape.dims(0));
        let grads = y.sum_all().unwrap().backward().unwrap();
        for (name, var) in params.iter() {
            let zero = grads.get(var).is_none_or(|grad| bits(grad).iter().all(|bits| *bits == 0));
            assert!(zero, "{case:?}: {name}");
        }
    }
}

#[test]
fn each_part_gets_the_classes_of_its_own_images() {
    const COUNT: usize = 150;
    let config = NetworkConfig::Unet(UNetConfig { num_classes: 10, ..unet() });
    let case = Case { config, shape: SHAPES[0] };
    let ((mut params, network), (x, t)) = (params(&case), inputs(case.shape, COUNT));
    let classes: Vec<u8> = (0..COUNT).map(|i| (i * i % 11) as u8).collect();
    let frozen = case.build(params.frozen());
    let whole = bits(&network.forward_class(&x, &t, &classes).unwrap());
    assert!(bits(&frozen.forward_class(&x, &t, &classes).unwrap()) == whole);
    assert!(bits(&frozen.forward(&x, &t).unwrap()) != whole);
    let error = frozen.forward_class(&x, &t, &classes[1..]).unwrap_err().to_string();
    assert!(error.contains("expected 150 numbers"), "{error}");
    assert!(frozen.forward(&x, &Tensor::cat(&[&t, &t], 0).unwrap()).is_err(), "times of other images");
}

/// A waiting thread takes up other work, possibly of another part of the batch. No thread may then wait for itself.
#[test]
fn threads_do_not_deadlock() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        for case in networks() {
            let (mut params, network) = params(&case);
            for count in [1, 16, 33, 64, 150].repeat(2) {
                let frozen = case.build(params.frozen());
                let (x, t) = inputs(case.shape, count);
                pool.install(|| {
                    frozen.forward(&x, &t).unwrap();
                    network.forward(&x, &t).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
                });
            }
        }
        done.send(()).unwrap();
    });
    finished.recv_timeout(std::time::Duration::from_secs(240)).unwrap();
}
