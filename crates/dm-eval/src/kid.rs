//! Kernel distance: the unbiased squared MMD with the kernel `(x.y / d + 1)^3`, over all pairs of the full sets.
//!
//! The cubic kernel is not scale free: on raw features of large norm its value is the third power of their size and tells
//! models apart badly. So the score divides both sets by the root mean square of the reference's values; the raw form,
//! which is what Binkowski et al. wrote down for Inception features, is there to be compared with other programs.
//! The mean over random subsets, and its spread as a "standard error", are left out: the subsets share images.

use crate::error::Result;
use crate::features::Features;
use crate::products::{Stripe, fold, squared_norms};
use crate::score::{Direction, Metric, Score};

/// Kernel distance on features scaled by the reference's RMS.
pub const KID: Metric = Metric {
    name: "kernel distance",
    unit: "squared kernel units",
    direction: Direction::Lower,
    source: "Binkowski et al. 2018, arXiv:1801.01401",
};

/// What the features are divided by before the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Nothing.
    Raw,
    /// The root mean square of all values of the reference set (1 where they are all 0).
    ReferenceRms,
}

/// Unbiased squared MMD. Unbiased means it may be negative when the sets are alike; that is not an error.
///
/// # Errors
/// Sets of different width; fewer than two rows in either.
pub fn squared_mmd(generated: &Features, reference: &Features, scale: Scale) -> Result<f64> {
    generated.same_width(reference, KID.name)?;
    generated.at_least(2, "generated", KID.name)?;
    reference.at_least(2, "reference", KID.name)?;
    let dim = reference.dim() as f64;
    let mean_square = match scale {
        Scale::Raw => 1.0,
        Scale::ReferenceRms => {
            squared_norms(reference).iter().sum::<f64>() / (reference.values().len() as f64)
        }
    };
    let factor = if mean_square > 0.0 { 1.0 / (mean_square * dim) } else { 1.0 / dim };
    let kernel = |product: f64| {
        let base = product * factor + 1.0;
        base * base * base
    };

    let within = |set: &Features| {
        let sums = fold(
            set.into(),
            set.into(),
            |_| 0.0,
            |sum: &mut f64, stripe: &Stripe<'_, f64>| {
                for (j, &product) in stripe.products.iter().enumerate() {
                    if stripe.first + j != stripe.query {
                        *sum += kernel(product);
                    }
                }
            },
        );
        sums.iter().sum::<f64>() / (set.n() as f64 * (set.n() - 1) as f64)
    };
    let between = fold(
        generated.into(),
        reference.into(),
        |_| 0.0,
        |sum: &mut f64, stripe: &Stripe<'_, f64>| {
            *sum += stripe.products.iter().map(|&product| kernel(product)).sum::<f64>();
        },
    );
    let between = between.iter().sum::<f64>() / (generated.n() as f64 * reference.n() as f64);
    Ok(within(generated) + within(reference) - 2.0 * between)
}

/// Kernel distance on features scaled by the reference's RMS.
///
/// # Errors
/// As [`squared_mmd`].
pub fn kid(generated: &Features, reference: &Features) -> Result<Score> {
    let value = squared_mmd(generated, reference, Scale::ReferenceRms)?;
    Ok(KID.score(value, generated.n(), reference.n(), "scaled by the reference's RMS"))
}
