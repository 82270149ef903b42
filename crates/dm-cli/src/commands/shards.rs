//! `dm shards`: sample sets that several machines have drawn in shards.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use dm_nn::data::{ShardedSet, shards};

use super::sample::{GRID, write_grid};
use crate::image_files::SAMPLE_SET;
use crate::terminal::Terminal;

/// Join the shards that `dm sample --shard` has drawn.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Join all shards of one sample set.
    ///
    /// Writes images.safetensors and grid.png, with the very bytes that `dm sample` without --shard writes. Only a few
    /// thousand images are in memory at a time.
    Join {
        /// The folder of the shards, or the files of all shards.
        #[arg(required = true, value_name = "SHARDS")]
        shards: Vec<PathBuf>,
        /// Folder for the results.
        #[arg(long, default_value = "out", value_name = "DIR")]
        out: PathBuf,
    },
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let Action::Join { shards, out } = &args.action;
    let set = ShardedSet::open(&files(shards)?)?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let path = out.join(SAMPLE_SET);
    let bar = terminal.bar(set.n() as u64, "joining");
    set.join(&path, &mut |done| bar.set_position(done as u64))?;
    bar.finish();
    terminal.line(format!("{} images from {} shards", set.n(), set.paths().count()))?;
    terminal.line(path.display())?;
    terminal.line(write_grid(out, set.shape(), &set.images(0, GRID.1)?)?.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The files of the shards that are named: by their folder, or one by one.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    match named {
        [folder] if folder.is_dir() => {
            let files = shards::in_folder(folder)?;
            let shown = folder.display();
            ensure!(!files.is_empty(), "{shown}: found no shards, expected images-i-of-k.safetensors");
            Ok(files)
        }
        files => Ok(files.to_vec()),
    }
}
