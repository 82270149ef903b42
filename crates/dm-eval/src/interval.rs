//! How sure a number is: the t-interval of a mean over independent seeds, and Wilson's interval of a share.
//!
//! Both are at 95 %. A bootstrap over images is left out: duplicates shift a Frechet distance.

/// Quantile 0.975 of Student's t for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
    2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555,
    2.0518, 2.0484, 2.0452, 2.0423,
];
/// Quantile 0.975 of the normal distribution.
const Z: f64 = 1.959_963_985;

/// Mean of `values`; NaN for none.
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

/// Quantile 0.975 of Student's t; beyond the table the first terms of its expansion in 1 / `freedom`.
fn t(freedom: usize) -> f64 {
    let v = freedom as f64;
    let expansion =
        Z + (Z.powi(3) + Z) / (4.0 * v) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * v * v);
    T.get(freedom.wrapping_sub(1)).copied().unwrap_or(expansion)
}

/// Wilson's 95 % interval of a share of `count` among `n` (Wilson 1927); all of [0, 1] for n = 0.
pub fn wilson(count: u64, n: u64) -> [f64; 2] {
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
        // The expansion meets the table, and its own known values.
        assert!(
            (t(31) - 2.0395).abs() < 1e-4 && (t(60) - 2.0003).abs() < 1e-4 && (t(1000) - 1.9623).abs() < 1e-4
        );
        // 1 of 10: 0.0179 to 0.4042 (Brown, Cai and DasGupta 2001).
        let [low, high] = wilson(1, 10);
        assert!((low - 0.0179).abs() < 1e-4 && (high - 0.4042).abs() < 1e-4);
        assert_eq!(wilson(0, 5)[0], 0.0);
    }
}
