//! A quantity with its name, unit, direction and source, and a measured value of a quantity.

use serde::Serialize;

/// Which way a quantity improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
}

/// A quantity that can be measured. Each metric's file defines its quantities as constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantity {
    /// Name in tables and result files.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// The publication that defines the quantity.
    pub source: &'static str,
}

/// One measured value. Values with different `n` or `setting` are not comparable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The quantity.
    #[serde(flatten)]
    pub quantity: Quantity,
    /// The value. It may be infinite where the documentation of the metric says so.
    pub value: f64,
    /// Number of generated (or restored) images behind the value.
    pub n: usize,
    /// Number of reference images behind the value; 0 for a metric without a reference.
    pub n_reference: usize,
    /// Free parameters of the metric, for example `k = 5`; empty if there are none.
    pub setting: String,
}

impl Quantity {
    /// A value of this quantity, measured on `n` images against `n_reference` reference images.
    pub fn score(self, value: f64, n: usize, n_reference: usize, setting: impl Into<String>) -> Score {
        Score { quantity: self, value, n, n_reference, setting: setting.into() }
    }
}
