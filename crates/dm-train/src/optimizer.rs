//! Adam with decoupled weight decay, warm-up, decay and clipping, whose whole state can be saved.
//!
//! candle-nn's AdamW hides its moments, so a run could not be resumed exactly; this one keeps them as tensors by name.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};
use dm_nn::params::Params;

use crate::config::{Decay, OptimizerConfig};
use crate::in_place;

/// Adam and its moments.
pub struct Adam {
    config: OptimizerConfig,
    total_steps: u64,
    slots: Vec<Slot>,
}

/// Moments of one parameter.
pub struct Slot {
    /// Name of the parameter.
    pub name: String,
    var: Var,
    /// First moment.
    pub m: Var,
    /// Second moment.
    pub v: Var,
}

impl Adam {
    /// Zero moments for every parameter of `params`; `total_steps` is where the decay ends.
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
        let OptimizerConfig { learning_rate, warmup_steps, decay, .. } = self.config;
        if step < warmup_steps {
            return learning_rate * (step + 1) as f64 / warmup_steps as f64;
        }
        match decay {
            Decay::Constant => learning_rate,
            Decay::Cosine => {
                let span = self.total_steps.saturating_sub(warmup_steps).max(1) as f64;
                let share = ((step - warmup_steps) as f64 / span).min(1.0);
                learning_rate * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * share).cos()))
            }
        }
    }

    /// One update with the gradients of step `step`; returns the norm of the whole gradient before clipping.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn step(&mut self, grads: &GradStore, step: u64) -> Result<f64> {
        let norm = self.norm(grads)?;
        let OptimizerConfig { beta1, beta2, eps, weight_decay, clip, .. } = self.config;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        let rate = self.learning_rate(step);
        // Bias corrections, folded into the step size and eps as in PyTorch.
        let t = (step + 1) as i32;
        let (correct1, correct2) = (1.0 - beta1.powi(t), (1.0 - beta2.powi(t)).sqrt());
        for slot in &self.slots {
            let Some(grad) = grads.get(&slot.var) else { continue };
            let grad = grad.contiguous()?;
            in_place::blend(&slot.m, beta1, (1.0 - beta1) * scale, &grad)?;
            in_place::blend_square(&slot.v, beta2, (1.0 - beta2) * scale * scale, &grad)?;
            let keep = 1.0 - rate * weight_decay;
            in_place::descend(&slot.var, keep, rate / correct1, &slot.m, &slot.v, 1.0 / correct2, eps)?;
        }
        Ok(norm)
    }

    /// Norm of the whole gradient.
    fn norm(&self, grads: &GradStore) -> Result<f64> {
        let square = |slot: &Slot| match grads.get(&slot.var) {
            Some(grad) => in_place::sum_of_squares(grad),
            None => Ok(0.0),
        };
        Ok(self.slots.iter().map(square).sum::<Result<f64>>()?.sqrt())
    }
}
