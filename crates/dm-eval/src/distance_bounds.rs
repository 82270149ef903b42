//! Bounds on the squared distances of all pairs of two sets, from products in f32. Only pairs that the bounds do not decide
//! need the exact distance.
//!
//! The estimate of a squared distance is `|x|^2 + |y|^2 - 2 x.y` with the norms in f64 and the product in f32 of values
//! rounded to f32. With u = 2^-24, the error of the product of two rows of `dim` values is at most `(dim + 2) u |x| |y|` to
//! first order (Higham 2002, section 3.1, and one rounding of each factor), so the error of the estimate is at most
//! `(dim + 2) u (|x|^2 + |y|^2)`. The slack used here is slightly more than twice this bound. It also covers the higher
//! orders, the arithmetic in f64, and the error of the direct sum with which the bounds are compared. Both sets are first
//! divided by a power of two that makes every absolute value at most 1, so that nothing overflows. A separate term covers
//! underflow.

use crate::features::Features;
use crate::products::{Rows, Stripe, fold, squared_distance};

/// The bounds for all pairs of two sets of the same width.
pub(crate) struct DistanceBounds<'a> {
    queries: &'a Features,
    reference: &'a Features,
    scaled_queries: ScaledSet,
    scaled_reference: ScaledSet,
    /// Square of the number by which both sets are divided.
    squared_scale: f64,
    /// Slack per unit of the squared norms.
    relative: f64,
    /// Slack that does not depend on the norms. It covers underflow.
    absolute: f64,
}

/// A set divided by a power of two.
struct ScaledSet {
    values: Vec<f32>,
    squared_norms: Vec<f64>,
}

impl ScaledSet {
    fn new(set: &Features, factor: f64) -> Self {
        let norm = |row: &[f64]| row.iter().map(|v| (v * factor) * (v * factor)).sum();
        Self {
            values: set.values().iter().map(|v| (v * factor) as f32).collect(),
            squared_norms: set.rows().map(norm).collect(),
        }
    }
}

impl<'a> DistanceBounds<'a> {
    /// The bounds for `queries` and `reference`.
    pub(crate) fn new(queries: &'a Features, reference: &'a Features) -> Self {
        let largest = |set: &Features| set.values().iter().fold(0.0f64, |a, v| a.max(v.abs()));
        let largest = largest(queries).max(largest(reference));
        // The inverse of a smaller number would overflow. Such small values are treated as they are.
        let scale = if largest > 1e-290 { largest.log2().ceil().exp2() } else { 1.0 };
        let dim = queries.dim() as f64;
        Self {
            queries,
            reference,
            scaled_queries: ScaledSet::new(queries, 1.0 / scale),
            scaled_reference: ScaledSet::new(reference, 1.0 / scale),
            squared_scale: scale * scale,
            relative: (dim + 8.0) * f64::from(f32::EPSILON),
            absolute: 8.0 * dim * f64::from(f32::MIN_POSITIVE),
        }
    }

    /// Folds the stripes of each query into one accumulator, in increasing order of reference rows.
    pub(crate) fn fold<A: Send>(
        &self,
        init: impl Fn(usize) -> A + Sync,
        visit: impl Fn(&mut A, &Stripe<'_, f32>) + Sync,
    ) -> Vec<A> {
        let dim = self.queries.dim();
        fold(
            Rows { values: &self.scaled_queries.values, dim },
            Rows { values: &self.scaled_reference.values, dim },
            init,
            visit,
        )
    }

    /// Calls `visit` for each pair of a stripe with (reference row, lower bound, upper bound) of the squared distance.
    pub(crate) fn bounds(&self, stripe: &Stripe<'_, f32>, mut visit: impl FnMut(usize, f64, f64)) {
        let query_norm = self.scaled_queries.squared_norms[stripe.query];
        let norms = &self.scaled_reference.squared_norms[stripe.first..stripe.first + stripe.products.len()];
        for (j, (&product, &norm)) in stripe.products.iter().zip(norms).enumerate() {
            let norms = query_norm + norm;
            let (estimate, slack) = (norms - 2.0 * f64::from(product), norms * self.relative + self.absolute);
            let low = (estimate - slack) * self.squared_scale - f64::MIN_POSITIVE;
            let high = (estimate + slack) * self.squared_scale + f64::MIN_POSITIVE;
            visit(stripe.first + j, low, high);
        }
    }

    /// The exact squared distance of a pair, as the direct sum.
    pub(crate) fn exact(&self, query: usize, row: usize) -> f64 {
        squared_distance(self.queries.row(query), self.reference.row(row))
    }
}
