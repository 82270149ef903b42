//! The model cards: of every shipped model what it is, how it was made and how it scores, from its own file, the record of
//! its run and the score files that name its hash; the judges; and how PyTorch loads a model. Limits are written by hand.

use super::markdown;
use super::results::{conditions, config, duration, table};
use super::weights::Weights;
use crate::record::{Manifest, Metrics};
use crate::scores::{Scores, Table, thousands};
use crate::sweep::{self, Job};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// A card for each run of the sweep whose model is shipped.
pub fn models(root: &Path) -> Result<String> {
    let scores = Scores::read(&root.join("report/scores"))?;
    let mut cards = Vec::new();
    for job in sweep::digits(root)? {
        let path = root.join(format!("data/models/{}.safetensors", job.name));
        if path.is_file() {
            cards.push(card(root, &job, &path, &scores).with_context(|| path.display().to_string())?);
        }
    }
    Ok(cards.join("\n\n"))
}

fn card(root: &Path, job: &Job, path: &Path, scores: &Scores) -> Result<String> {
    let (weights, name) = (Weights::read(path)?, &job.name);
    let folder = root.join("report/runs").join(name);
    let manifest =
        Manifest::read(&folder)?.with_context(|| format!("report/runs/{name}: found no record of it"))?;
    let config = config(&folder)?;
    let own: toml::Table = weights.get("config")?.parse()?;
    let same = own == config && weights.get("step")? == manifest.steps_done.to_string();
    ensure!(same, "data/models/{name}.safetensors: found another config or step than in report/runs/{name}");
    let text = |table: &str, key: &str| {
        let value = config.get(table).and_then(|table| table.get(key));
        value.map_or("?".into(), |value| match (value.as_str(), value.as_integer()) {
            (Some(text), _) => text.to_owned(),
            (_, Some(count)) => thousands(count.unsigned_abs()),
            _ => value.to_string(),
        })
    };
    let batch = config.get("training").and_then(|table| table.get("batch")?.as_integer());
    let batch = batch.map_or(0, i64::unsigned_abs);
    let loss = Metrics::read(&folder)?.last_val_loss().map_or("-".into(), |loss| format!("{loss:.4}"));
    let lines = [
        (
            "network",
            format!(
                "`{}`, {} parameters, {:.1} MB",
                text("network", "kind"),
                thousands(weights.parameters),
                weights.bytes as f64 / 1e6
            ),
        ),
        (
            "degradation",
            format!("`{}`, {} levels", text("degradation", "kind"), text("degradation", "steps")),
        ),
        (
            "made by",
            format!(
                "`dm train report/runs/{name}/config.toml`, revision `{}`",
                manifest.git_revision.as_deref().unwrap_or("?")
            ),
        ),
        (
            "training",
            format!(
                "{} epochs, {} images, {}",
                manifest.epochs,
                thousands(manifest.steps_done * batch),
                duration(manifest.wall_s)
            ),
        ),
        (
            "data",
            format!(
                "MNIST (`data/mnist/README.md`), SHA-256 `{}`",
                manifest.data_sha256.as_deref().unwrap_or("?")
            ),
        ),
        (
            "validation loss",
            format!("{loss} ({}), {} test images", job.loss, text("training", "validation_images")),
        ),
        (
            "sampling",
            format!("`{}`, {} evaluations per image", text("sampling", "sampler"), text("sampling", "steps")),
        ),
        ("SHA-256", format!("`{}`", weights.sha256)),
    ];
    let rows: Vec<_> = lines.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect();
    let head = vec![vec![String::new(), String::new()]];
    let facts = markdown(&[head, rows].concat());
    Ok(format!("### `{name}`\n\n{}\n\n{facts}\n\n{}", job.title, measured(scores, &weights.sha256)))
}

/// The scores of the model with this hash, by the first judge, at the largest n there is.
fn measured(scores: &Scores, sha256: &str) -> String {
    let of_model = |table: &&Table| table.classes.is_some() && table.target.sha256.as_deref() == Some(sha256);
    let mut tables: Vec<&Table> = scores.tables.iter().filter(of_model).collect();
    let largest = tables.iter().map(|table| table.target.n).max();
    tables.retain(|table| Some(table.target.n) == largest);
    if tables.is_empty() {
        return "No score in `report/scores` is of this file.".into();
    }
    format!("{}\n\n{}", table(&tables), conditions(&tables))
}

/// The judges, by name.
pub fn judges(root: &Path) -> Result<String> {
    let head = ["judge", "network", "made by", "test accuracy", "SHA-256"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    let folder = root.join("data/models");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "safetensors")) {
        let weights = Weights::read(path)?;
        let Ok(name) = weights.get("name") else { continue };
        let of = || path.display().to_string();
        let accuracy: f64 =
            weights.get("test_accuracy").and_then(|text| Ok(text.parse()?)).with_context(of)?;
        let config: toml::Table =
            weights.get("judge_config").and_then(|text| Ok(text.parse()?)).with_context(of)?;
        let seed = config.get("seed").and_then(toml::Value::as_integer).unwrap_or(1);
        let command = "dm train data/configs/judge.toml";
        let command =
            if seed == 1 { command.into() } else { format!("{command} --set seed={seed} --set name={name}") };
        rows.push(vec![
            format!("`{name}`"),
            format!("CNN, {} parameters", thousands(weights.parameters)),
            format!("`{command}`"),
            format!("{:.2} %", 100.0 * accuracy),
            format!("`{}`", weights.sha256),
        ]);
    }
    Ok(markdown(&rows))
}

/// The script that rebuilds the reference network in PyTorch, as it is run by its test.
pub fn pytorch(root: &Path) -> Result<String> {
    let path = root.join("xtask/peers/torch_load.py");
    let script = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(format!("```python\n{}\n```", script.trim_end()))
}
