//! Euclidean distances between two sets: nearest neighbours, and how many balls a point lies in.
//!
//! `|x|^2 + |y|^2 - 2 x.y` is fast but cancels: for near points of large norm no digit may be right. Here it only rules
//! pairs out (`screen`); whatever it does not decide for certain is computed again by the direct sum of
//! squared differences. So **every distance returned and every comparison made is that of the direct sum** in f64, whose
//! relative error is at most `(dim + 2)` machine epsilons; copies have distance exactly 0 and ties are ties. Features far
//! from the origin cost time (more pairs are computed twice), never digits.

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::screen::Screen;

/// The k nearest reference rows of every query, nearest first; equal distances in order of index.
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
    /// If `i` is not a query, as a slice does.
    pub fn of(&self, i: usize) -> &[(f64, u32)] {
        &self.pairs[i * self.k..(i + 1) * self.k]
    }

    /// Squared distance of every query to its k-th neighbour.
    pub fn kth_squared(&self) -> Vec<f64> {
        self.pairs.chunks_exact(self.k).map(|pairs| pairs[self.k - 1].0).collect()
    }

    /// (squared distance, reference index) of every query's nearest neighbour.
    pub fn nearest(&self) -> impl Iterator<Item = (f64, u32)> + '_ {
        self.pairs.chunks_exact(self.k).map(|pairs| pairs[0])
    }
}

/// Which reference row a query must not find.
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

/// Squared distance by the direct sum.
///
/// Four running sums, so that the loop needs no reordering to be fast.
pub fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    let (xs, x_rest) = x.as_chunks::<4>();
    let (ys, y_rest) = y.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in xs.iter().zip(ys) {
        for lane in 0..4 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// The `k` nearest reference rows of every query.
///
/// Memory: n x k results, half as much again as both sets take, and 1 MiB per thread.
///
/// # Errors
/// Sets of different width; `k` = 0; fewer than `k` reference rows (`k + 1` where one is excluded); a list of rows to
/// exclude that is not one existing row per query.
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

    let screen = Screen::new(queries, reference);
    let start = |query| (exclude.row(query), Vec::with_capacity(k + 1));
    let lists = screen.fold(start, |(own, list): &mut (Option<usize>, Vec<_>), stripe| {
        // Rows arrive in order, so at equal distance the row already held stays.
        let mut worst = if list.len() == k { list[k - 1] } else { (f64::INFINITY, 0) }.0;
        screen.bounds(stripe, |row, low, _| {
            // Nothing beats 0: without this a set of copies would be summed pair by pair.
            if low >= worst || worst == 0.0 || Some(row) == *own {
                return;
            }
            let squared = screen.direct(stripe.query, row);
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

/// In how many balls a point lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balls {
    /// With the surface: distance <= radius.
    pub closed: u32,
    /// Without it: distance < radius.
    pub open: u32,
}

/// For every query the number of balls around the rows of `centres`, with the given squared radii, that hold it.
///
/// # Errors
/// Sets of different width; not one radius per centre.
pub fn balls_holding(queries: &Features, centres: &Features, squared_radii: &[f64]) -> Result<Vec<Balls>> {
    queries.same_width(centres, "balls")?;
    if squared_radii.len() != centres.n() {
        return Err(EvalError::Length {
            set: "squared radii".into(),
            expected: centres.n(),
            found: squared_radii.len(),
        });
    }
    let screen = Screen::new(queries, centres);
    Ok(screen.fold(
        |_| Balls::default(),
        |balls, stripe| {
            screen.bounds(stripe, |row, low, high| {
                let radius = squared_radii[row];
                if high < radius {
                    balls.closed += 1;
                    balls.open += 1;
                } else if low <= radius {
                    let squared = screen.direct(stripe.query, row);
                    balls.closed += u32::from(squared <= radius);
                    balls.open += u32::from(squared < radius);
                }
            });
        },
    ))
}
