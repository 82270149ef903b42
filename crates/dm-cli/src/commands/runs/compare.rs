//! `dm runs compare A B`: how the configs, the results and the curves of two runs differ.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::curves::{Curves, Points};
use super::read::Run;
use super::summary::Summary;
use crate::chart::{self, Curve, Style};
use crate::output_args::OutputArgs;
use crate::table::{Column, cut, table};
use crate::terminal::Terminal;
use crate::units;

/// Height of a chart.
const HEIGHT: usize = 10;
/// Tables of a config that decide what a loss means. Between runs that differ here, losses cannot be compared.
const MEANING: [&str; 4] = ["data.", "degradation.", "objective.", "classifier."];

/// Compare two runs: the keys in which their configs differ, their results, and their curves.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, or the name of one in runs.
    #[arg(value_name = "A")]
    a: String,
    /// Another one.
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Two runs in their JSON form.
#[derive(Serialize)]
pub struct Comparison {
    /// The keys in which the configs differ.
    config: Vec<Difference>,
    a: Side,
    b: Side,
}

/// A key of a config with the values of two runs, which differ. The value is `None` for a run without the key.
#[derive(Serialize)]
struct Difference {
    key: String,
    a: Option<Value>,
    b: Option<Value>,
}

impl Comparison {
    /// Compares the runs `a` and `b`.
    ///
    /// # Errors
    /// If the config of one cannot be read.
    pub fn of(a: &Run, b: &Run) -> Result<Self> {
        let config = differences(&keys(a)?, &keys(b)?);
        let now = SystemTime::now();
        let side = |run: &Run| Side { summary: Summary::of(run, now), curves: Curves::of(run) };
        Ok(Self { config, a: side(a), b: side(b) })
    }
}

#[derive(Serialize)]
struct Side {
    #[serde(flatten)]
    summary: Summary,
    curves: Curves,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<()> {
    let (a, b) = (Run::open(&args.a)?, Run::open(&args.b)?);
    let comparison = Comparison::of(&a, &b)?;
    args.output.finish(terminal, &comparison, || lines(&comparison, Terminal::width(), terminal.colors()))
}

/// The values of a run's config by their keys, for example `training.epochs`.
fn keys(run: &Run) -> Result<BTreeMap<String, Value>> {
    let mut keys = BTreeMap::new();
    flatten("", serde_json::to_value(run.config()?)?, &mut keys);
    Ok(keys)
}

fn flatten(prefix: &str, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value, keys);
            }
        }
        value => {
            keys.insert(prefix.to_owned(), value);
        }
    }
}

fn differences(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> Vec<Difference> {
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).filter(|key| a.get(*key) != b.get(*key)).collect();
    keys.sort();
    keys.dedup();
    let difference =
        |key: &String| Difference { key: key.clone(), a: a.get(key).cloned(), b: b.get(key).cloned() };
    keys.into_iter().map(difference).collect()
}

/// Title of a chart, and the points that it shows.
type Chart = (&'static str, fn(&Curves) -> &Points);

fn lines(comparison: &Comparison, width: usize, colors: bool) -> Vec<String> {
    let (a, b) = (&comparison.a, &comparison.b);
    let mut lines = vec![format!("A  {}", a.summary.path), format!("B  {}", b.summary.path), String::new()];
    lines.extend(config_table(&comparison.config, width));
    lines.push(String::new());
    lines.extend(result_table(&a.summary, &b.summary, width));
    let decides = |difference: &&Difference| MEANING.iter().any(|table| difference.key.starts_with(table));
    if let Some(difference) = comparison.config.iter().find(decides) {
        let note = format!("The losses measure different things: {} differs.", difference.key);
        lines.extend([String::new(), cut(&note, width.max(40))]);
    }
    // The training loss stands in where a run has no validation loss.
    let with_validation = [a, b].iter().all(|side| !side.curves.val_loss.is_empty());
    let losses: Chart = if with_validation {
        ("validation loss", |curves| &curves.val_loss)
    } else {
        ("training loss", |curves| &curves.train_loss)
    };
    let all: [Chart; 3] = [losses, ("accuracy", |curves| &curves.test_accuracy), ("FD", |curves| &curves.fd)];
    for (title, points) in all {
        let (of_a, of_b) = (points(&a.curves), points(&b.curves));
        if of_a.is_empty() || of_b.is_empty() {
            continue;
        }
        let curve =
            |name: &str, points: &Points, style| Curve { name: name.into(), points: points.clone(), style };
        let curves = [curve("A", of_a, Style::Line), curve("B", of_b, Style::Marks)];
        lines.push(String::new());
        lines.extend(chart::lines(title, "epochs", &curves, width, HEIGHT, colors));
    }
    lines
}

fn config_table(differences: &[Difference], width: usize) -> Vec<String> {
    if differences.is_empty() {
        return vec!["The configs are the same.".to_owned()];
    }
    let text = |value: Option<&Value>| match value {
        None => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let column = |title, cell: &dyn Fn(&Difference) -> String| Column {
        title,
        align_right: false,
        rank: 0,
        cells: differences.iter().map(cell).collect(),
    };
    let (a, b) = (column("A", &|d| text(d.a.as_ref())), column("B", &|d| text(d.b.as_ref())));
    table(vec![column("config", &|d| d.key.clone()), a, b], width)
}

fn result_table(a: &Summary, b: &Summary, width: usize) -> Vec<String> {
    type Cell = fn(&Summary) -> String;
    let rows: [(&str, Cell); 10] = [
        ("state", |run| run.state.name().to_owned()),
        ("epochs", Summary::progress),
        ("training loss", |run| units::number(run.train_loss)),
        ("validation loss", |run| units::number(run.val_loss)),
        ("accuracy", |run| run.test_accuracy.map_or(String::new(), units::percent)),
        ("FD", |run| units::number(run.fd)),
        ("images/s", |run| units::number(run.images_per_s)),
        ("time", |run| run.wall_s.map_or(String::new(), |seconds| units::span(seconds.max(0.0) as u64))),
        ("parameters", |run| run.parameters.map_or(String::new(), |count| units::thousands(count as u64))),
        ("disk", |run| units::bytes(run.bytes)),
    ];
    let rows: Vec<[String; 3]> = rows
        .into_iter()
        .map(|(name, cell)| [name.to_owned(), cell(a), cell(b)])
        .filter(|[_, a, b]| !(a.is_empty() && b.is_empty()))
        .collect();
    let column = |title, i: usize| Column {
        title,
        align_right: i > 0,
        rank: 0,
        cells: rows.iter().map(|row| row[i].clone()).collect(),
    };
    table(vec![column("result", 0), column("A", 1), column("B", 2)], width)
}
