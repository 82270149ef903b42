//! Vector functions for activations: exp, the logistic function, the normal distribution function, and the exact GELU.

use pulp::Simd;

use super::vector::{F, inlined};

/// exp(x) for x <= 88 with an error of about 1 ulp. Below -87 the result stays at about 1e-38.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: F<S>) -> F<S> {
    exp_in_range(x.max(F::splat(x.0, -87.3)))
}

/// [`exp`] for x from -87.3 to 88, which the caller ensures.
///
/// The range reduction and the polynomial are those of the Cephes library (`expf`).
#[inline(always)]
fn exp_in_range<S: Simd>(x: F<S>) -> F<S> {
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
    one.div(one + exp_in_range(bounded))
}

/// The distribution function of the standard normal distribution at x (absolute error below 1.5e-7), and exp(-x^2/2).
///
/// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 with t = 1 / (1 + p|x|).
#[inline(always)]
pub(crate) fn normal<S: Simd>(x: F<S>) -> (F<S>, F<S>) {
    let simd = x.0;
    let c = inlined(
        #[inline(always)]
        |v| F::splat(simd, v),
    );
    let bell = exp(x * x * c(-0.5));
    let magnitude = F(simd, simd.abs_f32s(x.1));
    let t = c(1.0).div(magnitude.mul_add(c(0.231_641_9), c(1.0)));
    // With halved coefficients, the polynomial times t times `bell` is the probability above |x|.
    let p = c(0.530_702_7).mul_add(t, c(-0.726_576));
    let p = p.mul_add(t, c(0.710_706_9));
    let p = p.mul_add(t, c(-0.142_248_37));
    let p = p.mul_add(t, c(0.127_414_8));
    let tail = p * t * bell;
    let negative = simd.less_than_f32s(x.1, simd.splat_f32s(0.0));
    let below = simd.select_f32s(negative, tail.1, (c(1.0) - tail).1);
    (F(simd, below), bell)
}

/// The exact GELU: x times the normal distribution function at x (Hendrycks and Gimpel, 2016).
#[inline(always)]
pub(crate) fn gelu<S: Simd>(x: F<S>) -> F<S> {
    x * normal(x).0
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_slope<S: Simd>(x: F<S>) -> F<S> {
    let (below, bell) = normal(x);
    (x * F::splat(x.0, 0.398_942_3)).mul_add(bell, below)
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
            assert!((f64::from(*d) - slope).abs() < 4e-7, "gelu'({x}) = {d}, not {slope}");
        }
    }
}
