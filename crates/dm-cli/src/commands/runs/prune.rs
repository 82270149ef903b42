//! `dm runs prune`: removes what finished runs no longer need. Models, metrics and samples stay.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dm_nn::storage::Disk;
use dm_train::{checkpoint_files, run_lock};
use serde::Serialize;

use super::list;
use super::read::{CONFIG, MANIFEST, METRICS, RUNS, Run, SAMPLES, State};
use crate::output_args::OutputArgs;
use crate::process_name::process_name;
use crate::table::{Column, table};
use crate::terminal::Terminal;
use crate::units;

/// Remove the checkpoints of complete runs and the folders of empty ones; without --yes only list them.
///
/// A complete run without its checkpoint can be sampled, evaluated and compared as before, but not trained further. A run is
/// empty if it ended before its first report. Models, metrics and samples are never removed.
#[derive(clap::Args)]
pub struct Args {
    /// The folder with the run folders, which may lie in folders below it [default: runs].
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Remove what is listed.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a call removes, in its JSON form.
#[derive(Serialize)]
struct Pruning {
    /// Whether the items have been removed; otherwise they are only listed.
    removed: bool,
    items: Vec<Item>,
    /// Size of all items.
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Checkpoint,
    Empty,
}

/// A file or a folder that is removed.
#[derive(Serialize)]
struct Item {
    run: String,
    kind: Kind,
    path: PathBuf,
    bytes: u64,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<()> {
    let runs = list::find(args.folder.as_deref())?;
    let folder = args.folder.as_deref().unwrap_or(Path::new(RUNS));
    // A folder that a link leads to may belong to others. It is pruned only if it is named itself.
    let is_own = |run: &&Run| run.path == folder || !run.path.is_symlink();
    let mut pruned = Vec::new();
    for run in runs.iter().filter(is_own) {
        for item in items(run) {
            if args.yes {
                remove(run, &item).with_context(|| item.path.display().to_string())?;
            }
            pruned.push(item);
        }
    }
    let bytes = pruned.iter().map(|item| item.bytes).sum();
    let pruning = Pruning { removed: args.yes, items: pruned, bytes };
    args.output.finish(terminal, &pruning, || lines(&pruning, folder, Terminal::width()))
}

/// What is removed of `run`.
fn items(run: &Run) -> Vec<Item> {
    let item = |kind, path, bytes| Item { run: run.name.clone(), kind, path, bytes };
    match run.state {
        // Without the model, the checkpoints are all that is left of the training.
        State::Complete if run.path.join(dm_degrade::model::FILE).is_file() => {
            let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
            let paths = checkpoint_files::all(&run.path).unwrap_or_default();
            paths.into_iter().map(|path| item(Kind::Checkpoint, path.clone(), bytes(&path))).collect()
        }
        State::Empty if files_of_empty(&run.path).is_some() => {
            vec![item(Kind::Empty, run.path.clone(), run.bytes)]
        }
        _ => Vec::new(),
    }
}

/// The files in the folder of an empty run; `None` if it holds anything that a run without a report does not write.
fn files_of_empty(path: &Path) -> Option<Vec<PathBuf>> {
    let is_known = |name: &str| {
        [CONFIG, MANIFEST, METRICS, run_lock::LOCK].contains(&name)
            || name.starts_with("events.out.tfevents.")
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        let (name, kind) = (entry.file_name(), entry.file_type().ok()?);
        if name == SAMPLES && kind.is_dir() {
            fs::read_dir(entry.path()).ok()?.next().is_none().then_some(())?;
        } else {
            (kind.is_file() && name.to_str().is_some_and(is_known)).then_some(())?;
            (name != METRICS || entry.metadata().ok()?.len() == 0).then_some(())?;
            files.push(entry.path());
        }
    }
    Some(files)
}

/// Removes `item` of `run`, unless a process has begun to train into the folder meanwhile.
fn remove(run: &Run, item: &Item) -> Result<()> {
    let _lock = run_lock::lock(&Disk, &run.path, &process_name())?;
    match item.kind {
        Kind::Checkpoint => fs::remove_file(&item.path)?,
        Kind::Empty => {
            for file in files_of_empty(&run.path).unwrap_or_default() {
                fs::remove_file(file)?;
            }
            let samples = run.path.join(SAMPLES);
            if samples.exists() {
                fs::remove_dir(samples)?;
            }
            fs::remove_dir(&run.path)?;
        }
    }
    Ok(())
}

fn lines(pruning: &Pruning, folder: &Path, width: usize) -> Vec<String> {
    if pruning.items.is_empty() {
        return vec![format!("nothing to remove in {}", folder.display())];
    }
    let what = |item: &Item| match item.kind {
        Kind::Checkpoint => {
            item.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        }
        Kind::Empty => "the whole folder, an empty run".to_owned(),
    };
    let column = |title, align_right, cell: &dyn Fn(&Item) -> String| Column {
        title,
        align_right,
        rank: 0,
        cells: pruning.items.iter().map(cell).collect(),
    };
    let title = if pruning.removed { "removed" } else { "to remove" };
    let mut lines = table(
        vec![
            column("run", false, &|item| item.run.clone()),
            column(title, false, &what),
            column("disk", true, &|item| units::bytes(item.bytes)),
        ],
        width,
    );
    let bytes = units::bytes(pruning.bytes);
    lines.push(if pruning.removed {
        format!("{bytes} are free again")
    } else {
        format!("{bytes} in all; nothing is removed without --yes")
    });
    lines
}
