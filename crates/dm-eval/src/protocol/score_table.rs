//! The table of an evaluation: one row per score, with its value, its confidence interval over generation seeds, and its real
//! baseline.

use serde::Serialize;

use super::baseline::RealBaseline;
use super::metric::{Metric, Outcome};
use crate::interval::{jackknife_interval, mean, t_interval};
use crate::score::{Quantity, Score};

/// What a value and its interval are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// Each seed gives a set of n images. The value is the mean over sets, with the interval of [`t_interval`].
    Seeds,
    /// All seeds together give one set of n images. The value is that of the set, with the interval of [`jackknife_interval`].
    Pooled,
}

/// One score of the evaluated images.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreRow {
    /// Name of the metric.
    #[serde(rename = "measure")]
    pub metric: &'static str,
    /// The quantity.
    #[serde(flatten)]
    pub quantity: Quantity,
    /// Free parameters of the metric.
    pub setting: String,
    /// Number of images behind the value; for several sets, behind the value of each set.
    pub n: usize,
    /// Number of reference images behind the value; 0 if there are none.
    pub n_reference: usize,
    /// The value.
    pub value: f64,
    /// What the value and the interval are computed from.
    pub design: Design,
    /// For [`Design::Seeds`] the value of each set; for [`Design::Pooled`] the values of the set without each of its seeds.
    pub values: Vec<f64>,
    /// 95 % confidence interval over generation seeds; `None` for a single seed.
    pub interval: Option<[f64; 2]>,
    /// The real baseline, if there is one.
    #[serde(rename = "floor")]
    pub real_baseline: Option<RealBaseline>,
}

/// A metric without scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OmittedMetric {
    /// Name of the metric.
    #[serde(rename = "measure")]
    pub metric: &'static str,
    /// Why it has no scores.
    pub reason: String,
}

/// All scores of an evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreTable {
    /// The scores.
    pub rows: Vec<ScoreRow>,
    /// Metrics without scores.
    pub omitted: Vec<OmittedMetric>,
}

/// The outcomes of several metrics, as [`evaluate`](super::evaluate) returns them.
pub enum Outcomes {
    /// The outcomes of one set per seed, set by set.
    Seeds(Vec<Vec<Outcome>>),
    /// The outcomes of one set that consists of several seeds, and of this set without each of its seeds.
    Pooled(Vec<Outcome>, Vec<Vec<Outcome>>),
}

/// Joins the outcomes of `metrics` over seeds with their real baselines.
pub fn score_table(metrics: &[&dyn Metric], outcomes: &Outcomes, baselines: &[RealBaseline]) -> ScoreTable {
    let mut table = ScoreTable { rows: Vec::new(), omitted: Vec::new() };
    let (design, sets) = match outcomes {
        Outcomes::Seeds(sets) => (Design::Seeds, sets),
        Outcomes::Pooled(_, without) => (Design::Pooled, without),
    };
    for (i, metric) in metrics.iter().enumerate() {
        let scores_of_sets: Vec<&[Score]> = scores(i, sets).collect();
        let shown: Vec<&Outcome> = match outcomes {
            Outcomes::Seeds(sets) => sets.iter().filter_map(|outcomes| outcomes.get(i)).collect(),
            Outcomes::Pooled(whole, _) => whole.get(i).into_iter().collect(),
        };
        for reason in shown.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let omitted = OmittedMetric { metric: metric.name(), reason: reason.clone() };
            if !table.omitted.contains(&omitted) {
                table.omitted.push(omitted);
            }
        }
        let Some(first) = shown.iter().find_map(|outcome| outcome.as_ref().ok()) else { continue };
        for (place, score) in first.iter().enumerate() {
            let values: Vec<f64> =
                scores_of_sets.iter().filter_map(|scores| Some(scores.get(place)?.value)).collect();
            let (value, interval) = match design {
                Design::Seeds => (mean(&values), t_interval(&values)),
                // The jackknife needs the value without each of the seeds.
                Design::Pooled => {
                    let is_complete = values.len() == sets.len();
                    let interval = is_complete.then(|| jackknife_interval(score.value, &values)).flatten();
                    (score.value, interval)
                }
            };
            let is_same = |f: &&RealBaseline| f.name == score.quantity.name && f.setting == score.setting;
            table.rows.push(ScoreRow {
                metric: metric.name(),
                quantity: score.quantity,
                setting: score.setting.clone(),
                n: score.n,
                n_reference: score.n_reference,
                value,
                design,
                values,
                interval,
                real_baseline: baselines.iter().find(is_same).cloned(),
            });
        }
    }
    table
}

/// The scores of metric `i` for each set for which it is defined.
fn scores(i: usize, sets: &[Vec<Outcome>]) -> impl Iterator<Item = &[Score]> {
    sets.iter().filter_map(move |outcomes| Some(outcomes.get(i)?.as_ref().ok()?.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::metrics::METRICS;

    fn outcome(value: f64) -> Vec<Outcome> {
        vec![Ok(vec![crate::frechet::FRECHET.score(value, 10, 20, "")])]
    }

    #[test]
    fn seeds_are_averaged_and_a_pooled_set_is_its_own_value() {
        let metrics = &METRICS[..1];
        let sets: Vec<_> = [1.0, 2.0, 4.0].map(outcome).into();
        let by_seeds = &score_table(metrics, &Outcomes::Seeds(sets.clone()), &[]).rows[0];
        assert_eq!((by_seeds.value, by_seeds.interval), (7.0 / 3.0, t_interval(&[1.0, 2.0, 4.0])));
        let pooled = &score_table(metrics, &Outcomes::Pooled(outcome(2.5), sets), &[]).rows[0];
        assert_eq!((pooled.value, pooled.values.len(), pooled.design), (2.5, 3, Design::Pooled));
        assert_eq!(pooled.interval, jackknife_interval(2.5, &[1.0, 2.0, 4.0]));
        // A metric that is not defined for one of the smaller sets has a value without an interval, and is not omitted.
        let without = vec![outcome(1.0), vec![Err("too few".into())]];
        let found = score_table(metrics, &Outcomes::Pooled(outcome(2.5), without), &[]);
        assert_eq!((found.rows[0].value, found.rows[0].interval, found.omitted.len()), (2.5, None, 0));
        let none = score_table(metrics, &Outcomes::Seeds(vec![vec![Err("too few".into())]; 2]), &[]);
        assert_eq!((none.rows.len(), none.omitted.len()), (0, 1));
    }
}
