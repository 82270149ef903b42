//! `dm eval --ladder`: whether the judge puts known flaws in order.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use dm_eval::ladder::{disorder, ladder};
use dm_nn::data::CLASSES;
use serde_json::json;

use super::{Args, Room, finish, first, reference};
use crate::terminal::Terminal;

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let room = Room::new(args, terminal)?;
    let n = args.n.min(room.data.train.len());
    let labels = &room.data.train.labels[..n];
    let missing = (0..CLASSES as u8).find(|class| !labels.contains(class));
    ensure!(missing.is_none(), "--n: found {n}, expected enough images to see all ten classes");
    let reference = reference(args, &room)?;
    let mut watch = |part: &str, done, all| room.watch(part, done, all);
    let pixels = first(&room.data.train.pixels, n);
    let rungs = ladder(&room.judge, pixels, labels, &reference, &mut watch)?;
    room.bar.finish_and_clear();
    let wrong: Vec<_> = disorder(&rungs).iter().map(|(low, high)| [low.name, high.name]).collect();
    let report = json!({
        "schema": 1,
        "dm_version": env!("CARGO_PKG_VERSION"),
        "judge": { "name": room.judge.name, "sha256": room.judge.sha256 },
        "reference": { "name": reference.name, "sha256": reference.sha256, "n": reference.n() },
        "data_sha256": room.data.sha256,
        "n": n,
        "rungs": rungs,
        "disorder": wrong,
    });
    let lines = || {
        let mut lines = vec![
            format!(
                "{n} images each, against {} {}, judge {}",
                reference.n(),
                reference.name,
                room.judge.name
            ),
            format!(
                "{:<26}{:>12}{:>11}{:>9}{:>10}{:>11}",
                "rung", "FD", "precision", "recall", "coverage", "memorised"
            ),
        ];
        lines.extend(rungs.iter().map(|r| {
            format!(
                "{:<26}{:>12.3}{:>11.3}{:>9.3}{:>10.3}{:>11.3}",
                r.name, r.fd, r.precision, r.recall, r.coverage, r.memorised
            )
        }));
        if wrong.is_empty() {
            lines.push("in order".into());
        }
        lines.extend(wrong.iter().map(|[low, high]| format!("out of order: {low} should be below {high}")));
        lines
    };
    finish(args, terminal, &report, lines)
}
