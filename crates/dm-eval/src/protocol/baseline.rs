//! The value of a score on real images, with which the value of generated images is compared.

use serde::{Deserialize, Serialize};

/// The real baseline of one score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RealBaseline {
    /// Name of the quantity.
    pub name: String,
    /// Setting of the score. Scores of one quantity may differ in it.
    pub setting: String,
    /// Number of images in each batch.
    pub n: usize,
    /// The value of each batch. Their spread is that of real images compared with real images.
    pub values: Vec<f64>,
    /// Name of the set of real images.
    pub of: String,
}
