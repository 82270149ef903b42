//! The gradients of a batch. The parts of a batch run in parallel: each part's forward and backward pass run on one thread.

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor};
use dm_nn::nets::parts;
use rayon::prelude::*;

use crate::in_place;

/// The losses of the images of a batch, the objective and its gradients.
pub struct Gradients {
    /// Loss of each image, `[B]`, not weighted.
    pub losses: Vec<f32>,
    /// The objective: the weighted sum of the losses.
    pub objective: f64,
    /// The gradients of the objective.
    pub store: GradStore,
}

impl Gradients {
    /// Computes the gradients of a batch whose images have the weights `weights`, `[B]`. `losses` returns the loss of each
    /// image in a part of the batch, `[part.len()]`.
    ///
    /// # Errors
    /// If `losses` or the tensor library fails.
    pub fn compute(
        weights: &[f32],
        device: &Device,
        losses: impl Fn(&Range<usize>) -> Result<Tensor> + Sync,
    ) -> Result<Self> {
        let one = |part: &Range<usize>| {
            let losses = losses(part)?;
            let weights = Tensor::from_slice(&weights[part.clone()], part.len(), device)?;
            let store = (&losses * weights)?.sum_all()?.backward()?;
            Ok((losses.to_vec1()?, store))
        };
        let parts: Vec<(Vec<f32>, GradStore)> =
            parts(weights.len(), device).par_iter().map(one).collect::<Result<_>>()?;
        let mut sum =
            Self { losses: Vec::with_capacity(weights.len()), objective: 0.0, store: GradStore::default() };
        for (losses, store) in parts {
            sum.losses.extend(losses);
            sum.add(&store)?;
        }
        let terms =
            sum.losses.iter().zip(weights).map(|(&loss, &weight)| f64::from(loss) * f64::from(weight));
        sum.objective = terms.sum();
        Ok(sum)
    }

    /// Adds the gradients of a part.
    fn add(&mut self, part: &GradStore) -> Result<()> {
        for &id in part.get_ids() {
            let Some(gradient) = part.get_id(id) else { continue };
            let gradient = gradient.contiguous()?;
            match self.store.get_id(id) {
                Some(sum) => in_place::add(sum, &gradient)?,
                None => drop(self.store.insert_id(id, gradient)),
            }
        }
        Ok(())
    }
}
