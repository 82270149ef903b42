//! `dm runs [DIR]`: one line per run.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;

use super::read::{self, Run, State};
use super::summary::Summary;
use crate::output_args::OutputArgs;
use crate::table::{Column, cut, table};
use crate::terminal::Terminal;
use crate::units;

#[derive(clap::Args)]
pub struct Args {
    /// The folder with the run folders, which may lie in folders below it [default: runs].
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<()> {
    let runs = find(args.folder.as_deref())?;
    let now = SystemTime::now();
    let runs: Vec<Summary> = runs.iter().map(|run| Summary::of(run, now)).collect();
    args.output.finish(terminal, &runs, || {
        let folder = args.folder.as_deref().unwrap_or(Path::new(read::RUNS));
        if runs.is_empty() { vec![no_runs(folder)] } else { lines(&runs, Terminal::width()) }
    })
}

/// The runs in `folder`, or in `runs`, which need not exist.
///
/// # Errors
/// If there is no such folder.
pub fn find(folder: Option<&Path>) -> Result<Vec<Run>> {
    match folder {
        None if !Path::new(read::RUNS).exists() => Ok(Vec::new()),
        folder => read::find(folder.unwrap_or(Path::new(read::RUNS))),
    }
}

/// The message about a folder without runs.
pub fn no_runs(folder: &Path) -> String {
    format!("no runs in {}; train one: dm train data/configs/minute.toml", folder.display())
}

/// The table, the reasons why runs cannot be read, and a count.
fn lines(runs: &[Summary], width: usize) -> Vec<String> {
    let column = |title, align_right, rank, cell: &dyn Fn(&Summary) -> String| Column {
        title,
        align_right,
        rank,
        cells: runs.iter().map(cell).collect(),
    };
    let number = |value: fn(&Summary) -> Option<f64>| move |run: &Summary| units::number(value(run));
    let mut lines = table(
        vec![
            column("run", false, 0, &|run| run.run.clone()),
            column("state", false, 0, &|run| run.state.name().to_owned()),
            column("epoch", true, 1, &Summary::progress),
            column("train loss", true, 4, &number(|run| run.train_loss)),
            column("val. loss", true, 3, &number(|run| run.val_loss)),
            column("accuracy", true, 5, &|run| run.test_accuracy.map_or(String::new(), units::percent)),
            column("FD", true, 2, &number(|run| run.fd)),
            column("images/s", true, 7, &number(|run| run.images_per_s)),
            column("age", true, 2, &|run| run.age_s.map_or(String::new(), units::span)),
            column("disk", true, 6, &|run| units::bytes(run.bytes)),
        ],
        width,
    );
    let unreadable = runs.iter().filter_map(|run| Some((&run.run, run.reason.as_ref()?)));
    lines.extend(unreadable.map(|(run, reason)| cut(&format!("{run}: {reason}"), width.max(40))));
    lines.push(count(runs));
    lines
}

/// For example `13 runs: 1 running, 12 complete; 213 MB`.
fn count(runs: &[Summary]) -> String {
    let states = [State::Running, State::Complete, State::Stopped, State::Empty, State::Unreadable];
    let of = |state: State| runs.iter().filter(|run| run.state == state).count();
    let states: Vec<String> = states
        .into_iter()
        .filter(|&state| of(state) > 0)
        .map(|state| format!("{} {}", of(state), state.name()))
        .collect();
    let noun = if runs.len() == 1 { "run" } else { "runs" };
    let bytes = units::bytes(runs.iter().map(|run| run.bytes).sum());
    format!("{} {noun}: {}; {bytes}", runs.len(), states.join(", "))
}
