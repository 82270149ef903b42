//! A picture of the same seeds after every epoch: how the model learns to draw.

use std::path::PathBuf;

use dm_nn::rng::Seed;

use crate::error::Result;
use crate::event::{Event, Observer};
use crate::generate::{Class, Request, images};
use crate::grid;

/// Writes `samples/epoch-NNNN.png`.
pub struct Samples {
    folder: PathBuf,
}

impl Samples {
    /// Pictures go to `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

/// Seed of the pictures: the same for every run, so that runs can be compared.
const SEED: Seed = Seed(2026);

impl Observer for Samples {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        let Event::Epoch { epoch, state, .. } = event else { return Ok(()) };
        let config = &state.config;
        if config.training.grid == 0 {
            return Ok(());
        }
        // One column per class.
        let class = (config.network.classes() > 0).then_some(Class::All);
        let request =
            Request { class, ..Request::new(SEED, config.training.grid, 256, config.grid_sampling()) };
        let drawn = images(&state.restorer(), &request, &mut |_, _, _| {})?;
        grid::write(&self.folder.join(format!("epoch-{epoch:04}.png")), &drawn, 10, 1)
    }
}
