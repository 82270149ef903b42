//! Fidelity and diversity apart: precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020).
//!
//! Around every image of a set lies a ball that reaches its k-th neighbour in that set, itself not counted.
//! - precision: share of generated images in at least one real ball; recall: the same with the roles exchanged.
//! - density: real balls per generated image, divided by k; may exceed 1.
//! - coverage: share of real balls that hold a generated image.
//!
//! Precision and recall count the surface of a ball as inside (`<=`), density and coverage do not (`<`), as the two papers
//! have it. So a set compared with itself has precision and recall 1; copies of real images are inside. Precision cannot
//! see blandness: a set of class means scores 1. It is to be read beside recall and coverage.

use crate::distances::{Exclude, balls_holding, nearest};
use crate::error::Result;
use crate::features::Features;
use crate::score::{Direction, Metric, Score};

const KYNKAANNIEMI: &str = "Kynkaanniemi et al. 2019, arXiv:1904.06991";
const NAEEM: &str = "Naeem et al. 2020, arXiv:2002.09797";

const fn share(name: &'static str, source: &'static str) -> Metric {
    Metric { name, unit: "share", direction: Direction::Higher, source }
}

/// Share of generated images within the real manifold.
pub const PRECISION: Metric = share("precision", KYNKAANNIEMI);
/// Share of real images within the generated manifold.
pub const RECALL: Metric = share("recall", KYNKAANNIEMI);
/// Real balls per generated image, over k.
pub const DENSITY: Metric =
    Metric { name: "density", unit: "balls per k", direction: Direction::Higher, source: NAEEM };
/// Share of real balls that hold a generated image.
pub const COVERAGE: Metric = share("coverage", NAEEM);

/// The protocol's k.
pub const K: usize = 5;

/// The four values of one pair of sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manifold {
    /// See [`PRECISION`].
    pub precision: f64,
    /// See [`RECALL`].
    pub recall: f64,
    /// See [`DENSITY`].
    pub density: f64,
    /// See [`COVERAGE`].
    pub coverage: f64,
    /// Neighbours that set a ball's radius.
    pub k: usize,
    /// Generated images.
    pub n: usize,
    /// Real images.
    pub n_reference: usize,
}

impl Manifold {
    /// The four as scores.
    pub fn scores(&self) -> [Score; 4] {
        let score =
            |metric: Metric, value| metric.score(value, self.n, self.n_reference, format!("k = {}", self.k));
        [
            score(PRECISION, self.precision),
            score(RECALL, self.recall),
            score(DENSITY, self.density),
            score(COVERAGE, self.coverage),
        ]
    }
}

/// The balls around real images. They are the same whatever is compared with them, and take the longest.
#[derive(Clone, Debug)]
pub struct RealBalls {
    squared_radii: Vec<f64>,
    k: usize,
}

impl RealBalls {
    /// Balls around the rows of `reference` that reach their `k`-th neighbour.
    ///
    /// # Errors
    /// `k` = 0; a set of `k` rows or fewer.
    pub fn of(reference: &Features, k: usize) -> Result<Self> {
        let squared_radii = nearest(reference, reference, k, Exclude::Own)?.kth_squared();
        Ok(Self { squared_radii, k })
    }

    /// Precision, recall, density and coverage of `generated` against the `reference` these balls are of.
    ///
    /// # Errors
    /// Sets of different width; `k` generated rows or fewer; another reference.
    pub fn manifold(&self, generated: &Features, reference: &Features) -> Result<Manifold> {
        let (real_radii, k) = (&self.squared_radii, self.k);
        generated.same_width(reference, "precision and recall")?;
        generated.at_least(k.saturating_add(1), "generated", "precision and recall")?;
        let generated_radii = nearest(generated, generated, k, Exclude::Own)?.kth_squared();
        let in_real = balls_holding(generated, reference, real_radii)?;
        let in_generated = balls_holding(reference, generated, &generated_radii)?;
        let closest = nearest(reference, generated, 1, Exclude::Nothing)?;

        let (n, n_reference) = (generated.n(), reference.n());
        let share = |count: usize, of: usize| count as f64 / of as f64;
        let held: u64 = in_real.iter().map(|balls| u64::from(balls.open)).sum();
        Ok(Manifold {
            precision: share(in_real.iter().filter(|balls| balls.closed > 0).count(), n),
            recall: share(in_generated.iter().filter(|balls| balls.closed > 0).count(), n_reference),
            density: held as f64 / (k as f64 * n as f64),
            coverage: share(
                closest.nearest().zip(real_radii).filter(|&((squared, _), &radius)| squared < radius).count(),
                n_reference,
            ),
            k,
            n,
            n_reference,
        })
    }
}

/// Precision, recall, density and coverage with balls that reach the `k`-th neighbour.
///
/// # Errors
/// Sets of different width; `k` = 0; a set of `k` rows or fewer.
pub fn manifold(generated: &Features, reference: &Features, k: usize) -> Result<Manifold> {
    generated.same_width(reference, "precision and recall")?;
    generated.at_least(k.saturating_add(1), "generated", "precision and recall")?;
    RealBalls::of(reference, k)?.manifold(generated, reference)
}
