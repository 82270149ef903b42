//! The whole reverse chain of the notebook: the reference network, eight levels, every noise given, against PyTorch.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use candle_core::Device;
use dm_degrade::degradations::GaussianConfig;
use dm_degrade::samplers::{Chain, levels};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{DegradationConfig, Level, NetworkRestorer, Prediction, SamplerKind};
use dm_nn::data::PIXELS;
use dm_nn::nets::{NetworkConfig, RefCnnConfig};
use dm_nn::params::{Params, file::TensorFile};
use dm_nn::rng::{Rng, Seed, Stream};

const STEPS: usize = 8;
const SAMPLES: usize = 3;
/// Largest difference of a pixel; the states are of order one to ten, and f32 rounding adds up to 7e-6 over the chain.
const TOLERANCE: f32 = 3e-5;

fn fixture(path: &str) -> TensorFile {
    TensorFile::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn prince_sampling_matches_pytorch() {
    let weights = fixture("../dm-nn/tests/fixtures/refcnn.safetensors");
    let chain_file = fixture("tests/fixtures/ddpm.safetensors");
    let values = |name: &str| chain_file.get(name).unwrap().1;

    let config = NetworkConfig::RefCnn(RefCnnConfig::default());
    let mut params = Params::new(Seed(0), &Device::Cpu);
    let network = config.build(1, 1, params.trainable()).unwrap();
    let mut learned = TensorFile::new(weights.path());
    for name in weights.names().filter(|name| name.starts_with("w/") && !name.ends_with("frequencies")) {
        let (shape, values) = weights.get(name).unwrap();
        learned.insert_values(&name[2..], shape.to_vec(), values.to_vec());
    }
    params.load(&learned, "").unwrap();

    let schedule = ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.3 };
    let config =
        DegradationConfig::Gaussian(GaussianConfig { steps: STEPS, schedule, range: 0.5, cold: false });
    let degradation = config.build(&[]).unwrap();
    let restorer = NetworkRestorer {
        network: network.as_ref(),
        prediction: Prediction::Eps,
        degradation: degradation.as_ref(),
        device: &Device::Cpu,
        condition: None,
    };
    // noises[t] belongs to the step that leaves t; the stream of the step that leaves T is numbered T + 1, T's own is the
    // prior's.
    let noises = values("noises");
    let given = |sample: u64, level: Level| -> Rng {
        let at = |t: usize| &noises[(t * SAMPLES + sample as usize) * PIXELS..][..PIXELS];
        let start = &values("z_T")[sample as usize * PIXELS..][..PIXELS];
        let normals = match level.0 {
            STEPS => start,
            t if t > STEPS => at(STEPS),
            t => at(t),
        };
        Seed(0).stream(Stream::Sample, sample, 0).with_normals(normals)
    };
    let levels = levels(degradation.as_ref(), STEPS).unwrap();
    let chain = Chain {
        degradation: degradation.as_ref(),
        restorer: &restorer,
        levels: &levels,
        eta: 0.0,
        randomness: &given,
        first: 0,
        count: SAMPLES,
        start: None,
    };
    let mut seen = 0;
    let compare = &mut |level: Level, z: &[f32]| {
        let expected = if level.0 == STEPS { values("z_T") } else { values(&format!("z_{}", level.0)) };
        let error = z.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < TOLERANCE, "z_{} differs by {error}", level.0);
        seen += 1;
    };
    SamplerKind::Prince.run(&chain, compare).unwrap();
    assert_eq!(seen, STEPS + 1);
}
