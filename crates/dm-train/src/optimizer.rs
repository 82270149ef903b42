//! Adam with decoupled weight decay, a learning-rate schedule and gradient clipping.
//!
//! candle-nn's AdamW does not expose its moments, so a run that uses it could not be resumed exactly. [`Adam`] keeps the moments
//! as named tensors, which a checkpoint stores.

use candle_core::Var;
use candle_core::backprop::GradStore;
use dm_nn::params::Params;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::in_place;

/// The hint of errors about a loss, a gradient or an update that is not finite.
pub(crate) const TOO_FAST: &str =
    "try a smaller optimizer.learning_rate or a smaller optimizer.grad_clip_norm above 0";

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
    pub fn check(&self) -> Result<()> {
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
            .collect::<candle_core::Result<_>>()?;
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
    /// If a gradient is infinite or not a number; nothing is then updated. If a parameter or a moment is infinite or not a
    /// number after the update, which must then not be used or saved. If the tensor library fails.
    pub fn step(&mut self, gradients: &GradStore, step: u64) -> Result<f64> {
        self.step_with_rate(gradients, step, self.learning_rate(step))
    }

    /// As [`Self::step`], with the learning rate `rate` in place of the schedule's.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn step_with_rate(&mut self, gradients: &GradStore, step: u64, rate: f64) -> Result<f64> {
        let norm = self.norm(gradients, step)?;
        let OptimizerConfig { beta1, beta2, eps, weight_decay, grad_clip_norm, .. } = self.config;
        let scale = if grad_clip_norm > 0.0 && norm > grad_clip_norm { grad_clip_norm / norm } else { 1.0 };
        // As in PyTorch, the bias corrections are part of the step size and of the second moment's root.
        let t = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let (correct1, correct2) = (1.0 - beta1.powi(t), (1.0 - beta2.powi(t)).sqrt());
        for slot in &self.slots {
            let Some(gradient) = gradients.get(&slot.var) else { continue };
            let gradient = gradient.contiguous()?;
            in_place::blend(&slot.m, beta1, (1.0 - beta1) * scale, &gradient)?;
            in_place::blend_square(&slot.v, beta2, (1.0 - beta2) * scale * scale, &gradient)?;
            let keep = 1.0 - rate * weight_decay;
            let (rate, root) = (rate / correct1, 1.0 / correct2);
            if !in_place::descend(&slot.var, keep, rate, &slot.m, &slot.v, root, eps)? {
                return Err(slot.diverged(step)?);
            }
        }
        Ok(norm)
    }

    /// Norm of the whole gradient of step `step`, counted from 0.
    ///
    /// # Errors
    /// If a gradient is infinite or not a number, or the tensor library fails.
    fn norm(&self, gradients: &GradStore, step: u64) -> Result<f64> {
        let mut squares = 0.0;
        for slot in &self.slots {
            let Some(gradient) = gradients.get(&slot.var) else { continue };
            let square = in_place::sum_of_squares(gradient)?;
            if !square.is_finite() {
                // The square of a finite number in single precision is finite in double precision.
                let found = in_place::first_not_finite(gradient)?.map_or(f32::NAN, |(_, found)| found);
                return Err(Error::diverged(step + 1, format!("gradient of {}", slot.name), found, TOO_FAST));
            }
            squares += square;
        }
        Ok(squares.sqrt())
    }
}

impl Slot {
    /// The error of a step, counted from 0, after which the parameter or one of its moments is not finite.
    fn diverged(&self, step: u64) -> Result<Error> {
        let tensors = [("weight", &self.var), ("first moment of", &self.m), ("second moment of", &self.v)];
        for (what, var) in tensors {
            if let Some((_, found)) = in_place::first_not_finite(var)? {
                return Ok(Error::diverged(step + 1, format!("{what} {}", self.name), found, TOO_FAST));
            }
        }
        Ok(Error::diverged(step + 1, format!("weight {}", self.name), f32::NAN, TOO_FAST))
    }
}
