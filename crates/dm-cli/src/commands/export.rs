//! `dm export`: writes the network of a model or a classifier in a format of other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use candle_core::Device;
use dm_eval::Classifier;
use dm_nn::params::file::write_atomic;

use crate::terminal::Terminal;
use crate::{folder, locate};

/// Write the network of a model or a classifier as an ONNX file.
///
/// The file needs ONNX opset 17. A model's inputs are `x`, f32 [batch, channels, height, width], and `t`, f32 `[batch]`, the
/// timestep divided by T. A model with classes also has the input `classes`, i64 `[batch]`, in which the number of classes stands
/// for no class. The output is `y`. The meaning of `x` and `y` follows from the degradation and the parameterization, which the
/// file's metadata name. A classifier's input is `x`, values 0 to 1; its outputs are `features` and `logits`. The batch may have
/// any size.
#[derive(clap::Args)]
pub struct Args {
    /// A run folder, the file of a model or a classifier, or a shipped name.
    #[arg(default_value = locate::DEFAULT_MODEL)]
    model: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let found = locate::model(&args.model)?;
    let (file, _) = found.tensor_file()?;
    let content = if locate::is_classifier(&file) {
        Classifier::to_onnx(&file)?
    } else {
        dm_degrade::onnx::network(&found.open_model(&Device::Cpu)?, &file)?
    };
    folder::create_for(&args.onnx)?;
    write_atomic(&args.onnx, &content)?;
    terminal.line(args.onnx.display())?;
    Ok(ExitCode::SUCCESS)
}
