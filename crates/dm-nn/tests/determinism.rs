//! Whole networks give the same bits whatever the number of threads, and an image the same whatever its batch.

#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor};
use dm_nn::nets::{Network, NetworkConfig, RefCnnConfig, UNetConfig};
use dm_nn::params::Params;
use dm_nn::rng::{Seed, Stream};

/// Two lane blocks and a ragged third on most machines.
const BATCH: usize = 19;

fn networks() -> [NetworkConfig; 2] {
    [
        NetworkConfig::RefCnn(RefCnnConfig { channels: vec![20, 5, 3], ..RefCnnConfig::default() }),
        NetworkConfig::Unet(UNetConfig {
            channels: [8, 16, 16],
            groups: 4,
            time: 32,
            attention: true,
            ..UNetConfig::default()
        }),
    ]
}

/// `count` images and times.
fn inputs(count: usize) -> (Tensor, Tensor) {
    let (mut pixels, mut times) = (vec![0.0; count * 784], vec![0.0; count]);
    Seed(2).stream(Stream::Degrade, 0, 0).fill_normal(&mut pixels);
    Seed(2).stream(Stream::Level, 0, 0).fill_uniform(&mut times);
    let x = Tensor::from_vec(pixels, (count, 1, 28, 28), &Device::Cpu).unwrap();
    (x, Tensor::from_vec(times, count, &Device::Cpu).unwrap())
}

/// Parameters none of which is zero, as the last convolutions of a fresh U-Net are.
fn params(config: &NetworkConfig) -> (Params, Box<dyn Network>) {
    let mut params = Params::new(Seed(5), &Device::Cpu);
    let network = config.build(1, 1, params.trainable()).unwrap();
    for (i, (_, var)) in params.iter().enumerate() {
        let mut noise = vec![0.0; var.elem_count()];
        Seed(6).stream(Stream::Init, i as u64, 0).fill_normal(&mut noise);
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
    for config in networks() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let ((params, network), (x, t)) = (params(&config), inputs(BATCH));
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
                assert!(*one == many, "{config:?}: {name} differs on {threads} threads");
            }
        }
    }
}

#[test]
fn an_image_does_not_depend_on_the_batch_it_is_in() {
    for config in networks() {
        let ((_params, network), (x, t)) = (params(&config), inputs(BATCH));
        let whole = bits(&network.forward(&x, &t).unwrap());
        for size in 1..BATCH {
            for first in [0, BATCH - size] {
                let part = |tensor: &Tensor| tensor.narrow(0, first, size).unwrap().contiguous().unwrap();
                let found = bits(&network.forward(&part(&x), &part(&t)).unwrap());
                let same = found == whole[first * 784..(first + size) * 784];
                assert!(same, "{config:?}: images {first}.. in a batch of {size} differ");
            }
        }
    }
}

#[test]
fn a_network_that_is_only_evaluated_takes_batches_apart_without_changing_a_bit() {
    // Two parts and a ragged third.
    const COUNT: usize = 150;
    for config in networks() {
        let ((mut params, network), (x, t)) = (params(&config), inputs(COUNT));
        let whole = bits(&network.forward(&x, &t).unwrap());
        for threads in [1, 2, 4] {
            // A fresh one: its parts make what they need of the kernels at the same time.
            let frozen = config.build(1, 1, params.frozen()).unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| bits(&frozen.forward(&x, &t).unwrap()));
            assert!(found == whole, "{config:?}: differs on {threads} threads");
        }
    }
}

#[test]
fn a_frozen_network_follows_its_parameters() {
    // What it made of its kernels it keeps, but not when they have changed.
    for config in networks() {
        let ((mut params, network), (x, t)) = (params(&config), inputs(BATCH));
        let frozen = config.build(1, 1, params.frozen()).unwrap();
        for round in 0..3 {
            let trained = bits(&network.forward(&x, &t).unwrap());
            for _ in 0..2 {
                assert!(bits(&frozen.forward(&x, &t).unwrap()) == trained, "{config:?}: round {round}");
            }
            for (_, var) in params.iter() {
                var.set(&(var.as_detached_tensor() * 1.1).unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn no_images_are_a_batch_too() {
    let [reference, NetworkConfig::Unet(sizes)] = networks() else { unreachable!() };
    // candle's softmax takes no empty tensor.
    let unet = NetworkConfig::Unet(UNetConfig { attention: false, ..sizes });
    for config in [reference, unet] {
        let ((params, network), (x, t)) = (params(&config), inputs(0));
        let y = network.forward(&x, &t).unwrap();
        assert_eq!(y.dims(), [0, 1, 28, 28]);
        let grads = y.sum_all().unwrap().backward().unwrap();
        for (name, var) in params.iter() {
            let zero = grads.get(var).is_none_or(|grad| bits(grad).iter().all(|bits| *bits == 0));
            assert!(zero, "{config:?}: {name}");
        }
    }
}

#[test]
fn each_part_is_told_the_classes_of_its_own_images() {
    const COUNT: usize = 150;
    let [_, NetworkConfig::Unet(sizes)] = networks() else { unreachable!() };
    let config = NetworkConfig::Unet(UNetConfig { classes: 10, ..sizes });
    let ((mut params, network), (x, t)) = (params(&config), inputs(COUNT));
    let classes: Vec<u8> = (0..COUNT).map(|i| (i * i % 11) as u8).collect();
    let frozen = config.build(1, 1, params.frozen()).unwrap();
    let whole = bits(&network.forward_class(&x, &t, &classes).unwrap());
    assert!(bits(&frozen.forward_class(&x, &t, &classes).unwrap()) == whole);
    assert!(bits(&frozen.forward(&x, &t).unwrap()) != whole);
    let error = frozen.forward_class(&x, &t, &classes[1..]).unwrap_err().to_string();
    assert!(error.contains("expected 150 numbers"), "{error}");
    assert!(frozen.forward(&x, &Tensor::cat(&[&t, &t], 0).unwrap()).is_err(), "times of other images");
}

/// Threads that wait for others take up other work, of another part of the batch too; none may wait for itself.
#[test]
fn threads_never_wait_for_one_another_forever() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        for config in networks() {
            let (mut params, network) = params(&config);
            for count in [1, 16, 33, 64, 150].repeat(4) {
                let frozen = config.build(1, 1, params.frozen()).unwrap();
                let (x, t) = inputs(count);
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
