//! Binomial random numbers by the quantile function, for many trials of small probability.

use dm_nn::rng::Rng;

use crate::poisson::RECIPROCALS;

/// The largest number of trials of one search; more trials are drawn in parts. A search starts at P(0), which is at least
/// (1/2)^512 and far above the smallest f64.
const PART: u32 = 512;

/// Draws the number of successes in `trials` trials that succeed with probability `p`, at most 1/2. Uses one uniform of 53
/// bits for every 512 trials.
pub(crate) fn sample(trials: u32, p: f64, rng: &mut Rng) -> u32 {
    let mut successes = 0;
    let mut left = trials;
    while left > 0 {
        let part = left.min(PART);
        successes += quantile(part, p, rng.uniform_f64());
        left -= part;
    }
    successes
}

/// The smallest k with P(Binomial(`trials`, `p`) <= k) > `u`, for at most [`PART`] trials, `p` in [0, 1/2] and `u` in
/// [0, 1).
fn quantile(trials: u32, p: f64, u: f64) -> u32 {
    let odds = p / (1.0 - p);
    // P(k) = P(k - 1) odds (n - k + 1) / k.
    let mut probability = (1.0 - p).powi(trials.cast_signed());
    let mut below = probability;
    let mut k = 0;
    while below <= u && k < trials {
        probability *= odds * f64::from(trials - k) * RECIPROCALS[k as usize];
        below += probability;
        k += 1;
    }
    k
}

#[cfg(test)]
mod tests {
    use dm_nn::rng::Seed;

    use super::*;
    use crate::streams;

    /// P(N <= k), each term by its own logarithm.
    fn cdf(n: u32, p: f64, k: u32) -> f64 {
        let term = |i: u32| {
            let choose: f64 = (0..i).map(|j| (f64::from(n - j) / f64::from(j + 1)).ln()).sum();
            (choose + f64::from(i) * p.ln() + f64::from(n - i) * (-p).ln_1p()).exp()
        };
        (0..=k).map(term).sum()
    }

    #[test]
    fn the_result_is_the_quantile() {
        for (n, p) in [(1, 0.5), (1, 1e-9), (7, 0.03), (40, 0.2), (300, 0.49), (512, 0.5), (512, 1e-4)] {
            for i in 0..200 {
                let u = (f64::from(i) + 0.5) / 200.0;
                let k = quantile(n, p, u);
                assert!(cdf(n, p, k) > u - 1e-11, "n {n}, p {p}, u {u}: {k} is too small");
                assert!(k == 0 || cdf(n, p, k - 1) <= u + 1e-11, "n {n}, p {p}, u {u}: {k} is too large");
            }
        }
    }

    #[test]
    fn extreme_arguments() {
        assert_eq!(quantile(0, 0.3, 0.9), 0);
        assert_eq!(quantile(9, 0.0, 1.0 - f64::EPSILON), 0);
        assert_eq!(quantile(512, 0.5, 0.0), 0);
        assert!(quantile(3, 0.5, 1.0 - f64::EPSILON) <= 3);
    }

    #[test]
    fn trials_in_several_parts_have_the_right_mean_and_variance() {
        let (n, p, draws) = (1300, 0.3, 20_000);
        let mut rng = Seed(1).stream(streams::SAMPLE, 0, 0);
        let found: Vec<f64> = (0..draws).map(|_| f64::from(sample(n, p, &mut rng))).collect();
        let mean = found.iter().sum::<f64>() / f64::from(draws);
        let variance = found.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / f64::from(draws);
        let due = f64::from(n) * p * (1.0 - p);
        // Four standard errors each.
        assert!((mean - f64::from(n) * p).abs() < 4.0 * (due / f64::from(draws)).sqrt(), "{mean}");
        assert!((variance / due - 1.0).abs() < 4.0 * (2.0 / f64::from(draws)).sqrt(), "{variance}");
    }
}
