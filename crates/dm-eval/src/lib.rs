//! Images become numbers with units. One metric per file, each a pure function in f64 of checked feature sets
//! ([`Features`]) that answers with a [`Score`]: value, unit, direction, n, and the publication it follows.
//!
//! Left out here: how features are computed, files, tables, and everything a command line does.
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
//! | `restoration.rs` | PSNR and SSIM |

pub mod authenticity;
pub mod class_balance;
pub mod classifier_score;
pub mod distances;
mod error;
pub mod fd_infinity;
mod features;
pub mod frechet;
pub mod kid;
pub mod manifold;
mod products;
pub mod realism;
pub mod restoration;
mod score;
pub mod sliced_wasserstein;

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
    sliced_wasserstein::SLICED_WASSERSTEIN,
    restoration::PSNR,
    restoration::SSIM,
];
