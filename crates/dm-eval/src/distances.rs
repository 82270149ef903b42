//! Euclidean distances between two sets: nearest neighbours, and the number of balls that contain a point.
//!
//! The formula `|x|^2 + |y|^2 - 2 x.y` is fast, but it cancels: for close points of large norm no digit may be correct. Here
//! it only excludes pairs (`distance_bounds.rs`). Every pair that the bounds do not decide is computed again as the direct
//! sum of squared differences. **Every distance that is returned and every comparison that is made is therefore that of the
//! direct sum** in f64, whose relative error is at most `(dim + 2)` machine epsilons. Copies have distance exactly 0, and
//! equal distances compare as equal. Features far from the origin take more time, because more pairs are computed twice, but
//! they lose no digits.

use crate::distance_bounds::DistanceBounds;
use crate::error::{EvalError, Result};
use crate::features::Features;

pub use crate::products::squared_distance;

/// The k nearest reference rows of each query, nearest first; rows at equal distances in order of index.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    k: usize,
    /// n x k, row-major: (squared distance, index).
    pairs: Vec<(f64, u32)>,
}

impl Neighbours {
    /// Neighbours per query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Number of queries.
    pub fn n(&self) -> usize {
        self.pairs.len() / self.k
    }

    /// (squared distance, reference index) of the neighbours of query `i`, nearest first.
    ///
    /// # Panics
    /// If `i` is not below [`Self::n`].
    pub fn of(&self, i: usize) -> &[(f64, u32)] {
        &self.pairs[i * self.k..(i + 1) * self.k]
    }

    /// Squared distance of each query to its k-th neighbour, `[n]`.
    pub fn kth_squared(&self) -> Vec<f64> {
        self.pairs.chunks_exact(self.k).map(|pairs| pairs[self.k - 1].0).collect()
    }

    /// (squared distance, reference index) of each query's nearest neighbour.
    pub fn nearest(&self) -> impl Iterator<Item = (f64, u32)> + '_ {
        self.pairs.chunks_exact(self.k).map(|pairs| pairs[0])
    }
}

/// The reference row that does not count as a neighbour of a query.
#[derive(Clone, Copy, Debug)]
pub enum Exclude<'a> {
    /// None: the queries are not in the reference set.
    Nothing,
    /// Query i is reference row i.
    Own,
    /// Query i is reference row `rows[i]`.
    Rows(&'a [usize]),
}

impl Exclude<'_> {
    fn row(self, query: usize) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Own => Some(query),
            Self::Rows(rows) => rows.get(query).copied(),
        }
    }
}

/// The `k` nearest reference rows of each query.
///
/// In addition to both sets, memory is needed for n x k results, for f32 copies of both sets, which take half as much as the sets,
/// and for 1 MiB per thread.
///
/// # Errors
/// If the sets differ in width, `k` is 0, there are fewer than `k` reference rows (`k + 1` where one is excluded), or the
/// list of excluded rows is not one existing row per query.
pub fn nearest(
    queries: &Features,
    reference: &Features,
    k: usize,
    exclude: Exclude<'_>,
) -> Result<Neighbours> {
    const NAME: &str = "nearest neighbours";
    queries.same_width(reference, NAME)?;
    if k == 0 {
        return Err(EvalError::Argument {
            metric: NAME,
            argument: "k",
            expected: "at least 1".into(),
            found: "0".into(),
        });
    }
    let excluded = usize::from(!matches!(exclude, Exclude::Nothing));
    reference.at_least(k.saturating_add(excluded), "reference", NAME)?;
    if let Exclude::Rows(rows) = exclude
        && (rows.len() != queries.n() || rows.iter().any(|&row| row >= reference.n()))
    {
        return Err(EvalError::Argument {
            metric: NAME,
            argument: "excluded rows",
            expected: format!("{} rows below {}", queries.n(), reference.n()),
            found: format!("{} rows, largest {:?}", rows.len(), rows.iter().max()),
        });
    }

    let bounds = DistanceBounds::new(queries, reference);
    let init = |query| (exclude.row(query), Vec::with_capacity(k + 1));
    let lists = bounds.fold(init, |(own, list): &mut (Option<usize>, Vec<_>), stripe| {
        // Rows arrive in order, so that at equal distance the earlier row stays.
        let mut worst = if list.len() == k { list[k - 1] } else { (f64::INFINITY, 0) }.0;
        bounds.bounds(stripe, |row, low, _| {
            // No distance is below 0. Without the test for 0 the distance of every pair of a set of copies would be computed.
            if low >= worst || worst == 0.0 || Some(row) == *own {
                return;
            }
            let squared = bounds.exact(stripe.query, row);
            if squared < worst {
                let at = list.partition_point(|&(held, _)| held <= squared);
                list.insert(at, (squared, row as u32));
                list.truncate(k);
                if list.len() == k {
                    worst = list[k - 1].0;
                }
            }
        });
    });
    Ok(Neighbours { k, pairs: lists.into_iter().flat_map(|(_, list)| list).collect() })
}

/// The radius of the ball around each row of a set that reaches the row's `k`-th nearest neighbour in the same set.
#[derive(Clone, Debug, PartialEq)]
pub struct KnnRadii {
    /// Square of the radius of each ball, `[n]`.
    pub squared: Vec<f64>,
    /// A ball reaches the k-th nearest neighbour of its row. The row itself does not count as a neighbour.
    pub k: usize,
}

/// The radii of the balls around the rows of `set` that reach their `k`-th neighbour.
///
/// # Errors
/// If `k` is 0, or the set has `k` rows or fewer.
pub fn knn_radii(set: &Features, k: usize) -> Result<KnnRadii> {
    Ok(KnnRadii { squared: nearest(set, set, k, Exclude::Own)?.kth_squared(), k })
}

/// The number of balls that contain a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BallCounts {
    /// Balls with their surface: distance <= radius.
    pub closed: u32,
    /// Balls without their surface: distance < radius.
    pub open: u32,
}

/// For each query the number of balls that contain it. The balls lie around the rows of `centres`.
///
/// # Errors
/// If the sets differ in width, or there is not one radius per centre.
pub fn count_balls(queries: &Features, centres: &Features, squared_radii: &[f64]) -> Result<Vec<BallCounts>> {
    queries.same_width(centres, "balls")?;
    if squared_radii.len() != centres.n() {
        return Err(EvalError::Length {
            set: "squared radii".into(),
            expected: centres.n(),
            found: squared_radii.len(),
        });
    }
    let bounds = DistanceBounds::new(queries, centres);
    Ok(bounds.fold(
        |_| BallCounts::default(),
        |counts, stripe| {
            bounds.bounds(stripe, |row, low, high| {
                let radius = squared_radii[row];
                if high < radius {
                    counts.closed += 1;
                    counts.open += 1;
                } else if low <= radius {
                    let squared = bounds.exact(stripe.query, row);
                    counts.closed += u32::from(squared <= radius);
                    counts.open += u32::from(squared < radius);
                }
            });
        },
    ))
}
