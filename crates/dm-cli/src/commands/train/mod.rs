//! `dm train`: trains a model from a config, into a run folder.

mod find_lr;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use dm_nn::rng::Seed;
use dm_train::RunConfig;
use serde_json::json;

use crate::data_args::{self, parse_size};
use crate::device::{self, DeviceKind};
use crate::interrupt::INTERRUPTED;
use crate::terminal::Terminal;
use run::Run;

/// Train a diffusion model or a classifier from a config file.
///
/// The run folder receives everything that belongs to the run: config, metrics, samples, checkpoints and the model. Ctrl-C or
/// SIGTERM saves the run and stops it with exit code 130, a second one stops it at once, and --resume continues from there. A
/// killed run continues from its last checkpoint. SIGUSR1 saves the run and goes on.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The config, for example data/configs/ink-unet.toml. A config with a `[classifier]` table trains a classifier.
    config: PathBuf,
    /// The run folder [default: runs/NAME with the name in the config].
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Change a key of the config, for example --set training.epochs=3 (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Continue the run in the run folder, or start a new run if the folder has none.
    #[arg(long)]
    resume: bool,
    /// Train for N epochs: short for --set training.epochs=N. With --resume this extends a finished run.
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Train one run for each of these seeds, one after another, into the run folders DIR-s1, DIR-s2 and so on.
    #[arg(long, value_name = "SEED[,SEED...]", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Try rising learning rates for a few steps, show the loss at each of them and suggest one. Writes no run.
    #[arg(long, conflicts_with_all = ["resume", "run", "seeds"])]
    find_lr: bool,
    /// The data set: a folder with the four IDX files, a folder of PNG or JPEG files, or an .npz file [default: data.path of
    /// the config].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Resize every image to this height and width in pixels, for example 32x32. Only for a folder of images [default:
    /// data.size of the config].
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    size: Option<(usize, usize)>,
    /// Write no event files for TensorBoard into the run folder.
    #[arg(long)]
    no_tensorboard: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    device: DeviceKind,
}

/// The keys of [`dm_train::config::RESUMABLE`].
const AFTER_HELP: &str = "With --resume these keys may change, because the steps that have been taken do not depend on them: \
    training.epochs, training.log_every, training.checkpoint_every, training.keep_checkpoints, training.sample_count, \
    training.sample_nfe, training.eval_every and data.path. Every other difference is refused.";

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let device = device::open(args.device)?;
    let config = RunConfig::read(&args.config, &overrides(args))?;
    check_seeds(&args.seeds)?;
    let data = data_args::open(&config.data().path, &config.data().read_options(), terminal)?;
    let config = config.resolve(&data)?;
    if args.find_lr {
        return find_lr::run(&config, &data, &device, terminal);
    }
    let path = args.run.clone().unwrap_or_else(|| Path::new("runs").join(config.name()));
    let train = |config: &RunConfig, path: &Path| {
        let (resume, tensorboard) = (args.resume, !args.no_tensorboard);
        Run { config, path, resume, tensorboard, data: &data, device: &device, terminal }.train()
    };
    if args.seeds.is_empty() {
        return train(&config, &path);
    }
    for &seed in &args.seeds {
        let mut config = config.clone();
        config.set_seed(Seed(seed));
        let mut path = path.clone().into_os_string();
        path.push(format!("-s{seed}"));
        let code = train(&config, Path::new(&path))?;
        if code == ExitCode::from(INTERRUPTED) {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the seeds of --seeds.
fn check_seeds(seeds: &[u64]) -> Result<()> {
    for (i, seed) in seeds.iter().enumerate() {
        ensure!(!seeds[..i].contains(seed), "--seeds: found {seed} twice, expected different seeds");
        ensure!(i64::try_from(*seed).is_ok(), "--seeds: found {seed}, expected 0 to {}", i64::MAX);
    }
    Ok(())
}

/// The overrides of --set, followed by those that --epochs, --data and --size stand for.
fn overrides(args: &Args) -> Vec<String> {
    let mut overrides = args.overrides.clone();
    overrides.extend(args.epochs.map(|epochs| format!("training.epochs={epochs}")));
    // A JSON string is also a TOML string.
    overrides
        .extend(args.data.as_ref().map(|path| format!("data.path={}", json!(path.display().to_string()))));
    overrides.extend(args.size.map(|(height, width)| format!("data.size=[{height}, {width}]")));
    overrides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_key_that_may_change() {
        for key in dm_train::config::RESUMABLE {
            assert!(AFTER_HELP.contains(key), "{key}");
        }
        assert_eq!(AFTER_HELP.matches("training.").count() + 1, dm_train::config::RESUMABLE.len());
    }
}
