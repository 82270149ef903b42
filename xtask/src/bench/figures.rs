//! The figures of one run, as they go to the table and to the file of `--json`, and the medians they are made of.

use super::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that was measured; what was not asked for is left out of the file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figures {
    pub machine: Machine,
    /// Turns each side had.
    pub rounds: usize,
    /// The programs, as they call themselves.
    pub programs: Vec<String>,
    /// What all threads together can do, in 10^9 operations a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fma_peak_gflops: Option<f64>,
    pub rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sampling: Vec<Sampling>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaling: Vec<Scaling>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawing: Vec<Drawing>,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
}

/// One work of one network on both sides. Times are medians of milliseconds per batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub net: String,
    /// `train` or `forward`.
    pub work: String,
    pub batch: usize,
    pub ours_ms: f64,
    pub torch_best_ms: f64,
    /// The variant of PyTorch that is fastest.
    pub torch_best: String,
    /// How many times faster ours is.
    pub ratio: f64,
    pub ours_peak_mb: Option<f64>,
    /// Of the variant of PyTorch that needs least.
    pub torch_peak_mb: Option<f64>,
    pub torch_ms: BTreeMap<String, f64>,
    pub parameters: Option<u64>,
    /// Arithmetic done in that time, over what the machine can do. PyTorch does the sums as they are written.
    pub ours_share_of_peak: Option<f64>,
    pub torch_share_of_peak: Option<f64>,
}

/// An epoch with everything that belongs to it, against as many bare steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    pub net: String,
    pub steps: usize,
    pub seconds: f64,
    /// The part of them that drew sample pictures.
    pub pictures_seconds: f64,
    pub bare_seconds: f64,
    /// Seconds over bare seconds.
    pub ratio: f64,
}

/// The time of a sampled image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Name of the config.
    pub model: String,
    /// Evaluations of the network.
    pub evaluations: usize,
    pub ours_ms_per_image: f64,
    /// As many forward passes of PyTorch's best variant and nothing else: less than any sampler needs.
    pub torch_network_alone_ms_per_image: f64,
    pub ratio: f64,
}

/// Images a second of our side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    pub net: String,
    pub work: String,
    pub threads: usize,
    pub batch: usize,
    pub images_per_s: f64,
}

/// Drawing many images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    pub model: String,
    pub images: usize,
    pub seconds: f64,
    pub peak_mb: Option<f64>,
}

impl Figures {
    pub fn new(rounds: usize) -> Self {
        Self {
            machine: Machine::this(),
            rounds,
            programs: Vec::new(),
            fma_peak_gflops: None,
            rows: Vec::new(),
            epoch: None,
            sampling: Vec::new(),
            scaling: Vec::new(),
            drawing: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a program once.
    pub fn program(&mut self, name: String) {
        if !self.programs.contains(&name) {
            self.programs.push(name);
        }
    }
}

/// The middle of `values`, the mean of the middle two of an even number; `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_take_no_notice_of_order_and_of_one_wild_value() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[4.0]), Some(4.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[3.0, 1000.0, 2.0, 1.0, 2.5]), Some(2.5));
    }
}
