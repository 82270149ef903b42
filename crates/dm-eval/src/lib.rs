//! Images become numbers with units. One metric per file, each a pure function in f64 of checked feature sets
//! ([`Features`]) that answers with a [`Score`]: value, unit, direction, n, and the publication it follows.
//!
//! The judge ([`judge::Judge`]) turns images into features; [`protocol`] puts metrics, floors and intervals together, and
//! [`ladder`] checks that they rank known flaws rightly.
//!
//! Left out here: tables, progress, and everything a command line does.
//!
//! | file | metrics |
//! |---|---|
//! | `frechet.rs`, `fd_infinity.rs` | Frechet distance and its limit at n = infinity |
//! | `kid.rs` | kernel distance |
//! | `manifold.rs` | precision, recall, density, coverage |
//! | `realism.rs` | realism of single images |
//! | `classifier_score.rs`, `class_balance.rs` | classifier score; class histogram |
//! | `authenticity.rs` | memorisation and nearest training images |
//! | `sliced_wasserstein.rs` | sliced Wasserstein distance |
//! | `data_copying.rs` | distances to the training set against those of unseen images |
//! | `two_sample.rs` | two-sample classifier test |
//! | `classifier_accuracy.rs` | classifier accuracy score |
//! | `restoration.rs` | PSNR and SSIM |
//! | `likelihood/` | bounds on the likelihood in bits per dimension: Gaussian noise, Ink's grains |
//!
//! Beside them: `ranking.rs` and `failures.rs` choose images to look at, `pca.rs` a view of features, `interval.rs` says how
//! sure a number is, `percentiles.rs` a distribution in few numbers, `cache.rs` keeps what takes long. Distances
//! (`distances.rs`) are ruled out by fast products (`screen.rs`, `products.rs`) and computed exactly where they count.

pub mod authenticity;
pub mod cache;
pub mod class_balance;
pub mod classifier_accuracy;
pub mod classifier_score;
pub mod data_copying;
pub mod distances;
mod error;
pub mod failures;
pub mod fd_infinity;
mod features;
pub mod frechet;
pub mod interval;
pub mod judge;
pub mod kid;
pub mod ladder;
pub mod likelihood;
pub mod manifold;
pub mod pca;
pub mod percentiles;
mod products;
pub mod protocol;
pub mod ranking;
pub mod realism;
pub mod restoration;
mod score;
mod screen;
pub mod sliced_wasserstein;
pub mod two_sample;

pub use error::{EvalError, Result};
pub use features::{Features, LARGEST};
pub use score::{Direction, Metric, Score};

/// Every metric there is. A new metric is one file and one line here.
pub const METRICS: &[Metric] = &[
    frechet::FRECHET,
    fd_infinity::FD_INFINITY,
    kid::KID,
    manifold::PRECISION,
    manifold::RECALL,
    manifold::DENSITY,
    manifold::COVERAGE,
    realism::REALISM,
    classifier_score::CLASSIFIER_SCORE,
    class_balance::TOTAL_VARIATION,
    class_balance::CLASS_KL,
    authenticity::MEMORISED,
    data_copying::DATA_COPYING,
    sliced_wasserstein::SLICED_WASSERSTEIN,
    two_sample::TWO_SAMPLE,
    classifier_accuracy::CLASSIFIER_ACCURACY,
    restoration::PSNR,
    restoration::SSIM,
    likelihood::GAUSSIAN_BOUND,
    likelihood::INK_BOUND,
];
