//! Scores over training seeds: the mean of runs that differ in their training seed only, with its 95 % t interval.

use crate::markdown;
use crate::records::distinct;
use dm_record::{GroupRow, OverSeeds, RunScores, SummaryRow};

/// Quantile 0.975 of Student's t for 1 to 9 degrees of freedom. The crate `statrs` has all of them, but changes features of crates
/// below candle.
const T: [f64; 9] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622];

/// One row per group that has at least two evaluated runs, in the order of the study.
pub fn groups(rows: &[SummaryRow]) -> Vec<GroupRow> {
    let names = distinct(rows.iter().filter_map(|row| row.group.as_deref()));
    let is_scored = |row: &&SummaryRow| row.scores.frechet_distance.is_some();
    let several = |name: &&str| members(rows, name).filter(is_scored).count() > 1;
    let names: Vec<&str> = names.into_iter().filter(several).collect();
    let first = names.first().copied();
    let group = |name: &str| {
        let differences = first.filter(|first| *first != name).map(|first| differences(rows, name, first));
        let scores = || members(rows, name).map(|row| &row.scores);
        let over = |score: fn(&RunScores) -> Option<f64>| over_seeds(scores().filter_map(score).collect());
        GroupRow {
            group: name.to_owned(),
            frechet_distance: over(|scores| scores.frechet_distance),
            distance_from_first: differences.and_then(over_seeds),
            precision: over(|scores| scores.precision),
            recall: over(|scores| scores.recall),
        }
    };
    names.into_iter().map(group).collect()
}

/// The runs of a group.
fn members<'a>(rows: &'a [SummaryRow], group: &'a str) -> impl Iterator<Item = &'a SummaryRow> {
    rows.iter().filter(move |row| row.group.as_deref() == Some(group))
}

/// Fréchet distances of the runs of a group minus those of the runs of the group `first` with the same training seed, which ends
/// the name of a run.
fn differences(rows: &[SummaryRow], group: &str, first: &str) -> Vec<f64> {
    let seed = |row: &SummaryRow| row.run.rsplit('-').next().unwrap_or_default().to_owned();
    let difference = |row: &SummaryRow| {
        let other = members(rows, first).find(|other| seed(other) == seed(row))?;
        Some(row.scores.frechet_distance? - other.scores.frechet_distance?)
    };
    members(rows, group).filter_map(difference).collect()
}

/// Mean of a score, and its 95 % t interval for two to ten values; none without a value.
fn over_seeds(values: Vec<f64>) -> Option<OverSeeds> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = values.len().checked_sub(2).and_then(|index| T.get(index));
    let half = t.map(|t| t * (variance / n).sqrt());
    (!values.is_empty()).then_some(OverSeeds { values, mean, half })
}

/// The distance of a group with so many decimal places, its difference from that of the first group, precision and recall.
pub fn cells(row: &GroupRow, places: usize) -> [String; 4] {
    [
        format(row.frechet_distance.as_ref(), places),
        format(row.distance_from_first.as_ref(), places),
        format(row.precision.as_ref(), 3),
        format(row.recall.as_ref(), 3),
    ]
}

fn format(score: Option<&OverSeeds>, places: usize) -> String {
    let Some(OverSeeds { mean, half, .. }) = score else { return "-".to_owned() };
    let half = half.map_or(String::new(), |half| format!(" ± {half:.places$}"));
    format!("{mean:.places$}{half}")
}

/// The table in Markdown, with an explanation.
pub fn table(groups: &[GroupRow]) -> String {
    let first = groups.first().map_or("", |row| &row.group);
    let head = ["runs", "seeds", "FD", &format!("FD minus that of {first}"), "precision", "recall"];
    let head = head.map(str::to_owned).to_vec();
    let rows = groups.iter().map(|row| {
        let seeds = row.frechet_distance.as_ref().map_or(0, |score| score.values.len());
        [row.group.clone(), seeds.to_string()].into_iter().chain(cells(row, 0)).collect()
    });
    let table = markdown::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), 1);
    format!(
        "\n{table}\n\nMeans over training seeds; ±: half of the 95 % t interval of the mean. Differences are between runs \
         of equal training seed; their intervals are not corrected for their number.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seed: usize, group: Option<&str>, fd: Option<f64>) -> SummaryRow {
        SummaryRow {
            run: format!("{}-{seed}", group.unwrap_or("alone").to_lowercase()),
            group: group.map(str::to_owned),
            scores: RunScores {
                frechet_distance: fd,
                precision: fd.map(|fd| fd / 100.0),
                ..RunScores::default()
            },
            ..SummaryRow::default()
        }
    }

    #[test]
    fn means_have_the_t_interval_of_their_seeds() {
        let rows = [
            row(1, Some("Ink"), Some(10.0)),
            row(2, Some("Ink"), Some(14.0)),
            row(3, Some("Ink"), Some(12.0)),
            row(1, Some("Gaussian"), Some(20.0)),
            row(2, Some("Gaussian"), None),
            row(1, None, Some(7.0)),
        ];
        let found = groups(&rows);
        assert_eq!(found.len(), 1, "a group of one value has no interval");
        let fd = found[0].frechet_distance.as_ref().unwrap();
        // Quantile 0.975 of Student's t with two degrees of freedom: 4.3027.
        assert!((fd.mean - 12.0).abs() < 1e-12);
        assert!((fd.half.unwrap() - 4.3027 * 2.0 / 3.0_f64.sqrt()).abs() < 1e-9);
        let text = table(&found);
        assert!(text.contains("12 ± 5") && text.contains("0.120 ± 0.050") && text.contains(" 3 "), "{text}");
        assert!(groups(&rows[5..]).is_empty());
    }

    #[test]
    fn runs_of_equal_seed_are_compared() {
        let rows = [
            // A group of one run is left out and is not what others are compared with.
            row(1, Some("Alone"), Some(1.0)),
            row(1, Some("Ink"), Some(10.0)),
            row(2, Some("Ink"), Some(20.0)),
            row(2, Some("Blur"), Some(23.0)),
            row(1, Some("Blur"), Some(14.0)),
            row(3, Some("Blur"), Some(90.0)),
        ];
        let found = groups(&rows);
        assert_eq!(found[0].distance_from_first, None);
        let difference = found[1].distance_from_first.as_ref().unwrap();
        assert_eq!((difference.values.clone(), difference.mean), (vec![3.0, 4.0], 3.5));
        assert!(table(&found).contains("FD minus that of Ink"));
    }
}
