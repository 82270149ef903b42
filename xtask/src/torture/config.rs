//! A run is resumed with another config, other data, or another schema.

use super::findings::Findings;
use super::lab::Lab;
use super::process::finish;
use super::run_files::{checkpoints, copy};
use anyhow::{Context, Result, ensure};

/// Changes that are refused; the message must contain the key.
const REFUSED: [&str; 12] = [
    "seed=2",
    "network.channels=[8, 8]",
    "network.groups=2",
    "degradation.density=32.0",
    "degradation.timesteps=40",
    "objective.parameterization=\"softmax\"",
    "optimizer.learning_rate=2e-3",
    "optimizer.weight_decay=0.1",
    "training.batch_size=8",
    "training.max_images=32",
    "training.ema_decay=0.9",
    "training.validation_images=8",
];
/// Changes that do not change what has been computed, and are accepted.
const ACCEPTED: [&str; 3] = ["training.epochs=3", "training.log_every=2", "training.checkpoint_every=5"];

pub fn test(lab: &mut Lab) -> Result<Findings> {
    let mut findings = Findings::of(format!(
        "{} changed keys, data with one changed pixel, {} keys that may change",
        REFUSED.len(),
        ACCEPTED.len()
    ));
    let config = lab.config("fixed", "kind = \"ink\"", "epochs = 2\ncheckpoint_every = 3")?;
    let train = ["train", &config, "--run", "fixed", "--no-tensorboard"];
    let ended = finish(lab.command(&train))?;
    ensure!(ended.is(0), "training: {}", ended.said());
    let resume = [&train[..], &["--resume"]].concat();
    let before = state(lab)?;
    for change in REFUSED {
        let key = change.split('=').next().unwrap_or(change);
        let ended = finish(lab.command(&[&resume[..], &["--set", change]].concat()))?;
        let name = key.rsplit('.').next().unwrap_or(key);
        findings.count(if !ended.is(2) || !ended.stderr.contains(name) {
            Err(format!("{change}: {}", ended.said()))
        } else if state(lab)? != before {
            Err(format!("{change}: was refused, but changed the run"))
        } else {
            Ok(())
        });
    }
    for change in ACCEPTED {
        copy(&lab.path("fixed"), &lab.path("changed"))?;
        let args = ["train", &config, "--run", "changed", "--no-tensorboard", "--resume", "--set", change];
        let ended = finish(lab.command(&args))?;
        findings.count(if ended.is(0) { Ok(()) } else { Err(format!("{change}: {}", ended.said())) });
        std::fs::remove_dir_all(lab.path("changed")).context("removing a run")?;
    }
    findings.count(other_data(lab, &resume)?);
    Ok(findings)
}

/// The bytes of the newest checkpoint and the config.
fn state(lab: &Lab) -> Result<Vec<Vec<u8>>> {
    let run = lab.path("fixed");
    let paths = checkpoints(&run)?.into_iter().chain([run.join("config.toml")]);
    paths.map(|path| std::fs::read(&path).with_context(|| path.display().to_string())).collect()
}

/// One pixel of the training images changes.
fn other_data(lab: &Lab, resume: &[&str]) -> Result<Result<(), String>> {
    let path = lab.path("data/train-images-idx3-ubyte");
    let bytes = std::fs::read(&path).context("reading the data")?;
    let mut changed = bytes.clone();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    std::fs::write(&path, changed).context("changing the data")?;
    // A finished run reads no data, so the run is made longer.
    let ended = finish(lab.command(&[resume, &["--set", "training.epochs=3"]].concat()))?;
    std::fs::write(&path, bytes).context("restoring the data")?;
    Ok(if ended.is(2) && ended.stderr.contains("data_sha256") {
        Ok(())
    } else {
        Err(format!("other data: {}", ended.said()))
    })
}
