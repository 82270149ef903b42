//! The tables of RESULTS.md that show recorded studies of one training seed.

use super::results::value;
use crate::markdown::{self, thousands, words};
use crate::records::{FRECHET, Table, distinct, read_json};
use crate::sweep;
use anyhow::{Context, Result};
use dm_record::{PhotonFile, PhotonScore};
use std::collections::BTreeMap;
use std::path::Path;

/// The evaluations of every run of the study `levers`, one row for each evaluation in the order of the study.
pub fn levers(root: &Path) -> Result<String> {
    const STUDY: &str = "levers";
    let jobs = sweep::recorded(root, STUDY)?;
    let folder = root.join("report/runs").join(STUDY);
    let evaluations = distinct(jobs.iter().flat_map(|job| job.evaluations.iter().cloned()));
    let jobs: Vec<_> = jobs.into_iter().filter(|job| !job.evaluations.is_empty()).collect();
    let mut head = words(["options", "evaluations"]);
    for job in &jobs {
        head.extend(["distance", "precision", "recall"].map(|score| format!("{}: {score}", job.title)));
    }
    let (mut rows, mut last) = (vec![head], None);
    for evaluation in &evaluations {
        let mut cells = vec![options(&evaluation.command)];
        for job in &jobs {
            let file = folder.join(&job.name).join(format!("scores/{}.json", evaluation.name));
            let table = Table::read(&file)?;
            if cells.len() == 1 {
                cells.push(network_evaluations(&table).map_or("-".into(), thousands));
            }
            let score = |name: &str| table.row(name).map_or("-".into(), value);
            cells.extend([FRECHET, "precision", "recall"].map(score));
            last = Some(table);
        }
        rows.push(cells);
    }
    let table = last.with_context(|| format!("{STUDY}: found no evaluations"))?;
    Ok(format!(
        "{}\n\nn = {} samples against {} {}; brackets: 95 % intervals over generation seeds, of one training seed.",
        markdown::table(&rows, 1),
        thousands(table.target.n),
        thousands(table.reference.n),
        table.reference.name
    ))
}

/// The options by which an evaluation differs from the others of its study.
fn options(command: &str) -> String {
    let shown = ["--sampler", "--spacing", "--guidance"];
    let words: Vec<&str> = command.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| shown.contains(&pair[0])).map(|pair| pair.join(" "));
    let pairs: Vec<String> = pairs.collect();
    if pairs.is_empty() { "as trained".into() } else { format!("`{}`", pairs.join(" ")) }
}

/// Evaluations of a network per image. A guided step evaluates two networks.
fn network_evaluations(table: &Table) -> Option<usize> {
    let networks = if table.target.other.contains_key("autoguidance") { 2 } else { 1 };
    Some(table.target.nfe? * networks)
}

/// Accuracy and PSNR of the restorations of photon counts: one table for each point spread function.
pub fn photons(root: &Path) -> Result<String> {
    const STUDY: &str = "photons";
    let mut files: Vec<(String, PhotonFile)> = Vec::new();
    for job in sweep::recorded(root, STUDY)? {
        for evaluation in &job.evaluations {
            let name = format!("report/runs/{STUDY}/{}/scores/{}.json", job.name, evaluation.name);
            files.push((job.title.clone(), read_json(&root.join(name))?));
        }
    }
    let optics = distinct(files.iter().map(|(_, file)| file.psf));
    let tables: Vec<String> = optics.into_iter().map(|psf| of_optics(&files, psf)).collect();
    let first = files.first().with_context(|| format!("{STUDY}: found no run"))?;
    Ok(format!(
        "{}\n\nShare of {} test digits whose class `{}` reads from the restored image, with its 95 % interval over images, and \
         PSNR. Draws: the mean of {} draws from the posterior.",
        tables.join("\n\n"),
        thousands(first.1.n),
        first.1.classifier.as_deref().unwrap_or("-"),
        first.1.draws
    ))
}

fn of_optics(files: &[(String, PhotonFile)], psf: [f64; 2]) -> String {
    let mut rows: BTreeMap<String, Vec<(f64, String)>> = BTreeMap::new();
    let mut names = Vec::new();
    for (title, file) in files.iter().filter(|(_, file)| file.psf == psf) {
        for score in &file.methods {
            let Some(name) = method(title, score) else { continue };
            let cells = rows.entry(name.clone()).or_default();
            if cells.iter().all(|(photons, _)| *photons != file.photons) {
                cells.push((file.photons, measures(score)));
            }
            names.push(name);
        }
    }
    let photons = distinct(files.iter().filter(|(_, file)| file.psf == psf).map(|(_, file)| file.photons));
    let optics = if psf == [0.0; 2] {
        "sharp optics".to_owned()
    } else {
        format!("point spread function of {} pixel", psf[0])
    };
    let mut table = vec![vec![optics]];
    table[0].extend(photons.iter().map(|photons| format!("{photons} photons")));
    for name in distinct(names.into_iter()) {
        let of = rows.remove(&name).unwrap_or_default();
        let cell = |photons: &f64| {
            of.iter().find(|(of, _)| of == photons).map_or("-".into(), |(_, text)| text.clone())
        };
        table.push(std::iter::once(name).chain(photons.iter().map(cell)).collect());
    }
    markdown::table(&table, 1)
}

/// The row of a score; `None` for single draws. What needs no model is the same for all of them.
fn method(title: &str, score: &PhotonScore) -> Option<String> {
    match score.name.as_str() {
        "one evaluation" => Some(format!("{title}, one evaluation")),
        "mean of the draws" => Some(format!("{title}, draws")),
        name @ ("counts" | "Richardson-Lucy") => Some(name.to_owned()),
        _ => None,
    }
}

fn measures(score: &PhotonScore) -> String {
    let Some(accuracy) = score.accuracy else { return "-".into() };
    let interval =
        score.accuracy_interval.map_or(String::new(), |[low, high]| format!(" ({low:.3} to {high:.3})"));
    format!("{accuracy:.3}{interval}, {} dB", markdown::number(score.psnr, 1))
}
