//! The gradients of a batch. The parts of a batch run in parallel: each part's forward and backward pass run on one thread.
//! With gradient accumulation, the batch is divided into micro-batches, which run one after another and take less memory.

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, bail};
use dm_nn::nets::parts;
use rayon::prelude::*;

use crate::in_place;

/// The losses of the images of a batch, the objective and its gradients.
#[derive(Default)]
pub struct Gradients {
    /// Loss of each image, `[B]`, not weighted.
    pub losses: Vec<f32>,
    /// The objective: the weighted sum of the losses.
    pub objective: f64,
    /// The gradients of the objective.
    pub store: GradStore,
}

/// How the gradients of a batch are computed.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Number of micro-batches, at least 1.
    pub micro_batches: usize,
    /// Returns true when the computation is to be abandoned, which is then an error.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// The device on which the network computes.
    pub device: &'a Device,
}

impl<'a> Pass<'a> {
    /// The whole batch at once, without interruption.
    pub fn whole(device: &'a Device) -> Self {
        Self { micro_batches: 1, stop: &|| false, device }
    }

    /// Checks whether the computation is to continue.
    ///
    /// # Errors
    /// If the computation is to be abandoned.
    pub(crate) fn check(&self) -> Result<()> {
        if (self.stop)() {
            bail!("interrupted")
        }
        Ok(())
    }
}

/// Divides a batch of `count` images into at most `micro_batches` consecutive micro-batches of about equal size.
pub(crate) fn micro_batches(count: usize, micro_batches: usize) -> Vec<Range<usize>> {
    let size = count.div_ceil(micro_batches.max(1)).max(1);
    (0..count).step_by(size).map(|start| start..count.min(start + size)).collect()
}

impl Gradients {
    /// Computes the gradients of a batch whose images have the weights `weights`, `[B]`. `losses` returns the loss of each
    /// image in a part of the batch, `[part.len()]`. The number of micro-batches changes the gradients by rounding errors only.
    ///
    /// # Errors
    /// If `losses` or the tensor library fails, or the computation is to be abandoned.
    pub fn compute(
        weights: &[f32],
        pass: Pass<'_>,
        losses: impl Fn(&Range<usize>) -> Result<Tensor> + Sync,
    ) -> Result<Self> {
        let device = pass.device;
        let one = |part: Range<usize>| {
            pass.check()?;
            let losses = losses(&part)?;
            let weights = Tensor::from_slice(&weights[part.clone()], part.len(), device)?;
            let store = (&losses * weights)?.sum_all()?.backward()?;
            Ok((losses.to_vec1()?, store))
        };
        let mut sum = Self::default();
        for batch in micro_batches(weights.len(), pass.micro_batches) {
            let parts = parts(batch.len(), device).into_par_iter();
            let parts = parts.map(|part| batch.start + part.start..batch.start + part.end);
            let parts: Vec<(Vec<f32>, GradStore)> = parts.map(one).collect::<Result<_>>()?;
            for (losses, store) in parts {
                sum.losses.extend(losses);
                sum.add(&store)?;
            }
        }
        let terms =
            sum.losses.iter().zip(weights).map(|(&loss, &weight)| f64::from(loss) * f64::from(weight));
        sum.objective = terms.sum();
        Ok(sum)
    }

    /// Adds the gradients of a part.
    pub(crate) fn add(&mut self, part: &GradStore) -> Result<()> {
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
