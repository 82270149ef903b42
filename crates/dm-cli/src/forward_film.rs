//! A film of the forward process, from the image to the prior. Ink is shown grain by grain, each grain moving along its own
//! path. Every other degradation is shown with one noise per image.

use anyhow::Result;
use dm_degrade::degradations::ink::{Film, Ink};
use dm_degrade::{Degradation, DegradationConfig, Timestep, streams};
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::rng::Seed;

/// Number of frames of a film.
const FRAMES: usize = 50;

/// The film of `images`, pairs of the image's number and its pixels [C, H, W], degraded by `degradation`, which was built from
/// `config` and `fitted`. Each frame is [images, C, H, W].
///
/// # Errors
/// If Ink cannot be built from its config, or a film cannot be recorded.
pub fn frames(
    config: &DegradationConfig,
    fitted: &[f32],
    degradation: &dyn Degradation,
    images: &[(usize, &[u8])],
    seed: Seed,
) -> Result<Vec<Vec<u8>>> {
    let last = FRAMES.min(degradation.timesteps() + 1) - 1;
    let timesteps: Vec<Timestep> =
        (0..=last).map(|i| Timestep(i * degradation.timesteps() / last.max(1))).collect();
    let shape = degradation.shape();
    let mut ink = None;
    if let DegradationConfig::Ink(ink_config) = config {
        ink = Some(Ink::new(ink_config, shape, fitted)?);
    }
    let mut frames = vec![Vec::new(); timesteps.len()];
    let (mut x0, mut x_t, mut image) =
        (vec![0.0; shape.len()], vec![0.0; shape.len()], vec![0.0; shape.len()]);
    for &(number, pixels) in images {
        to_unit(pixels, &mut image);
        degradation.codec().encode_image(&image, &mut x0);
        let mut rng = seed.stream(streams::DEGRADE, number as u64, 0);
        let film = ink.as_ref().map(|ink| Film::record(ink, &x0, &timesteps, &mut rng)).transpose()?;
        let noise = degradation.sample_noise(&mut rng);
        for (i, (frame, &t)) in frames.iter_mut().zip(&timesteps).enumerate() {
            match &film {
                Some(film) => x_t.copy_from_slice(&film.counts(i)),
                None => degradation.degrade(&x0, t, &noise, &mut x_t),
            }
            degradation.codec().display(&x_t, t, &mut image);
            frame.extend(to_bytes(&image));
        }
    }
    Ok(frames)
}
