//! Drawing images from a model: batches of reverse chains, each image from its own seed.

use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::restorer::Restorer;
use dm_degrade::samplers::{Chain, Sampling};
use dm_nn::data::PIXELS;
use dm_nn::rng::{Seed, Stream};

use crate::error::Result;

/// What to draw and how.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Root seed; image i depends on it and on i alone.
    pub seed: Seed,
    /// Number of images.
    pub count: usize,
    /// Images per batch; does not change the images.
    pub batch: usize,
    /// The sampler and its levels.
    pub sampling: Sampling,
}

/// Sees the chain of every batch: number of its first image, level reached, states [n, 784].
pub type Watch<'a> = dyn FnMut(u64, Level, &[f32]) + 'a;

/// Draws images as u8 [count, 784], 255 = full ink.
///
/// # Errors
/// If the sampler does not go with the degradation, or the network fails.
pub fn images(
    degradation: &dyn Degradation,
    restorer: &dyn Restorer,
    request: &Request,
    watch: &mut Watch<'_>,
) -> Result<Vec<u8>> {
    let levels = request.sampling.levels(degradation)?;
    let randomness = |sample: u64, level: Level| request.seed.stream(Stream::Sample, sample, level.0 as u64);
    let mut images = Vec::with_capacity(request.count * PIXELS);
    for start in (0..request.count).step_by(request.batch.max(1)) {
        let chain = Chain {
            degradation,
            restorer,
            levels: &levels,
            eta: request.sampling.eta,
            randomness: &randomness,
            first: start as u64,
            count: request.batch.max(1).min(request.count - start),
        };
        let states =
            request.sampling.sampler.run(&chain, &mut |level, states| watch(start as u64, level, states))?;
        states.chunks_exact(PIXELS).for_each(|state| images.extend(quantise(&degradation.to_image(state))));
    }
    Ok(images)
}

/// [0, 1] -> 0..=255, rounded.
pub fn quantise(image: &[f32]) -> impl Iterator<Item = u8> + '_ {
    image.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
}
