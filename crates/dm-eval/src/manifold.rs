//! Fidelity and diversity as separate values: precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et
//! al. 2020).
//!
//! Around each image of a set lies a ball that reaches the image's k-th nearest neighbour in that set.
//! - precision: share of generated images that lie in at least one ball of a real image; recall: the same with the roles
//!   exchanged.
//! - density: number of real balls that contain a generated image, divided by k and averaged over the generated images; it may
//!   exceed 1.
//! - coverage: share of real balls that contain a generated image.
//!
//! As in the two papers, precision and recall count the surface of a ball as inside (`<=`), density and coverage do not (`<`).
//! A set compared with itself therefore has a precision and recall of 1, and copies of real images count as inside. Precision
//! does not detect a lack of variety: a set of class means scores 1. It should be read together with recall and coverage.

use crate::distances::{Exclude, KnnRadii, count_balls, knn_radii, nearest};
use crate::error::Result;
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};

const KYNKAANNIEMI: &str = "Kynkaanniemi et al. 2019, arXiv:1904.06991";
const NAEEM: &str = "Naeem et al. 2020, arXiv:2002.09797";

const fn share(name: &'static str, source: &'static str) -> Quantity {
    Quantity { name, unit: "share", direction: Direction::Higher, source }
}

/// Share of generated images within the real manifold.
pub const PRECISION: Quantity = share("precision", KYNKAANNIEMI);
/// Share of real images within the generated manifold.
pub const RECALL: Quantity = share("recall", KYNKAANNIEMI);
/// Real balls that contain a generated image, per generated image and divided by k.
pub const DENSITY: Quantity =
    Quantity { name: "density", unit: "balls per k", direction: Direction::Higher, source: NAEEM };
/// Share of real balls that contain a generated image.
pub const COVERAGE: Quantity = share("coverage", NAEEM);

/// The k that `dm eval` uses.
pub const K: usize = 5;

/// The name of these metrics in errors.
const NAME: &str = "precision and recall";

/// The four values for one pair of sets.
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
    /// A ball reaches the k-th nearest neighbour of its image.
    pub k: usize,
    /// Number of generated images.
    pub n: usize,
    /// Number of real images.
    pub n_reference: usize,
}

impl Manifold {
    /// The four values as scores.
    pub fn scores(&self) -> [Score; 4] {
        let score = |quantity: Quantity, value| {
            quantity.score(value, self.n, self.n_reference, format!("k = {}", self.k))
        };
        [
            score(PRECISION, self.precision),
            score(RECALL, self.recall),
            score(DENSITY, self.density),
            score(COVERAGE, self.coverage),
        ]
    }
}

/// Precision, recall, density and coverage with balls that reach the `k`-th neighbour.
///
/// # Errors
/// If the sets differ in width, `k` is 0, or a set has `k` rows or fewer.
pub fn manifold(generated: &Features, reference: &Features, k: usize) -> Result<Manifold> {
    check(generated, reference, k)?;
    manifold_with_radii(generated, reference, &knn_radii(reference, k)?)
}

/// As [`manifold`], with the radii of the `reference` as [`knn_radii`] returned them. The radii are the same for all generated
/// sets, and computing them takes most of the time.
///
/// # Errors
/// If the sets differ in width, the generated set has `k` rows or fewer, or the radii are those of another number of images.
pub fn manifold_with_radii(
    generated: &Features,
    reference: &Features,
    real_radii: &KnnRadii,
) -> Result<Manifold> {
    let k = real_radii.k;
    check(generated, reference, k)?;
    let generated_radii = knn_radii(generated, k)?;
    let in_real = count_balls(generated, reference, &real_radii.squared)?;
    let in_generated = count_balls(reference, generated, &generated_radii.squared)?;
    let closest = nearest(reference, generated, 1, Exclude::Nothing)?;

    let (n, n_reference) = (generated.n(), reference.n());
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let balls: u64 = in_real.iter().map(|counts| u64::from(counts.open)).sum();
    let is_covered = |((squared, _), radius): &((f64, u32), &f64)| squared < *radius;
    Ok(Manifold {
        precision: share(in_real.iter().filter(|counts| counts.closed > 0).count(), n),
        recall: share(in_generated.iter().filter(|counts| counts.closed > 0).count(), n_reference),
        density: balls as f64 / (k as f64 * n as f64),
        coverage: share(closest.nearest().zip(&real_radii.squared).filter(is_covered).count(), n_reference),
        k,
        n,
        n_reference,
    })
}

fn check(generated: &Features, reference: &Features, k: usize) -> Result<()> {
    generated.same_width(reference, NAME)?;
    generated.at_least(k.saturating_add(1), "generated", NAME)
}
