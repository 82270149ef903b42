//! What a number is called, what it is measured in and which way is better. Leaves out tables and files.

use serde::Serialize;

/// Which way a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
}

/// The standing facts about a metric. Each metric's file holds one as a constant; [`crate::METRICS`] lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Metric {
    /// Short name, unique.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// The publication whose definition is followed.
    pub source: &'static str,
}

/// One measured value. Values of different `n` or `setting` do not belong in one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// What was measured.
    #[serde(flatten)]
    pub metric: Metric,
    /// The value. May be infinite where the metric's file says so.
    pub value: f64,
    /// Number of generated (or restored) images behind it.
    pub n: usize,
    /// Number of reference images behind it; 0 where a metric has none.
    pub n_reference: usize,
    /// Free parameters of the metric, such as `k = 5`; empty where it has none.
    pub setting: String,
}

impl Metric {
    /// A value of this metric.
    pub fn score(self, value: f64, n: usize, n_reference: usize, setting: impl Into<String>) -> Score {
        Score { metric: self, value, n, n_reference, setting: setting.into() }
    }
}
