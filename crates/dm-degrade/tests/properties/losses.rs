//! The losses and their gradients against candle's own operations, formula by formula, and against finite differences.

use candle_core::{D, Device, Result, Tensor, Var};
use dm_degrade::ParameterizationKind;
use dm_degrade::parameterization::losses;
use dm_nn::image::ImageShape;

use super::{MNIST, rng};

const BATCH: usize = 5;
const SHAPES: [ImageShape; 3] = [MNIST, ImageShape::new(3, 8, 13), ImageShape::new(2, 17, 9)];

/// The loss of each image from output and targets [B, C, H, W], in candle's operations.
fn by_formula(kind: ParameterizationKind, output: &Tensor, target: &Tensor) -> Result<Tensor> {
    let mean = |x: Tensor| x.flatten_from(1)?.mean(1);
    match kind {
        // Mean squared error: Ho et al. 2020, eq. 14, for eps.
        ParameterizationKind::Eps | ParameterizationKind::X0 | ParameterizationKind::V => {
            mean((output - target)?.sqr()?)
        }
        // Cross-entropy of each channel as a distribution over pixels: - sum_p I(p) log rho(p), sum_p I(p) = 1.
        ParameterizationKind::Softmax => {
            let (output, target) = (output.flatten_from(2)?, target.flatten_from(2)?);
            let shifted = output.broadcast_sub(&output.max_keepdim(D::Minus1)?.detach())?;
            let log_total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
            (target * shifted.broadcast_sub(&log_total)?)?.sum(2)?.neg()?.mean(1)
        }
        // Poisson negative log-likelihood: rho - I log rho, mean over pixels.
        ParameterizationKind::Softplus => {
            let rho = softplus(output)?;
            let log_rho = (&rho + 1e-8)?.log()?;
            mean((rho - (target * log_rho)?)?)
        }
        // Cross-entropy pixel by pixel, rho = 1 / (1 + e^-z): -I log rho - (1 - I) log (1 - rho), mean over pixels.
        ParameterizationKind::Sigmoid => mean((softplus(output)? - (target * output)?)?),
    }
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|).
fn softplus(z: &Tensor) -> Result<Tensor> {
    z.relu()? + (z.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// Outputs of this spread, and targets of the kind; half of each image is black, the last image is blank.
fn batch(kind: ParameterizationKind, shape: ImageShape, spread: f32) -> (Vec<f32>, Vec<f32>) {
    let mut stream = rng(3, 0);
    let mut output = vec![0.0; BATCH * shape.len()];
    stream.fill_normal(&mut output);
    output.iter_mut().for_each(|z| *z *= spread);
    let mut target = vec![0.0; BATCH * shape.len()];
    stream.fill_uniform(&mut target);
    target.iter_mut().for_each(|y| *y = (2.0 * *y - 1.0).max(0.0));
    target[(BATCH - 1) * shape.len()..].fill(0.0);
    if kind == ParameterizationKind::Softmax {
        for plane in target.chunks_exact_mut(shape.pixels()) {
            let total: f32 = plane.iter().sum();
            plane.iter_mut().for_each(|y| *y /= total.max(f32::MIN_POSITIVE));
        }
    }
    (output, target)
}

/// Values and gradients of both forms, with a different weight on every image.
fn check(kind: ParameterizationKind, shape: ImageShape, spread: f32) {
    let (output, target) = batch(kind, shape, spread);
    let target = Tensor::from_vec(target, shape.dims(BATCH), &Device::Cpu).unwrap();
    let weights = Tensor::from_vec(vec![1.0f32, -0.5, 3.0, 0.0, 2.0], BATCH, &Device::Cpu).unwrap();
    let run = |losses: &dyn Fn(&Tensor) -> Result<Tensor>| {
        let var = Var::from_vec(output.clone(), shape.dims(BATCH), &Device::Cpu).unwrap();
        let losses = losses(var.as_tensor()).unwrap();
        let grads = (&losses * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        let grad = grads.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        (losses.to_vec1::<f32>().unwrap(), grad)
    };
    let ours = run(&|output| losses(&kind.build(), output, &target));
    let formula = run(&|output| by_formula(kind, output, &target));
    for (name, ours, formula) in [("loss", &ours.0, &formula.0), ("gradient", &ours.1, &formula.1)] {
        let scale = formula.iter().fold(1e-3f32, |top, v| top.max(v.abs()));
        // Small images have larger gradients, and the formula's plain logarithm errs more.
        let tolerance = if shape == MNIST { 1e-5 } else { 2e-5 };
        for (a, b) in ours.iter().zip(formula) {
            assert!(
                (a - b).abs() <= tolerance * scale,
                "{kind:?} {name} of {shape}: {a} and {b}, scale {scale}"
            );
        }
    }
}

#[test]
fn losses_and_gradients_are_those_of_the_formulas() {
    for shape in SHAPES {
        for kind in [
            ParameterizationKind::Eps,
            ParameterizationKind::X0,
            ParameterizationKind::V,
            ParameterizationKind::Softmax,
        ] {
            check(kind, shape, 1.0);
            check(kind, shape, 8.0);
        }
        // Further out the plain ln(1 + e^z) loses its digits, which ln_1p keeps.
        for kind in [ParameterizationKind::Softplus, ParameterizationKind::Sigmoid] {
            check(kind, shape, 0.5);
            check(kind, shape, 2.0);
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    let shape = ImageShape::new(2, 8, 9);
    for kind in ParameterizationKind::ALL {
        let parameterization = kind.build();
        let (output, target) = batch(kind, shape, 1.0);
        let (output, target) = (&output[..shape.len()], &target[..shape.len()]);
        let mut gradient = vec![f32::NAN; shape.len()];
        parameterization.loss_gradient(shape, output, target, 2.5, &mut gradient);
        for i in (0..shape.len()).step_by(7) {
            let loss = |offset: f32| {
                let mut moved = output.to_vec();
                moved[i] += offset;
                f64::from(parameterization.loss(shape, &moved, target))
            };
            let h = 0.25;
            // Of fourth order, for the loss is f32.
            let slope =
                (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * f64::from(h));
            let error = (f64::from(gradient[i]) - 2.5 * slope).abs();
            assert!(error < 2e-4, "{kind:?} at {i}: {} and {}", gradient[i], 2.5 * slope);
        }
    }
}

#[test]
fn targets_of_another_shape_are_refused() {
    let output = Tensor::zeros((2, 1, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let target = Tensor::zeros((2, 1, 8, 9), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = losses(&ParameterizationKind::X0.build(), &output, &target).unwrap_err().to_string();
    assert!(error.contains("[2, 1, 8, 9]") && error.contains("[2, 1, 8, 8]"), "{error}");
}
