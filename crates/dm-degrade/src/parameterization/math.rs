//! The functions that several parameterizations share. Sums are computed in f64, so that the rounding error does not grow
//! with the size of the image.

/// Mean of (output - target)^2.
pub(super) fn squared_error(output: &[f32], target: &[f32]) -> f32 {
    mean(output, target, |o, y| (o - y).powi(2))
}

/// `scale` times the gradient of [`squared_error`].
pub(super) fn squared_error_gradient(output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
    mean_gradient(output, target, scale, gradient, |o, y| 2.0 * (o - y));
}

/// Mean over the values of an image of `loss(output, target)`.
pub(super) fn mean(output: &[f32], target: &[f32], loss: impl Fn(f32, f32) -> f32) -> f32 {
    let sum: f64 = output.iter().zip(target).map(|(&o, &y)| f64::from(loss(o, y))).sum();
    (sum / output.len() as f64) as f32
}

/// `scale` times the gradient of [`mean`], `slope` being the derivative of the loss with respect to the output.
pub(super) fn mean_gradient(
    output: &[f32],
    target: &[f32],
    scale: f32,
    gradient: &mut [f32],
    slope: impl Fn(f32, f32) -> f32,
) {
    let scale = scale / output.len() as f32;
    let slots = gradient.iter_mut().zip(output.iter().zip(target));
    slots.for_each(|(g, (&o, &y))| *g = scale * slope(o, y));
}

/// ln of the sum of exponentials, without overflow.
pub(super) fn log_sum_exp(z: &[f32]) -> f32 {
    let top = max(z);
    top + (z.iter().map(|z| f64::from((z - top).exp())).sum::<f64>().ln() as f32)
}

/// The largest of `z`.
pub(super) fn max(z: &[f32]) -> f32 {
    z.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// ln(1 + e^z), without overflow.
pub(super) fn softplus(z: f32) -> f32 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// 1 / (1 + e^-z), the derivative of [`softplus`].
pub(super) fn logistic(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}
