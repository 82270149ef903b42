//! `dm likelihood`: the variational bound on the negative log-likelihood of real images, term by term.

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use dm_degrade::degradations::ink::{Ink, InkPrior};
use dm_degrade::{DegradationConfig, Timestep};
use dm_eval::likelihood::{Bound, gaussian_bound, ink_bound, timesteps};
use dm_eval::protocol::SEED;
use dm_nn::image::to_unit;
use dm_record::SCHEMA;
use serde_json::json;

use crate::data_args::DataArgs;
use crate::device::{self, DeviceKind};
use crate::eval_session::first;
use crate::locate;
use crate::output_args::OutputArgs;
use crate::terminal::Terminal;

/// Bound the negative log-likelihood of real images, in bits per dimension.
///
/// For a Gaussian model, the bound applies to images with 256 values per channel and pixel. For an Ink model, it applies to
/// their grain counts. The two bounds cannot be compared. Other degradations have no such bound.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// Largest number of images.
    #[arg(short, long, default_value_t = 200)]
    n: usize,
    /// The images: test or train.
    #[arg(long, default_value = "test", value_name = "test|train", value_parser = ["test", "train"])]
    reference: String,
    /// Number of steps of the chain, which take one network evaluation per image each. A step to t = 1 is added if the chain
    /// does not visit that timestep [default: as in the model's config].
    #[arg(long, value_name = "COUNT")]
    nfe: Option<usize>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// Largest number of table rows for the terms of the steps.
const ROWS: usize = 10;

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    ensure!((1..=100_000).contains(&args.n), "--n: found {}, expected 1 to 100000", args.n);
    let model = locate::model(&args.model)?.open_model(&device::open(args.device)?)?;
    let process = &*model.degradation;
    let visited = timesteps(process, args.nfe.unwrap_or(model.sampling.nfe))?;
    let data = if args.reference == "train" {
        args.data.open(terminal)?
    } else {
        args.data.open_test_images(terminal)?
    };
    model.check_shape(data.shape(), "--data")?;
    let reference = if args.reference == "train" { &data.train } else { &data.test };
    let pixels = first(&reference.pixels, args.n, model.shape);
    let mut images = vec![0.0; pixels.len()];
    to_unit(pixels, &mut images);
    let n = args.n.min(reference.len());
    let bar = terminal.bar((n * (visited.len() - 1)) as u64, "bounding");
    let mut tick = |done: usize| bar.inc(done as u64);
    let denoiser = model.denoiser();
    let (bound, of) = match &model.config.degradation {
        DegradationConfig::Gaussian(config) => {
            ensure!(!config.cold, "model: found cold noise, which has no likelihood; expected a hot model");
            let bound = gaussian_bound(process, &denoiser, &images, &visited, SEED, &mut tick)?;
            (bound, "images of 256 greys".to_owned())
        }
        DegradationConfig::Ink(config) => {
            let known = config.prior == InkPrior::MeanImage;
            ensure!(
                known,
                "model: found the prior `modes`, expected `mean_image`: the bound is for its density"
            );
            let ink = Ink::new(config, model.shape, &model.fitted)?;
            let bound = ink_bound(&ink, &denoiser, &images, &visited, SEED, &mut tick)?;
            (bound, format!("grain counts, {} grains per full pixel", config.density))
        }
        _ => bail!("model: found `{}`, expected a model of `gaussian` or `ink`", process.name()),
    };
    bar.finish();
    let report = json!({
        "schema": SCHEMA,
        "dm_version": env!("CARGO_PKG_VERSION"),
        "model": model.name,
        "sha256": model.provenance.sha256,
        "step": model.provenance.step,
        "data_sha256": data.sha256,
        "reference": args.reference,
        "of": of,
        "seed": SEED.0,
        "bound": bound,
    });
    args.output.finish(terminal, &report, || lines(&model.name, &bound, &of, &visited))?;
    Ok(ExitCode::SUCCESS)
}

/// The lines of the table: the total, the parts that belong to no step, and the terms of the steps in at most [`ROWS`] groups.
fn lines(name: &str, bound: &Bound, of: &str, visited: &[Timestep]) -> Vec<String> {
    let interval =
        bound.interval.map_or(String::new(), |[low, high]| format!(", {low:.4} to {high:.4} (95 %)"));
    let mut lines = vec![
        format!("{name}: at most {:.4} bits/dim{interval}, lower is better", bound.total),
        format!("of {of}, {} images, {} steps", bound.n, visited.len() - 1),
    ];
    lines.extend(bound.irreducible.map(|bits| format!("{:<32}{bits:>10.4}", "no model needs less than")));
    lines.extend(bound.parts.iter().map(|part| format!("{:<32}{:>10.4}", part.name, part.bits)));
    let (steps, decoder) = bound.terms.split_at(bound.terms.len().saturating_sub(1));
    for group in steps.chunks(steps.len().div_ceil(ROWS).max(1)) {
        let bits: f64 = group.iter().map(|term| term.bits).sum();
        let (from, to) = (group[0].t, group[group.len() - 1].s);
        lines.push(format!("{:<32}{bits:>10.4}", format!("t = {from} to {to}")));
    }
    lines.extend(decoder.iter().map(|term| format!("{:<32}{:>10.4}", "decoder, t = 1 to 0", term.bits)));
    lines
}
