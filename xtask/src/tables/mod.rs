//! `cargo xtask tables`: writes the tables of README.md and of the model cards between markers on these pages, from the same
//! files as the report. Text outside the markers is kept. The same numbers are written as CSV files to `report/tables`.

mod build;
mod cards;
mod data;
mod minute;
mod model_file;
mod over_seeds;
mod promises;
mod ranks;
mod results;
mod speed;
mod studies;

use crate::markdown::replace_block;
use crate::workspace::{root, write_atomically};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::ExitCode;

/// The arguments of `cargo xtask tables`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a table does not match its data
    #[arg(long)]
    check: bool,
}

/// The name of a block, and the function that makes its text from the files of the workspace at a root.
type Block = (&'static str, fn(&Path) -> Result<String>);

/// The pages and the blocks in them.
const PAGES: [(&str, &[Block]); 3] = [
    (
        "README.md",
        &[
            ("build", build::build),
            ("minute", minute::minute),
            ("speed", speed::speed),
            ("headline", results::headline),
            ("promises", promises::promises),
        ],
    ),
    (
        "report/RESULTS.md",
        &[
            ("runs", results::runs),
            ("scores", results::scores),
            ("headline", over_seeds::headline),
            ("controls", over_seeds::controls),
            ("levers", studies::levers),
            ("photons", studies::photons),
        ],
    ),
    (
        "data/models/README.md",
        &[("models", cards::models), ("classifiers", cards::classifiers), ("pytorch", cards::pytorch)],
    ),
];

pub fn run(args: &Args) -> Result<ExitCode> {
    let changed = refresh(root(), args.check)?;
    for path in &changed {
        let what = if args.check { "does not match its data; run cargo xtask tables" } else { "written" };
        println!("{path}: {what}");
    }
    if changed.is_empty() {
        println!("tables: all match their data");
    }
    Ok(if args.check && !changed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Makes every block and file again, and writes those that changed unless `check` is set. Returns the paths of the changed
/// files.
pub fn refresh(root: &Path, check: bool) -> Result<Vec<String>> {
    let mut fresh = data::files(root)?;
    for (page, blocks) in PAGES {
        let path = root.join(page);
        let mut text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for (name, make) in blocks {
            text = replace_block(&text, name, &make(root)?).with_context(|| page.to_owned())?;
        }
        fresh.push((page.to_owned(), text));
    }
    fresh.retain(|(path, text)| std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(text));
    if !check {
        for (path, text) in &fresh {
            let path = root.join(path);
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            made.with_context(|| path.display().to_string())?;
            write_atomically(&path, text.as_bytes())?;
        }
    }
    Ok(fresh.into_iter().map(|(path, _)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::score_file;

    /// A workspace with one run, its model and its scores.
    fn workspace(fd: f64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let config = "name = \"ink-unet\"\n[training]\nbatch_size = 8\nvalidation_images = 1000\n\
                      [sampling]\nsampler = \"ancestral\"\nnfe = 100\n[degradation]\nkind = \"ink\"\n[network]\nkind = \"unet\"\n";
        let (model, sha256) = model_file::tests::file(&[("config", config), ("step", "40")], &[2, 3]);
        let classifier = [("test_accuracy", "0.9939"), ("judge_config", "[training]\nepochs = 8\n")];
        let mut scores = score_file("ink-unet", 100, fd);
        scores["target"]["sha256"] = sha256.into();
        put("data/models/ink-unet.safetensors", &model);
        put("data/models/classifier.safetensors", &model_file::tests::file(&classifier, &[5]).0);
        put("report/scores/ink-unet-100.json", scores.to_string().as_bytes());
        put("report/runs/ink-unet/config.toml", config.as_bytes());
        let manifest = r#"{"schema":1,"status":"complete","parameters":6,"steps_total":40,"steps_done":40,"epochs":5,"wall_s":90,"git_revision":"abc","data_sha256":"d0"}"#;
        put("report/runs/ink-unet/manifest.json", manifest.as_bytes());
        let line = r#"{"event":"epoch","step":40,"epoch":5,"train_loss":0.5,"val_loss":4.25,"seconds":1,"images_per_s":9}"#;
        put("report/runs/ink-unet/metrics.jsonl", format!("{line}\n").as_bytes());
        put("crates/dm-nn/python/dm_torch.py", b"import torch\n");
        for recorded in [
            "report/build.json",
            "report/bench.json",
            "report/runs/minute/manifest.json",
            "report/runs/minute/scores.json",
            "report/runs/controls/over-seeds.json",
            "report/runs/headline/over-seeds.json",
            "xtask/sweeps/headline.toml",
            "xtask/sweeps/digits.toml",
            "xtask/sweeps/levers.toml",
            "xtask/sweeps/photons.toml",
        ] {
            put(recorded, &std::fs::read(root().join(recorded)).unwrap());
        }
        for study in ["headline", "levers", "photons"] {
            for job in crate::sweep::recorded(root(), study).unwrap() {
                for evaluation in &job.evaluations {
                    let recorded =
                        format!("report/runs/{study}/{}/scores/{}.json", job.name, evaluation.name);
                    put(&recorded, &std::fs::read(root().join(&recorded)).unwrap());
                }
            }
        }
        put(
            "README.md",
            b"# dm\n<!-- build -->\n<!-- end build -->\n<!-- minute -->\n<!-- end minute -->\n<!-- speed -->\n<!-- end speed -->\n<!-- headline -->\nold\n<!-- end headline -->\nby hand\n<!-- promises -->\n<!-- end promises -->\n",
        );
        let blocks = ["runs", "scores", "headline", "controls", "levers", "photons"];
        let blocks = blocks.map(|name| format!("<!-- {name} -->\n<!-- end {name} -->\n"));
        put("report/RESULTS.md", blocks.concat().as_bytes());
        put("data/models/README.md", b"<!-- models -->\n<!-- end models -->\n<!-- classifiers -->\n<!-- end classifiers -->\n<!-- pytorch -->\n<!-- end pytorch -->\n");
        dir
    }

    #[test]
    fn pages_follow_their_data_and_a_second_time_changes_nothing() {
        let dir = workspace(3.5);
        assert_eq!(refresh(dir.path(), true).unwrap().len(), 7);
        let read = |page: &str| std::fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(read("README.md").contains("old"), "a check wrote");
        assert_eq!(refresh(dir.path(), false).unwrap().len(), 7);
        assert!(refresh(dir.path(), true).unwrap().is_empty());
        let (readme, cards) = (read("README.md"), read("data/models/README.md"));
        let results = read("report/RESULTS.md");
        for text in [
            "by hand",
            "| `unet`, training step of 128 images",
            "3.50 (3.15 to 3.85)",
            "0.550 (0.500 to 0.600)",
            "n = 1,000",
        ] {
            assert!(readme.contains(text), "{text}: {readme}");
        }
        for text in [
            "| `ink-unet` | 5      | 320 ",
            "4.250",
            "3.50 (3.15 to 3.85)",
            "| Walk, counts ",
            "| 50          | `classifier`     | Ink ",
            "| `--spacing power:2`",
            "| Richardson-Lucy",
        ] {
            assert!(results.contains(text), "{text}: {results}");
        }
        for text in ["### `ink-unet`", "6 parameters", "320 images", "abc", "3.50", "99.39 %", "import torch"]
        {
            assert!(cards.contains(text), "{text}: {cards}");
        }
        let scores = read("report/tables/scores.csv");
        assert!(
            scores
                .contains("ink-unet,ancestral,,100,1000,5,10000,classifier,frechet distance,,3.5,3.15,3.85"),
            "{scores}"
        );
        // With another score, the pages and the data differ.
        let other = workspace(7.25);
        std::fs::copy(
            other.path().join("report/scores/ink-unet-100.json"),
            dir.path().join("report/scores/ink-unet-100.json"),
        )
        .unwrap();
        let changed = refresh(dir.path(), true).unwrap();
        assert_eq!(
            changed,
            ["report/tables/scores.csv", "README.md", "report/RESULTS.md", "data/models/README.md"]
        );
    }

    #[test]
    fn a_model_that_is_not_the_recorded_run_is_noticed() {
        let dir = workspace(3.5);
        let path = dir.path().join("report/runs/ink-unet/config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, config.replace("batch_size = 8", "batch_size = 16")).unwrap();
        let error = format!("{:#}", refresh(dir.path(), true).unwrap_err());
        assert!(
            error.contains("report/runs/ink-unet") && error.contains("data/models/ink-unet.safetensors"),
            "{error}"
        );
    }
}
