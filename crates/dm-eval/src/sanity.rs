//! The sanity check of a classifier's features: real images with known corruptions must be scored in the right order. A
//! classifier that fails the check should not be used to compare models.
//!
//! Each corruption is applied to the same training images and compared with the reference. The Frechet distance has to rise
//! strictly within each family of corruptions, and every corruption has to be worse than the uncorrupted training images. This
//! order holds for every data set. Between families the order was measured on MNIST with three classifiers: real < noise 0.02 <
//! blur 0.5 < noise 0.1 < blur 1 < mix-up < {class means, noise 0.3} < 10 repeated images < {global mean, uniform noise}, with
//! 100 repeated images between noise 0.02 and blur 1. [`disorder`] reports every violation.

use std::fmt;

use dm_nn::hash::sha256_hex;
use serde::Serialize;

use crate::authenticity::authenticity;
use crate::cache::Cache;
use crate::classifier::Classifier;
use crate::corruption::CORRUPTIONS;
use crate::distances::knn_radii;
use crate::error::Result;
use crate::features::Features;
use crate::frechet::frechet;
use crate::manifold::{K, manifold_with_radii};
use crate::protocol::{ImageSet, ProgressObserver};

/// The scores of one corruption.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorruptionResult {
    /// Name of the corruption.
    pub name: &'static str,
    /// Family of the corruption; empty for the uncorrupted images.
    pub family: &'static str,
    /// First and last group of severity on MNIST.
    pub groups: [usize; 2],
    /// Frechet distance.
    pub fd: f64,
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// Coverage.
    pub coverage: f64,
    /// Share of images that look copied from the training images, in pixels.
    pub memorised: f64,
}

/// Scores every corruption of the images `pixels` [n, C, H, W] with the classes `labels` `[n]` against `reference`. Class means
/// are left out if all images have the same class. The share of copies does not depend on the classifier; for all classifiers
/// but the first it comes from `cache`.
///
/// # Errors
/// If the images and labels do not fit together, or a metric fails, for example because there are fewer images than features.
pub fn sanity_check(
    classifier: &Classifier,
    pixels: &[u8],
    labels: &[u8],
    reference: &ImageSet,
    cache: &Cache,
    observer: &mut ProgressObserver<'_>,
) -> Result<Vec<CorruptionResult>> {
    let shape = classifier.shape;
    let training = Features::from_pixels("training images", shape, pixels)?;
    let keys = [shape.to_string(), sha256_hex(pixels)];
    let real = &reference.output.features;
    let radii = knn_radii(real, K)?;
    let one_class = labels.iter().all(|label| Some(label) == labels.first());
    let mut results = Vec::with_capacity(CORRUPTIONS.len());
    for (i, corruption) in CORRUPTIONS.iter().enumerate() {
        if one_class && corruption.needs_classes() {
            continue;
        }
        observer(corruption.name, i, CORRUPTIONS.len());
        let corrupted = corruption.apply(shape, pixels, labels)?;
        let images = ImageSet::new(corruption.name, corrupted, classifier, None, &mut |_, _, _| {})?;
        let features = &images.output.features;
        let values = manifold_with_radii(features, real, &radii)?;
        let memorised =
            || -> Result<f64> { Ok(authenticity(&images.unit_values()?, &training)?.score().value) };
        results.push(CorruptionResult {
            name: corruption.name,
            family: corruption.family,
            groups: corruption.groups,
            fd: frechet(features, real)?.value,
            precision: values.precision,
            recall: values.recall,
            coverage: values.coverage,
            memorised: cache.value("memorised", &[&keys[0], &keys[1], &images.sha256], memorised)?,
        });
    }
    Ok(results)
}

/// Two corruptions whose Frechet distances are in the wrong order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disorder<'a> {
    /// The milder corruption, which has the larger distance or an equal one.
    pub milder: &'a CorruptionResult,
    /// The stronger corruption.
    pub stronger: &'a CorruptionResult,
}

impl Disorder<'_> {
    /// Whether the order holds for every data set, because both corruptions belong to one family or the milder one leaves the
    /// images unchanged. Otherwise the order was measured on MNIST.
    pub fn is_certain(&self) -> bool {
        self.milder.family.is_empty() || self.milder.family == self.stronger.family
    }
}

impl fmt::Display for Disorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { milder, stronger } = self;
        match self.is_certain() {
            true if !stronger.family.is_empty() => write!(f, "{}: ", stronger.family)?,
            true => {}
            false => write!(f, "between {} and {}, as on MNIST: ", milder.family, stronger.family)?,
        }
        let (low, high) = (milder.fd, stronger.fd);
        write!(
            f,
            "`{}` with a distance of {low:.3} should be below `{}` with {high:.3}",
            milder.name, stronger.name
        )
    }
}

/// All pairs of corruptions that are in the wrong order; empty if the classifier passes the check. `results` are in the order
/// of [`CORRUPTIONS`].
pub fn disorder(results: &[CorruptionResult]) -> Vec<Disorder<'_>> {
    let mut found = Vec::new();
    for (i, milder) in results.iter().enumerate() {
        for (j, stronger) in results.iter().enumerate() {
            let pair = Disorder { milder, stronger };
            // Within a family the list rises in strength.
            let is_ordered = if pair.is_certain() { i < j } else { milder.groups[1] < stronger.groups[0] };
            // `!(a < b)` in a form that clippy accepts: a distance that is not a number is out of order, too.
            if is_ordered && !matches!(milder.fd.partial_cmp(&stronger.fd), Some(std::cmp::Ordering::Less)) {
                found.push(pair);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results with the given distances, in the order of [`CORRUPTIONS`].
    fn results(distances: [f64; 12]) -> Vec<CorruptionResult> {
        let result = |(corruption, fd): (&crate::corruption::Corruption, f64)| CorruptionResult {
            name: corruption.name,
            family: corruption.family,
            groups: corruption.groups,
            fd,
            precision: 0.0,
            recall: 0.0,
            coverage: 0.0,
            memorised: 0.0,
        };
        CORRUPTIONS.iter().zip(distances).map(result).collect()
    }

    const IN_ORDER: [f64; 12] = [1.0, 2.0, 5.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 11.0];

    fn names(results: &[CorruptionResult]) -> Vec<[&str; 2]> {
        disorder(results).iter().map(|pair| [pair.milder.name, pair.stronger.name]).collect()
    }

    #[test]
    fn every_family_has_to_be_in_order() {
        assert!(names(&results(IN_ORDER)).is_empty());
        // Corruptions of different families whose groups overlap may change places.
        let mut swapped = IN_ORDER;
        swapped.swap(7, 8);
        assert!(names(&results(swapped)).is_empty());
        // A family that is out of order is named, and so are equal distances and distances that are not numbers.
        let with = |place: usize, fd: f64| {
            let mut distances = IN_ORDER;
            distances[place] = fd;
            results(distances)
        };
        let found = with(9, 4.5);
        assert!(names(&found).contains(&["100 images over and over", "10 images over and over"]));
        let found = with(5, 3.0);
        assert!(names(&found).contains(&["blur 0.5 pixels", "blur 1 pixel"]));
        let found = with(3, 6.5);
        let blur = disorder(&found).into_iter().find(|pair| pair.milder.family == pair.stronger.family);
        assert_eq!(
            blur.map(|pair| pair.to_string()).unwrap_or_default(),
            "blur: `blur 0.5 pixels` with a distance of 6.500 should be below `blur 1 pixel` with 6.000"
        );
        assert!(names(&with(11, f64::NAN)).contains(&["noise 0.3", "uniform noise"]));
        // Nothing is better than the uncorrupted images.
        assert_eq!(names(&with(1, 0.5)), [["real (training copies)", "noise 0.02"]]);
        // Between families the order is that of the groups.
        let between = with(6, 5.5);
        let found = disorder(&between);
        assert_eq!(names(&between), [["blur 1 pixel", "50/50 mix-up"]]);
        assert!(!found[0].is_certain());
        assert!(found[0].to_string().starts_with("between blur and averaging, as on MNIST: `blur 1 pixel`"));
    }
}
