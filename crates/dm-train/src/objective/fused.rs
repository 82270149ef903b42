//! The losses on host slices, one parallel pass over the images forward and one backward, as an operation of candle's
//! graph. candle's own elementwise operations would walk the batch a dozen times.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use dm_degrade::prediction::Prediction;
use dm_nn::data::PIXELS;
use rayon::prelude::*;

/// Output and target, [B, 784] each, to the loss of each image, `[B]`.
pub(super) struct PerImage(pub Prediction);

/// Keeps log rho finite where a softplus has run out.
const TINY: f32 = 1e-8;

impl PerImage {
    /// The loss of one image.
    fn loss(&self, output: &[f32], target: &[f32]) -> f32 {
        let pairs = output.iter().zip(target);
        let sum: f64 = match self.0 {
            Prediction::Eps | Prediction::X0 | Prediction::V => {
                pairs.map(|(o, y)| wide((o - y).powi(2))).sum()
            }
            Prediction::Conserving => {
                let log_total = log_sum_exp(output);
                return pairs.map(|(z, share)| -wide(share * (z - log_total))).sum::<f64>() as f32;
            }
            Prediction::Free => {
                let miss = |rho: f32, ink: f32| wide(rho - ink * (rho + TINY).ln());
                pairs.map(|(&z, &ink)| miss(softplus(z), ink)).sum()
            }
            Prediction::Logistic => pairs.map(|(&z, &ink)| wide(softplus(z) - ink * z)).sum(),
        };
        (sum / PIXELS as f64) as f32
    }

    /// `scale` times the gradient of that loss by the output.
    fn gradient(&self, output: &[f32], target: &[f32], scale: f32, gradient: &mut [f32]) {
        let slots = gradient.iter_mut().zip(output.iter().zip(target));
        let mean = scale / PIXELS as f32;
        match self.0 {
            Prediction::Eps | Prediction::X0 | Prediction::V => {
                slots.for_each(|(g, (o, y))| *g = 2.0 * mean * (o - y));
            }
            Prediction::Conserving => {
                let log_total = log_sum_exp(output);
                let ink: f32 = target.iter().sum();
                slots.for_each(|(g, (z, share))| *g = scale * (ink * (z - log_total).exp() - share));
            }
            Prediction::Free => slots.for_each(|(g, (&z, ink))| {
                *g = mean * logistic(z) * (1.0 - ink / (softplus(z) + TINY));
            }),
            Prediction::Logistic => slots.for_each(|(g, (&z, ink))| *g = mean * (logistic(z) - ink)),
        }
    }
}

impl CustomOp2 for PerImage {
    fn name(&self) -> &'static str {
        "loss of each image"
    }

    fn cpu_fwd(
        &self,
        output: &CpuStorage,
        output_layout: &Layout,
        target: &CpuStorage,
        target_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let output = values(output, output_layout)?.par_chunks_exact(PIXELS);
        let target = values(target, target_layout)?.par_chunks_exact(PIXELS);
        let losses: Vec<f32> = output.zip(target).map(|(output, target)| self.loss(output, target)).collect();
        let shape = Shape::from(losses.len());
        Ok((CpuStorage::F32(losses), shape))
    }

    fn bwd(
        &self,
        output: &Tensor,
        target: &Tensor,
        _losses: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (scales, host) =
            (grad.to_vec1::<f32>()?, |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>());
        let (outputs, targets) = (host(output)?, host(target)?);
        let mut gradient = vec![0.0; outputs.len()];
        let slots = gradient.par_chunks_exact_mut(PIXELS).zip(&scales);
        let images = outputs.par_chunks_exact(PIXELS).zip(targets.par_chunks_exact(PIXELS));
        slots.zip(images).for_each(|((gradient, &scale), (output, target))| {
            self.gradient(output, target, scale, gradient);
        });
        Ok((Some(Tensor::from_vec(gradient, output.shape(), output.device())?), None))
    }
}

/// The floats of a contiguous tensor.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("losses: found a strided tensor, expected a contiguous one"),
    }
}

fn wide(value: f32) -> f64 {
    f64::from(value)
}

/// ln of the sum of exponentials, without overflow.
fn log_sum_exp(z: &[f32]) -> f32 {
    let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    top + (z.iter().map(|z| wide((z - top).exp())).sum::<f64>().ln() as f32)
}

/// ln(1 + e^z) without overflow.
fn softplus(z: f32) -> f32 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// 1 / (1 + e^-z), the slope of [`softplus`].
fn logistic(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Var};
    use dm_nn::rng::{Seed, Stream};

    use super::*;
    use crate::objective::plain;

    /// Values and gradients of both forms, with a different weight on every image.
    fn both(prediction: Prediction, spread: f32) {
        const BATCH: usize = 5;
        let mut rng = Seed(3).stream(Stream::Degrade, 0, 0);
        let mut output = vec![0.0; BATCH * PIXELS];
        rng.fill_normal(&mut output);
        output.iter_mut().for_each(|z| *z *= spread);
        let mut target = vec![0.0; BATCH * PIXELS];
        rng.fill_uniform(&mut target);
        // Half of it paper; the last image blank.
        target.iter_mut().for_each(|y| *y = (2.0 * *y - 1.0).max(0.0));
        target[(BATCH - 1) * PIXELS..].fill(0.0);
        if prediction == Prediction::Conserving {
            for image in target.chunks_exact_mut(PIXELS) {
                let ink: f32 = image.iter().sum();
                image.iter_mut().for_each(|y| *y /= ink.max(f32::MIN_POSITIVE));
            }
        }
        let target = Tensor::from_vec(target, (BATCH, PIXELS), &Device::Cpu).unwrap();
        let weights = Tensor::from_vec(vec![1.0f32, -0.5, 3.0, 0.0, 2.0], BATCH, &Device::Cpu).unwrap();
        let run = |losses: &dyn Fn(&Tensor) -> Result<Tensor>| {
            let var = Var::from_vec(output.clone(), (BATCH, PIXELS), &Device::Cpu).unwrap();
            let losses = losses(var.as_tensor()).unwrap();
            let grads = (&losses * &weights).unwrap().sum_all().unwrap().backward().unwrap();
            let grad = grads.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (losses.to_vec1::<f32>().unwrap(), grad)
        };
        let fused = run(&|output| output.apply_op2(&target, PerImage(prediction)));
        let plain = run(&|output| plain::losses(prediction, output, &target));
        for (name, fused, plain) in [("loss", &fused.0, &plain.0), ("gradient", &fused.1, &plain.1)] {
            let scale = plain.iter().fold(1e-3f32, |top, v| top.max(v.abs()));
            for (a, b) in fused.iter().zip(plain) {
                assert!((a - b).abs() <= 1e-5 * scale, "{prediction:?} {name}: {a} and {b}, scale {scale}");
            }
        }
    }

    #[test]
    fn fused_losses_are_candles() {
        for prediction in [Prediction::Eps, Prediction::X0, Prediction::V, Prediction::Conserving] {
            both(prediction, 1.0);
            both(prediction, 8.0);
        }
        // Further out the plain ln(1 + e^z) loses its digits, which ln_1p keeps.
        for prediction in [Prediction::Free, Prediction::Logistic] {
            both(prediction, 0.5);
            both(prediction, 2.0);
        }
    }
}
