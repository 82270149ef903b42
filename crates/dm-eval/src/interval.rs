//! 95 % confidence intervals: Student's t interval of a mean over independent seeds, the jackknife interval of the value of
//! one set that consists of several seeds, and Wilson's interval of a share.
//!
//! A bootstrap over images is not offered, because duplicates shift a Frechet distance.

/// Quantile 0.975 of Student's t for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
    2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555,
    2.0518, 2.0484, 2.0452, 2.0423,
];
/// Quantile 0.975 of the normal distribution.
const Z: f64 = 1.959_963_985;

/// Mean of `values`; NaN if there are none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95 % t-interval of the mean of independent `values`; `None` for fewer than two.
pub fn t_interval(values: &[f64]) -> Option<[f64; 2]> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let mean = mean(values);
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1) as f64;
    let half = t(n - 1) * (variance / n as f64).sqrt();
    Some([mean - half, mean + half])
}

/// The delete-one-group jackknife: the 95 % interval of `whole`, the value of a set of k independent groups of equal size.
/// `without` holds the values of the set without each of its groups. `None` for fewer than two groups.
///
/// Let v_g be the value without group g, and v the mean of these values. The variance of the value of the whole set is
/// estimated by `(k - 1) / k sum_g (v_g - v)^2`. The half-width of the interval is the square root of this variance times the
/// quantile of Student's t with k - 1 degrees of freedom (Tukey 1958: the pseudo-values `k whole - (k - 1) v_g` are treated as
/// k independent values; Efron & Tibshirani 1993, section 11; for groups Kott 2001, J. Official Statistics 17, 521). For a
/// mean over images it is exactly the t interval of the groups' means.
///
/// All v_g have the same n, so that a bias that depends on n shifts all of them alike and remains in the value, which is
/// compared with values of the same n. The groups are large. This is necessary for medians and nearest neighbours, for which a
/// jackknife over single images would be wrong (Shao & Wu 1989). The random numbers of a metric itself (subsets, a split) are
/// drawn again for each v_g, which can only widen the interval.
pub fn jackknife_interval(whole: f64, without: &[f64]) -> Option<[f64; 2]> {
    let k = without.len();
    if k < 2 {
        return None;
    }
    let mean = mean(without);
    let sum = without.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    let half = t(k - 1) * (sum * (k - 1) as f64 / k as f64).sqrt();
    Some([whole - half, whole + half])
}

/// Quantile 0.975 of Student's t with `freedom` degrees of freedom: from the table, and beyond it from the first terms of the
/// expansion in 1 / `freedom`.
fn t(freedom: usize) -> f64 {
    let v = freedom as f64;
    let expansion =
        Z + (Z.powi(3) + Z) / (4.0 * v) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * v * v);
    T.get(freedom.wrapping_sub(1)).copied().unwrap_or(expansion)
}

/// Wilson's 95 % interval of the share `count` / `n` (Wilson 1927); [0, 1] for n = 0.
pub fn wilson_interval(count: u64, n: u64) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    let (p, n) = (count as f64 / n as f64, n as f64);
    let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_tables() {
        // Five values with mean 3 and variance 2.5: half-width 2.7764 sqrt(2.5 / 5).
        let [low, high] = t_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap_or_default();
        assert!((low - (3.0 - 1.963_21)).abs() < 1e-4 && (high - (3.0 + 1.963_21)).abs() < 1e-4);
        assert_eq!(t_interval(&[1.0]), None);
        // The expansion continues the table and agrees with known values.
        assert!(
            (t(31) - 2.0395).abs() < 1e-4 && (t(60) - 2.0003).abs() < 1e-4 && (t(1000) - 1.9623).abs() < 1e-4
        );
        // 1 of 10: 0.0179 to 0.4042 (Brown, Cai and DasGupta 2001).
        let [low, high] = wilson_interval(1, 10);
        assert!((low - 0.0179).abs() < 1e-4 && (high - 0.4042).abs() < 1e-4);
        assert_eq!(wilson_interval(0, 5)[0], 0.0);
    }

    #[test]
    fn the_jackknife_of_a_mean_is_the_t_interval_of_the_groups() {
        let groups: [f64; 5] = [1.0, 2.5, 2.0, 7.0, 4.0];
        let without: Vec<f64> = (0..5).map(|g| (groups.iter().sum::<f64>() - groups[g]) / 4.0).collect();
        let found = jackknife_interval(mean(&groups), &without).unwrap_or_default();
        let expected = t_interval(&groups).unwrap_or_default();
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}, {expected:?}");
        assert_eq!(jackknife_interval(1.0, &[1.0]), None);
    }

    /// The biased variance is a statistic that is not a mean over images, with a bias that depends on n and a known
    /// distribution: for n normals its expectation is (n - 1) / n. It must lie in 95 % of the intervals.
    #[test]
    fn the_jackknife_covers_a_biased_statistic_of_known_distribution() {
        let (k, size, trials) = (5, 40, 2000);
        let spread = |values: &[f64]| {
            let mean = mean(values);
            values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64
        };
        let expected = 1.0 - 1.0 / (k * size) as f64;
        let holds = |trial: u64| {
            let mut rng = dm_nn::rng::Seed(trial).stream(crate::streams::METRIC, 0, 0);
            let all: Vec<f64> = (0..k * size).map(|_| f64::from(rng.normal())).collect();
            let without = (0..k).map(|g| spread(&[&all[..g * size], &all[(g + 1) * size..]].concat()));
            let [low, high] =
                jackknife_interval(spread(&all), &without.collect::<Vec<_>>()).unwrap_or_default();
            low <= expected && expected <= high
        };
        let share = (0..trials).filter(|&trial| holds(trial)).count() as f64 / trials as f64;
        // Three standard errors of a share of 0.95 among 2,000 trials, and a little for the nonlinearity of the statistic.
        assert!((share - 0.95).abs() < 0.02, "{share}");
    }
}
