//! The tables as data: `report/tables/*.csv`, with one line per score, run, restoration or time. Values have all their digits,
//! and a value that was not measured is empty.

use super::speed::bench;
use crate::records::{Scores, baseline_range, read_json};
use crate::workspace::entries;
use anyhow::Result;
use dm_record::{RestoredSummary, SummaryRow};
use std::path::Path;

type Rows = Vec<Vec<String>>;

/// The path from the root and the text of every file.
pub fn files(root: &Path) -> Result<Vec<(String, String)>> {
    let summaries = summaries(&root.join("report/runs"))?;
    let (mut studies, mut restored) = (Vec::new(), Vec::new());
    for (study, row) in summaries.iter().flat_map(|(study, rows)| rows.iter().map(move |row| (study, row))) {
        studies.push(study_row(study, row));
        restored.extend(row.scores.restored.iter().map(|found| restored_row(study, &row.run, found)));
    }
    let tables: [(&str, &str, Rows); 4] = [
        ("scores", SCORES, scores(root)?),
        ("studies", STUDIES, studies),
        ("restored", RESTORED, restored),
        ("speed", SPEED, speed(root)?),
    ];
    let file =
        |(name, head, rows): (&str, &str, Rows)| (format!("report/tables/{name}.csv"), csv(head, &rows));
    Ok(tables.map(file).into())
}

const SCORES: &str = "file,model,sampler,spacing,nfe,n,seeds,reference_n,classifier,metric,setting,value,low,high,real_low,real_high";
const STUDIES: &str = "study,run,title,epochs,steps,parameters,train_loss,val_loss,n,seeds,frechet_distance,frechet_half,precision,precision_half,recall,recall_half";
const RESTORED: &str = "study,run,t,timesteps,degraded,estimate,chain";
const SPEED: &str = "name,work,batch,ours_ms,peer_best_ms,peer_best,ratio,ours_peak_mb,peer_peak_mb";

/// A value in a cell; empty for none.
fn cell(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn study_row(study: &str, row: &SummaryRow) -> Vec<String> {
    let scores = &row.scores;
    let mut cells = vec![study.to_owned(), row.run.clone(), row.title.clone()];
    cells.extend([row.epochs, row.steps, row.parameters as u64].map(|count| count.to_string()));
    cells.extend([row.train_loss, row.val_loss].map(cell));
    cells.extend([scores.n, scores.seeds].map(cell));
    cells.extend([scores.frechet_distance, scores.frechet_half].map(cell));
    cells.extend([scores.precision, scores.precision_half, scores.recall, scores.recall_half].map(cell));
    cells
}

fn restored_row(study: &str, run: &str, found: &RestoredSummary) -> Vec<String> {
    let mut cells = vec![study.to_owned(), run.to_owned(), found.t.to_string(), found.timesteps.to_string()];
    cells.extend([found.degraded, found.estimate, found.chain].map(cell));
    cells
}

/// Name and summary of every recorded study, in order of names.
fn summaries(runs: &Path) -> Result<Vec<(String, Vec<SummaryRow>)>> {
    let mut found = Vec::new();
    for folder in entries(runs)? {
        let summary = folder.join("summary.json");
        if summary.is_file() {
            let study = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push((study, read_json(&summary)?));
        }
    }
    Ok(found)
}

/// Every score of every classifier.
fn scores(root: &Path) -> Result<Rows> {
    let mut rows = Vec::new();
    for (folder, prefix) in [("report/scores", ""), ("report/scores/seeds", "seeds/")] {
        let folder = root.join(folder);
        let tables = if folder.is_dir() { Scores::read(&folder)?.tables } else { Vec::new() };
        for table in tables {
            let target = &table.target;
            let mut conditions = vec![format!("{prefix}{}", table.name)];
            conditions
                .extend([&target.model, &target.sampler, &target.spacing].map(|text| cell(text.as_ref())));
            let seeds = Some(target.seeds.len()).filter(|&seeds| seeds > 0);
            conditions.extend([target.nfe, Some(target.n), seeds, Some(table.reference.n)].map(cell));
            conditions.push(table.classifier.name.clone());
            for row in &table.rows {
                let real = row.real_baseline.as_ref().and_then(baseline_range);
                let interval = row.interval;
                let values = [
                    row.value,
                    interval.map(|[low, _]| low),
                    interval.map(|[_, high]| high),
                    real.map(|(low, _)| low),
                    real.map(|(_, high)| high),
                ];
                let metric = [row.name.clone(), row.setting.clone()];
                rows.push([&conditions[..], &metric, &values.map(cell)].concat());
            }
        }
    }
    Ok(rows)
}

/// Times of steps and images, in milliseconds.
fn speed(root: &Path) -> Result<Rows> {
    let bench = bench(root)?;
    let steps = bench.rows.iter().map(|row| {
        let times = [row.ours_ms, row.peer_best_ms].map(|ms| ms.to_string());
        let names = [row.net.clone(), row.work.clone(), row.batch.to_string()];
        let best = [row.peer_best.clone(), row.ratio.to_string()];
        [&names[..], &times, &best, &[row.ours_peak_mb, row.peer_peak_mb].map(cell)].concat()
    });
    let images = bench.sampling.iter().map(|row| {
        let times = [row.ours_ms_per_image, row.peer_network_alone_ms_per_image].map(|ms| ms.to_string());
        let names = [row.model.clone(), format!("image of {} evaluations", row.nfe), String::new()];
        // The other time is that of the network alone, in the fastest program.
        let rest = [String::new(), row.ratio.to_string(), String::new(), String::new()];
        [&names[..], &times, &rest].concat()
    });
    Ok(steps.chain(images).collect())
}

/// Text in the format of RFC 4180. The crate `csv` would change features of crates below candle (tests/suite/architecture.rs).
fn csv(head: &str, rows: &[Vec<String>]) -> String {
    let quoted = |cell: &String| {
        if cell.contains([',', '"', '\n']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    let lines = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(","));
    std::iter::once(head.to_owned()).chain(lines).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::words;

    #[test]
    fn every_column_of_the_recorded_data_has_values() {
        assert_eq!(csv("a,b", &[words(["1", "b, \"c\""])]), "a,b\n1,\"b, \"\"c\"\"\"\n");
        let files = files(crate::workspace::root()).unwrap();
        assert_eq!(files.len(), 4);
        for (path, text) in files {
            let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
            let empty = (0..rows[0].len()).find(|&column| rows[1..].iter().all(|row| row[column].is_empty()));
            assert!(
                rows.len() > 5 && empty.is_none(),
                "{path}: {:?} is empty",
                empty.map(|column| rows[0][column])
            );
        }
    }
}
