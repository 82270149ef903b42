//! Inner products of every row of one set with every row of another, in blocks of bounded memory, one rayon task per
//! block of queries. Distances and kernels are built on this walk; what is done with a product is the visitor's business.
//!
//! The products come from faer's matrix multiply, in f64 where they are the result and in f32, twice as fast, where they
//! only rule pairs out. A block is small enough to stay in the cache, each task holds one (256 x 512 values, 1 MiB at
//! most), and no task's arithmetic depends on the number of threads: results repeat to the bit on one machine.

use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use crate::features::Features;

const QUERIES: usize = 256;
const COLUMNS: usize = 512;

/// A number that is multiplied.
pub(crate) trait Number: ComplexField + Copy + Default + From<u8> + Send + Sync {}

impl Number for f32 {}
impl Number for f64 {}

/// A set as the walk sees it: row-major values, `dim` to a row.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    /// All values.
    pub values: &'a [T],
    /// Values to a row.
    pub dim: usize,
}

impl<'a> From<&'a Features> for Rows<'a, f64> {
    fn from(set: &'a Features) -> Self {
        Self { values: set.values(), dim: set.dim() }
    }
}

/// The products of one query with a run of consecutive reference rows.
pub(crate) struct Stripe<'a, T> {
    /// Index of the query.
    pub query: usize,
    /// Index of the first reference row.
    pub first: usize,
    /// `products[j]` = query . reference row `first + j`.
    pub products: &'a [T],
}

/// Folds the stripes of every query, in increasing order of reference rows, into one accumulator per query.
///
/// The sets must have the same width; callers check that.
pub(crate) fn fold<T: Number, A: Send>(
    queries: Rows<'_, T>,
    reference: Rows<'_, T>,
    start: impl Fn(usize) -> A + Sync,
    visit: impl Fn(&mut A, &Stripe<'_, T>) + Sync,
) -> Vec<A> {
    let dim = queries.dim;
    let blocks: Vec<Vec<A>> = queries
        .values
        .par_chunks(QUERIES * dim)
        .enumerate()
        .map_init(
            || vec![T::default(); QUERIES * COLUMNS],
            |buffer, (block, rows)| {
                let (from, count) = (block * QUERIES, rows.len() / dim);
                let mut accumulators: Vec<A> = (from..from + count).map(&start).collect();
                // dim x count: the transpose of a row-major block costs nothing.
                let rows = MatRef::from_column_major_slice(rows, dim, count);
                for (chunk, columns) in reference.values.chunks(COLUMNS * dim).enumerate() {
                    let width = columns.len() / dim;
                    let columns = MatRef::from_column_major_slice(columns, dim, width);
                    let products = &mut buffer[..width * count];
                    // Column i of the result is query i, so that each query's products are contiguous.
                    let target = MatMut::from_column_major_slice_mut(products, width, count);
                    matmul(target, Accum::Replace, columns.transpose(), rows, T::from(1), Par::Seq);
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

/// Squared length of every row.
pub(crate) fn squared_norms(set: &Features) -> Vec<f64> {
    set.rows().map(|row| row.iter().map(|v| v * v).sum()).collect()
}
