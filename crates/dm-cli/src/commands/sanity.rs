//! `dm eval --ladder`: whether each judge puts known flaws in order.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use dm_eval::ladder::{Rung, disorder, ladder};
use dm_eval::protocol::{select, shuffled};
use dm_nn::data::CLASSES;
use serde_json::{Value, json};

use super::{Args, Room, finish, reference};
use crate::terminal::Terminal;

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let room = Room::new(args, terminal)?;
    let n = args.n.min(room.data.train.len());
    let rows = shuffled(room.data.train.len(), n);
    let labels: Vec<u8> = rows.iter().map(|&row| room.data.train.labels[row]).collect();
    let missing = (0..CLASSES as u8).find(|class| !labels.contains(class));
    ensure!(missing.is_none(), "--n: found {n}, expected enough images to see all ten classes");
    let pixels = select(&room.data.train.pixels, &rows);
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    let mut against = Value::Null;
    for judge in &room.judges {
        let reference = reference(args, &room, judge)?;
        let mut watch = |part: &str, done, all| room.watch(&format!("{}: {part}", judge.name), done, all);
        let rungs = ladder(judge, &pixels, &labels, &reference, &room.cache, &mut watch)?;
        let wrong: Vec<_> = disorder(&rungs).iter().map(|(low, high)| [low.name, high.name]).collect();
        let (count, name) = (reference.n(), &reference.name);
        lines.push(format!("{n} images each, against {count} {name}, judge {}", judge.name));
        lines.extend(table(&rungs, &wrong));
        against = json!({ "name": name, "sha256": reference.sha256, "n": count });
        found.push(json!({
            "judge": { "name": judge.name, "sha256": judge.sha256 }, "rungs": rungs, "disorder": wrong,
        }));
    }
    room.bar.finish_and_clear();
    let report = json!({
        "schema": 1,
        "dm_version": env!("CARGO_PKG_VERSION"),
        "reference": against,
        "data_sha256": room.data.sha256,
        "n": n,
        "ladders": found,
    });
    finish(args, terminal, &report, || lines)
}

fn table(rungs: &[Rung], wrong: &[[&str; 2]]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<26}{:>12}{:>11}{:>9}{:>10}{:>11}",
        "rung", "FD", "precision", "recall", "coverage", "memorised"
    )];
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
}
