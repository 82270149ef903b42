//! `dm import`: converts a checkpoint of another program to a model file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use candle_core::Device;
use dm_degrade::model::Description;
use dm_nn::params::checkpoint;
use dm_nn::params::pth::Checkpoint;
use dm_train::import;
use tracing::warn;

use crate::locate;
use crate::terminal::Terminal;

/// Convert a checkpoint (a state_dict of PyTorch or safetensors) to a model file.
///
/// A checkpoint of the starter notebook's DDPM needs no config. For any other network, --config names a model or a TOML config that
/// describes the network and the process. The tensors must have the names of this program's networks, which
/// crates/dm-nn/python/dm_torch.py defines in PyTorch. Prefixes such as `module.` are removed. Code in the checkpoint is never
/// executed.
#[derive(clap::Args)]
pub struct Args {
    /// The checkpoint: .pth, .pt, .bin or .ckpt as torch.save writes it, or .safetensors.
    checkpoint: PathBuf,
    /// The model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which parameters to take if the checkpoint has several: the key of a dictionary, or what their names begin with, for
    /// example ema.
    #[arg(long)]
    key: Option<String>,
    /// The config of the parameters: a model (run folder, file or shipped name) that has the same network, or a TOML config with
    /// a table `[image]`.
    #[arg(long, value_name = "MODEL|TOML")]
    config: Option<String>,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let Checkpoint { tensors, prefix, notes } = checkpoint::read(&args.checkpoint, args.key.as_deref())?;
    let (note, assumed_schedule) = match &args.config {
        None => {
            let imported = import::convert(&tensors, &prefix, &args.out)?;
            (imported.note, imported.assumed_schedule)
        }
        Some(name) if Path::new(name).extension().is_some_and(|extension| extension == "toml") => {
            let config = &import::read_config(Path::new(name))?;
            let description = Description { config, fitted: &[], class_names: &[], step: 0, data_sha256: "" };
            (import::convert_with(&tensors, &prefix, &description, &args.out)?, false)
        }
        Some(name) => {
            let model = locate::model(name)?.open_model(&Device::Cpu)?;
            let description = Description {
                config: &model.provenance.config,
                fitted: &model.fitted,
                class_names: &model.class_names,
                step: 0,
                data_sha256: "",
            };
            (import::convert_with(&tensors, &prefix, &description, &args.out)?, false)
        }
    };
    notes.iter().chain(&note).for_each(|note| warn!("{note}"));
    if assumed_schedule {
        warn!("the checkpoint has no schedule (beta_t): assuming the starter notebook's");
    }
    terminal.line(args.out.display())?;
    terminal.line(format!("sample from it: dm sample {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
