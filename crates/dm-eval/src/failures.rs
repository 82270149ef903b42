//! Where samples fail: images the judge is unsure of, grouped by the two classes it wavers between.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::judge::Guess;

/// Below this probability of the most likely class an image counts as a failure.
pub const CONFIDENCE: f64 = 0.9;

/// Images kept by number in each group.
const LISTED: usize = 16;

/// Images between two classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The two classes, smaller first.
    pub classes: [u8; 2],
    /// How many images.
    pub count: usize,
    /// The least certain of them, least certain first.
    pub images: Vec<usize>,
}

/// Failures of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failures {
    /// Images looked at.
    pub n: usize,
    /// The bound on confidence.
    pub confidence_below: f64,
    /// How many images are below it.
    pub count: usize,
    /// Largest group first; equal ones by class.
    pub groups: Vec<Group>,
}

/// Groups the images of `guesses` that are below [`CONFIDENCE`].
pub fn failures(guesses: &[Guess]) -> Failures {
    let mut groups: BTreeMap<[u8; 2], Vec<(f64, usize)>> = BTreeMap::new();
    for (i, guess) in guesses.iter().enumerate().filter(|(_, guess)| guess.confidence < CONFIDENCE) {
        let pair = [guess.class.min(guess.next), guess.class.max(guess.next)];
        groups.entry(pair).or_default().push((guess.confidence, i));
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(classes, mut members)| {
            members.sort_by(|a, b| a.0.total_cmp(&b.0));
            let images = members.iter().take(LISTED).map(|&(_, i)| i).collect();
            Group { classes, count: members.len(), images }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let count = groups.iter().map(|group| group.count).sum();
    Failures { n: guesses.len(), confidence_below: CONFIDENCE, count, groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubtful_images_are_grouped_by_pair_the_least_certain_first() {
        let guess = |class, next, confidence| Guess { class, next, confidence };
        let found = failures(&[
            guess(4, 9, 0.8),
            guess(1, 7, 0.99),
            guess(9, 4, 0.6),
            guess(3, 5, 0.5),
            guess(3, 5, CONFIDENCE),
        ]);
        assert_eq!((found.n, found.count), (5, 3));
        let groups: Vec<_> = found.groups.iter().map(|g| (g.classes, g.count, g.images.clone())).collect();
        assert_eq!(groups, [([4, 9], 2, vec![2, 0]), ([3, 5], 1, vec![3])]);
        assert!(failures(&[]).groups.is_empty());
    }
}
