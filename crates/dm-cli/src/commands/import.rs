//! `dm import`: converts a PyTorch checkpoint of the starter notebook to a model file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use dm_nn::params::pth;
use dm_train::import;
use tracing::warn;

use crate::terminal::Terminal;

/// Convert a PyTorch checkpoint of the starter notebook (torch.save of the DDPM's state_dict) to a model file.
///
/// Code in the checkpoint is never executed.
#[derive(clap::Args)]
pub struct Args {
    /// The checkpoint, for example starter.pth.
    checkpoint: PathBuf,
    /// The model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The entry of the checkpoint that holds the state_dict, for example ema. Needed if the checkpoint has several.
    #[arg(long)]
    key: Option<String>,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let checkpoint = pth::read_checkpoint(&args.checkpoint, args.key.as_deref())?;
    let imported = import::convert(&checkpoint.tensors, &args.out)?;
    checkpoint.notes.iter().for_each(|note| warn!("{note}"));
    if imported.assumed_schedule {
        warn!("the checkpoint has no schedule (beta_t): assuming the starter notebook's");
    }
    terminal.line(args.out.display())?;
    terminal.line(format!("sample from it: dm sample {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
