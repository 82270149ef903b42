//! Metrics of generated images, and the protocol that evaluates them.
//!
#![doc = include_str!("../docs/picture.md")]
//!
//! Each metric is a pure function, in f64, of checked feature sets ([`Features`]). It returns a [`Score`]: a value with its
//! quantity (name, unit, direction, source) and the number of images behind it. A [`Classifier`] turns images into features. The
//! [`protocol`] joins metrics, real baselines and confidence intervals; a metric of your own implements
//! [`Metric`]. [`sanity`] checks that the features of a classifier put known corruptions in the right order.
//! Images may have any shape and any number of classes.
//!
//! | module | metrics |
//! |---|---|
//! | [`frechet`], [`fd_infinity`] | Frechet distance, and its limit at n = infinity |
//! | [`kid`] | kernel distance |
//! | [`manifold`] | precision, recall, density, coverage |
//! | [`realism`] | realism of single images |
//! | [`sliced_wasserstein`] | sliced Wasserstein distance |
//! | [`two_sample`] | two-sample classifier test |
//! | [`classifier_score`], [`class_balance`] | classifier score, balance of the classes |
//! | [`classifier_accuracy`] | classifier accuracy score |
//! | [`authenticity`], [`data_copying`] | copies of training images, distances to the training set |
//! | [`restoration`] | PSNR and SSIM |
//! | [`posterior_draws`] | calibration of posterior draws |
//! | [`likelihood`] | bounds on the likelihood in bits per dimension |
//!
//! [`ranking`] and [`failures`] choose images to show, [`pca`] projects features for plots, [`interval`] computes confidence
//! intervals, [`percentiles`] summarizes distributions, and [`cache`] stores results that take long to compute.
//!
//! The Frechet distance between two small sets of features:
//!
//! ```
//! use dm_eval::Features;
//! use dm_eval::frechet::frechet;
//!
//! // Four rows of two features each. The generated set is the real one, shifted by (3, 4).
//! let real = Features::new("real", 4, 2, vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0])?;
//! let shifted = real.values().chunks(2).flat_map(|row| [row[0] + 3.0, row[1] + 4.0]).collect();
//! let generated = Features::new("generated", 4, 2, shifted)?;
//!
//! // The covariances are equal, so that the distance is the squared distance of the means: 9 + 16.
//! let score = frechet(&generated, &real)?;
//! assert!((score.value - 25.0).abs() < 1e-9);
//! assert_eq!((score.quantity.unit, score.n, score.n_reference), ("squared feature units", 4, 4));
//! # Ok::<(), dm_eval::EvalError>(())
//! ```

// No input may make this library panic. What it cannot do, it reports as an error.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable, clippy::unimplemented)]

pub mod authenticity;
pub mod cache;
pub mod class_balance;
mod classifier;
pub mod classifier_accuracy;
mod classifier_output;
pub mod classifier_score;
pub mod corruption;
pub mod data_copying;
mod distance_bounds;
pub mod distances;
mod error;
pub mod failures;
pub mod fd_infinity;
mod features;
pub mod frechet;
pub mod interval;
pub mod kid;
pub mod likelihood;
pub mod manifold;
pub mod moment_sums;
pub mod pca;
pub mod percentiles;
pub mod posterior_draws;
mod products;
pub mod protocol;
pub mod ranking;
pub mod realism;
pub mod restoration;
pub mod sanity;
mod score;
pub mod sliced_wasserstein;
pub mod streams;
pub mod two_sample;

pub use classifier::Classifier;
pub use classifier_output::{ClassPrediction, ClassifierOutput};
pub use error::{EvalError, Result};
pub use features::{Features, MAX_ABS};
pub use protocol::{EvalContext, ImageSet, METRICS, Metric};
pub use score::{Direction, Quantity, Score};
