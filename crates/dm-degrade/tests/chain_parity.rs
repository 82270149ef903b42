//! The whole reverse chain of the notebook: the reference network, eight timesteps, every noise given, against PyTorch.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use candle_core::Device;
use dm_degrade::degradations::GaussianConfig;
use dm_degrade::samplers::Chain;
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{
    DegradationConfig, NetworkDenoiser, ParameterizationKind, SamplerKind, Sampling, Timestep, streams,
};
use dm_nn::image::ImageShape;
use dm_nn::nets::{BuildNetwork, NetworkConfig, RefCnnConfig};
use dm_nn::params::{Params, file::TensorFile};
use dm_nn::rng::{Rng, Seed};

const SHAPE: ImageShape = ImageShape::new(1, 28, 28);
const TIMESTEPS: usize = 8;
const SAMPLES: usize = 3;
/// Largest difference of a pixel; the states are of order one to ten, and f32 rounding adds up to 7e-6 over the chain.
const TOLERANCE: f32 = 3e-5;

fn fixture(path: &str) -> TensorFile {
    TensorFile::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_notebooks_sampling_matches_pytorch() {
    let weights = fixture("../dm-nn/tests/fixtures/refcnn.safetensors");
    let chain_file = fixture("tests/fixtures/ddpm.safetensors");
    let values = |name: &str| chain_file.get(name).unwrap().1;

    let config = NetworkConfig::RefCnn(RefCnnConfig::default());
    let mut params = Params::new(Seed(0), &Device::Cpu);
    let network = config.build(SHAPE, 1, params.trainable()).unwrap();
    let mut learned = TensorFile::new(weights.path());
    for name in weights.names().filter(|name| name.starts_with("w/") && !name.ends_with("frequencies")) {
        let (shape, values) = weights.get(name).unwrap();
        learned.insert_values(&name[2..], shape.to_vec(), values.to_vec());
    }
    params.load(&learned, "").unwrap();

    let schedule = ScheduleConfig::Linear { beta_1: 1e-4, beta_t: 0.3 };
    let config = DegradationConfig::Gaussian(GaussianConfig {
        timesteps: TIMESTEPS,
        schedule,
        range: 0.5,
        cold: false,
    });
    let degradation = config.build(SHAPE, &[]).unwrap();
    let parameterization = ParameterizationKind::Eps.build();
    let denoiser = NetworkDenoiser {
        network: network.as_ref(),
        parameterization: parameterization.as_ref(),
        degradation: degradation.as_ref(),
        device: &Device::Cpu,
        condition: None,
        weak: None,
    };
    // noises[t] belongs to the step that leaves t. The stream numbered T is the prior's, so that of the step that leaves T is
    // numbered T + 1.
    let noises = values("noises");
    let given = |sample: u64, t: Timestep| -> Rng {
        let at = |t: usize| &noises[(t * SAMPLES + sample as usize) * SHAPE.len()..][..SHAPE.len()];
        let start = &values("z_T")[sample as usize * SHAPE.len()..][..SHAPE.len()];
        let normals = match t.0 {
            TIMESTEPS => start,
            t if t > TIMESTEPS => at(TIMESTEPS),
            t => at(t),
        };
        Seed(0).stream(streams::SAMPLE, sample, 0).with_normals(normals)
    };
    let sampling = Sampling::new(SamplerKind::DdpmNotebook, TIMESTEPS);
    let timesteps = sampling.timesteps(degradation.as_ref()).unwrap();
    let chain = Chain {
        degradation: degradation.as_ref(),
        denoiser: &denoiser,
        timesteps: &timesteps,
        randomness: &given,
        first: 0,
        count: SAMPLES,
        start: None,
    };
    let mut seen = 0;
    let compare = &mut |t: Timestep, z: &[f32]| {
        let expected = if t.0 == TIMESTEPS { values("z_T") } else { values(&format!("z_{}", t.0)) };
        let error = z.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < TOLERANCE, "z_{} differs by {error}", t.0);
        seen += 1;
    };
    sampling.build().sample(&chain, compare).unwrap();
    assert_eq!(seen, TIMESTEPS + 1);
}
