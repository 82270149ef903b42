//! `dm info`: describes a model or a classifier.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use candle_core::Device;
use dm_degrade::Model;
use dm_eval::Classifier;
use dm_nn::params::file::TensorFile;
use dm_train::RunConfig;

use crate::locate;
use crate::terminal::Terminal;

/// Describe a model or a classifier: its size, its images, its training, and its whole config.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, the file of a model or a classifier, or a shipped name.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
}

/// The metadata entry with the config of a classifier, in files of schema 2 and of schema 1.
const CLASSIFIER_CONFIG: [&str; 2] = ["config", "judge_config"];

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let path = locate::model_file(&args.model)?;
    let file = TensorFile::read(&path)?;
    let lines = if locate::is_classifier(&file) { classifier(&file)? } else { model(&path)? };
    terminal.lines(lines)?;
    Ok(ExitCode::SUCCESS)
}

/// The description of a classifier.
fn classifier(file: &TensorFile) -> Result<Vec<String>> {
    let classifier = Classifier::read(file.path(), &Device::Cpu)?;
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
    Ok(vec![
        format!("# {}", file.path().display()),
        "# a classifier, for dm eval --classifier".to_owned(),
        format!("# images of {}, {} classes", classifier.shape, classifier.num_classes),
        format!("# test accuracy {:.2} %", 100.0 * classifier.test_accuracy),
        config.trim_end().to_owned(),
    ])
}

/// The description of a model.
fn model(path: &Path) -> Result<Vec<String>> {
    let model = Model::open(path, &Device::Cpu)?;
    let size = std::fs::metadata(&model.provenance.path).map_or(0, |file| file.len());
    let (parameters, step) = (model.parameters, model.provenance.step);
    let classes =
        if model.num_classes == 0 { String::new() } else { format!(", {} classes", model.num_classes) };
    Ok(vec![
        format!("# {}", model.provenance.path.display()),
        format!("# a diffusion model with {parameters} parameters, {size} bytes, trained for {step} steps"),
        format!("# images of {}{classes}", model.shape),
        format!("# sha256 {}", model.provenance.sha256),
        model.provenance.config.trim_end().to_owned(),
    ])
}
