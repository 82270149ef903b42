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
/// The search ends when the average loss is more than this many times the lowest average loss so far.
const TOO_HIGH: f64 = 4.0;
/// The suggested learning rate is the one at the lowest average loss, divided by this number.
const SAFETY: f64 = 10.0;
/// If fewer steps than this precede the lowest average loss, the loss has hardly fallen, and no learning rate is suggested.
const MIN_STEPS: usize = 5;

/// The learning rates that are tried: `steps` of them, in equal ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrRange {
    /// The first learning rate, above 0.
    pub lowest: f64,
    /// The last learning rate, above the first one.
    pub highest: f64,
    /// Number of learning rates, at least 2.
    pub steps: usize,
}

impl Default for LrRange {
    fn default() -> Self {
        Self { lowest: 1e-6, highest: 1.0, steps: 120 }
    }
}

impl LrRange {
    /// Checks that there are at least two learning rates, all above 0 and rising.
    ///
    /// # Errors
    /// If this is not so.
    fn check(&self) -> Result<()> {
        let Self { lowest, highest, steps } = *self;
        if lowest > 0.0 && lowest < highest && highest.is_finite() && steps >= 2 {
            return Ok(());
        }
        let found = format!("{steps} from {lowest} to {highest}");
        Err(Error::invalid("learning rates to try", found, "at least 2, all above 0 and rising"))
    }
}

/// One step of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrPoint {
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The exponential moving average of the losses up to this step, corrected for its start at 0 as in Adam.
    pub loss: f64,
}

/// The average losses at the learning rates that have been tried. The curve ends where the run diverges.
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

/// Trains `task` from its first step with the learning rates of `range`, and discards the trained weights. `watch` receives every
/// point. The search ends early where the loss explodes, and when `stop` returns true.
///
/// # Errors
/// If `range` or a setting is outside its domain, the data do not fit the task, or the tensor library fails.
pub fn find_lr<T: Task>(
    task: T,
    settings: &TrainingSettings,
    data: &Dataset,
    device: &Device,
    range: LrRange,
    stop: &(dyn Fn() -> bool + Sync),
    watch: &mut dyn FnMut(LrPoint),
) -> Result<LrCurve> {
    range.check()?;
    let mut state = TrainingState::new(task, settings, data, device)?;
    let (mut batches, mut curve, mut sum, mut lowest) =
        (Batches::default(), LrCurve::default(), 0.0, f64::INFINITY);
    let ratio = range.highest / range.lowest;
    for i in 0..range.steps {
        let learning_rate = range.lowest * ratio.powf(i as f64 / (range.steps.max(2) - 1) as f64);
        let step = match take_step(&mut state, data, &mut batches, stop, Some(learning_rate)) {
            // The learning rate is too high. Finding such a rate is the purpose of the search, so it is not an error.
            Err(Error::Diverged { .. }) | Ok(None) => break,
            Ok(Some(step)) => step,
            Err(error) => return Err(error),
        };
        sum = DECAY * sum + (1.0 - DECAY) * step.loss;
        // The average starts at 0, which would make the first values too low. Adam corrects its moments in the same way.
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

    #[test]
    fn empty_and_negative_ranges_are_refused() {
        assert!(LrRange::default().check().is_ok());
        for (lowest, highest, steps) in
            [(0.0, 1.0, 10), (1.0, 1.0, 10), (-1.0, 1.0, 10), (1e-6, f64::INFINITY, 10), (1e-6, 1.0, 1)]
        {
            let message = LrRange { lowest, highest, steps }.check().map_err(|e| e.to_string());
            assert!(message.is_err_and(|message| message.contains("learning rates to try")));
        }
    }
}
