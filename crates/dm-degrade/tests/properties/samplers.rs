//! Samplers with an oracle: a restorer that knows the image, and one that depends on its input alone.

use dm_degrade::degradations::{GaussianConfig, InkConfig};
use dm_degrade::samplers::{Chain, Spacing};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, Level, Restorer, Result, SamplerKind, Sampling};
use dm_nn::data::PIXELS;
use dm_nn::rng::{Rng, Seed, Stream};
use proptest::prelude::*;

use super::{digit, mnist, processes, worst};

/// Returns the true state of every sample.
struct Oracle(Vec<f32>);

impl Restorer for Oracle {
    fn restore(&self, x_t: &[f32], _: Level) -> Result<Vec<f32>> {
        Ok(self.0.iter().copied().cycle().take(x_t.len()).collect())
    }
}

/// Some function of the state and the level that keeps images apart.
struct Some01<'a>(&'a dyn Degradation);

impl Restorer for Some01<'_> {
    fn restore(&self, x_t: &[f32], level: Level) -> Result<Vec<f32>> {
        let shade = |image: &[f32]| {
            let seen = self.0.to_image(image);
            let mean = seen.iter().sum::<f32>() / PIXELS as f32;
            let shift = level.0 as f32 / self.0.steps() as f32;
            self.0.to_state(&seen.iter().map(|v| 0.5 * (v + (mean + shift).fract())).collect::<Vec<_>>())
        };
        Ok(x_t.chunks_exact(PIXELS).flat_map(shade).collect())
    }
}

pub fn stream(sample: u64, level: Level) -> Rng {
    Seed(5).stream(Stream::Sample, sample, level.0 as u64)
}

/// States at level 0 of samples `samples`.
pub fn run(
    sampling: Sampling,
    degradation: &dyn Degradation,
    restorer: &dyn Restorer,
    samples: std::ops::Range<u64>,
) -> Result<Vec<f32>> {
    let levels = sampling.levels(degradation)?;
    let (first, count) = (samples.start, (samples.end - samples.start) as usize);
    let (eta, randomness) = (sampling.eta, &stream);
    let chain = Chain { degradation, restorer, levels: &levels, eta, randomness, first, count, start: None };
    let mut seen = Vec::new();
    let states = sampling.sampler.run(&chain, &mut |level, x| {
        assert_eq!(x.len(), count * PIXELS);
        seen.push(level);
    })?;
    assert_eq!(seen, levels, "the watcher sees every level");
    Ok(states)
}

/// Whether `sampler` goes with `degradation`.
fn fits(sampler: SamplerKind, degradation: &dyn Degradation) -> bool {
    let any = [SamplerKind::Cold, SamplerKind::ColdFresh, SamplerKind::ColdNaive];
    let gaussian = degradation.signal_and_noise(Level(1)).is_some();
    let bridge = matches!(sampler, SamplerKind::Bridge | SamplerKind::Bridge2m);
    any.contains(&sampler) || if bridge { degradation.has_bridge() } else { gaussian }
}

/// The registry with 40 levels, so that `prince` is quick.
fn short() -> Vec<Box<dyn Degradation>> {
    let ink = DegradationConfig::Ink(InkConfig { steps: 40, ..InkConfig::default() });
    let gaussian = DegradationConfig::Gaussian(GaussianConfig { steps: 40, ..GaussianConfig::default() });
    [ink, gaussian].iter().map(|config| config.build(&config.fit(&mnist().test)).unwrap()).collect()
}

#[test]
fn an_oracle_is_recovered() {
    // Algorithm 2 of cold diffusion recovers an image only from its own degraded self; it has its own test below.
    let samplers = SamplerKind::ALL.into_iter().filter(|sampler| !COLD_2.contains(sampler));
    for (process, sampler) in short().iter().flat_map(|process| samplers.clone().map(move |s| (process, s))) {
        let truth = process.to_state(&digit(2));
        let steps = if sampler == SamplerKind::Prince { vec![40] } else { vec![40, 10, 1] };
        for steps in steps.into_iter().filter(|_| fits(sampler, process.as_ref())) {
            let oracle = Oracle(truth.clone());
            let found = run(Sampling::new(sampler, steps), process.as_ref(), &oracle, 0..3).unwrap();
            for state in found.chunks_exact(PIXELS) {
                let error = worst(state, &truth);
                assert!(error < 1e-5, "{} of {} in {steps} errs by {error}", sampler.name(), process.name());
            }
        }
    }
}

/// The two forms of algorithm 2 of cold diffusion.
const COLD_2: [SamplerKind; 2] = [SamplerKind::Cold, SamplerKind::ColdFresh];

/// A process whose prior is its own degraded truth, under the sample's frozen key: what cold sampling assumes.
struct ColdStart<'a>(&'a dyn Degradation, Vec<f32>);

impl Degradation for ColdStart<'_> {
    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        self.prior_under(&self.draw(rng), rng)
    }
    fn prior_under(&self, key: &dm_degrade::Key, _: &mut Rng) -> Vec<f32> {
        self.apply(&self.1, Level(self.steps()), key)
    }
    fn name(&self) -> &'static str {
        "cold start"
    }
    fn steps(&self) -> usize {
        self.0.steps()
    }
    fn to_state(&self, image: &[f32]) -> Vec<f32> {
        self.0.to_state(image)
    }
    fn to_image(&self, state: &[f32]) -> Vec<f32> {
        self.0.to_image(state)
    }
    fn draw(&self, rng: &mut Rng) -> dm_degrade::Key {
        self.0.draw(rng)
    }
    fn apply(&self, x0: &[f32], level: Level, key: &dm_degrade::Key) -> Vec<f32> {
        self.0.apply(x0, level, key)
    }
    fn bridge(&self, x_t: &[f32], x0: &[f32], t: Level, s: Level, rng: &mut Rng) -> Result<Vec<f32>> {
        self.0.bridge(x_t, x0, t, s, rng)
    }
    fn invert(&self, x_t: &[f32], level: Level, key: &dm_degrade::Key) -> Option<Vec<f32>> {
        self.0.invert(x_t, level, key)
    }
    fn inversion_tolerance(&self) -> (f32, Level) {
        self.0.inversion_tolerance()
    }
}

#[test]
fn cold_recovers_an_oracle_from_its_own_degraded_image() {
    for process in processes() {
        let truth = process.to_state(&digit(2));
        let cold = ColdStart(process.as_ref(), truth.clone());
        for steps in [50, 7, 1] {
            for sampler in COLD_2 {
                let oracle = Oracle(truth.clone());
                let found = run(Sampling::new(sampler, steps), &cold, &oracle, 0..2).unwrap();
                // One rounding a step, in units of the state.
                let scale = truth.iter().fold(1.0f32, |top, v| top.max(v.abs()));
                let error = worst(&found[..PIXELS], &truth);
                assert!(error < 1e-5 * scale, "{} of {} in {steps}: {error}", sampler.name(), process.name());
            }
        }
    }
}

#[test]
fn a_sample_depends_on_its_number_alone_not_on_batch_or_threads() {
    for process in short() {
        for sampler in SamplerKind::ALL.into_iter().filter(|s| fits(*s, process.as_ref())) {
            let restorer = Some01(process.as_ref());
            let eta = if sampler == SamplerKind::Ddim { 0.5 } else { 0.0 };
            let sampling = Sampling { eta, ..Sampling::new(sampler, 40) };
            let sample = |range| run(sampling, process.as_ref(), &restorer, range).unwrap();
            let whole = sample(0..5);
            let parts = [sample(0..2), sample(2..3), sample(3..5)].concat();
            assert_eq!(whole, parts, "{} of {}", sampler.name(), process.name());
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                assert_eq!(pool.install(|| sample(0..5)), whole, "{threads} threads");
            }
            let (first, second) = (&whole[..PIXELS], &whole[PIXELS..2 * PIXELS]);
            assert_ne!(first, second, "{} of {}: samples differ", sampler.name(), process.name());
        }
    }
}

#[test]
fn samplers_refuse_what_they_cannot_do() {
    for process in processes() {
        for sampler in SamplerKind::ALL {
            let oracle = Oracle(process.to_state(&digit(0)));
            let result = run(Sampling::new(sampler, 10), process.as_ref(), &oracle, 0..1);
            let text = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
            if !fits(sampler, process.as_ref()) || sampler == SamplerKind::Prince {
                assert!(text.contains("found") && text.contains(sampler.name()), "{text}");
            } else {
                assert!(result.is_ok(), "{text}");
            }
        }
    }
}

#[test]
fn sampling_is_checked_field_by_field() {
    let [ink, gaussian] = &short()[..] else { panic!("two processes") };
    let plain = Sampling::new(SamplerKind::Ddim, 10);
    let (eta, spacing) = (0.5, Spacing::Middle);
    let cases = [
        (gaussian, Sampling { eta: 1.5, ..plain }, "sampling eta: found 1.5, expected 0 to 1"),
        (gaussian, Sampling { eta: f64::NAN, ..plain }, "sampling eta: found NaN, expected 0 to 1"),
        (
            ink,
            Sampling { eta, sampler: SamplerKind::Bridge, ..plain },
            "sampling eta: found 0.5, expected 0 for",
        ),
        (ink, plain, "sampler: found ddim with `ink`, expected a Gaussian degradation"),
        (
            gaussian,
            Sampling { spacing, ..Sampling::new(SamplerKind::Prince, 40) },
            "sampling steps: found 40, middle spacing, expected all 40, even spacing",
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
    for spacing in Spacing::ALL {
        assert_eq!(from_config::<Spacing>(spacing.name()), spacing);
        assert_eq!(spacing.name().parse::<Spacing>().unwrap(), spacing);
    }
    let error = "euler".parse::<SamplerKind>().unwrap_err().to_string();
    assert!(error.starts_with("sampler: found euler, expected one of bridge, "), "{error}");
}

#[test]
fn heun_takes_two_evaluations_a_step_and_never_more_than_asked() {
    let gaussian = &short()[1];
    for steps in 1..=40 {
        let counted = Counted(std::sync::atomic::AtomicUsize::new(0));
        let sampling = Sampling::new(SamplerKind::Heun, steps);
        run(sampling, gaussian.as_ref(), &counted, 0..1).unwrap();
        let found = counted.0.into_inner();
        assert_eq!(found, sampling.evaluations());
        assert!(found == steps || found + 1 == steps, "{found} for {steps}");
    }
}

/// Counts how often it is asked.
struct Counted(std::sync::atomic::AtomicUsize);

impl Restorer for Counted {
    fn restore(&self, x_t: &[f32], _: Level) -> Result<Vec<f32>> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(vec![0.0; x_t.len()])
    }
}

#[test]
fn middle_spacing_is_closer_in_the_middle() {
    let gaussian = &short()[1];
    let config = DegradationConfig::Gaussian(GaussianConfig::default());
    let long = config.build(&[]).unwrap();
    for (process, steps) in [(&long, 100), (gaussian, 40)] {
        let sampling = Sampling { spacing: Spacing::Middle, ..Sampling::new(SamplerKind::Ddim, steps) };
        let levels = sampling.levels(process.as_ref()).unwrap();
        let step = |i: usize| levels[i].0 - levels[i + 1].0;
        let quarter = process.steps() / steps / 4;
        assert!(step(steps / 2).abs_diff(quarter.max(1)) <= 1);
        assert!(step(0) >= step(steps / 2) && step(steps - 1) >= step(steps / 2));
    }
}

#[test]
fn early_spacing_is_closer_the_nearer_to_t() {
    let process = DegradationConfig::Gaussian(GaussianConfig::default()).build(&[]).unwrap();
    let sampling = Sampling { spacing: Spacing::Early, ..Sampling::new(SamplerKind::Ddim, 25) };
    let levels = sampling.levels(process.as_ref()).unwrap();
    let steps: Vec<usize> = levels.windows(2).map(|pair| pair[0].0 - pair[1].0).collect();
    // A share s of the steps walks s^1.5 of the way: 4 of 25 walk 0.064.
    assert_eq!(levels[4], Level(936));
    assert!(steps.windows(2).all(|pair| pair[0] <= pair[1] + 1), "{steps:?}");
}

proptest! {
    #[test]
    fn levels_descend_from_t_to_zero(
        steps in 1..1500usize,
        evaluations in 0..1600usize,
        spacing in proptest::sample::select(&Spacing::ALL[..]),
    ) {
        let schedule = ScheduleConfig::Cosine;
        let config = DegradationConfig::Gaussian(GaussianConfig { steps, schedule, range: 1.0, cold: false });
        let process = config.build(&[]).unwrap();
        let sampling = Sampling { spacing, ..Sampling::new(SamplerKind::Ddim, evaluations) };
        match sampling.levels(process.as_ref()) {
            Ok(levels) => {
                prop_assert_eq!(levels.len(), evaluations + 1);
                prop_assert!(levels[0] == Level(steps) && levels[evaluations] == Level(0));
                prop_assert!(levels.windows(2).all(|pair| pair[0] > pair[1]));
            }
            Err(error) => {
                prop_assert!(!(1..=steps).contains(&evaluations));
                let expected = format!("sampling steps: found {evaluations}, expected 1 to {steps}");
                prop_assert_eq!(error.to_string(), expected);
            }
        }
    }
}
