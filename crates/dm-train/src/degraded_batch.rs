//! A batch of degraded images, and the losses of a network on it.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use dm_degrade::Timestep;
use dm_degrade::parameterization::{Parameterization, losses};
use dm_nn::nets::{Network, rows};

use crate::error::{Error, Result};
use crate::gradients::{Gradients, Pass};
use crate::in_place::first_not_finite;
use crate::loss_by_timestep::LossByTimestep;

/// A batch of degraded images.
pub(crate) struct DegradedBatch {
    /// What the network sees of the degraded images, [B, input channels, H, W].
    pub x: Tensor,
    /// The times t/T of the images, `[B]`.
    pub times: Tensor,
    /// The classes of the images, `[B]`, for a network that takes classes.
    pub classes: Option<Vec<u8>>,
    /// What the network should predict, [B, C, H, W].
    pub target: Tensor,
    /// The timestep of each image, `[B]`, with the weight that corrects for the distribution it was drawn from.
    pub timesteps: Vec<(Timestep, f64)>,
    /// How much each image counts in the objective, `[B]`.
    pub weights: Vec<f64>,
}

impl DegradedBatch {
    /// The same batch in the memory of `device`.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn on_device(mut self, device: &Device) -> Result<Self> {
        for tensor in [&mut self.x, &mut self.times, &mut self.target] {
            *tensor = tensor.to_device(device)?;
        }
        Ok(self)
    }

    /// Checks that all numbers of the batch are finite; `step` is counted from 0.
    ///
    /// # Errors
    /// If an input, a target or a weight is infinite or not a number, or the tensor library fails.
    pub fn check_finite(&self, step: u64) -> Result<()> {
        let diverged = |what: &str, image: usize, found: f64| {
            let t = self.timesteps.get(image).map_or(0, |(t, _)| t.0);
            let what = format!("{what} of image {image} of the batch, at timestep {t}");
            Err(Error::diverged(step + 1, what, found, "check the degradation and the weighting"))
        };
        for (what, tensor) in [("input", &self.x), ("target", &self.target)] {
            if let Some((at, found)) = first_not_finite(tensor)? {
                let image = at * self.timesteps.len() / tensor.elem_count().max(1);
                return diverged(what, image, f64::from(found));
            }
        }
        match self.weights.iter().enumerate().find(|(_, weight)| !weight.is_finite()) {
            Some((image, found)) => diverged("weight in the objective", image, *found),
            None => Ok(()),
        }
    }

    /// The loss of `network` on each image in `part`, `[part.len()]`.
    fn losses_of(
        &self,
        part: &Range<usize>,
        network: &dyn Network,
        parameterization: &Arc<dyn Parameterization>,
    ) -> candle_core::Result<Tensor> {
        let (x, times) = (rows(&self.x, part)?, rows(&self.times, part)?);
        let output = match &self.classes {
            Some(classes) => network.forward_class(&x, &times, &classes[part.clone()])?,
            None => network.forward(&x, &times)?,
        };
        losses(parameterization, &output, &rows(&self.target, part)?)
    }

    /// The loss of `network` on each image, `[B]`, not weighted.
    ///
    /// # Errors
    /// If the network fails.
    pub fn losses(
        &self,
        network: &dyn Network,
        parameterization: &Arc<dyn Parameterization>,
    ) -> Result<Vec<f32>> {
        Ok(self.losses_of(&(0..self.timesteps.len()), network, parameterization)?.to_vec1()?)
    }

    /// The gradients of the objective: the mean over the images of their losses, each multiplied by the weight of the image
    /// and by the weight that corrects for the distribution its timestep was drawn from.
    ///
    /// # Errors
    /// If the network fails, or `pass` is abandoned.
    pub fn gradients(
        &self,
        network: &dyn Network,
        parameterization: &Arc<dyn Parameterization>,
        pass: Pass<'_>,
    ) -> Result<Gradients> {
        let share = 1.0 / self.timesteps.len() as f64;
        let drawn = self.timesteps.iter().map(|&(_, drawn)| drawn);
        let weights: Vec<f32> =
            self.weights.iter().zip(drawn).map(|(weight, drawn)| (weight * drawn * share) as f32).collect();
        let losses = |part: &Range<usize>| self.losses_of(part, network, parameterization);
        Ok(Gradients::compute(&weights, pass, losses)?)
    }

    /// Adds `losses`, `[B]` and not weighted, to `sums`. The degradation has `timesteps` timesteps.
    pub fn add_losses(&self, losses: &[f32], timesteps: usize, sums: &mut LossByTimestep) {
        for (&(t, drawn), &loss) in self.timesteps.iter().zip(losses) {
            sums.add(t.0, timesteps, f64::from(loss), drawn);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Two images of 2x2 pixels at the timesteps 4 and 7, with the input, the target and the weight of the second one as given.
    fn batch(input: f32, target: f32, weight: f64) -> DegradedBatch {
        let images = |value: f32| {
            let values = vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, value, 0.0];
            Tensor::from_vec(values, (2, 1, 2, 2), &Device::Cpu).unwrap()
        };
        DegradedBatch {
            x: images(input),
            times: Tensor::new(&[0.4f32, 0.7], &Device::Cpu).unwrap(),
            classes: None,
            target: images(target),
            timesteps: vec![(Timestep(4), 1.0), (Timestep(7), 1.0)],
            weights: vec![1.0, weight],
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_reported_with_its_image_and_timestep() {
        assert!(batch(1.0, 2.0, 3.0).check_finite(9).is_ok());
        for (batch, what) in [
            (batch(f32::NAN, 0.0, 1.0), "input"),
            (batch(0.0, f32::INFINITY, 1.0), "target"),
            (batch(0.0, 0.0, f64::NEG_INFINITY), "weight in the objective"),
        ] {
            let message = batch.check_finite(9).unwrap_err().to_string();
            let expected = format!("step 10: {what} of image 1 of the batch, at timestep 7: found ");
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}
