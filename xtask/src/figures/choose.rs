//! Which few of many things a figure shows. Always the first and the last.

/// At most `most` of `count` places, evenly spread.
pub fn spread(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let place =
        |index: usize| (index as f64 * (count - 1) as f64 / (most - 1).max(1) as f64).round() as usize;
    (0..most).map(place).collect()
}

/// As `spread`, but where there are many, evenly in the logarithm: most of a training happens early.
pub fn denser_early(count: usize, most: usize) -> Vec<usize> {
    if count <= 2 * most {
        return spread(count, most);
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
    fn spreading_keeps_both_ends() {
        assert_eq!(spread(0, 4), Vec::<usize>::new());
        assert_eq!(spread(3, 4), [0, 1, 2]);
        assert_eq!(spread(100, 4), [0, 33, 66, 99]);
        assert_eq!(spread(5, 1), [0]);
    }

    #[test]
    fn few_are_spread_and_many_are_denser_at_the_start() {
        assert_eq!(denser_early(1, 5), [0]);
        assert_eq!(denser_early(5, 5), [0, 1, 2, 3, 4]);
        assert_eq!(denser_early(9, 5), [0, 2, 4, 6, 8]);
        assert_eq!(denser_early(100, 5), [0, 2, 9, 31, 99]);
        assert_eq!(denser_early(12, 5)[4], 11);
    }
}
