//! Poisson numbers by the quantile function, so that one uniform is one draw.
//!
//! A fixed uniform makes the count a monotone function of its mean: the frozen key that cold sampling needs, and draws
//! that do not depend on any library's version.

/// Means above this are refused by configs: below it the search starts at a representable probability.
pub const MAX_MEAN: f64 = 600.0;

/// The uniform `u` in [0, 1) has 24 bits and stands for the middle of its cell, so that neither end is ever hit: a `u` of
/// zero, one pixel in twenty million, would otherwise be a count of zero at any mean.
pub const HALF_CELL: f64 = 1.0 / 33_554_432.0;

/// The smallest k with P(Poisson(`mean`) <= k) > `u` + [`HALF_CELL`], for `u` in [0, 1) and `mean` in
/// [0, [`MAX_MEAN`]]; values outside are taken as the nearest inside.
pub fn quantile(mean: f32, u: f32) -> f32 {
    let mean = f64::from(mean).clamp(0.0, MAX_MEAN);
    let u = f64::from(u) + HALF_CELL;
    let mut probability = (-mean).exp();
    let mut below = probability;
    let mut k = 0.0;
    // The second condition ends the search where rounding keeps the sum below u: P beyond is under 1e-16.
    while below <= u && (probability > 1e-18 || k < mean) {
        k += 1.0;
        probability *= mean / k;
        below += probability;
    }
    k as f32
}
