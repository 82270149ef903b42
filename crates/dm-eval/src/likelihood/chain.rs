//! The timesteps of the chain that a bound belongs to, and the images that it is computed for.

use dm_degrade::{Degradation, SamplerKind, Sampling, Timestep};

use crate::error::{EvalError, Result, count_images};
use crate::score::Quantity;

/// Number of images that are denoised together. It does not change a bound.
pub(super) const BATCH: usize = 32;

/// The timesteps of a chain of `steps` steps from T to 0. Timestep 1 is always visited, so that the decoder starts from a state
/// that is almost clean; if it is not among the timesteps, the chain has one step more.
///
/// The timesteps of Ink are uniform, because its spreads grow geometrically. Those of Gaussian noise are proportional to
/// squares (as in Song et al. 2021, appendix D.2): the terms of its bound grow with the ratio of the noise at neighbouring
/// timesteps, which is large near 0 if the timesteps are uniform.
///
/// # Errors
/// If `steps` is 0 or more than T.
pub fn timesteps(process: &dyn Degradation, steps: usize) -> Result<Vec<Timestep>> {
    let mut timesteps = Sampling::new(SamplerKind::Ancestral, steps).timesteps(process)?;
    if process.gaussian().is_some() {
        let mut above = process.timesteps() + 1;
        for (left, timestep) in (0..timesteps.len()).rev().zip(&mut timesteps) {
            let share = left as f64 / steps as f64;
            above = ((process.timesteps() as f64 * share * share).round() as usize).clamp(left, above - 1);
            *timestep = Timestep(above);
        }
    }
    if !timesteps.contains(&Timestep(1)) {
        timesteps.insert(timesteps.len() - 1, Timestep(1));
    }
    Ok(timesteps)
}

/// Checks that `images` are whole images in [0, 1], at least one, and that `timesteps` descend from T to 0. Returns the clean
/// states of the images, [n, C, H, W].
pub(super) fn clean_states(
    quantity: Quantity,
    process: &dyn Degradation,
    images: &[f32],
    timesteps: &[Timestep],
) -> Result<Vec<f32>> {
    let len = process.shape().len();
    count_images("images", images.len(), len)?;
    if let Some(at) = images.iter().position(|v| !(0.0..=1.0).contains(v)) {
        let (row, column, value) = (at / len, at % len, f64::from(images[at]));
        return Err(EvalError::Range { set: "images".to_owned(), row, column, value, low: 0.0, high: 1.0 });
    }
    let last = Timestep(process.timesteps());
    let ends = timesteps.first() == Some(&last) && timesteps.last() == Some(&Timestep(0));
    if !ends || !timesteps.windows(2).all(|pair| pair[0] > pair[1]) {
        return Err(EvalError::Argument {
            metric: quantity.name,
            argument: "timesteps",
            expected: format!("timesteps that descend from {} to 0", last.0),
            found: format!("{:?}", timesteps.iter().map(|t| t.0).collect::<Vec<_>>()),
        });
    }
    let mut states = vec![0.0; images.len()];
    for (image, state) in images.chunks_exact(len).zip(states.chunks_exact_mut(len)) {
        process.codec().encode_image(image, state);
    }
    Ok(states)
}
