//! `dm info`: what a model is.

use std::process::ExitCode;

use anyhow::Result;
use candle_core::Device;
use dm_nn::params::file::TensorFile;
use dm_train::Model;

use crate::locate;
use crate::terminal::Terminal;

/// Show what a model is: its size, its training, its whole config.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, a model file, or the name of a shipped model.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let path = locate::file(&args.model)?;
    if path.is_file() {
        let file = TensorFile::read(&path)?;
        if file.has_metadata("judge") {
            let accuracy = 100.0 * file.metadata("test_accuracy")?.parse::<f64>().unwrap_or(f64::NAN);
            terminal.line(format!("# {}", path.display()));
            terminal.line(format!("# a judge, for dm eval; test accuracy {accuracy:.2} %"));
            terminal.line(file.metadata("judge_config")?.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
    }
    let model = Model::read(&path, &Device::Cpu)?;
    let size = std::fs::metadata(&model.path).map_or(0, |m| m.len());
    terminal.line(format!("# {}", model.path.display()));
    terminal
        .line(format!("# {} parameters, {size} bytes, trained for {} steps", model.parameters, model.step));
    terminal.line(model.config.to_toml()?.trim_end());
    Ok(ExitCode::SUCCESS)
}
