//! A degraded batch on its way to the network, and what comes back.

use std::ops::Range;

use candle_core::Tensor;
use dm_degrade::degradation::Level;
use dm_degrade::prediction::Prediction;
use dm_nn::nets::{Network, rows};

use crate::error::Result;
use crate::gradients::Gradients;
use crate::objective;
use crate::totals::Totals;

/// A degraded batch.
pub(crate) struct Batch {
    /// Degraded images [B, C, 28, 28].
    pub x: Tensor,
    /// Their times `[B]`.
    pub t: Tensor,
    /// Classes, for a network that takes them.
    pub classes: Option<Vec<u8>>,
    /// What the network should say [B, 1, 28, 28].
    pub target: Tensor,
    /// Level of each image, and the weight that makes up for how it was drawn.
    pub levels: Vec<(Level, f64)>,
    /// How much each image counts in the objective.
    pub weights: Vec<f64>,
}

impl Batch {
    /// Losses of `network`, `[part]`, on the images in `part`.
    fn losses_of(
        &self,
        part: &Range<usize>,
        network: &dyn Network,
        prediction: Prediction,
    ) -> candle_core::Result<Tensor> {
        let (x, t) = (rows(&self.x, part)?, rows(&self.t, part)?);
        let output = match &self.classes {
            Some(classes) => network.forward_class(&x, &t, &classes[part.clone()])?,
            None => network.forward(&x, &t)?,
        };
        objective::losses(prediction, &output, &rows(&self.target, part)?)
    }

    /// Loss of each image.
    pub fn losses(&self, network: &dyn Network, prediction: Prediction) -> Result<Vec<f32>> {
        Ok(self.losses_of(&(0..self.levels.len()), network, prediction)?.to_vec1()?)
    }

    /// The gradients of the objective: the mean of the losses, each weighted, and made up for how its level was drawn.
    pub fn gradients(&self, network: &dyn Network, prediction: Prediction) -> Result<Gradients> {
        let share = 1.0 / self.levels.len() as f64;
        let drawn = self.levels.iter().map(|&(_, drawn)| drawn);
        let weights: Vec<f32> =
            self.weights.iter().zip(drawn).map(|(w, drawn)| (w * drawn * share) as f32).collect();
        Ok(Gradients::of(&weights, self.x.device(), |part| self.losses_of(part, network, prediction))?)
    }

    /// Adds `losses` to `totals`, unweighted.
    pub fn gather(&self, losses: &[f32], steps: usize, totals: &mut Totals) {
        for (&(level, drawn), &loss) in self.levels.iter().zip(losses) {
            totals.add(level.0, steps, f64::from(loss), drawn);
        }
    }
}
