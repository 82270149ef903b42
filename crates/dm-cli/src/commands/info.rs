//! `dm info`: describes a model or a classifier.

use std::process::ExitCode;

use anyhow::Result;
use candle_core::Device;
use dm_nn::params::file::TensorFile;
use dm_record::SCHEMA;
use dm_train::RunConfig;
use serde_json::{Value, json};

use crate::locate::{self, Found};
use crate::terminal::Terminal;

/// Describe a model or a classifier: its size, its images, its training, and its whole config.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, the file of a model or a classifier, or a shipped name.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// Print JSON, with the config as TOML in a string.
    #[arg(long)]
    json: bool,
}

/// The metadata entry with the config of a classifier, in files of schema 2 and of schema 1.
const CLASSIFIER_CONFIG: [&str; 2] = ["config", "judge_config"];

/// A description in both forms.
struct Description {
    lines: Vec<String>,
    json: Value,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let found = locate::model(&args.model)?;
    let (file, bytes) = found.tensor_file()?;
    let description =
        if locate::is_classifier(&file) { classifier(&found, &file, bytes)? } else { model(&found, bytes)? };
    if args.json {
        terminal.line(serde_json::to_string_pretty(&description.json)?)?;
    } else {
        terminal.lines(description.lines)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The description of a classifier.
fn classifier(found: &Found, file: &TensorFile, bytes: usize) -> Result<Description> {
    let classifier = found.open_classifier(&Device::Cpu)?;
    let config = match CLASSIFIER_CONFIG.iter().find(|entry| file.has_metadata(entry)) {
        Some(entry) => {
            let mut config = RunConfig::parse(file.metadata(entry)?, file.path())?;
            if let RunConfig::Classifier(config) = &mut config {
                // A config of schema 1 states a name of schema 1.
                config.name.clone_from(&classifier.name);
            }
            config.to_toml()?
        }
        None => String::new(),
    };
    let path = file.path().display().to_string();
    let lines = vec![
        format!("# {path}"),
        "# a classifier, for dm eval --classifier".to_owned(),
        format!("# images of {}, {} classes", classifier.shape, classifier.num_classes),
        format!("# test accuracy {:.2} %", 100.0 * classifier.test_accuracy),
        config.trim_end().to_owned(),
    ];
    let json = json!({
        "schema": SCHEMA,
        "kind": "classifier",
        "name": classifier.name,
        "path": path,
        "bytes": bytes,
        "sha256": classifier.sha256,
        "image": classifier.shape,
        "num_classes": classifier.num_classes,
        "test_accuracy": classifier.test_accuracy,
        "config": config,
    });
    Ok(Description { lines, json })
}

/// The description of a model.
fn model(found: &Found, bytes: usize) -> Result<Description> {
    let model = found.open_model(&Device::Cpu)?;
    let (parameters, step) = (model.parameters, model.provenance.step);
    let classes =
        if model.num_classes == 0 { String::new() } else { format!(", {} classes", model.num_classes) };
    let path = model.provenance.path.display().to_string();
    let lines = vec![
        format!("# {path}"),
        format!("# a diffusion model with {parameters} parameters, {bytes} bytes, trained for {step} steps"),
        format!("# images of {}{classes}", model.shape),
        format!("# sha256 {}", model.provenance.sha256),
        model.provenance.config.trim_end().to_owned(),
    ];
    let json = json!({
        "schema": SCHEMA,
        "kind": "diffusion",
        "name": model.name,
        "path": path,
        "bytes": bytes,
        "sha256": model.provenance.sha256,
        "image": model.shape,
        "num_classes": model.num_classes,
        "class_names": model.class_names,
        "parameters": parameters,
        "step": step,
        "data_sha256": model.provenance.data_sha256,
        "config": model.provenance.config,
    });
    Ok(Description { lines, json })
}
