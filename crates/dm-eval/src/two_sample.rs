//! Two-sample classifier test: the held-out accuracy of a logistic regression on features that distinguishes generated from
//! real images. It is 0.5 if the sets cannot be distinguished.
//!
//! A random half of each set is used for training, the other half for testing. Columns are standardized on the training
//! half. A small ridge penalty keeps the coefficients finite for separable sets, and Newton's method finds them. Sets of
//! different size are balanced by weights, both in training and in the accuracy. A deeper classifier on pixels is not used,
//! because it would mostly detect quantisation.

use dm_nn::rng::Seed;
use nalgebra::{Cholesky, DMatrix, DVector};

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::score::{Direction, Quantity, Score};
use crate::streams::METRIC;

/// Held-out accuracy of distinguishing generated from real images.
pub const TWO_SAMPLE: Quantity = Quantity {
    name: "two-sample accuracy",
    unit: "share",
    direction: Direction::Lower,
    source: "Lopez-Paz & Oquab 2017, arXiv:1610.06545",
};

/// Weight of the squared coefficients relative to the mean log-likelihood.
const RIDGE: f64 = 1e-3;
/// The largest number of Newton steps.
const NEWTON_STEPS: usize = 50;

/// A row with its class (1 for generated, 0 for real) and its weight.
struct Example<'a> {
    row: &'a [f64],
    target: f64,
    weight: f64,
}

/// Trains on a random half of both sets, chosen by `seed`, and returns the accuracy on the other half.
///
/// # Errors
/// If the sets differ in width, either has fewer than four rows, or a Newton step has no solution.
pub fn two_sample(generated: &Features, reference: &Features, seed: Seed) -> Result<Score> {
    generated.same_width(reference, TWO_SAMPLE.name)?;
    generated.at_least(4, "generated", TWO_SAMPLE.name)?;
    reference.at_least(4, "reference", TWO_SAMPLE.name)?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (target, set) in [(1.0, generated), (0.0, reference)] {
        let order = seed.stream(METRIC, target as u64, 0).permutation(set.n());
        let (first, second) = order.split_at(set.n() / 2);
        for (part, rows) in [(&mut train, first), (&mut test, second)] {
            let weight = 0.5 / rows.len() as f64;
            part.extend(rows.iter().map(|&i| Example { row: set.row(i as usize), target, weight }));
        }
    }
    let standardization = Standardization::fit(&train, generated.dim());
    let beta = fit(&train, &standardization)?;
    let is_correct = |example: &&Example<'_>| {
        (logit(&standardization.apply(example.row), &beta) > 0.0) == (example.target > 0.5)
    };
    // Rounding of the weights must not lift a perfect accuracy above 1.
    let accuracy = test.iter().filter(is_correct).map(|example| example.weight).sum::<f64>().min(1.0);
    let setting = format!("logistic regression, held-out half, seed {}", seed.0);
    Ok(TWO_SAMPLE.score(accuracy, generated.n(), reference.n(), setting))
}

/// Mean and standard deviation of each column.
struct Standardization(Vec<(f64, f64)>);

impl Standardization {
    fn fit(examples: &[Example<'_>], dim: usize) -> Self {
        let column = |j: usize| {
            let mean: f64 = examples.iter().map(|e| e.weight * e.row[j]).sum();
            let variance: f64 = examples.iter().map(|e| e.weight * (e.row[j] - mean).powi(2)).sum();
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        };
        Self((0..dim).map(column).collect())
    }

    /// The standardized row, followed by a 1 for the intercept.
    fn apply(&self, row: &[f64]) -> Vec<f64> {
        let scaled = row.iter().zip(&self.0).map(|(v, (mean, deviation))| (v - mean) / deviation);
        scaled.chain([1.0]).collect()
    }
}

/// The inner product of a standardized row and the coefficients: the log odds that the row is generated.
fn logit(x: &[f64], beta: &[f64]) -> f64 {
    x.iter().zip(beta).map(|(a, b)| a * b).sum()
}

/// Maximizes the ridge-penalized log-likelihood by Newton's method.
fn fit(examples: &[Example<'_>], standardization: &Standardization) -> Result<Vec<f64>> {
    let rows: Vec<Vec<f64>> = examples.iter().map(|example| standardization.apply(example.row)).collect();
    let size = standardization.0.len() + 1;
    let mut beta = vec![0.0; size];
    for _ in 0..NEWTON_STEPS {
        let mut gradient: Vec<f64> = beta.iter().map(|b| RIDGE * b).collect();
        let mut hessian = vec![0.0; size * size];
        for (x, example) in rows.iter().zip(examples) {
            let p = 1.0 / (1.0 + (-logit(x, &beta)).exp());
            let (residual, curvature) =
                (example.weight * (p - example.target), example.weight * p * (1.0 - p));
            for (i, xi) in x.iter().enumerate() {
                gradient[i] += residual * xi;
                let factor = curvature * xi;
                for (h, xj) in hessian[i * size..=i * size + i].iter_mut().zip(x) {
                    *h += factor * xj;
                }
            }
        }
        let matrix = DMatrix::from_fn(size, size, |i, j| {
            let entry = hessian[i.max(j) * size + i.min(j)];
            if i == j { entry + RIDGE } else { entry }
        });
        let solver = Cholesky::new(matrix)
            .ok_or(EvalError::NotPositiveDefinite { metric: TWO_SAMPLE.name, dim: size })?;
        let step = solver.solve(&DVector::from_vec(gradient));
        beta.iter_mut().zip(&step).for_each(|(b, step)| *b -= step);
        if step.iter().all(|step| step.abs() < 1e-8) {
            break;
        }
    }
    Ok(beta)
}
