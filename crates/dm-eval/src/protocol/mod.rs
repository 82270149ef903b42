//! The evaluation protocol: a set of images against a reference set, metric by metric, with the real baseline and a confidence
//! interval beside every value.
//!
//! An [`ImageSet`] is a set of u8 images with its features. [`evaluate`] computes metrics of one set in an [`EvalContext`],
//! [`real_baseline`] computes the same metrics of real images, and [`score_table`] joins both over generation seeds. Each seed
//! gives a set of its own or a part of one set; see [`Design`]. The caller samples or reads the images.

mod baseline;
mod context;
mod image_set;
mod metric;
mod metrics;
mod real_baseline;
mod reference;
mod score_table;
mod settings;
mod streamed;

pub use baseline::RealBaseline;
pub use context::{EvalContext, TrainingSet, nearest_training};
pub use image_set::{ImageSet, NearestTraining, select, shuffled};
pub use metric::{Metric, Outcome, evaluate, evaluate_streamed};
pub use metrics::{METRICS, metrics_named};
pub use real_baseline::{BaselineSets, MAX_BATCHES, real_baseline};
pub use reference::ReferenceStatistics;
pub use score_table::{Design, OmittedMetric, Outcomes, ScoreRow, ScoreTable, score_table};
pub use settings::{ProgressObserver, SEED};
pub use streamed::StreamedSet;
