//! Can a classifier tell generated from real? Held-out accuracy of a logistic regression on features, 0.5 where it cannot.
//!
//! Half of each set, chosen by the seed, trains; the other half is asked. Columns are scaled to unit variance on the
//! training half, a small ridge keeps separable sets finite, Newton's steps solve it. Sets of different size are balanced
//! by weights, in training and in the accuracy. A deeper classifier on pixels is left out: it finds quantisation first.

use dm_nn::rng::{Seed, Stream};
use faer::prelude::Solve;
use faer::{Mat, Side};

use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::score::{Direction, Metric, Score};

/// Held-out accuracy of telling generated from real.
pub const TWO_SAMPLE: Metric = Metric {
    name: "two-sample accuracy",
    unit: "share",
    direction: Direction::Lower,
    source: "Lopez-Paz & Oquab 2017, arXiv:1610.06545",
};

/// Weight of the squared coefficients against the mean log-likelihood.
const RIDGE: f64 = 1e-3;
const NEWTON_STEPS: usize = 50;

/// A row and its class, 1 = generated, with its weight.
struct Case<'a> {
    row: &'a [f64],
    target: f64,
    weight: f64,
}

/// Trains on half of both sets and returns the accuracy on the other half.
///
/// # Errors
/// Sets of different width; fewer than four rows in either.
pub fn two_sample(generated: &Features, reference: &Features, seed: Seed) -> Result<Score> {
    generated.same_width(reference, TWO_SAMPLE.name)?;
    generated.at_least(4, "generated", TWO_SAMPLE.name)?;
    reference.at_least(4, "reference", TWO_SAMPLE.name)?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (target, set) in [(1.0, generated), (0.0, reference)] {
        let order = seed.stream(Stream::Metric, target as u64, 0).permutation(set.n());
        let (first, second) = order.split_at(set.n() / 2);
        for (part, rows) in [(&mut train, first), (&mut test, second)] {
            let weight = 0.5 / rows.len() as f64;
            part.extend(rows.iter().map(|&i| Case { row: set.row(i as usize), target, weight }));
        }
    }
    let scale = Scale::of(&train, generated.dim());
    let beta = fit(&train, &scale)?;
    let right = |case: &&Case<'_>| (score(&scale.apply(case.row), &beta) > 0.0) == (case.target > 0.5);
    // Rounding of the weights must not push a perfect answer above 1.
    let accuracy = test.iter().filter(right).map(|case| case.weight).sum::<f64>().min(1.0);
    let setting = format!("logistic regression, held-out half, seed {}", seed.0);
    Ok(TWO_SAMPLE.score(accuracy, generated.n(), reference.n(), setting))
}

/// Mean and deviation of every column.
struct Scale(Vec<(f64, f64)>);

impl Scale {
    fn of(cases: &[Case<'_>], dim: usize) -> Self {
        let column = |j: usize| {
            let mean: f64 = cases.iter().map(|c| c.weight * c.row[j]).sum();
            let variance: f64 = cases.iter().map(|c| c.weight * (c.row[j] - mean).powi(2)).sum();
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        };
        Self((0..dim).map(column).collect())
    }

    /// The scaled row with a 1 for the intercept.
    fn apply(&self, row: &[f64]) -> Vec<f64> {
        let scaled = row.iter().zip(&self.0).map(|(v, (mean, deviation))| (v - mean) / deviation);
        scaled.chain([1.0]).collect()
    }
}

fn score(x: &[f64], beta: &[f64]) -> f64 {
    x.iter().zip(beta).map(|(a, b)| a * b).sum()
}

/// Newton's method for the ridge-penalised log-likelihood.
fn fit(cases: &[Case<'_>], scale: &Scale) -> Result<Vec<f64>> {
    let rows: Vec<Vec<f64>> = cases.iter().map(|case| scale.apply(case.row)).collect();
    let size = scale.0.len() + 1;
    let mut beta = vec![0.0; size];
    for _ in 0..NEWTON_STEPS {
        let mut gradient: Vec<f64> = beta.iter().map(|b| RIDGE * b).collect();
        let mut hessian = vec![0.0; size * size];
        for (x, case) in rows.iter().zip(cases) {
            let p = 1.0 / (1.0 + (-score(x, &beta)).exp());
            let (miss, curve) = (case.weight * (p - case.target), case.weight * p * (1.0 - p));
            for (i, xi) in x.iter().enumerate() {
                gradient[i] += miss * xi;
                let factor = curve * xi;
                for (h, xj) in hessian[i * size..=i * size + i].iter_mut().zip(x) {
                    *h += factor * xj;
                }
            }
        }
        let matrix = Mat::from_fn(size, size, |i, j| {
            let entry = hessian[i.max(j) * size + i.min(j)];
            if i == j { entry + RIDGE } else { entry }
        });
        let solver = matrix
            .llt(Side::Lower)
            .map_err(|_| EvalError::Eigenvalues { metric: TWO_SAMPLE.name, dim: size })?;
        let step = solver.solve(Mat::from_fn(size, 1, |i, _| gradient[i]));
        beta.iter_mut().enumerate().for_each(|(i, b)| *b -= step[(i, 0)]);
        if (0..size).all(|i| step[(i, 0)].abs() < 1e-8) {
            break;
        }
    }
    Ok(beta)
}
