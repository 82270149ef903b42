//! Kernel distance: the unbiased squared maximum mean discrepancy (MMD) with the kernel `(x.y / d + 1)^3`, over all pairs of
//! the full sets.
//!
//! The cubic kernel depends on the scale of the features: for raw features of large norm its value is dominated by the third
//! power of the norm and distinguishes models badly. The score therefore divides both sets by the root mean square of the
//! reference's values. The raw form, which Binkowski et al. use with Inception features, is available for comparison with
//! other programs. The mean over random subsets and its spread as a standard error are not offered, because the subsets share
//! images.

use crate::error::Result;
use crate::features::Features;
use crate::products::{Stripe, fold, squared_norms};
use crate::score::{Direction, Quantity, Score};

/// Kernel distance of features that are divided by the reference's root mean square.
pub const KID: Quantity = Quantity {
    name: "kernel distance",
    unit: "squared kernel units",
    direction: Direction::Lower,
    source: "Binkowski et al. 2018, arXiv:1801.01401",
};

/// The number by which the features are divided before the kernel is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// One: the features are not scaled.
    Raw,
    /// The root mean square of all values of the reference set (1 if they are all 0).
    ReferenceRms,
}

/// Unbiased squared MMD. Because it is unbiased, it may be negative for similar sets.
///
/// # Errors
/// If the sets differ in width, or either has fewer than two rows.
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

/// Kernel distance of features that are divided by the reference's root mean square.
///
/// # Errors
/// As [`squared_mmd`].
pub fn kid(generated: &Features, reference: &Features) -> Result<Score> {
    let value = squared_mmd(generated, reference, Scale::ReferenceRms)?;
    Ok(KID.score(value, generated.n(), reference.n(), "scaled by the reference's RMS"))
}
