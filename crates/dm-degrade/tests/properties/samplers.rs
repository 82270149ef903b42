//! Samplers with an oracle: a denoiser that knows the image, and one that depends on its input alone.

use dm_degrade::degradations::{GaussianConfig, InkConfig};
use dm_degrade::samplers::{Chain, Spacing, Variance};
use dm_degrade::{
    Degradation, DegradationConfig, Denoiser, InputCodec, Noise, Posterior, Result, SamplerKind, Sampling,
    Timestep, streams,
};
use dm_nn::data::Images;
use dm_nn::image::ImageShape;
use dm_nn::rng::{Rng, Seed};

use super::shapes::{SHAPES, processes_of, training_images};
use super::slices::Slices;
use super::{digit, mnist, processes, unit, worst};

/// Returns the true state of every sample.
struct Oracle(Vec<f32>);

impl Denoiser for Oracle {
    fn denoise(&self, x_t: &[f32], _: Timestep) -> Result<Vec<f32>> {
        Ok(self.0.iter().copied().cycle().take(x_t.len()).collect())
    }
}

/// Some function of the state and the timestep that keeps images apart.
struct Shade<'a>(&'a dyn Degradation);

impl Denoiser for Shade<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        let shade = |state: &[f32]| {
            let seen = self.0.image(state);
            let mean = seen.iter().sum::<f32>() / seen.len() as f32;
            let shift = t.0 as f32 / self.0.timesteps() as f32;
            self.0.state(&seen.iter().map(|v| 0.5 * (v + (mean + shift).fract())).collect::<Vec<_>>())
        };
        Ok(x_t.chunks_exact(self.0.shape().len()).flat_map(shade).collect())
    }
}

pub fn stream(sample: u64, t: Timestep) -> Rng {
    Seed(5).stream(streams::SAMPLE, sample, t.0 as u64)
}

/// The states at timestep 0 of samples `samples`.
pub fn run(
    sampling: Sampling,
    degradation: &dyn Degradation,
    denoiser: &dyn Denoiser,
    samples: std::ops::Range<u64>,
) -> Result<Vec<f32>> {
    let timesteps = sampling.timesteps(degradation)?;
    let (first, count) = (samples.start, (samples.end - samples.start) as usize);
    let chain = Chain {
        degradation,
        denoiser,
        timesteps: &timesteps,
        randomness: &stream,
        first,
        count,
        start: None,
    };
    let mut seen = Vec::new();
    let states = sampling.build().sample(&chain, &mut |t, x| {
        assert_eq!(x.len(), count * degradation.shape().len());
        seen.push(t);
    })?;
    assert_eq!(seen, timesteps, "the observer sees every timestep");
    Ok(states)
}

/// The name of a sampler with its variance.
pub fn name(sampling: &Sampling) -> String {
    format!("{} ({})", sampling.sampler.name(), sampling.variance.name())
}

/// Every sampler, `ancestral` with both variances, with `nfe` evaluations.
fn samplers(nfe: usize) -> impl Iterator<Item = Sampling> {
    let beta = Sampling { variance: Variance::Beta, ..Sampling::new(SamplerKind::Ancestral, nfe) };
    SamplerKind::ALL.into_iter().map(move |kind| Sampling::new(kind, nfe)).chain([beta])
}

/// Whether a sampler can be used with `degradation`.
fn fits(sampling: &Sampling, degradation: &dyn Degradation) -> bool {
    match sampling.sampler {
        SamplerKind::Cold | SamplerKind::ColdFresh | SamplerKind::ColdNaive => true,
        SamplerKind::Ancestral if sampling.variance == Variance::Beta => degradation.gaussian().is_some(),
        SamplerKind::Ancestral | SamplerKind::Ancestral2m => degradation.posterior().is_some(),
        _ => degradation.gaussian().is_some(),
    }
}

/// Ink and Gaussian noise of 40 timesteps, so that `ddpm_notebook` is quick.
fn short(images: &Images) -> Vec<Box<dyn Degradation>> {
    let ink = DegradationConfig::Ink(InkConfig { timesteps: 40, ..InkConfig::default() });
    let gaussian = DegradationConfig::Gaussian(GaussianConfig { timesteps: 40, ..GaussianConfig::default() });
    let build = |config: &DegradationConfig| config.build(images.shape, &config.fit(images)).unwrap();
    [ink, gaussian].iter().map(build).collect()
}

/// The short processes for MNIST and for small colour images, each with an image.
fn short_with_images() -> Vec<(Box<dyn Degradation>, Vec<f32>)> {
    let colour = training_images(SHAPES[2]);
    let grey = short(&mnist().test).into_iter().map(|process| (process, digit(2)));
    grey.chain(short(&colour).into_iter().map(|process| (process, unit(&colour, 2)))).collect()
}

/// The two forms of algorithm 2 of cold diffusion.
const COLD_2: [SamplerKind; 2] = [SamplerKind::Cold, SamplerKind::ColdFresh];

#[test]
fn an_oracle_is_recovered() {
    for (process, image) in short_with_images() {
        let truth = process.state(&image);
        for sampling in [40, 10, 1].into_iter().flat_map(samplers) {
            // Algorithm 2 of cold diffusion recovers an image only from its own degraded self; it has its own test below.
            let every = sampling.sampler == SamplerKind::DdpmNotebook && sampling.nfe < 40;
            if every || COLD_2.contains(&sampling.sampler) || !fits(&sampling, process.as_ref()) {
                continue;
            }
            let oracle = Oracle(truth.clone());
            let found = run(sampling, process.as_ref(), &oracle, 0..3).unwrap();
            for state in found.chunks_exact(truth.len()) {
                let error = worst(state, &truth);
                let what = format!("{} of {} in {}", name(&sampling), process.name(), sampling.nfe);
                assert!(error < 1e-5, "{what} errs by {error}");
            }
        }
    }
}

/// A process whose prior is its own degraded truth, with the sample's noise: what cold diffusion assumes.
struct ColdStart<'a>(&'a dyn Degradation, Vec<f32>);

impl Degradation for ColdStart<'_> {
    fn name(&self) -> &'static str {
        "cold start"
    }
    fn shape(&self) -> ImageShape {
        self.0.shape()
    }
    fn timesteps(&self) -> usize {
        self.0.timesteps()
    }
    fn sample_noise(&self, rng: &mut Rng) -> Noise {
        self.0.sample_noise(rng)
    }
    fn degrade(&self, x0: &[f32], t: Timestep, noise: &Noise, out: &mut [f32]) {
        self.0.degrade(x0, t, noise, out);
    }
    fn sample_prior(&self, rng: &mut Rng, out: &mut [f32]) {
        self.sample_prior_given(&self.sample_noise(rng), rng, out);
    }
    fn sample_prior_given(&self, noise: &Noise, _: &mut Rng, out: &mut [f32]) {
        self.degrade(&self.1, Timestep(self.timesteps()), noise, out);
    }
    fn codec(&self) -> &dyn InputCodec {
        self.0.codec()
    }
    fn posterior(&self) -> Option<&dyn Posterior> {
        self.0.posterior()
    }
}

#[test]
fn cold_recovers_an_oracle_from_its_own_degraded_image() {
    let colour = unit(&training_images(SHAPES[2]), 0);
    let grey = processes().iter().map(|process| (process, digit(2)));
    for (process, image) in grey.chain(processes_of(2).iter().map(|process| (process, colour.clone()))) {
        let truth = process.state(&image);
        let cold = ColdStart(process.as_ref(), truth.clone());
        for nfe in [50, 7, 1] {
            for sampler in COLD_2 {
                let oracle = Oracle(truth.clone());
                let found = run(Sampling::new(sampler, nfe), &cold, &oracle, 0..2).unwrap();
                // One rounding per step, in units of the state.
                let scale = truth.iter().fold(1.0f32, |top, v| top.max(v.abs()));
                let error = worst(&found[..truth.len()], &truth);
                assert!(error < 1e-5 * scale, "{} of {} in {nfe}: {error}", sampler.name(), process.name());
            }
        }
    }
}

#[test]
fn a_sample_depends_on_its_number_alone_not_on_batch_or_threads() {
    for (process, _) in short_with_images() {
        let len = process.shape().len();
        for sampling in samplers(40).filter(|sampling| fits(sampling, process.as_ref())) {
            let denoiser = Shade(process.as_ref());
            let eta = if sampling.sampler == SamplerKind::Ddim { 0.5 } else { 0.0 };
            let sampling = Sampling { eta, ..sampling };
            let sample = |range| run(sampling, process.as_ref(), &denoiser, range).unwrap();
            let whole = sample(0..5);
            let parts = [sample(0..2), sample(2..3), sample(3..5)].concat();
            assert_eq!(whole, parts, "{} of {}", name(&sampling), process.name());
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                assert_eq!(pool.install(|| sample(0..5)), whole, "{threads} threads");
            }
            let (first, second) = (&whole[..len], &whole[len..2 * len]);
            assert_ne!(first, second, "{} of {}: samples differ", name(&sampling), process.name());
        }
    }
}

#[test]
fn samplers_refuse_what_they_cannot_do() {
    for process in processes() {
        for sampling in samplers(10) {
            let oracle = Oracle(process.state(&digit(0)));
            let result = run(sampling, process.as_ref(), &oracle, 0..1);
            let text = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
            if !fits(&sampling, process.as_ref()) || sampling.sampler == SamplerKind::DdpmNotebook {
                assert!(text.contains("found") && text.contains(sampling.sampler.name()), "{text}");
            } else {
                assert!(result.is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn a_start_below_the_prior_is_taken_as_it_is() {
    for (process, image) in short_with_images() {
        let truth = process.state(&image);
        let timesteps = [Timestep(20), Timestep(10), Timestep(0)];
        let state = |sample: u64| {
            let noise = process.sample_noise(&mut stream(sample, Timestep(0)));
            (process.degraded(&truth, Timestep(20), &noise), noise)
        };
        for sampling in samplers(40).filter(|sampling| fits(sampling, process.as_ref())) {
            let chain = Chain {
                degradation: process.as_ref(),
                denoiser: &Oracle(truth.clone()),
                timesteps: &timesteps,
                randomness: &stream,
                first: 7,
                count: 2,
                start: Some(&state),
            };
            let mut first = Vec::new();
            let result = sampling.build().sample(&chain, &mut |t, x| {
                if t == Timestep(20) {
                    first = x.to_vec();
                }
            });
            if sampling.sampler == SamplerKind::DdpmNotebook {
                let text = result.unwrap_err().to_string();
                let expected = "sampling.nfe: found 2, expected all 40 for the sampler `ddpm_notebook`";
                assert_eq!(text, expected);
                continue;
            }
            assert_eq!(first, [state(7).0, state(8).0].concat());
            if sampling.sampler == SamplerKind::Cold {
                let scale = truth.iter().fold(1.0f32, |top, v| top.max(v.abs()));
                assert!(worst(&result.unwrap()[..truth.len()], &truth) < 1e-5 * scale);
            }
        }
    }
}

#[test]
fn sampling_is_checked_field_by_field() {
    let processes = short(&mnist().test);
    let [ink, gaussian] = &processes[..] else { panic!("two processes") };
    let plain = Sampling::new(SamplerKind::Ddim, 10);
    let (eta, spacing, variance) = (0.5, Spacing::Cosine, Variance::Beta);
    let cases = [
        (gaussian, Sampling { eta: 1.5, ..plain }, "sampling.eta: found 1.5, expected 0 to 1"),
        (gaussian, Sampling { eta: f64::NAN, ..plain }, "sampling.eta: found NaN, expected 0 to 1"),
        (
            ink,
            Sampling { eta, sampler: SamplerKind::Ancestral, ..plain },
            "sampling.eta: found 0.5, expected 0 for the sampler `ancestral`",
        ),
        (ink, plain, "sampling.sampler: found ddim with `ink`, expected a Gaussian degradation"),
        (
            ink,
            Sampling { variance, sampler: SamplerKind::Ancestral, ..plain },
            "sampling.sampler: found ancestral with variance beta with `ink`, expected a Gaussian degradation",
        ),
        (
            gaussian,
            Sampling { variance, ..plain },
            "sampling.variance: found beta, expected posterior for the sampler `ddim`",
        ),
        (
            gaussian,
            Sampling { spacing, ..Sampling::new(SamplerKind::DdpmNotebook, 40) },
            "sampling.nfe: found 40 with cosine spacing, expected all 40 with uniform spacing",
        ),
    ];
    for (process, sampling, expected) in cases {
        let text = sampling.check(process.as_ref()).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
    assert!(Sampling { eta, spacing, ..plain }.check(gaussian.as_ref()).is_ok());
}

/// What a config with this word says.
fn from_config<T: serde::de::DeserializeOwned>(word: &str) -> T {
    use serde::de::{IntoDeserializer, value::Error};
    T::deserialize(IntoDeserializer::<Error>::into_deserializer(word)).unwrap()
}

#[test]
fn names_are_those_of_configs_and_read_back() {
    for sampler in SamplerKind::ALL {
        assert_eq!(from_config::<SamplerKind>(sampler.name()), sampler);
        assert_eq!(sampler.name().parse::<SamplerKind>().unwrap(), sampler);
        assert!(!sampler.summary().is_empty());
    }
    for variance in Variance::ALL {
        assert_eq!(from_config::<Variance>(variance.name()), variance);
        assert_eq!(variance.name().parse::<Variance>().unwrap(), variance);
    }
    for spacing in Spacing::ALL.into_iter().chain([Spacing::Power(2.25)]) {
        assert_eq!(from_config::<Spacing>(&spacing.to_string()), spacing);
        assert_eq!(spacing.to_string().parse::<Spacing>().unwrap(), spacing);
    }
    let error = "euler".parse::<SamplerKind>().unwrap_err().to_string();
    assert!(error.starts_with("sampler: found euler, expected one of ancestral, "), "{error}");
    for bad in ["early", "power:", "power:0.05", "power:nan", "power:11"] {
        let error = bad.parse::<Spacing>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("spacing: found {bad}, expected uniform, cosine, ")), "{error}");
    }
}

#[test]
fn heun_takes_two_evaluations_per_step_and_never_more_than_asked() {
    let gaussian = &short(&mnist().test)[1];
    for nfe in 1..=40 {
        let counted = Counted(std::sync::atomic::AtomicUsize::new(0));
        let sampling = Sampling::new(SamplerKind::Heun, nfe);
        run(sampling, gaussian.as_ref(), &counted, 0..1).unwrap();
        let found = counted.0.into_inner();
        assert_eq!(found, sampling.nfe_taken());
        assert!(found == nfe || found + 1 == nfe, "{found} for {nfe}");
    }
}

/// Counts how often it is asked.
struct Counted(std::sync::atomic::AtomicUsize);

impl Denoiser for Counted {
    fn denoise(&self, x_t: &[f32], _: Timestep) -> Result<Vec<f32>> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(vec![0.0; x_t.len()])
    }
}
