//! Scores over training seeds: the mean of runs that differ in their training seed only, with its 95 % t interval.

use crate::markdown::{self, words};
use crate::records::distinct;
use dm_record::{GroupRow, OverSeeds, RunScores, SummaryRow};

/// Quantile 0.975 of Student's t for 1 to 9 degrees of freedom. The crate `statrs` has all of them, but changes features of crates
/// below candle.
const T: [f64; 9] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622];

/// One row per group that has at least two evaluated runs, in the order of the study.
pub fn groups(rows: &[SummaryRow]) -> Vec<GroupRow> {
    let names = distinct(rows.iter().filter_map(|row| row.group.as_deref()));
    let group = |name: &str| {
        let scores = || rows.iter().filter(|row| row.group.as_deref() == Some(name)).map(|row| &row.scores);
        let over = |score: fn(&RunScores) -> Option<f64>| over_seeds(scores().filter_map(score).collect());
        GroupRow {
            group: name.to_owned(),
            frechet_distance: over(|scores| scores.frechet_distance),
            precision: over(|scores| scores.precision),
            recall: over(|scores| scores.recall),
        }
    };
    let several = |row: &GroupRow| row.frechet_distance.as_ref().is_some_and(|score| score.values.len() > 1);
    names.into_iter().map(group).filter(several).collect()
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

/// The table in Markdown, with an explanation.
pub fn table(groups: &[GroupRow]) -> String {
    let format = |score: &Option<OverSeeds>, places: usize| {
        let Some(OverSeeds { mean, half, .. }) = score else { return "-".to_owned() };
        let half = half.map_or(String::new(), |half| format!(" ± {half:.places$}"));
        format!("{mean:.places$}{half}")
    };
    let head = words(["runs", "seeds", "FD", "precision", "recall"]);
    let cells = groups.iter().map(|row| {
        vec![
            row.group.clone(),
            row.frechet_distance.as_ref().map_or(0, |score| score.values.len()).to_string(),
            format(&row.frechet_distance, 0),
            format(&row.precision, 3),
            format(&row.recall, 3),
        ]
    });
    let table = markdown::table(&std::iter::once(head).chain(cells).collect::<Vec<_>>(), 1);
    format!("\n{table}\n\nMeans over training seeds; ±: half of the 95 % t interval of the mean.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: Option<&str>, fd: Option<f64>) -> SummaryRow {
        SummaryRow {
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
            row(Some("Ink"), Some(10.0)),
            row(Some("Ink"), Some(14.0)),
            row(Some("Ink"), Some(12.0)),
            row(Some("Gaussian"), Some(20.0)),
            row(Some("Gaussian"), None),
            row(None, Some(7.0)),
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
}
