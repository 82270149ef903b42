//! Inner products of every row of one set with every row of another, and squared distances of two rows.
//!
//! The products are computed in blocks of bounded memory, one rayon task per block of queries. They come from nalgebra's matrix
//! multiplication: in f64 where the products are the result, and in f32, twice as fast, where they only exclude pairs. The
//! block that each task holds (256 x 512 values, at most 1 MiB) stays in the cache. The arithmetic of a task does not depend
//! on the number of threads, so results are reproducible bit for bit on one machine.

use nalgebra::{DMatrixView, DMatrixViewMut, RealField};
use rayon::prelude::*;

use crate::features::Features;

/// Queries in a block.
const QUERIES: usize = 256;
/// Reference rows in a block.
const COLUMNS: usize = 512;

/// An element type of the products.
pub(crate) trait Number: RealField + Copy {}

impl Number for f32 {}
impl Number for f64 {}

/// Row-major values with `dim` values in each row.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    /// All values.
    pub values: &'a [T],
    /// Values in each row.
    pub dim: usize,
}

impl<'a> From<&'a Features> for Rows<'a, f64> {
    fn from(set: &'a Features) -> Self {
        Self { values: set.values(), dim: set.dim() }
    }
}

/// The products of one query with consecutive reference rows.
pub(crate) struct Stripe<'a, T> {
    /// Index of the query.
    pub query: usize,
    /// Index of the first reference row.
    pub first: usize,
    /// `products[j]` is the product of the query and the reference row `first + j`.
    pub products: &'a [T],
}

/// Folds the stripes of each query, in increasing order of reference rows, into one accumulator per query. `init` makes the
/// accumulator of a query, and `visit` adds a stripe to it.
///
/// The sets must have the same width; the callers check this.
pub(crate) fn fold<T: Number, A: Send>(
    queries: Rows<'_, T>,
    reference: Rows<'_, T>,
    init: impl Fn(usize) -> A + Sync,
    visit: impl Fn(&mut A, &Stripe<'_, T>) + Sync,
) -> Vec<A> {
    let dim = queries.dim;
    let blocks: Vec<Vec<A>> = queries
        .values
        .par_chunks(QUERIES * dim)
        .enumerate()
        .map_init(
            || vec![T::zero(); QUERIES * COLUMNS],
            |buffer, (block, rows)| {
                let (from, count) = (block * QUERIES, rows.len() / dim);
                let mut accumulators: Vec<A> = (from..from + count).map(&init).collect();
                // A row-major block is its transpose in column-major order: dim x count.
                let rows = DMatrixView::from_slice(rows, dim, count);
                for (chunk, columns) in reference.values.chunks(COLUMNS * dim).enumerate() {
                    let width = columns.len() / dim;
                    let columns = DMatrixView::from_slice(columns, dim, width).transpose();
                    let products = &mut buffer[..width * count];
                    // Column i of the result belongs to query i, so that the products of a query are contiguous.
                    let mut target = DMatrixViewMut::from_slice(products, width, count);
                    target.gemm(T::one(), &columns, &rows, T::zero());
                    for (i, (accumulator, products)) in
                        accumulators.iter_mut().zip(products.chunks_exact(width)).enumerate()
                    {
                        visit(accumulator, &Stripe { query: from + i, first: chunk * COLUMNS, products });
                    }
                }
                accumulators
            },
        )
        .collect();
    blocks.into_iter().flatten().collect()
}

/// The squared norm of each row.
pub(crate) fn squared_norms(set: &Features) -> Vec<f64> {
    set.rows().map(|row| row.iter().map(|v| v * v).sum()).collect()
}

/// The squared Euclidean distance of two rows, as the direct sum of squared differences.
///
/// Four running sums make the loop fast without reordering.
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
