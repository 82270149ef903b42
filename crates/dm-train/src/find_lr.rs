//! The learning-rate finder of Smith 2017, "Cyclical learning rates for training neural networks", section 3.3: the loss while
//! the learning rate rises from step to step.

use candle_core::Device;
use dm_nn::data::Dataset;

use crate::batches::Batches;
use crate::error::{Error, Result};
use crate::settings::TrainingSettings;
use crate::state::TrainingState;
use crate::task::Task;
use crate::trainer::take_step;

/// Decay of the moving average of the losses.
const DECAY: f64 = 0.9;
/// The search ends when the average loss is so many times the lowest one.
const TOO_HIGH: f64 = 4.0;
/// The suggestion is the learning rate at the lowest average loss, divided by this.
const SAFETY: f64 = 10.0;
/// Without so many steps before the lowest average loss, nothing is suggested.
const MIN_STEPS: usize = 5;

/// The learning rates that are tried: `steps` of them, in equal ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrRange {
    /// The first learning rate, above 0.
    pub lowest: f64,
    /// The last learning rate.
    pub highest: f64,
    /// Number of learning rates, at least 2.
    pub steps: usize,
}

impl Default for LrRange {
    fn default() -> Self {
        Self { lowest: 1e-6, highest: 1.0, steps: 120 }
    }
}

/// One step of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrPoint {
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The moving average of the losses up to this step, in which the losses of the last steps have the largest weight.
    pub loss: f64,
}

/// The losses at the learning rates that have been tried, which end where the run diverges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LrCurve {
    /// The steps, by rising learning rate.
    pub points: Vec<LrPoint>,
}

impl LrCurve {
    /// A learning rate a tenth of that at which the average loss is lowest; `None` if the loss hardly fell.
    pub fn suggestion(&self) -> Option<f64> {
        let (at, lowest) =
            self.points.iter().enumerate().min_by(|(_, a), (_, b)| a.loss.total_cmp(&b.loss))?;
        (at >= MIN_STEPS).then_some(lowest.learning_rate / SAFETY)
    }
}

/// Trains `task` from its first step with the learning rates of `range`, and forgets the result. `watch` sees every point. The
/// search ends early where the loss explodes, and when `stop` returns true.
///
/// # Errors
/// If a setting is outside its domain, the data do not fit the task, or the tensor library fails.
pub fn find_lr<T: Task>(
    task: T,
    settings: &TrainingSettings,
    data: &Dataset,
    device: &Device,
    range: LrRange,
    stop: &(dyn Fn() -> bool + Sync),
    watch: &mut dyn FnMut(LrPoint),
) -> Result<LrCurve> {
    let mut state = TrainingState::new(task, settings, data, device)?;
    let (mut batches, mut curve, mut sum, mut lowest) =
        (Batches::default(), LrCurve::default(), 0.0, f64::INFINITY);
    let ratio = range.highest / range.lowest;
    for i in 0..range.steps {
        let learning_rate = range.lowest * ratio.powf(i as f64 / (range.steps.max(2) - 1) as f64);
        let step = match take_step(&mut state, data, &mut batches, stop, Some(learning_rate)) {
            // The point of the search: here the learning rate is too high.
            Err(Error::Diverged { .. }) | Ok(None) => break,
            Ok(Some(step)) => step,
            Err(error) => return Err(error),
        };
        sum = DECAY * sum + (1.0 - DECAY) * step.loss;
        // The first average would otherwise be too low, as in Adam.
        let loss = sum / (1.0 - DECAY.powf((i + 1) as f64));
        if loss > TOO_HIGH * lowest {
            break;
        }
        lowest = lowest.min(loss);
        let point = LrPoint { learning_rate, loss };
        watch(point);
        curve.points.push(point);
    }
    Ok(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggestion_is_a_tenth_of_the_rate_at_the_lowest_loss() {
        let curve = |losses: &[f64]| LrCurve {
            points: losses
                .iter()
                .enumerate()
                .map(|(i, &loss)| LrPoint { learning_rate: 10f64.powf(i as f64 - 6.0), loss })
                .collect(),
        };
        assert_eq!(curve(&[9.0, 8.0, 7.0, 5.0, 4.0, 3.0, 6.0, 9.0]).suggestion(), Some(0.1 / 10.0));
        assert_eq!(curve(&[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).suggestion(), None);
        assert_eq!(curve(&[]).suggestion(), None);
    }
}
