//! `training.eval_every`: samples are measured while a model trains, an `eval` line of metrics.jsonl each time.
//!
//! The samples are few and always of the same seeds: the values show how one run moves. n stands in every line, because at
//! 1,000 images a distance lies far above the same model's at 10,000. Training takes no notice: drawing has random streams
//! of its own, and the clock of training stands still meanwhile.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candle_core::Device;
use dm_eval::EvalError;
use dm_eval::fd_infinity::fd_infinity;
use dm_eval::frechet::frechet;
use dm_eval::judge::Judge;
use dm_eval::manifold::{K, RealBalls};
use dm_eval::protocol::{Images, SEED};
use dm_nn::data::{Dataset, PIXELS};
use dm_nn::rng::Seed;
use dm_train::event::{Event, Observer};
use dm_train::generate::{Class, Request, images};
use dm_train::observers::Lines;
use dm_train::train::State;
use dm_train::{Config, Error};
use serde_json::json;
use tracing::info;

use crate::locate;
use crate::terminal::Terminal;

/// Seed of the samples: the first that `dm eval` draws from a model, so that it repeats the last line.
const SAMPLES: Seed = Seed(1);

/// Images per batch; does not change the images.
const BATCH: usize = 256;

/// The judge that is shipped under this name looks at the samples.
const JUDGE: &str = "judge";

/// Measures samples every few epochs.
pub struct Evaluation<'a> {
    terminal: &'a Terminal,
    judge: Judge,
    reference: Images,
    balls: RealBalls,
    lines: Lines,
    /// Time spent here, which is no time of training.
    spent: &'a Cell<Duration>,
}

/// The shipped judge, if `config` asks for it. To be called before anything is written.
pub fn judge(config: &Config, device: &Device) -> Result<Option<Judge>> {
    let read = || -> Result<Judge> { Ok(Judge::read(&locate::file(JUDGE)?, device)?) };
    (config.training.eval_every > 0).then(read).transpose().context("training.eval_every")
}

impl<'a> Evaluation<'a> {
    /// Lines go to the metrics of the run in `folder`, time to `spent`. The reference are the test images of `data`, as many
    /// as `dm eval` takes.
    pub fn new(
        terminal: &'a Terminal,
        judge: Judge,
        data: &Dataset,
        folder: &Path,
        spent: &'a Cell<Duration>,
    ) -> Result<Self> {
        let pixels = crate::commands::eval::test_reference(data).to_vec();
        let bar = terminal.bar(1, "{msg:<34} {bar:28.cyan/blue} {percent:>3}%");
        let mut watch = |part: &str, done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(part.to_owned());
        };
        let reference = Images::new("test images", pixels, &judge, None, &mut watch)?;
        bar.finish_and_clear();
        let balls = RealBalls::of(&reference.judged.features, K)?;
        let lines = Lines::new(folder.join("metrics.jsonl"));
        Ok(Self { terminal, judge, reference, balls, lines, spent })
    }

    /// Draws from `state` and writes the line of `epoch`.
    fn measure(&self, epoch: u64, state: &State) -> dm_train::Result<()> {
        let start = Instant::now();
        let (config, n) = (&state.config, state.config.training.eval_images);
        let evaluations = config.sampling.levels(&*state.degradation)?.len() - 1;
        let bar = self.terminal.bar(
            (n * evaluations) as u64,
            "measuring samples                  {bar:28.cyan/blue} {percent:>3}%  left {eta}",
        );
        let class = (config.network.classes() > 0).then_some(Class::All);
        let request = Request { class, ..Request::new(SAMPLES, n, BATCH, config.sampling) };
        let pixels = images(&state.restorer(), &request, &mut |_, level, states| {
            if level.0 < state.degradation.steps() {
                bar.inc((states.len() / PIXELS) as u64);
            }
        })?;
        let drawn = Images::new("samples", pixels, &self.judge, None, &mut |_, _, _| {}).map_err(failed)?;
        let (set, real) = (&drawn.judged.features, &self.reference.judged.features);
        let fd = frechet(set, real).map_err(failed)?.value;
        // Not defined for fewer than ten times as many images as features.
        let limit = fd_infinity(set, real, SEED).ok().map(|fit| fit.intercept);
        let manifold = self.balls.manifold(set, real).map_err(failed)?;
        bar.finish_and_clear();
        let (precision, recall) = (manifold.precision, manifold.recall);
        info!(
            "epoch {epoch}: {n} samples, Frechet distance {fd:.3}, precision {precision:.3}, recall {recall:.3}"
        );
        self.spent.set(self.spent.get() + start.elapsed());
        self.lines.append(&json!({
            "event": "eval", "step": state.step, "epoch": epoch, "n": n, "n_reference": self.reference.n(),
            "judge_sha256": self.judge.sha256, "sampler": config.sampling.sampler.name(),
            "evaluations": evaluations, "seed": SAMPLES.0, "fd": fd, "fd_infinity": limit,
            "precision": precision, "recall": recall, "seconds": start.elapsed().as_secs_f64(),
        }))
    }
}

fn failed(error: EvalError) -> Error {
    Error::Observer(Box::new(error))
}

impl Observer for Evaluation<'_> {
    fn observe(&mut self, event: &Event<'_>) -> dm_train::Result<()> {
        let Event::Epoch { epoch, state, .. } = event else { return Ok(()) };
        let training = &state.config.training;
        if epoch.is_multiple_of(training.eval_every) || *epoch == training.epochs {
            self.measure(*epoch, state)?;
        }
        Ok(())
    }
}
