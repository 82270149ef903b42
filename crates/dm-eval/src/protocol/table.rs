//! One row per score: its values over seeds, their mean and interval, the floor. How a person reads it is left out.

use serde::Serialize;

use super::{Floor, Measure, Outcome};
use crate::interval::{mean, t_interval};
use crate::score::Metric;

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
    /// Images behind each value.
    pub n: usize,
    /// Reference images behind each value; 0 where there are none.
    pub n_reference: usize,
    /// One value per generation seed.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// 95 % t-interval over generation seeds; none for a single set.
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

/// Joins the outcomes of `measures` over seeds with their floors.
pub fn table(measures: &[Measure], seeds: &[Vec<Outcome>], floors: &[Floor]) -> Table {
    let mut table = Table { rows: Vec::new(), omitted: Vec::new() };
    for (i, measure) in measures.iter().enumerate() {
        let outcomes = seeds.iter().filter_map(|outcomes| outcomes.get(i));
        let mut rows: Vec<Row> = Vec::new();
        for outcome in outcomes {
            match outcome {
                Err(reason) => {
                    let omitted = Omitted { measure: measure.name, reason: reason.clone() };
                    if !table.omitted.contains(&omitted) {
                        table.omitted.push(omitted);
                    }
                }
                Ok(scores) => {
                    for (place, score) in scores.iter().enumerate() {
                        if let Some(row) = rows.get_mut(place) {
                            row.values.push(score.value);
                            continue;
                        }
                        let same = |f: &&Floor| f.name == score.metric.name && f.setting == score.setting;
                        rows.push(Row {
                            measure: measure.name,
                            metric: score.metric,
                            setting: score.setting.clone(),
                            n: score.n,
                            n_reference: score.n_reference,
                            values: vec![score.value],
                            mean: score.value,
                            interval: None,
                            floor: floors.iter().find(same).cloned(),
                        });
                    }
                }
            }
        }
        for row in &mut rows {
            row.mean = mean(&row.values);
            row.interval = t_interval(&row.values);
        }
        table.rows.append(&mut rows);
    }
    table
}
