//! The gradients of a batch, its parts side by side: each goes forward and backward on a thread of its own.

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor};
use dm_nn::nets::parts;
use rayon::prelude::*;

use crate::in_place;

/// What a batch teaches.
pub struct Gradients {
    /// Loss of each image.
    pub losses: Vec<f32>,
    /// The objective: the sum of the losses, each weighted.
    pub objective: f64,
    /// Its gradients.
    pub store: GradStore,
}

impl Gradients {
    /// Those of a batch of images that count `weights`, `[B]`; `losses` says what the images of a part lose, `[part]`.
    ///
    /// # Errors
    /// Those of `losses` or of the tensor library.
    pub fn of(
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
        let learned: Vec<(Vec<f32>, GradStore)> =
            parts(weights.len(), device).par_iter().map(one).collect::<Result<_>>()?;
        let mut all =
            Self { losses: Vec::with_capacity(weights.len()), objective: 0.0, store: GradStore::default() };
        for (losses, store) in learned {
            all.losses.extend(losses);
            all.add(&store)?;
        }
        let terms =
            all.losses.iter().zip(weights).map(|(&loss, &weight)| f64::from(loss) * f64::from(weight));
        all.objective = terms.sum();
        Ok(all)
    }

    /// Adds the gradients of a part.
    fn add(&mut self, part: &GradStore) -> Result<()> {
        for &id in part.get_ids() {
            let Some(grad) = part.get_id(id) else { continue };
            let grad = grad.contiguous()?;
            match self.store.get_id(id) {
                Some(sum) => in_place::add(sum, &grad)?,
                None => drop(self.store.insert_id(id, grad)),
            }
        }
        Ok(())
    }
}
