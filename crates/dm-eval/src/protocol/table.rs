//! One row per score: its value, how sure it is over generation seeds, the floor. How a person reads it is left out.

use serde::Serialize;

use super::{Floor, Measure, Outcome};
use crate::interval::{jackknife_interval, mean, t_interval};
use crate::score::{Metric, Score};

/// What generation seeds are to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// Every seed makes a set of n: the value is the mean over sets, its interval that of [`t_interval`].
    Seeds,
    /// The seeds together make one set of n: the value is that set's, its interval that of [`jackknife_interval`].
    Pooled,
}

/// One score of a target.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The measure it belongs to.
    pub measure: &'static str,
    /// What was measured.
    #[serde(flatten)]
    pub metric: Metric,
    /// Free parameters of the metric.
    pub setting: String,
    /// Images behind the value; of several sets, behind each.
    pub n: usize,
    /// Reference images behind it; 0 where there are none.
    pub n_reference: usize,
    /// The value.
    pub value: f64,
    /// What it is sure by.
    pub design: Design,
    /// By seeds: of every set. Pooled: of the whole without one seed after another.
    pub values: Vec<f64>,
    /// 95 % interval over generation seeds; none for a single one.
    pub interval: Option<[f64; 2]>,
    /// The floor, where there is one.
    pub floor: Option<Floor>,
}

/// A measure that gave nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Omitted {
    /// The measure.
    pub measure: &'static str,
    /// Why.
    pub reason: String,
}

/// All rows, and what is missing.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// The scores.
    pub rows: Vec<Row>,
    /// Measures without a value.
    pub omitted: Vec<Omitted>,
}

/// What the measures gave, each list in their order.
pub enum Outcomes {
    /// Of sets of different seeds.
    Seeds(Vec<Vec<Outcome>>),
    /// Of one set, and of it without one seed after another.
    Pooled(Vec<Outcome>, Vec<Vec<Outcome>>),
}

/// Joins the outcomes of `measures` over seeds with their floors.
pub fn table(measures: &[Measure], outcomes: &Outcomes, floors: &[Floor]) -> Table {
    let mut table = Table { rows: Vec::new(), omitted: Vec::new() };
    let (design, sets) = match outcomes {
        Outcomes::Seeds(sets) => (Design::Seeds, sets),
        Outcomes::Pooled(_, without) => (Design::Pooled, without),
    };
    for (i, measure) in measures.iter().enumerate() {
        let values: Vec<&[Score]> = scores(i, sets).collect();
        let shown: Vec<&Outcome> = match outcomes {
            Outcomes::Seeds(sets) => sets.iter().filter_map(|outcomes| outcomes.get(i)).collect(),
            Outcomes::Pooled(whole, _) => whole.get(i).into_iter().collect(),
        };
        for reason in shown.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let omitted = Omitted { measure: measure.name, reason: reason.clone() };
            if !table.omitted.contains(&omitted) {
                table.omitted.push(omitted);
            }
        }
        let Some(first) = shown.iter().find_map(|outcome| outcome.as_ref().ok()) else { continue };
        for (place, score) in first.iter().enumerate() {
            let values: Vec<f64> = values.iter().filter_map(|set| Some(set.get(place)?.value)).collect();
            let (value, interval) = match design {
                Design::Seeds => (mean(&values), t_interval(&values)),
                // A measure that is not defined for every smaller set tells nothing of the spread.
                Design::Pooled => {
                    let defined = values.len() == sets.len();
                    let interval = defined.then(|| jackknife_interval(score.value, &values)).flatten();
                    (score.value, interval)
                }
            };
            let same = |f: &&Floor| f.name == score.metric.name && f.setting == score.setting;
            table.rows.push(Row {
                measure: measure.name,
                metric: score.metric,
                setting: score.setting.clone(),
                n: score.n,
                n_reference: score.n_reference,
                value,
                design,
                values,
                interval,
                floor: floors.iter().find(same).cloned(),
            });
        }
    }
    table
}

/// What measure `i` gave of those sets it is defined for.
fn scores(i: usize, sets: &[Vec<Outcome>]) -> impl Iterator<Item = &[Score]> {
    sets.iter().filter_map(move |outcomes| Some(outcomes.get(i)?.as_ref().ok()?.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::MEASURES;

    fn outcome(value: f64) -> Vec<Outcome> {
        vec![Ok(vec![crate::frechet::FRECHET.score(value, 10, 20, "")])]
    }

    #[test]
    fn seeds_are_averaged_and_a_pooled_set_is_its_own_value() {
        let measures = &MEASURES[..1];
        let sets: Vec<_> = [1.0, 2.0, 4.0].map(outcome).into();
        let by_seeds = &table(measures, &Outcomes::Seeds(sets.clone()), &[]).rows[0];
        assert_eq!((by_seeds.value, by_seeds.interval), (7.0 / 3.0, t_interval(&[1.0, 2.0, 4.0])));
        let pooled = &table(measures, &Outcomes::Pooled(outcome(2.5), sets), &[]).rows[0];
        assert_eq!((pooled.value, pooled.values.len(), pooled.design), (2.5, 3, Design::Pooled));
        assert_eq!(pooled.interval, jackknife_interval(2.5, &[1.0, 2.0, 4.0]));
        // A measure that a smaller set does not have: a value without an interval, and nothing omitted.
        let without = vec![outcome(1.0), vec![Err("too few".into())]];
        let found = table(measures, &Outcomes::Pooled(outcome(2.5), without), &[]);
        assert_eq!((found.rows[0].value, found.rows[0].interval, found.omitted.len()), (2.5, None, 0));
        let none = table(measures, &Outcomes::Seeds(vec![vec![Err("too few".into())]; 2]), &[]);
        assert_eq!((none.rows.len(), none.omitted.len()), (0, 1));
    }
}
