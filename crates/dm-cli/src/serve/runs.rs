//! `/api/runs`: the runs of the folders that the server was started with, as `dm runs` shows them.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Path, State};
use dm_nn::params::file::read_bounded;
use dm_record::{Record, ScoreFile};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, file, json_body};
use super::catalogue::run_id;
use super::site::Site;
use crate::commands::runs::compare::Comparison;
use crate::commands::runs::curves::Curves;
use crate::commands::runs::read::Run;
use crate::commands::runs::summary::Summary;

/// What a sweep has drawn from the model of a run: a picture and scores, below the run folder.
const GENERATED: (&str, &str) = ("generated/grid.png", "generated/scores.json");

/// `GET /api/runs`: a summary of every run.
pub async fn list(State(site): State<Arc<Site>>) -> Answer {
    let shared = site.clone();
    let work = move |_: &_| {
        let now = SystemTime::now();
        let runs = shared.catalogue.runs();
        let listed = |run: &Run| json!({ "id": run_id(run), "summary": Summary::of(run, now) });
        Ok(json_body(&runs.iter().map(listed).collect::<Vec<Value>>()))
    };
    site.short.compute(work).await
}

/// `GET /api/runs/{id}`: a run with its curves, pictures and scores.
pub async fn show(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Answer {
    let shared = site.clone();
    let describe = |run: &Run| {
        json!({
            "id": run_id(run),
            "summary": Summary::of(run, SystemTime::now()),
            "curves": Curves::of(run),
            "config": run.config().ok(),
            "pictures": run.pictures().iter().map(|(epoch, _)| *epoch).collect::<Vec<u64>>(),
            "has_grid": run.path.join(GENERATED.0).is_file(),
            "scores": scores(&run.path.join(GENERATED.1)),
        })
    };
    site.short.compute(move |_| Ok(json_body(&shared.catalogue.run(&id, describe)?))).await
}

/// `GET /api/runs/{id}/pictures/{name}`: the picture of samples after an epoch, or the grid of a sweep (`grid`), as PNG.
pub async fn picture(State(site): State<Arc<Site>>, Path((id, name)): Path<(String, String)>) -> Answer {
    let shared = site.clone();
    let work = move |_: &_| {
        let path = shared.catalogue.run(&id, |run| match name.as_str() {
            "grid" => Some(run.path.join(GENERATED.0)),
            epoch => {
                let pictures = run.pictures().into_iter();
                pictures
                    .map(|(of, path)| (of.to_string(), path))
                    .find(|(of, _)| of == epoch)
                    .map(|(_, path)| path)
            }
        })?;
        let bytes = path.and_then(|path| read_bounded(&path).ok());
        let missing =
            || Refusal::not_found(format!("picture: found `{name}`, expected a listed epoch, or grid"));
        Ok(file("image/png", bytes.ok_or_else(missing)?))
    };
    site.short.compute(work).await
}

/// `GET /api/runs/{a}/compare/{b}`: how two runs differ.
pub async fn compare(State(site): State<Arc<Site>>, Path((a, b)): Path<(String, String)>) -> Answer {
    let shared = site.clone();
    let work = move |_: &_| {
        let catalogue = &shared.catalogue;
        let comparison = catalogue.run(&a, |a| catalogue.run(&b, |b| Comparison::of(a, b)))??;
        Ok(json_body(&comparison.map_err(|error| Refusal::invalid(format!("{error:#}")))?))
    };
    site.short.compute(work).await
}

/// The scores in the file at `path`; none if there is no such file.
fn scores(path: &FilePath) -> Vec<Value> {
    let read = || serde_json::from_slice::<ScoreFile>(&read_bounded(path).ok()?).ok();
    let Some(mut scores) = read().filter(ScoreFile::is_readable) else { return Vec::new() };
    scores.upgrade();
    let row = |row: &dm_record::ScoreRow| {
        let real: Vec<f64> =
            row.real_baseline.iter().flat_map(|real| real.values.iter().flatten().copied()).collect();
        let mean = (!real.is_empty()).then(|| real.iter().sum::<f64>() / real.len() as f64);
        json!({
            "name": row.name, "unit": row.unit, "direction": row.direction, "n": row.n,
            "value": row.value, "interval": row.interval, "real": mean,
        })
    };
    scores.scores.iter().map(row).collect()
}
