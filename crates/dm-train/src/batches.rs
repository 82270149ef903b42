//! The batches of an epoch: the training images in a random order, which is a new one in every epoch.

use crate::state::TrainingState;
use crate::streams::SHUFFLE;
use crate::task::Task;

/// The order of the images in the current epoch.
#[derive(Default)]
pub(crate) struct Batches {
    /// The epoch, counted from 0, and its order; `None` before the first one.
    order: Option<(u64, Vec<u32>)>,
}

impl Batches {
    /// The positions of the images of the next step in the training set, `[B]`, and those of the step after it, if that step is in
    /// the same epoch.
    pub fn next<T: Task>(&mut self, state: &TrainingState<T>) -> (&[u32], Option<&[u32]>) {
        let epoch = state.step / state.steps_per_epoch();
        let order = match self.order.take() {
            Some((of, order)) if of == epoch => order,
            _ => state.settings.seed.stream(SHUFFLE, epoch, 0).permutation(state.images),
        };
        let batch_size = state.settings.batch_size;
        let first = (state.step % state.steps_per_epoch()) as usize * batch_size;
        let order = &self.order.insert((epoch, order)).1;
        let second = first + batch_size;
        (&order[first..second], order.get(second..second + batch_size))
    }
}
