//! A learning rate that is far too large drives the weights to infinity; a weight in the checkpoint is not a number. The run
//! must stop, name the step and the tensor, and leave the good checkpoint as it was.

use super::findings::Findings;
use super::lab::Lab;
use super::process::finish;
use super::run_files::checkpoints;
use anyhow::{Context, Result, ensure};

/// Learning rates. The first ones overflow within a few steps, the last one in the first.
const RATES: [&str; 4] = ["1e10", "1e20", "1e30", "1e38"];

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let mut findings =
        Findings::of("learning rates from 1e10 to 1e38 after a good start, Gaussian noise and Ink");
    for kind in ["gaussian", "ink"] {
        let good = lab.config("good", &format!("kind = \"{kind}\""), "epochs = 1\ncheckpoint_every = 2")?;
        let ended = finish(lab.command(&["train", &good, "--run", kind, "--no-tensorboard"]))?;
        ensure!(ended.is(0), "training: {}", ended.said());
        for rate in RATES {
            let run = format!("{kind}-{rate}");
            let set = format!("optimizer.learning_rate={rate}");
            let args = ["train", &good, "--run", &run, "--no-tensorboard", "--set", &set, "--set"];
            let ended = finish(lab.command(&[&args[..], &["training.epochs=20"]].concat()))?;
            let names_step = ended.stderr.contains("step");
            findings.count(if ended.is(0) || ended.status.code().is_none() || !names_step {
                Err(format!("{kind}, learning rate {rate}: {}", ended.said()))
            } else {
                finite(lab, &run)?
            });
        }
    }
    Ok(findings)
}

/// Whether all numbers in the checkpoints of a run are finite.
fn finite(lab: &Lab, run: &str) -> Result<Result<(), String>> {
    for path in checkpoints(&lab.path(run))? {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        for (name, view) in safetensors::SafeTensors::deserialize(&bytes)?.tensors() {
            let mut values = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            if view.dtype() == safetensors::Dtype::F32 && !values.all(f32::is_finite) {
                return Ok(Err(format!("{}: {name} is not finite", path.display())));
            }
        }
    }
    Ok(Ok(()))
}
