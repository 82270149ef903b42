//! Chooses a few of many items for a figure. The first and the last item are always among them.

/// At most `most` of the indices below `count`, evenly spaced.
pub fn evenly(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let place =
        |index: usize| (index as f64 * (count - 1) as f64 / (most - 1).max(1) as f64).round() as usize;
    (0..most).map(place).collect()
}

/// As [`evenly`], but evenly spaced on a logarithmic scale if there are many: most of the progress of a training happens early.
pub fn denser_early(count: usize, most: usize) -> Vec<usize> {
    if count <= 2 * most {
        return evenly(count, most);
    }
    let last = (count as f64).ln();
    let place = |index: usize| (last * index as f64 / (most - 1).max(1) as f64).exp().round() as usize - 1;
    let mut places: Vec<_> = (0..most).map(place).collect();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept() {
        assert_eq!(evenly(0, 4), Vec::<usize>::new());
        assert_eq!(evenly(3, 4), [0, 1, 2]);
        assert_eq!(evenly(100, 4), [0, 33, 66, 99]);
        assert_eq!(evenly(5, 1), [0]);
        assert_eq!(denser_early(1, 5), [0]);
        assert_eq!(denser_early(9, 5), [0, 2, 4, 6, 8]);
        assert_eq!(denser_early(100, 5), [0, 2, 9, 31, 99]);
        assert_eq!(denser_early(12, 5)[4], 11);
    }
}
