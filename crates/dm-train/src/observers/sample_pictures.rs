//! A picture of samples after every epoch, always from the same seed, which shows how the model improves.

use std::path::{Path, PathBuf};

use dm_degrade::generate::{Class, Request, images};
use dm_degrade::{NetworkDenoiser, Sampling};
use dm_nn::picture::grid;
use dm_nn::rng::Seed;
use dm_nn::storage::write_atomic;

use crate::diffusion::DiffusionTask;
use crate::error::Result;
use crate::event::{Event, Observer};
use crate::interruptible::InterruptibleNetwork;
use crate::run_folder::RunFolder;
use crate::state::TrainingState;

/// Seed of the samples, the same for every run, so that runs can be compared.
const SEED: Seed = Seed(2026);
/// Samples per batch.
const BATCH_SIZE: usize = 256;
/// Columns of the picture, unless there is one column per class.
const COLUMNS: usize = 10;
/// The largest number of classes that have a column each.
const MAX_CLASS_COLUMNS: usize = 20;

/// Writes the picture `epoch-NNNN.png` after every epoch.
///
/// Sampling stops when the run is interrupted. The resumed run writes the missing picture.
pub struct SamplePictures<'a> {
    folder: &'a RunFolder,
    count: usize,
    sampling: Sampling,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> SamplePictures<'a> {
    /// An observer that writes pictures of `count` samples to the folder `samples` of `folder`, or no pictures if `count` is 0.
    /// `stop` returns true when the run is to be interrupted.
    pub fn new(
        folder: &'a RunFolder,
        count: usize,
        sampling: Sampling,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { folder, count, sampling, stop }
    }

    fn path(&self, epoch: u64) -> PathBuf {
        path(&self.folder.samples_path(), epoch)
    }

    fn write(&self, epoch: u64, state: &TrainingState<DiffusionTask>) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let num_classes = state.task.num_classes();
        let class = (num_classes > 0).then_some(Class::All { num_classes });
        let columns = if (1..=MAX_CLASS_COLUMNS).contains(&num_classes) { num_classes } else { COLUMNS };
        let request = Request { class, ..Request::new(SEED, self.count, BATCH_SIZE, self.sampling) };
        let denoiser = state.denoiser();
        let network = InterruptibleNetwork { network: denoiser.network, stop: self.stop };
        let denoiser = NetworkDenoiser { network: &network, ..denoiser };
        let samples = match images(&denoiser, &request, &mut |_, _, _| {}) {
            Err(_) if (self.stop)() => return Ok(()),
            samples => samples?,
        };
        let shape = state.task.degradation().shape();
        // Channels that are not colours are shown side by side, each as a grey image.
        let (shape, columns) = match shape.channels {
            1 | 3 => (shape, columns),
            channels => (shape.with_channels(1), columns * channels),
        };
        let png = grid::to_png(shape, &samples, columns, 1)?;
        Ok(write_atomic(self.folder.storage(), &self.path(epoch), &png)?)
    }
}

/// The picture of `epoch` in `folder`.
pub(super) fn path(folder: &Path, epoch: u64) -> PathBuf {
    folder.join(format!("epoch-{epoch:04}.png"))
}

impl Observer<DiffusionTask> for SamplePictures<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> Result<()> {
        match event {
            Event::Start { state } => match state.ended_epoch() {
                Some(epoch) if !self.path(epoch).exists() => self.write(epoch, state),
                _ => Ok(()),
            },
            Event::Epoch { epoch, state, .. } => self.write(*epoch, state),
            _ => Ok(()),
        }
    }
}
