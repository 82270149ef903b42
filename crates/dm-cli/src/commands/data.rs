//! `dm data`: check the data files, or fetch them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use dm_nn::data::{CLASSES, Dataset, FILES, Images};

use crate::locate;
use crate::terminal::Terminal;

/// Check a data set, or fetch MNIST.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Read the four files, check every header and label, and show what is there.
    Check {
        /// Folder with the four IDX files, plain or gzip.
        #[arg(default_value = "data/mnist")]
        dir: PathBuf,
    },
    /// Fetch MNIST from the Hugging Face hub (needs a build with `--features hub`).
    Fetch {
        /// Where the four files go.
        #[arg(default_value = "data/mnist")]
        dir: PathBuf,
    },
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    match &args.action {
        Action::Check { dir } => check(&locate::data(dir), terminal)?,
        Action::Fetch { dir } => fetch(dir, terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(dir: &std::path::Path, terminal: &Terminal) -> Result<()> {
    let data = Dataset::read(dir)?;
    for (name, hash) in FILES.iter().zip(&data.file_sha256) {
        terminal.line(format!("{hash}  {name}"));
    }
    for (name, images) in [("train", &data.train), ("test", &data.test)] {
        terminal.line(format!("{name}: {} images, per class {}", images.len(), classes(images)));
    }
    let verdict = if data.is_mnist() { "MNIST, byte for byte" } else { "not MNIST, but a whole data set" };
    terminal.line(format!("{}: {verdict}", dir.display()));
    Ok(())
}

fn classes(images: &Images) -> String {
    let count = |class: usize| images.labels.iter().filter(|&&label| usize::from(label) == class).count();
    (0..CLASSES).map(|class| count(class).to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(feature = "hub")]
fn fetch(dir: &std::path::Path, terminal: &Terminal) -> Result<()> {
    dm_nn::data::hub::fetch(dir)?;
    check(dir, terminal)
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &std::path::Path, _: &Terminal) -> Result<()> {
    anyhow::bail!(
        "dm data fetch: this binary was built without --features hub (MNIST is in data/mnist already)"
    )
}
