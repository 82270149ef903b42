//! The logarithm of the probability that a normal number lies in an interval, accurate even in the far tails.

/// ln(2 pi) / 2.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// ln P(low < z < high) for a standard normal z and low < high; either end may be infinite.
pub(super) fn ln_mass(low: f64, high: f64) -> f64 {
    if low > 0.0 {
        // Both ends in the upper tail: Q(low) - Q(high).
        let (near, far) = (ln_upper(low), ln_upper(high));
        near + (-(far - near).exp()).ln_1p()
    } else if high < 0.0 {
        ln_mass(-high, -low)
    } else {
        (-(ln_upper(-low).exp() + ln_upper(high).exp())).ln_1p()
    }
}

/// ln Q(z) = ln P(x > z) for z >= 0.
fn ln_upper(z: f64) -> f64 {
    if z == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    if z < 3.0 {
        // Marsaglia 2004: P(0 < x < z) = phi(z) (z + z^3/3 + z^5/(3 5) + ...).
        let (mut term, mut sum, mut k) = (z, z, 1.0);
        while term > 1e-18 {
            k += 2.0;
            term *= z * z / k;
            sum += term;
        }
        return (0.5 - sum * (-0.5 * z * z - HALF_LN_TAU).exp()).ln();
    }
    // Q(z) = phi(z) / (z + 1/(z + 2/(z + 3/(z + ...)))): Laplace's continued fraction, evaluated from its 120th level.
    let fraction = (1..=120).rev().fold(z, |below, k| z + f64::from(k) / below);
    -0.5 * z * z - HALF_LN_TAU - fraction.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_tails_agree_with_tables() {
        // ln of 1 - Phi(z) at z = 0, 1, 2, 3, 5, 10, 30: Abramowitz and Stegun, table 26.2, and its asymptotic series.
        for (z, expected) in [
            (0.0, -std::f64::consts::LN_2),
            (1.0, 0.158_655_253_931_457_05f64.ln()),
            (2.0, 0.022_750_131_948_179_21f64.ln()),
            (3.0, 1.349_898_031_630_095e-3f64.ln()),
            (5.0, 2.866_515_718_791_939e-7f64.ln()),
            (10.0, -53.231_285_151_512_47),
            (30.0, -454.321_243_956_343_7),
        ] {
            let found = ln_upper(z);
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{z}: {found} for {expected}");
        }
        // The series and the fraction agree at 3, where one replaces the other.
        assert!((ln_upper(3.0) - ln_upper(3.0 - 1e-12)).abs() < 1e-10);
    }

    #[test]
    fn probabilities_add_up_to_one_and_are_symmetric() {
        for (mean, width) in [(0.0, 0.3), (0.4, 0.05), (7.0, 1.0), (-7.0, 1.0)] {
            let ends = |i: i32| match i {
                -100 => f64::NEG_INFINITY,
                100 => f64::INFINITY,
                i => f64::from(i) * width - mean,
            };
            let total: f64 = (-100..100).map(|i| ln_mass(ends(i), ends(i + 1)).exp()).sum();
            assert!((total - 1.0).abs() < 1e-12, "{total}");
        }
        assert_eq!(ln_mass(2.0, 2.5), ln_mass(-2.5, -2.0));
        // A thin interval in the far tail has the probability density times width; a difference of probabilities would be 0.
        let found = ln_mass(40.0, 40.0 + 1e-6);
        let expected = -800.0 - HALF_LN_TAU + 1e-6f64.ln() - 2e-5;
        assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
    }
}
