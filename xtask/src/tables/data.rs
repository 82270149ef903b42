//! The tables as data: `report/tables/*.csv`, for whoever wants to calculate with the numbers: scores of models, runs of
//! studies and what they restore, times. One line for each number or run, values in full; what was not measured is empty.

use super::speed::figures;
use crate::scores::{Floor, Scores, Table, entries, json};
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

/// Path from the root and text of every file.
pub fn files(root: &Path) -> Result<Vec<(String, String)>> {
    let mut studies = vec![STUDIES.map(String::from).to_vec()];
    let mut restored = vec![RESTORED.map(String::from).to_vec()];
    for (set, summary) in summaries(&root.join("report/runs"))? {
        for row in summary.as_array().into_iter().flatten() {
            let measured = &row["measured"];
            let cells =
                STUDIES[1..].iter().map(|key| if row[*key].is_null() { &measured[*key] } else { &row[*key] });
            studies.push(std::iter::once(set.clone()).chain(cells.map(text)).collect());
            for level in measured["restored"].as_array().into_iter().flatten() {
                let cells = RESTORED[2..].iter().map(|key| text(&level[*key]));
                restored.push([set.clone(), text(&row["run"])].into_iter().chain(cells).collect());
            }
        }
    }
    let tables =
        [("scores", scores(root)?), ("studies", studies), ("restored", restored), ("speed", speed(root)?)];
    Ok(tables.map(|(name, rows)| (format!("report/tables/{name}.csv"), csv(&rows))).into())
}

/// Columns of the runs of all studies; after the first, keys of their summaries.
const STUDIES: [&str; 16] = [
    "set",
    "run",
    "title",
    "epochs",
    "steps",
    "parameters",
    "train_loss",
    "val_loss",
    "n",
    "seeds",
    "frechet_distance",
    "frechet_half",
    "precision",
    "precision_half",
    "recall",
    "recall_half",
];

/// Columns of the restorations; after the second, keys of a level.
const RESTORED: [&str; 7] = ["set", "run", "t", "steps", "degraded", "estimate", "chain"];

/// Name and summary of every study on record, in order of names.
fn summaries(runs: &Path) -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    for folder in entries(runs)? {
        let summary = folder.join("summary.json");
        if summary.is_file() {
            let set = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push((set, json(&summary)?));
        }
    }
    Ok(found)
}

/// Folders of scores, and what precedes the name of a file in each.
const SCORES: [(&str, &str); 2] = [("report/scores", ""), ("report/scores/seeds", "seeds/")];

/// Every score of every judge.
fn scores(root: &Path) -> Result<Vec<Vec<String>>> {
    const HEAD: [&str; 16] = [
        "file",
        "model",
        "sampler",
        "spacing",
        "evaluations",
        "n",
        "seeds",
        "reference_n",
        "judge",
        "measure",
        "of",
        "value",
        "low",
        "high",
        "floor_low",
        "floor_high",
    ];
    let mut rows = vec![HEAD.map(String::from).to_vec()];
    let mut tables: Vec<Table> = Vec::new();
    for (folder, before) in SCORES {
        let folder = root.join(folder);
        if folder.is_dir() {
            let found = Scores::read(&folder)?.tables.into_iter();
            tables.extend(found.map(|table| Table { name: format!("{before}{}", table.name), ..table }));
        }
    }
    for table in &tables {
        let target = &table.target;
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        let number = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
        let whose = [
            table.name.clone(),
            word(&target.model),
            word(&target.sampler),
            word(&target.spacing),
            target.steps.map_or(String::new(), |steps| steps.to_string()),
            target.n.to_string(),
            if target.seeds.is_empty() { String::new() } else { target.seeds.len().to_string() },
            table.n_reference.to_string(),
            table.judge.name.clone(),
        ];
        for row in &table.rows {
            let floor = row.floor.as_ref().and_then(Floor::range);
            let values = [
                row.name.clone(),
                row.setting.clone(),
                number(row.value),
                number(row.interval.map(|[low, _]| low)),
                number(row.interval.map(|[_, high]| high)),
                number(floor.map(|(low, _)| low)),
                number(floor.map(|(_, high)| high)),
            ];
            rows.push(whose.iter().cloned().chain(values).collect());
        }
    }
    Ok(rows)
}

/// Steps and images of both sides of the bench, in milliseconds.
fn speed(root: &Path) -> Result<Vec<Vec<String>>> {
    let bench = figures(root)?;
    let head = [
        "name",
        "work",
        "batch",
        "ours_ms",
        "torch_best_ms",
        "torch_best",
        "ratio",
        "ours_peak_mb",
        "torch_peak_mb",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    let memory = |mb: Option<f64>| mb.map_or(String::new(), |mb| mb.to_string());
    rows.extend(bench.rows.iter().map(|row| {
        let times = [row.ours_ms, row.torch_best_ms].map(|ms| ms.to_string());
        let mut cells = vec![row.net.clone(), row.work.clone(), row.batch.to_string()];
        cells.extend(times);
        cells.extend([row.torch_best.clone(), row.ratio.to_string()]);
        cells.extend([memory(row.ours_peak_mb), memory(row.torch_peak_mb)]);
        cells
    }));
    rows.extend(bench.sampling.iter().map(|row| {
        let mut cells =
            vec![row.model.clone(), format!("image of {} evaluations", row.evaluations), String::new()];
        cells.extend([row.ours_ms_per_image, row.torch_network_alone_ms_per_image].map(|ms| ms.to_string()));
        // PyTorch's time is of its network alone, in the variant that is best for it.
        cells.extend([String::new(), row.ratio.to_string(), String::new(), String::new()]);
        cells
    }));
    Ok(rows)
}

/// A value of JSON as it stands in a cell.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// RFC 4180.
fn csv(rows: &[Vec<String>]) -> String {
    let cell = |cell: &String| {
        if cell.contains([',', '"', '\n']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        let rows = [vec!["a".to_owned(), "b, \"c\"".to_owned(), String::new()]];
        assert_eq!(csv(&rows), "a,\"b, \"\"c\"\"\",\n");
    }

    #[test]
    fn every_line_of_the_recorded_data_has_all_columns() {
        let files = files(crate::workspace::root()).unwrap();
        assert_eq!(files.len(), 4);
        for (path, text) in files {
            // Titles may hold commas, but no line does in more than one cell.
            let columns = text.lines().next().unwrap().split(',').count();
            let short = text.lines().find(|line| line.split(',').count() < columns);
            assert!(text.lines().count() > 5 && short.is_none(), "{path}: {short:?}");
            // A key that is misspelt would be an empty column.
            let filled = |column: usize| {
                text.lines().skip(1).any(|line| !line.split(',').nth(column).unwrap().is_empty())
            };
            let empty = (0..columns).find(|&column| !filled(column));
            assert_eq!(empty.map(|column| text.split(',').nth(column)), None, "{path}");
        }
    }
}
