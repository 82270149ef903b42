//! Failures: images of which the classifier is unsure, grouped by their two most likely classes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::classifier_output::ClassPrediction;

/// An image is a failure if the probability of its most likely class is below this.
pub const MIN_CONFIDENCE: f64 = 0.9;

/// Number of images that are listed in each group.
const LISTED: usize = 16;

/// Images whose two most likely classes are the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureGroup {
    /// The two classes, the smaller number first.
    pub classes: [u8; 2],
    /// Number of images.
    pub count: usize,
    /// Indices of the least certain images, the least certain first.
    pub images: Vec<usize>,
}

/// The failures of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failures {
    /// Number of images in the set.
    pub n: usize,
    /// The probability below which an image counts as a failure.
    pub confidence_below: f64,
    /// Number of failures.
    pub count: usize,
    /// The groups, the largest first; groups of equal size by class.
    pub groups: Vec<FailureGroup>,
}

/// Groups the images whose predicted class has a probability below [`MIN_CONFIDENCE`].
pub fn failures(predictions: &[ClassPrediction]) -> Failures {
    let mut groups: BTreeMap<[u8; 2], Vec<(f64, usize)>> = BTreeMap::new();
    for (i, image) in predictions.iter().enumerate().filter(|(_, image)| image.confidence < MIN_CONFIDENCE) {
        let pair = [image.class.min(image.second), image.class.max(image.second)];
        groups.entry(pair).or_default().push((image.confidence, i));
    }
    let mut groups: Vec<FailureGroup> = groups
        .into_iter()
        .map(|(classes, mut members)| {
            members.sort_by(|a, b| a.0.total_cmp(&b.0));
            let images = members.iter().take(LISTED).map(|&(_, i)| i).collect();
            FailureGroup { classes, count: members.len(), images }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let count = groups.iter().map(|group| group.count).sum();
    Failures { n: predictions.len(), confidence_below: MIN_CONFIDENCE, count, groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncertain_images_are_grouped_by_pair_the_least_certain_first() {
        let image = |class, second, confidence| ClassPrediction { class, second, confidence };
        let found = failures(&[
            image(4, 9, 0.8),
            image(1, 7, 0.99),
            image(9, 4, 0.6),
            image(3, 5, 0.5),
            image(3, 5, MIN_CONFIDENCE),
        ]);
        assert_eq!((found.n, found.count), (5, 3));
        let groups: Vec<_> = found.groups.iter().map(|g| (g.classes, g.count, g.images.clone())).collect();
        assert_eq!(groups, [([4, 9], 2, vec![2, 0]), ([3, 5], 1, vec![3])]);
        assert!(failures(&[]).groups.is_empty());
    }
}
