//! Samplers with an oracle: a restorer that knows the image, and one that depends on its input alone.

use dm_degrade::degradations::{GaussianConfig, InkConfig};
use dm_degrade::samplers::{Chain, levels};
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, Level, Restorer, Result, SamplerKind};
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

fn stream(sample: u64, level: Level) -> Rng {
    Seed(5).stream(Stream::Sample, sample, level.0 as u64)
}

fn run(
    sampler: SamplerKind,
    degradation: &dyn Degradation,
    restorer: &dyn Restorer,
    steps: usize,
    samples: std::ops::Range<u64>,
) -> Result<Vec<f32>> {
    let levels = levels(degradation, steps)?;
    let count = (samples.end - samples.start) as usize;
    let (levels, first) = (&levels[..], samples.start);
    let chain = Chain { degradation, restorer, levels, randomness: &stream, first, count, start: None };
    let mut seen = Vec::new();
    let states = sampler.run(&chain, &mut |level, x| {
        assert_eq!(x.len(), count * PIXELS);
        seen.push(level);
    })?;
    assert_eq!(seen, levels, "the watcher sees every level");
    Ok(states)
}

/// Whether `sampler` goes with `degradation`.
fn fits(sampler: SamplerKind, degradation: &dyn Degradation) -> bool {
    let gaussian_only = matches!(sampler, SamplerKind::Prince | SamplerKind::Ddim);
    !gaussian_only || degradation.signal_and_noise(Level(1)).is_some()
}

/// The registry with 40 levels, so that `prince` is quick.
fn short() -> Vec<Box<dyn Degradation>> {
    let ink = DegradationConfig::Ink(InkConfig { steps: 40, ..InkConfig::default() });
    let gaussian = DegradationConfig::Gaussian(GaussianConfig { steps: 40, ..GaussianConfig::default() });
    [ink, gaussian].iter().map(|config| config.build(&config.fit(&mnist().test)).unwrap()).collect()
}

#[test]
fn an_oracle_is_recovered() {
    // Cold sampling recovers an image only from its own degraded self; it has its own test below.
    let samplers = SamplerKind::ALL.into_iter().filter(|sampler| *sampler != SamplerKind::Cold);
    for (process, sampler) in short().iter().flat_map(|process| samplers.clone().map(move |s| (process, s))) {
        let truth = process.to_state(&digit(2));
        let steps = if sampler == SamplerKind::Prince { vec![40] } else { vec![40, 10, 1] };
        for steps in steps.into_iter().filter(|_| fits(sampler, process.as_ref())) {
            let oracle = Oracle(truth.clone());
            let found = run(sampler, process.as_ref(), &oracle, steps, 0..3).unwrap();
            for state in found.chunks_exact(PIXELS) {
                let error = worst(state, &truth);
                assert!(error < 1e-5, "{} of {} in {steps} errs by {error}", sampler.name(), process.name());
            }
        }
    }
}

/// A process whose prior is its own degraded truth, under the sample's frozen key: what cold sampling assumes.
struct ColdStart<'a>(&'a dyn Degradation, Vec<f32>);

impl Degradation for ColdStart<'_> {
    fn prior(&self, rng: &mut Rng) -> Vec<f32> {
        self.apply(&self.1, Level(self.steps()), &self.draw(rng))
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
        // The same stream for prior and key, so that the prior is D(x0, T, key).
        let same = |sample: u64, _: Level| stream(sample, Level(0));
        for steps in [50, 7, 1] {
            let levels = levels(&cold, steps).unwrap();
            let oracle = Oracle(truth.clone());
            let chain = Chain {
                degradation: &cold,
                restorer: &oracle,
                levels: &levels,
                randomness: &same,
                first: 0,
                count: 2,
                start: None,
            };
            let found = SamplerKind::Cold.run(&chain, &mut |_, _| {}).unwrap();
            // One rounding a step, in units of the state.
            let scale = truth.iter().fold(1.0f32, |top, v| top.max(v.abs()));
            let error = worst(&found[..PIXELS], &truth);
            assert!(error < 1e-5 * scale, "{} in {steps} errs by {error}", process.name());
        }
    }
}

#[test]
fn a_sample_depends_on_its_number_alone_not_on_batch_or_threads() {
    for process in short() {
        for sampler in SamplerKind::ALL.into_iter().filter(|s| fits(*s, process.as_ref())) {
            let restorer = Some01(process.as_ref());
            let sample = |range| run(sampler, process.as_ref(), &restorer, 40, range).unwrap();
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
            let result = run(sampler, process.as_ref(), &oracle, 10, 0..1);
            let text = result.as_ref().map_or_else(ToString::to_string, |_| String::new());
            if !fits(sampler, process.as_ref()) || sampler == SamplerKind::Prince {
                assert!(text.contains("found") && text.contains(sampler.name()), "{text}");
            } else {
                assert!(result.is_ok(), "{text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn levels_descend_from_t_to_zero(steps in 1..1500usize, evaluations in 0..1600usize) {
        let schedule = ScheduleConfig::Cosine;
        let config = DegradationConfig::Gaussian(GaussianConfig { steps, schedule, range: 1.0 });
        let process = config.build(&[]).unwrap();
        match levels(process.as_ref(), evaluations) {
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
