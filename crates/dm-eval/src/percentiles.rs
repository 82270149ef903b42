//! The percentiles of a distribution: 101 numbers, few enough for a result file and enough to plot the distribution.

/// The percentiles 0 to 100 of `values` in rising order, interpolated linearly between values; empty if there are no values.
pub fn percentiles(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let at = |percent: usize| {
        let place = (last * percent) as f64 / 100.0;
        let (low, share) = (place.floor() as usize, place.fract());
        let high = sorted[(low + 1).min(last)];
        sorted[low] + share * (high - sorted[low])
    };
    (0..=100).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::percentiles;

    #[test]
    fn ends_middle_and_between() {
        let found = percentiles(&[5.0, 1.0, 2.0]);
        assert_eq!((found.len(), found[0], found[50], found[100]), (101, 1.0, 2.0, 5.0));
        assert!((found[25] - 1.5).abs() < 1e-12 && (found[75] - 3.5).abs() < 1e-12);
        assert_eq!(percentiles(&[7.0]), [7.0; 101]);
        assert!(percentiles(&[]).is_empty());
    }
}
