//! The tables of RESULTS.md that show recorded studies of several training seeds.

use crate::markdown::{self, thousands};
use crate::records::{Table, distinct, of_table, read_json};
use crate::sweep::{self, Job, over_seeds};
use anyhow::{Context, Result};
use dm_record::{GroupRow, SummaryRow};
use std::path::Path;

/// The means over training seeds of a study.
fn means(root: &Path, study: &str) -> Result<String> {
    let groups: Vec<_> = read_json(&root.join("report/runs").join(study).join("over-seeds.json"))?;
    Ok(over_seeds::table(&groups).trim().to_owned())
}

pub fn controls(root: &Path) -> Result<String> {
    means(root, "controls")
}

/// The means of the study `headline`, and those of its further evaluations.
pub fn headline(root: &Path) -> Result<String> {
    const STUDY: &str = "headline";
    let folder = root.join("report/runs").join(STUDY);
    Ok(format!("{}\n\n{}", means(root, STUDY)?, evaluations(&folder, &sweep::recorded(root, STUDY)?)?))
}

/// One row per evaluation by `dm eval` and group of runs.
fn evaluations(folder: &Path, jobs: &[Job]) -> Result<String> {
    let first = jobs.iter().find_map(|job| job.group.as_deref()).unwrap_or_default();
    let difference = format!("distance minus that of {first}");
    let head = ["evaluations", "classifier", "runs", "distance", &difference, "precision", "recall"];
    let (mut rows, mut last) = (vec![head.map(str::to_owned).to_vec()], None);
    let commands = distinct(jobs.iter().flat_map(|job| job.evaluations.iter().cloned()));
    for evaluation in commands.iter().filter(|evaluation| evaluation.command.starts_with("eval ")) {
        let mut summary = Vec::new();
        for job in jobs {
            let table =
                Table::read(&folder.join(&job.name).join(format!("scores/{}.json", evaluation.name)))?;
            let (run, group, scores) = (job.name.clone(), job.group.clone(), of_table(&table));
            summary.push(SummaryRow { run, group, scores, ..SummaryRow::default() });
            last = Some(table);
        }
        let Some(table) = &last else { continue };
        let nfe = table.target.nfe.map_or("-".into(), thousands);
        let classifier = format!("`{}`", table.classifier.name);
        for group in over_seeds::groups(&summary) {
            let row = [nfe.clone(), classifier.clone(), group.group.clone()];
            rows.push(row.into_iter().chain(over_seeds::cells(&group, places(&group))).collect());
        }
    }
    let table = last.with_context(|| format!("{}: found no evaluations", folder.display()))?;
    Ok(format!(
        "{}\n\nn = {} samples of every training seed against {} {}; ± and differences as above.",
        markdown::table(&rows, 3),
        thousands(table.target.n),
        thousands(table.reference.n),
        table.reference.name
    ))
}

/// Decimal places of a distance: the features of every classifier have a scale of their own.
fn places(group: &GroupRow) -> usize {
    usize::from(group.frechet_distance.as_ref().is_some_and(|distance| distance.mean < 20.0))
}
