//! The model cards: kind, training and scores of every shipped model, the classifiers, and how PyTorch loads a model. The facts
//! come from the model's file, from the record of its run, and from the score files that state its hash. Limitations are
//! written by hand.

use super::model_file::ModelFile;
use super::results::{batch_size, conditions, config, duration, table};
use crate::markdown::{self, number, thousands, words};
use crate::records::{Metrics, Scores, Table, read_manifest};
use crate::sweep::{self, Job};
use crate::workspace::entries;
use anyhow::{Context, Result, ensure};
use dm_record::Target;
use std::path::Path;

/// A card for each run whose model is shipped.
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
    let (model, name) = (ModelFile::read(path)?, &job.name);
    let folder = root.join("report/runs").join(name);
    let manifest =
        read_manifest(&folder)?.with_context(|| format!("report/runs/{name}: found no record of the run"))?;
    let config = config(&folder)?;
    let same = model.config(&["config"])? == config
        && model.get("step") == Some(manifest.steps_done.to_string().as_str());
    ensure!(same, "data/models/{name}.safetensors: found another config or step than in report/runs/{name}");
    // The value at the first of `keys` that the table has: the current key, or that of schema 1.
    let text = |table: &str, keys: &[&str]| {
        let table = config.get(table).and_then(toml::Value::as_table);
        let value = table.and_then(|table| keys.iter().find_map(|key| table.get(*key)));
        value.map_or("?".into(), |value| match (value.as_str(), value.as_integer()) {
            (Some(text), _) => current_name(text),
            (_, Some(count)) => thousands(count.unsigned_abs()),
            _ => value.to_string(),
        })
    };
    let (network, parameters) = (text("network", &["kind"]), thousands(model.parameters));
    let (degradation, timesteps) =
        (text("degradation", &["kind"]), text("degradation", &["timesteps", "steps"]));
    let revision = manifest.git_revision.as_deref().unwrap_or("?");
    let images = thousands(manifest.steps_done * batch_size(&config));
    let loss = number(Metrics::read(&folder)?.last_val_loss(), 4);
    let validation = text("training", &["validation_images"]);
    let (sampler, nfe) = (text("sampling", &["sampler"]), text("sampling", &["nfe", "steps"]));
    let facts = [
        ("", String::new()),
        ("network", format!("`{network}`, {parameters} parameters, {:.1} MB", model.bytes as f64 / 1e6)),
        ("degradation", format!("`{degradation}`, {timesteps} timesteps")),
        ("made by", format!("`dm train report/runs/{name}/config.toml`, revision `{revision}`")),
        ("training", format!("{} epochs, {images} images, {}", manifest.epochs, duration(manifest.wall_s))),
        ("data", format!("MNIST (`data/mnist/README.md`), SHA-256 `{}`", manifest.data_sha256)),
        ("validation loss", format!("{loss} ({}), {validation} test images", job.loss)),
        ("sampling", format!("`{sampler}`, {nfe} evaluations per image")),
        ("SHA-256", format!("`{}`", model.sha256)),
    ];
    let facts: Vec<_> = facts.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect();
    let facts = markdown::table(&facts, 2);
    Ok(format!("### `{name}`\n\n{}\n\n{facts}\n\n{}", job.title, scores_of(scores, &model.sha256)))
}

/// The current name of a sampler of schema 1. Other names are returned as they are.
fn current_name(text: &str) -> String {
    let mut target = Target { sampler: Some(text.to_owned()), ..Target::default() };
    target.upgrade();
    target.sampler.unwrap_or_default()
}

/// The scores of the model with this hash by the first classifier, for the largest n.
fn scores_of(scores: &Scores, sha256: &str) -> String {
    let of_model = |table: &&Table| table.classes.is_some() && table.target.sha256.as_deref() == Some(sha256);
    let mut tables: Vec<&Table> = scores.tables.iter().filter(of_model).collect();
    let largest = tables.iter().map(|table| table.target.n).max();
    tables.retain(|table| Some(table.target.n) == largest);
    if tables.is_empty() {
        return "No score in `report/scores` is of this file.".into();
    }
    format!("{}\n\n{}", table(&tables), conditions(&tables))
}

/// The classifiers, by name.
pub fn classifiers(root: &Path) -> Result<String> {
    let mut rows = vec![words(["classifier", "network", "made by", "test accuracy", "SHA-256"])];
    for path in entries(&root.join("data/models"))? {
        if path.extension().is_none_or(|ending| ending != "safetensors") {
            continue;
        }
        let model = ModelFile::read(&path)?;
        let Some(accuracy) = model.get("test_accuracy") else { continue };
        let of = || path.display().to_string();
        let accuracy: f64 = accuracy.parse().with_context(of)?;
        let config = model.config(&["classifier_config", "judge_config", "config"]).with_context(of)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let seed = config.get("seed").and_then(toml::Value::as_integer).unwrap_or(1);
        let set = if seed == 1 { String::new() } else { format!(" --set seed={seed} --set name={name}") };
        let channels = config.get("classifier").and_then(|classifier| classifier.get("channels")?.as_array());
        let (network, file) = match channels {
            Some(channels) if channels.is_empty() => ("multilayer perceptron", "classifier-mlp"),
            _ => ("CNN", "classifier"),
        };
        rows.push(vec![
            format!("`{name}`"),
            format!("{network}, {} parameters", thousands(model.parameters)),
            format!("`dm train data/configs/{file}.toml{set}`"),
            format!("{:.2} %", 100.0 * accuracy),
            format!("`{}`", model.sha256),
        ]);
    }
    Ok(markdown::table(&rows, rows[0].len()))
}

/// The networks in PyTorch, which tests run.
pub fn pytorch(root: &Path) -> Result<String> {
    let path = root.join("crates/dm-nn/python/dm_torch.py");
    let script = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(format!("```python\n{}\n```", script.trim_end()))
}
