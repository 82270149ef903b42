//! The way from image to prior as a film: ink by its grains, each on its own path; every other degradation under one key
//! per image.

use anyhow::Result;
use dm_degrade::degradations::ink::{Film, Ink};
use dm_degrade::{Degradation, DegradationConfig, Level};
use dm_nn::rng::{Seed, Stream};
use dm_train::generate::quantise;

/// Frames of a film.
const FRAMES: usize = 50;

/// The film of `images`, pairs of number and pixels `[784]` in [0, 1]: frames [images, 784].
///
/// # Errors
/// If the ink of a model cannot be built.
pub fn frames(
    config: &DegradationConfig,
    degradation: &dyn Degradation,
    images: &[(usize, Vec<f32>)],
    seed: Seed,
) -> Result<Vec<Vec<u8>>> {
    let last = FRAMES.min(degradation.steps() + 1) - 1;
    let levels: Vec<Level> = (0..=last).map(|i| Level(i * degradation.steps() / last.max(1))).collect();
    // The grains' paths know nothing of the prior, so any fitted numbers will do.
    let mut ink = None;
    if let DegradationConfig::Ink(config) = config {
        ink = Some(Ink::new(config, &[1.0])?);
    }
    let mut frames = vec![Vec::new(); levels.len()];
    for (i, image) in images {
        let x0 = degradation.to_state(image);
        let mut rng = seed.stream(Stream::Degrade, *i as u64, 0);
        let states: Vec<Vec<f32>> = if let Some(ink) = &ink {
            let film = Film::record(ink, &x0, &levels, &mut rng)?;
            (0..film.frames()).map(|frame| film.counts(frame)).collect()
        } else {
            let key = degradation.draw(&mut rng);
            levels.iter().map(|&level| degradation.apply(&x0, level, &key)).collect()
        };
        for ((frame, state), &level) in frames.iter_mut().zip(&states).zip(&levels) {
            frame.extend(quantise(&degradation.picture(state, level)));
        }
    }
    Ok(frames)
}
