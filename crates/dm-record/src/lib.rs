//! The JSON files that one program of this workspace writes and another one reads, as serde types and nothing else.
//!
//! | file | written by | type |
//! |---|---|---|
//! | `manifest.json` of a run | `dm train` | [`RunManifest`] |
//! | a line of `metrics.jsonl` of a run | `dm train` | [`MetricsLine`] |
//! | scores of generated images | `dm eval --out` | [`ScoreFile`] |
//! | scores of known corruptions | `dm sanity --out` | [`SanityFile`] |
//! | `ranking.json` and `pca.json` of a folder of panels | `dm eval --panels` | [`RankingFile`], [`PcaFile`] |
//! | quality of restored test images | `dm restore --scores` | [`RestorationFile`] |
//! | quality of restored photon counts | `dm restore --photons --scores` | [`PhotonFile`] |
//! | `summary.json` of a study | `cargo xtask sweep` | a list of [`SummaryRow`] |
//! | `over-seeds.json` of a study | `cargo xtask sweep` | a list of [`GroupRow`] |
//! | `bench.json` | `cargo xtask bench` | [`BenchFile`] |
//!
//! JSON has no infinity and no NaN: serde_json writes both as null. A value that may be one of them is an [`Option`], which
//! is [`None`] after reading.
//!
//! Files of schema 1 are still read. A key that has been renamed since is a serde alias of its field. Values that have been
//! renamed are translated by [`Record::upgrade`], which every reader calls after parsing.
//!
//! ```
//! use dm_record::{MetricsLine, Record, RunManifest, RunStatus};
//!
//! let text = r#"{ "schema": 1, "status": "complete", "name": "ink-unet", "seed": 1, "parameters": 670177,
//!                 "steps_total": 9360, "steps_done": 9360, "epochs": 20, "wall_s": 5246.9 }"#;
//! let manifest: RunManifest = serde_json::from_str(text)?;
//! assert_eq!(manifest.status, RunStatus::Complete);
//! assert!(manifest.is_readable());
//!
//! let line = r#"{ "event": "step", "step": 20, "epoch": 1, "loss": 0.68, "lr": 1e-4 }"#;
//! let MetricsLine::Step(step) = serde_json::from_str(line)? else { panic!("expected a line about steps") };
//! assert_eq!((step.step, step.loss), (20, Some(0.68)));
//! # Ok::<(), serde_json::Error>(())
//! ```

// No input may make this library panic. What it cannot do, it reports as an error.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unimplemented)]
#![warn(clippy::indexing_slicing)]

mod bench;
mod manifest;
mod metrics;
mod panels;
mod photons;
mod restoration;
mod sanity;
mod schema;
mod scores;
mod summary;
mod target;
mod value;

pub use bench::{
    BenchFile, DrawingTime, EpochTime, Machine, SamplingTime, SizeThroughput, StepTime, Throughput,
};
pub use manifest::{RunManifest, RunStatus};
pub use metrics::{EpochLine, EvalLine, MetricsLine, StepLine};
pub use panels::{FailureGroup, Failures, PcaFile, Pool, RankedImage, Ranking, RankingFile};
pub use photons::{Calibration, PhotonFile, PhotonScore};
pub use restoration::{Restoration, RestorationFile, Similarity};
pub use sanity::{CorruptionScores, SanityFile, SanityResult};
pub use schema::{Record, SCHEMA};
pub use scores::{
    Classes, ClassifierRecord, ClassifierScores, Design, Direction, DistancePercentiles, NearestTraining,
    OmittedMetric, RealBaseline, ReferenceRecord, ScoreFile, ScoreRow,
};
pub use summary::{GroupRow, OverSeeds, RestoredSummary, RunScores, SummaryRow};
pub use target::{ImageSize, Target};
pub use value::Value;
