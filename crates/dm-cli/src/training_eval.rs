//! `training.eval_every`: samples are scored while a diffusion model trains, as `eval` lines of metrics.jsonl.
//!
//! The samples are few and always from the same seed, so the values show how one run changes. Every line states the number of
//! images, because the distance of 1,000 images is far above that of 10,000 images of the same model. Evaluations do not affect
//! the training: sampling has random streams of its own, and the training time does not include them. An evaluation stops when
//! the run is interrupted; the resumed run repeats it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use dm_degrade::generate::{Class, Request, images};
use dm_degrade::{NetworkDenoiser, Sampling};
use dm_eval::distances::{KnnRadii, knn_radii};
use dm_eval::fd_infinity::fd_infinity;
use dm_eval::frechet::frechet;
use dm_eval::manifold::{K, manifold_with_radii};
use dm_eval::protocol::{ImageSet, SEED};
use dm_eval::{Classifier, EvalError, Features};
use dm_nn::data::Dataset;
use dm_nn::rng::Seed;
use dm_record::{EvalLine, MetricsLine};
use dm_train::config::DiffusionConfig;
use dm_train::interruptible::InterruptibleNetwork;
use dm_train::observers::JsonLines;
use dm_train::{DiffusionTask, Error, Event, Observer, RunFolder, TrainingState};
use tracing::info;

use crate::eval_session::test_reference;
use crate::locate;
use crate::terminal::Terminal;

/// Seed of the samples. It is the first seed of `dm eval`, which therefore repeats the values of the last line.
const SAMPLES: Seed = Seed(1);
/// Images per batch; does not change the images.
const BATCH: usize = 256;

/// The shipped classifier, if `config` asks for evaluations. Call this function before anything is written.
///
/// # Errors
/// If there is no classifier, it is for images of another shape than `data`, or `data` has too few test images.
pub fn classifier(config: &DiffusionConfig, data: &Dataset, device: &Device) -> Result<Option<Classifier>> {
    let read = || -> Result<Classifier> {
        let classifier = locate::classifier(locate::DEFAULT_CLASSIFIER)?.open_classifier(device)?;
        classifier.check_shape(data.shape(), "the training data")?;
        let (found, needed) = (data.test.len(), classifier.features + 1);
        ensure!(
            found >= needed,
            "test images: found {found}, expected at least {needed}, one more than features"
        );
        Ok(classifier)
    };
    (config.training.eval_every > 0).then(read).transpose().context("training.eval_every")
}

/// Scores samples every few epochs.
pub struct TrainingEval<'a> {
    terminal: &'a Terminal,
    classifier: Classifier,
    reference: ImageSet,
    radii: KnnRadii,
    folder: &'a RunFolder,
    /// Number of epochs between two evaluations.
    every: u64,
    /// Number of epochs of the run.
    epochs: u64,
    /// Number of samples.
    n: usize,
    sampling: Sampling,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// Total time of the evaluations.
    time: &'a Cell<Duration>,
}

impl<'a> TrainingEval<'a> {
    /// Lines are added to the metrics of `folder`. The reference is that of `dm eval`: test images of `data`. `stop` returns
    /// true when the run is to be interrupted; `time` receives the time of the evaluations.
    ///
    /// # Errors
    /// If the classifier fails.
    pub fn new(
        terminal: &'a Terminal,
        config: &DiffusionConfig,
        classifier: Classifier,
        data: &Dataset,
        folder: &'a RunFolder,
        stop: &'a (dyn Fn() -> bool + Sync),
        time: &'a Cell<Duration>,
    ) -> Result<Self> {
        let bar = terminal.bar(1, "features of the test images");
        let mut watch = |part: &str, done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_part(part);
        };
        let pixels = test_reference(data).to_vec();
        let reference = ImageSet::new("test images", pixels, &classifier, None, &mut watch)?;
        bar.finish();
        let training = &config.training;
        Ok(Self {
            terminal,
            radii: knn_radii(&reference.output.features, K)?,
            classifier,
            reference,
            folder,
            every: training.eval_every,
            epochs: training.epochs,
            n: training.eval_images,
            sampling: config.sampling,
            stop,
            time,
        })
    }

    fn is_due(&self, epoch: u64) -> bool {
        epoch.is_multiple_of(self.every) || epoch == self.epochs
    }

    /// Whether the metrics contain an evaluation of `epoch`.
    fn is_recorded(&self, epoch: u64) -> bool {
        let text = std::fs::read_to_string(self.folder.metrics_path()).unwrap_or_default();
        let mut lines = text.lines().map(serde_json::from_str::<MetricsLine>);
        lines.any(|line| matches!(line, Ok(MetricsLine::Eval(line)) if line.epoch == epoch))
    }

    /// Draws samples from `state`; `None` if the run is interrupted while sampling.
    fn sample(&self, state: &TrainingState<DiffusionTask>) -> dm_train::Result<Option<Vec<u8>>> {
        let degradation = state.task.degradation();
        let (last, len) = (degradation.timesteps(), degradation.shape().len());
        let intervals = self.sampling.timesteps(degradation)?.len() - 1;
        let bar = self.terminal.bar((self.n * intervals) as u64, "sampling for an evaluation");
        let num_classes = state.task.num_classes();
        let class = (num_classes > 0).then_some(Class::All { num_classes });
        let request = Request { class, ..Request::new(SAMPLES, self.n, BATCH, self.sampling) };
        let denoiser = state.denoiser();
        let network = InterruptibleNetwork { network: denoiser.network, stop: self.stop };
        let pixels =
            images(&NetworkDenoiser { network: &network, ..denoiser }, &request, &mut |_, t, states| {
                if t.0 < last {
                    bar.inc((states.len() / len) as u64);
                }
            });
        bar.finish();
        match pixels {
            Err(_) if (self.stop)() => Ok(None),
            pixels => Ok(Some(pixels?)),
        }
    }

    /// The features of `pixels` [n, C, H, W]; `None` if the run is interrupted meanwhile.
    fn features(&self, pixels: &[u8]) -> Result<Option<Features>, EvalError> {
        let mut parts = Vec::new();
        for part in pixels.chunks(BATCH * self.reference.shape.len()) {
            if (self.stop)() {
                return Ok(None);
            }
            parts.push(self.classifier.extract_features(part, &mut |_| {})?.features);
        }
        Features::join(&parts.iter().collect::<Vec<_>>()).map(Some)
    }

    /// Scores `pixels` [n, C, H, W], samples after `epoch`; `None` if the run is interrupted meanwhile.
    fn score(&self, epoch: u64, step: u64, pixels: &[u8]) -> Result<Option<EvalLine>, EvalError> {
        let Some(set) = self.features(pixels)? else { return Ok(None) };
        let (set, real) = (&set, &self.reference.output.features);
        let manifold = manifold_with_radii(set, real, &self.radii)?;
        if (self.stop)() {
            return Ok(None);
        }
        Ok(Some(EvalLine {
            step,
            epoch,
            n: self.n,
            n_reference: self.reference.n(),
            classifier_sha256: self.classifier.sha256.clone(),
            sampler: self.sampling.sampler.name().to_owned(),
            nfe: self.sampling.nfe_taken(),
            seed: SAMPLES.0,
            fd: Some(frechet(set, real)?.value),
            // The extrapolated distance is defined only for at least ten times as many images as features.
            fd_infinity: fd_infinity(set, real, SEED).ok().map(|fit| fit.intercept),
            precision: Some(manifold.precision),
            recall: Some(manifold.recall),
            seconds: 0.0,
        }))
    }

    /// Draws samples, scores them and writes the line of `epoch`.
    fn evaluate(&self, epoch: u64, state: &TrainingState<DiffusionTask>) -> dm_train::Result<()> {
        let start = Instant::now();
        let score = |pixels: Vec<u8>| {
            self.score(epoch, state.step, &pixels).map_err(|error| Error::Observer(Box::new(error)))
        };
        if let Some(mut line) = self.sample(state)?.map(score).transpose()?.flatten() {
            line.seconds = start.elapsed().as_secs_f64();
            let [fd, precision, recall] =
                [line.fd, line.precision, line.recall].map(|value| value.unwrap_or(f64::NAN));
            let n = self.n;
            info!(
                "epoch {epoch}: {n} samples, Frechet distance {fd:.3}, precision {precision:.3}, recall {recall:.3}"
            );
            JsonLines::new(self.folder).append(&MetricsLine::Eval(line))?;
        }
        self.time.set(self.time.get() + start.elapsed());
        Ok(())
    }
}

impl Observer<DiffusionTask> for TrainingEval<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> dm_train::Result<()> {
        match event {
            // A resumed run repeats an evaluation that was interrupted.
            Event::Start { state } => match state.ended_epoch() {
                Some(epoch) if self.is_due(epoch) && !self.is_recorded(epoch) => self.evaluate(epoch, state),
                _ => Ok(()),
            },
            Event::Epoch { epoch, state, .. } if self.is_due(*epoch) => self.evaluate(*epoch, state),
            _ => Ok(()),
        }
    }
}
