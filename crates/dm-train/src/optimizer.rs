//! Adam with decoupled weight decay, a learning-rate schedule and gradient clipping.
//!
//! candle-nn's AdamW does not expose its moments, so a run that uses it could not be resumed exactly. [`Adam`] keeps the moments
//! as named tensors, which a checkpoint stores.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};
use dm_nn::params::Params;
use serde::{Deserialize, Serialize};

use crate::error::{self, Error};
use crate::in_place;

/// How the learning rate changes after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// The learning rate stays constant.
    Constant,
    /// The learning rate falls along half a cosine to 2 % of its highest value at the end of the run.
    Cosine,
}

/// Settings of Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019): the table `[optimizer]` of a config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay; 0 is plain Adam.
    pub weight_decay: f64,
    /// Number of steps in which the learning rate rises linearly to its highest value; 0 switches the warm-up off.
    pub warmup_steps: u64,
    /// The learning rate after the warm-up.
    pub lr_schedule: LrSchedule,
    /// The largest norm of the whole gradient; 0 switches clipping off.
    pub grad_clip_norm: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 2e-4,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            warmup_steps: 0,
            lr_schedule: LrSchedule::Constant,
            grad_clip_norm: 0.0,
        }
    }
}

impl OptimizerConfig {
    /// Checks every field. Errors name the fields by their keys in a config.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn check(&self) -> error::Result<()> {
        let below_one = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let not_negative = |v: f64| v >= 0.0 && v.is_finite();
        let rules = [
            ("learning_rate", self.learning_rate, positive(self.learning_rate), "above 0"),
            ("beta1", self.beta1, below_one(self.beta1), "0 to below 1"),
            ("beta2", self.beta2, below_one(self.beta2), "0 to below 1"),
            ("eps", self.eps, positive(self.eps), "above 0"),
            ("weight_decay", self.weight_decay, not_negative(self.weight_decay), "at least 0"),
            ("grad_clip_norm", self.grad_clip_norm, not_negative(self.grad_clip_norm), "at least 0"),
        ];
        match rules.iter().find(|rule| !rule.2) {
            Some((field, found, _, expected)) => {
                Err(Error::invalid(format!("optimizer.{field}"), found, expected))
            }
            None => Ok(()),
        }
    }
}

/// The optimizer with its moments.
pub struct Adam {
    config: OptimizerConfig,
    total_steps: u64,
    slots: Vec<Slot>,
}

/// The moments of one parameter.
pub struct Slot {
    /// Name of the parameter.
    pub name: String,
    var: Var,
    /// First moment, of the parameter's shape.
    pub m: Var,
    /// Second moment, of the parameter's shape.
    pub v: Var,
}

impl Adam {
    /// An optimizer with zero moments for every parameter of `params`. The learning-rate schedule ends at `total_steps`.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn new(config: &OptimizerConfig, total_steps: u64, params: &Params) -> Result<Self> {
        let zeros = |var: &Var| Var::from_tensor(&var.zeros_like()?);
        let slots = params
            .iter()
            .map(|(name, var)| {
                Ok(Slot { name: name.to_owned(), var: var.clone(), m: zeros(var)?, v: zeros(var)? })
            })
            .collect::<Result<_>>()?;
        Ok(Self { config: config.clone(), total_steps, slots })
    }

    /// The moments, in the order of the parameters.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let OptimizerConfig { learning_rate, warmup_steps, lr_schedule, .. } = self.config;
        if step < warmup_steps {
            return learning_rate * (step + 1) as f64 / warmup_steps as f64;
        }
        match lr_schedule {
            LrSchedule::Constant => learning_rate,
            LrSchedule::Cosine => {
                let span = self.total_steps.saturating_sub(warmup_steps).max(1) as f64;
                let share = ((step - warmup_steps) as f64 / span).min(1.0);
                learning_rate * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * share).cos()))
            }
        }
    }

    /// Updates the parameters with the gradients of step `step`, counted from 0. Returns the norm of the whole gradient
    /// before clipping.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn step(&mut self, gradients: &GradStore, step: u64) -> Result<f64> {
        let norm = self.norm(gradients)?;
        let OptimizerConfig { beta1, beta2, eps, weight_decay, grad_clip_norm, .. } = self.config;
        let scale = if grad_clip_norm > 0.0 && norm > grad_clip_norm { grad_clip_norm / norm } else { 1.0 };
        let rate = self.learning_rate(step);
        // As in PyTorch, the bias corrections are part of the step size and of the second moment's root.
        let t = (step + 1) as i32;
        let (correct1, correct2) = (1.0 - beta1.powi(t), (1.0 - beta2.powi(t)).sqrt());
        for slot in &self.slots {
            let Some(gradient) = gradients.get(&slot.var) else { continue };
            let gradient = gradient.contiguous()?;
            in_place::blend(&slot.m, beta1, (1.0 - beta1) * scale, &gradient)?;
            in_place::blend_square(&slot.v, beta2, (1.0 - beta2) * scale * scale, &gradient)?;
            let keep = 1.0 - rate * weight_decay;
            in_place::descend(&slot.var, keep, rate / correct1, &slot.m, &slot.v, 1.0 / correct2, eps)?;
        }
        Ok(norm)
    }

    /// Norm of the whole gradient.
    fn norm(&self, gradients: &GradStore) -> Result<f64> {
        let square = |slot: &Slot| match gradients.get(&slot.var) {
            Some(gradient) => in_place::sum_of_squares(gradient),
            None => Ok(0.0),
        };
        Ok(self.slots.iter().map(square).sum::<Result<f64>>()?.sqrt())
    }
}
