//! The tables of RESULTS.md that show recorded studies of several training seeds.

use crate::markdown::{self, thousands};
use crate::records::{FRECHET, Scores, Table, distinct, read_json};
use crate::sweep::{self, Job, mean_over_seeds, over_seeds_table};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The means over training seeds of a study.
fn means(root: &Path, study: &str) -> Result<String> {
    let groups: Vec<_> = read_json(&root.join("report/runs").join(study).join("over-seeds.json"))?;
    Ok(over_seeds_table(&groups).trim().to_owned())
}

pub fn controls(root: &Path) -> Result<String> {
    means(root, "controls")
}

/// The means of the study `headline`, and those of its further evaluations.
pub fn headline(root: &Path) -> Result<String> {
    const STUDY: &str = "headline";
    let folder = root.join("report/runs").join(STUDY);
    let mut jobs = sweep::recorded(root, STUDY)?;
    jobs.retain(|job| folder.join(&job.name).join("manifest.json").is_file());
    Ok(format!("{}\n\n{}", means(root, STUDY)?, evaluations(&folder, &jobs)?))
}

/// One row per evaluation by `dm eval` and group of runs: distance, its difference from that of the first group at equal training
/// seed, precision and recall.
fn evaluations(folder: &Path, jobs: &[Job]) -> Result<String> {
    let groups = distinct(jobs.iter().filter_map(|job| job.group.as_deref()));
    let first = groups.first().copied().unwrap_or_default();
    let difference = format!("distance minus that of {first}");
    let head = ["evaluations", "classifier", "runs", "distance", &difference, "precision", "recall"];
    let (mut rows, mut images) = (vec![head.map(str::to_owned).to_vec()], None);
    let commands = distinct(jobs.iter().flat_map(|job| job.evaluations.iter().cloned()));
    for evaluation in commands.iter().filter(|evaluation| evaluation.command.starts_with("eval ")) {
        let mut of_first = BTreeMap::new();
        for group in &groups {
            let of_group = jobs.iter().filter(|job| job.group.as_deref() == Some(*group));
            let read = |job: &Job| {
                let file = folder.join(&job.name).join(format!("scores/{}.json", evaluation.name));
                Ok((seed(job), first_table(&file)?))
            };
            let tables = of_group.map(read).collect::<Result<BTreeMap<String, Table>>>()?;
            let Some(table) = tables.values().next() else { continue };
            images.get_or_insert((table.target.n, table.reference.clone()));
            let (nfe, classifier) = (table.target.nfe.map_or("-".into(), thousands), &table.classifier.name);
            let score =
                |name| tables.values().filter_map(|table| table.row(name)?.value).collect::<Vec<f64>>();
            let distances = score(FRECHET);
            // The features of each classifier have a scale of their own.
            let places = usize::from(distances.iter().all(|&distance| distance < 20.0));
            let of_seed = |(seed, table): (&String, &Table)| Some((seed.clone(), table.row(FRECHET)?.value?));
            let by_seed: BTreeMap<String, f64> = tables.iter().filter_map(of_seed).collect();
            let minus = |(seed, distance): (&String, &f64)| Some(distance - of_first.get(seed)?);
            rows.push(vec![
                nfe,
                format!("`{classifier}`"),
                (*group).to_owned(),
                mean_over_seeds(distances, places),
                mean_over_seeds(by_seed.iter().filter_map(minus).collect(), places),
                mean_over_seeds(score("precision"), 3),
                mean_over_seeds(score("recall"), 3),
            ]);
            if *group == first {
                of_first = by_seed;
            }
        }
    }
    let (n, reference) = images.with_context(|| format!("{}: found no evaluations", folder.display()))?;
    Ok(format!(
        "{}\n\nn = {} samples of every training seed against {} {}; ± and differences as above.",
        markdown::table(&rows, 3),
        thousands(n),
        thousands(reference.n),
        reference.name
    ))
}

/// The training seed, which ends the name of a run.
fn seed(job: &Job) -> String {
    job.name.rsplit('-').next().unwrap_or_default().to_owned()
}

/// The scores by the first classifier of a file.
fn first_table(path: &Path) -> Result<Table> {
    let mut scores = Scores::default();
    scores.add("", path)?;
    scores.tables.into_iter().next().with_context(|| format!("{}: found no scores", path.display()))
}
