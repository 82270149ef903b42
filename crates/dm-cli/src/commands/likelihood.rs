//! `dm eval MODEL --likelihood`: the variational bound of a model on test images, step by step.

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use dm_degrade::degradations::ink::Ink;
use dm_degrade::{DegradationConfig, Level};
use dm_eval::likelihood::{Bound, gaussian_bound, ink_bound, levels};
use dm_eval::protocol::SEED;
use dm_nn::data::{Dataset, sha256_hex};
use dm_train::Model;
use serde_json::json;

use super::{Args, finish, first};
use crate::device;
use crate::locate;
use crate::terminal::Terminal;

/// Rows of the table that tell what the steps cost.
const ROWS: usize = 10;

pub(super) fn run(name: &str, args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let model = Model::read(&locate::model(name)?, &device::open(args.device)?)?;
    let process = &*model.degradation;
    let steps = args.steps.unwrap_or(model.config.sampling.steps);
    let visited = levels(process, steps)?;
    let data = Dataset::read(&locate::data(&args.data))?;
    let against = match args.against.as_str() {
        "test" => &data.test,
        "train" => &data.train,
        other => bail!("--against: found {other}, expected test or train with --likelihood"),
    };
    let images: Vec<f32> = first(&against.pixels, args.n).iter().map(|&p| f32::from(p) / 255.0).collect();
    let n = args.n.min(against.len());
    let bar = terminal
        .bar((n * (visited.len() - 1)) as u64, "bounding {bar:40.cyan/blue} {percent:>3}%  left {eta}");
    let mut tick = |done: usize| bar.inc(done as u64);
    let restorer = model.restorer();
    let (bound, of) = match &model.config.degradation {
        DegradationConfig::Gaussian(config) => {
            ensure!(!config.cold, "--likelihood: found cold noise, which has no law; expected hot");
            let bound = gaussian_bound(process, &restorer, &images, &visited, SEED, &mut tick)?;
            (bound, "images of 256 greys".to_owned())
        }
        DegradationConfig::Ink(config) => {
            let ink = Ink::new(config, &model.fitted)?;
            let bound = ink_bound(&ink, &restorer, &images, &visited, SEED, &mut tick)?;
            (bound, format!("grain counts, {} grains per full pixel", config.density))
        }
        _ => bail!("--likelihood: found `{}`, expected a model of `gaussian` or `ink`", process.name()),
    };
    bar.finish_and_clear();
    let report = json!({
        "schema": 1,
        "dm_version": env!("CARGO_PKG_VERSION"),
        "model": model.config.name,
        "sha256": sha256_hex(&std::fs::read(&model.path)?),
        "step": model.step,
        "data_sha256": data.sha256,
        "against": args.against,
        "of": of,
        "seed": SEED.0,
        "bound": bound,
    });
    finish(args, terminal, &report, || lines(&model, &bound, &of, &visited))
}

/// The table: total, what belongs to no step, and the steps in a few groups.
fn lines(model: &Model, bound: &Bound, of: &str, visited: &[Level]) -> Vec<String> {
    let interval = bound.interval.map_or(String::new(), |[low, high]| format!(", {low:.4} to {high:.4}"));
    let mut lines = vec![
        format!(
            "{}: at most {:.4} bits/dim{interval} (95 %), lower is better",
            model.config.name, bound.total
        ),
        format!("of {of}, {} images, {} steps", bound.n, visited.len() - 1),
    ];
    lines.extend(bound.floor.map(|bits| format!("{:<32}{bits:>10.4}", "no model needs less than")));
    lines.extend(bound.parts.iter().map(|part| format!("{:<32}{:>10.4}", part.name, part.bits)));
    let (steps, decoder) = bound.terms.split_at(bound.terms.len() - 1);
    for group in steps.chunks(steps.len().div_ceil(ROWS).max(1)) {
        let bits: f64 = group.iter().map(|term| term.bits).sum();
        let (from, to) = (group[0].t, group[group.len() - 1].s);
        lines.push(format!("{:<32}{bits:>10.4}", format!("levels {from} to {to}")));
    }
    lines.extend(decoder.iter().map(|term| format!("{:<32}{:>10.4}", "decoder, level 1 to 0", term.bits)));
    lines
}
