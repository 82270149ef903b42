//! Vector functions for activations: exp, the logistic function, and the exact GELU with its derivative.

use pulp::Simd;

use super::vector::{F, inlined};

/// exp(x) for x from -87.3 to 88, which the caller ensures, with an error of about 1 ulp.
///
/// The range reduction and the polynomial are those of the Cephes library (`expf`).
#[inline(always)]
fn exp<S: Simd>(x: F<S>) -> F<S> {
    let simd = x.0;
    let c = inlined(
        #[inline(always)]
        |v| F::splat(simd, v),
    );
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
    let magic = c(12_582_912.0);
    let shifted = x.mul_add(c(std::f32::consts::LOG2_E), magic);
    let n = shifted - magic;
    // ln 2 in two parts. The first has trailing zeros, so that its product with n is exact.
    let r = n.neg_mul_add(c(0.693_359_4), x);
    let r = n.neg_mul_add(c(-2.121_944_4e-4), r);
    let p = c(1.987_569_1e-4).mul_add(r, c(1.398_199_9e-3));
    let p = p.mul_add(r, c(8.333_452e-3));
    let p = p.mul_add(r, c(4.166_579_6e-2));
    let p = p.mul_add(r, c(1.666_666_5e-1));
    let p = p.mul_add(r, c(0.5));
    let p = p.mul_add(r * r, r + c(1.0));
    let bits = simd.transmute_u32s_f32s(shifted.1);
    let exponent = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    let power = simd.add_u32s(exponent, simd.splat_u32s(0x3f80_0000));
    p * F(simd, simd.transmute_f32s_u32s(power))
}

/// The logistic function 1 / (1 + exp(-x)).
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(x: F<S>) -> F<S> {
    let simd = x.0;
    let one = F::splat(simd, 1.0);
    let bounded = (-x).max(F::splat(simd, -87.0)).min(F::splat(simd, 87.0));
    one.div(one + exp(bounded))
}

/// The exact GELU: x times the normal distribution function at x (Hendrycks and Gimpel, 2016).
#[inline(always)]
pub(crate) fn gelu<S: Simd>(x: F<S>) -> F<S> {
    x * step(x, &NORMAL)
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_slope<S: Simd>(x: F<S>) -> F<S> {
    step(x, &GELU_SLOPE)
}

/// A function f with f(-x) = 1 - f(x) that is 0 below -`bound` and 1 above `bound`. With z = x / `bound` between -1 and 1,
/// f = 1/2 + z P(2 z^2 - 1), which needs neither a division nor an exponential function.
struct Step<const N: usize> {
    /// Where f becomes 1.
    bound: f32,
    /// The coefficients of P, the constant first. Their sum, in the order of [`step`], is exactly 1/2.
    coefficients: [f32; N],
}

/// The normal distribution function with an absolute error below 1.3e-7. The polynomial was fitted so that its largest
/// error is small.
const NORMAL: Step<15> = Step {
    bound: 5.4,
    coefficients: [
        0.707_011_8,
        -0.352_771_5,
        0.261_897_8,
        -0.211_716_8,
        0.173_429_64,
        -0.139_030_83,
        0.106_083_61,
        -0.075_402_07,
        0.052_116_983,
        -0.036_262_564,
        0.019_757_356,
        -0.006_406_846,
        0.004_725_279_8,
        -0.005_553_115,
        0.002_121_244_3,
    ],
};

/// The derivative of [`gelu`] with an absolute error below 2.8e-7, in the same way.
const GELU_SLOPE: Step<18> = Step {
    bound: 5.86,
    coefficients: [
        0.707_519_6,
        -0.357_073_7,
        0.280_147_64,
        -0.263_453_45,
        0.283_562_78,
        -0.325_714_35,
        0.369_315_86,
        -0.401_205,
        0.410_865_58,
        -0.358_946_26,
        0.258_183_9,
        -0.225_450_5,
        0.230_625_39,
        -0.117_171_05,
        -0.004_638_277_5,
        -0.017_613_165,
        0.052_218_586,
        -0.021_173_561,
    ],
};

/// The value of a step function at x.
#[inline(always)]
fn step<S: Simd, const N: usize>(x: F<S>, step: &Step<N>) -> F<S> {
    let one = F::splat(x.0, 1.0);
    let z = (x * F::splat(x.0, 1.0 / step.bound)).max(-one).min(one);
    let s = (z * z).mul_add(F::splat(x.0, 2.0), -one);
    let mut p = F::splat(x.0, step.coefficients[N - 1]);
    for k in (0..N - 1).rev() {
        p = p.mul_add(s, F::splat(x.0, step.coefficients[k]));
    }
    z.mul_add(p, F::splat(x.0, 0.5))
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::engine::substrate::simd::dispatch;

    struct GeluAndSlope<'a>(&'a [f32], &'a mut [f32], &'a mut [f32]);

    impl WithSimd for GeluAndSlope<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            for ((x, y), d) in self.0.iter().zip(self.1).zip(self.2) {
                let x = F::splat(simd, *x);
                *y = simd.reduce_sum_f32s(gelu(x).1) / S::F32_LANES as f32;
                *d = simd.reduce_sum_f32s(gelu_slope(x).1) / S::F32_LANES as f32;
            }
        }
    }

    /// The normal distribution function by Simpson's rule from 0 to x, in f64.
    fn normal_cdf(x: f64) -> f64 {
        let steps = 4000;
        let h = x / f64::from(steps);
        let f = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let inner: f64 = (1..steps).map(|i| f(h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        0.5 + h / 3.0 * (f(0.0) + f(x) + inner)
    }

    #[test]
    fn gelu_and_slope_are_exact_to_float_precision() {
        let xs: Vec<f32> = (-900..=900).map(|i| i as f32 / 100.0).collect();
        let (mut ys, mut ds) = (vec![0.0; xs.len()], vec![0.0; xs.len()]);
        dispatch(GeluAndSlope(&xs, &mut ys, &mut ds));
        for ((x, y), d) in xs.iter().zip(&ys).zip(&ds) {
            let x64 = f64::from(*x);
            let cdf = normal_cdf(x64);
            let slope = cdf + x64 * (-x64 * x64 / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(*y) - x64 * cdf).abs() < 3e-7 * x64.abs().max(1.0), "gelu({x}) = {y}");
            assert!((f64::from(*d) - slope).abs() < 3e-7, "gelu'({x}) = {d}, not {slope}");
            if x.abs() > GELU_SLOPE.bound {
                // GELU is 0 or x there; the sum over lanes rounds.
                assert!(
                    (y - x.max(0.0)).abs() < 1e-7 * x.abs() && (d - x.clamp(0.0, 1.0)).abs() < 1e-7,
                    "{x}"
                );
            }
        }
    }
}
