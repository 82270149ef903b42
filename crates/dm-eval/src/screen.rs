//! Which pairs of two sets need a second look: bounds on their squared distances from products in f32.
//!
//! The estimate is `|x|^2 + |y|^2 - 2 x.y`, the norms in f64, the product in f32 of values rounded to f32. With
//! u = 2^-24, the product of two rows of `dim` values is off by at most `(dim + 2) u |x| |y|` to first order (Higham 2002,
//! section 3.1, and one rounding of each factor), so the estimate by at most `(dim + 2) u (|x|^2 + |y|^2)`. The slack here
//! is twice that and a little more, which also covers the higher orders, the arithmetic in f64 and the error of the direct
//! sum it is compared with. Both sets are first divided by a power of two that leaves no value above 1, so that nothing
//! overflows; what underflows is a term of its own.

use crate::distances::squared_distance;
use crate::features::Features;
use crate::products::{Rows, Stripe, fold};

/// The screening bounds of all pairs of two sets of the same width.
pub(crate) struct Screen<'a> {
    queries: &'a Features,
    reference: &'a Features,
    query_side: Side,
    reference_side: Side,
    /// Square of what both sets were divided by.
    unit: f64,
    /// Slack relative to the norms, and beside them.
    relative: f64,
    absolute: f64,
}

/// A set divided by a power of two.
struct Side {
    values: Vec<f32>,
    squared_norms: Vec<f64>,
}

impl Side {
    fn new(set: &Features, factor: f64) -> Self {
        let norm = |row: &[f64]| row.iter().map(|v| (v * factor) * (v * factor)).sum();
        Self {
            values: set.values().iter().map(|v| (v * factor) as f32).collect(),
            squared_norms: set.rows().map(norm).collect(),
        }
    }
}

impl<'a> Screen<'a> {
    pub(crate) fn new(queries: &'a Features, reference: &'a Features) -> Self {
        let largest = |set: &Features| set.values().iter().fold(0.0f64, |a, v| a.max(v.abs()));
        let largest = largest(queries).max(largest(reference));
        // Below the second an inverse would overflow; such values are as good as 0.
        let unit = if largest > 1e-290 { largest.log2().ceil().exp2() } else { 1.0 };
        let dim = queries.dim() as f64;
        Self {
            queries,
            reference,
            query_side: Side::new(queries, 1.0 / unit),
            reference_side: Side::new(reference, 1.0 / unit),
            unit: unit * unit,
            relative: (dim + 8.0) * f64::from(f32::EPSILON),
            absolute: 8.0 * dim * f64::from(f32::MIN_POSITIVE),
        }
    }

    /// Folds the stripes of every query into one accumulator each, in increasing order of reference rows.
    pub(crate) fn fold<A: Send>(
        &self,
        start: impl Fn(usize) -> A + Sync,
        visit: impl Fn(&mut A, &Stripe<'_, f32>) + Sync,
    ) -> Vec<A> {
        let dim = self.queries.dim();
        fold(
            Rows { values: &self.query_side.values, dim },
            Rows { values: &self.reference_side.values, dim },
            start,
            visit,
        )
    }

    /// Calls `visit` for the pairs of a stripe with (reference row, lower bound, upper bound) of the squared distance.
    pub(crate) fn bounds(&self, stripe: &Stripe<'_, f32>, mut visit: impl FnMut(usize, f64, f64)) {
        let query_norm = self.query_side.squared_norms[stripe.query];
        let norms = &self.reference_side.squared_norms[stripe.first..stripe.first + stripe.products.len()];
        for (j, (&product, &norm)) in stripe.products.iter().zip(norms).enumerate() {
            let norms = query_norm + norm;
            let (estimate, slack) = (norms - 2.0 * f64::from(product), norms * self.relative + self.absolute);
            let low = (estimate - slack) * self.unit - f64::MIN_POSITIVE;
            let high = (estimate + slack) * self.unit + f64::MIN_POSITIVE;
            visit(stripe.first + j, low, high);
        }
    }

    /// The direct sum.
    pub(crate) fn direct(&self, query: usize, row: usize) -> f64 {
        squared_distance(self.queries.row(query), self.reference.row(row))
    }
}
