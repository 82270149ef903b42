//! A film: images on their way from the prior, computed while the client watches. A film can be downloaded when it is complete.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use dm_degrade::generate::{self, Request};
use dm_degrade::{Degradation, Model, NetworkDenoiser, Timestep};
use dm_train::interruptible::InterruptibleNetwork;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::limits::{FILM_BYTES, FRAMES, IMAGES, NFE, WORK};
use super::queue::Stop;
use crate::trajectory::Trajectory;

/// A complete film.
pub struct Film {
    /// The model that drew the images.
    pub model: Arc<Model>,
    /// What was asked for.
    pub request: Request<'static>,
    /// The states over time as images, `[n, C, H, W]` each.
    pub frames: Vec<Vec<u8>>,
    /// The images, `[n, C, H, W]`.
    pub pixels: Vec<u8>,
}

/// Checks that `request` does not ask for more images, evaluations or work than the server gives.
///
/// # Errors
/// If it does; the error names the field.
pub fn check(model: &Model, request: &Request<'_>) -> Answer<()> {
    let (count, nfe) = (request.count, request.sampling.nfe);
    for (field, found, most) in [("count", count, IMAGES), ("nfe", nfe, NFE)] {
        if !(1..=most).contains(&found) {
            return Err(Refusal::invalid(format!("{field}: found {found}, expected 1 to {most}")));
        }
    }
    let most = (WORK / (nfe * model.shape.len())).max(1);
    if count > most {
        let message =
            format!("count: found {count}, expected at most {most} with {nfe} evaluations per image");
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// Draws the images of `request` by the reverse chain of `degradation`, and calls `show` with each frame of the film.
///
/// # Errors
/// If the request cannot be sampled, or `stop` is set.
pub fn draw(
    model: &Arc<Model>,
    degradation: &dyn Degradation,
    request: Request<'static>,
    stop: &Stop,
    show: &mut dyn FnMut(Frame<'_>),
) -> Answer<Film> {
    let failed = |error: dm_degrade::Error| Refusal::invalid(error);
    let own = model.denoiser();
    let stop = || stop.is_set();
    // A network that fails ends the chain between two evaluations.
    let network = InterruptibleNetwork { network: own.network, stop: &stop };
    let denoiser = NetworkDenoiser { network: &network, degradation, ..own };
    let intervals = request.sampling.timesteps(degradation).map_err(failed)?.len() - 1;
    let most = (FILM_BYTES / (request.count * model.shape.len())).clamp(2, FRAMES);
    let mut trajectory = Trajectory::new(request.count, most, intervals);
    let mut shown = 0;
    let pixels = generate::images(&denoiser, &request, &mut |first, timestep, states| {
        trajectory.record(degradation, first, timestep, states);
        if let Some(images) = trajectory.frames().get(shown).filter(|images| !images.is_empty()) {
            show(Frame { number: shown, count: trajectory.frames().len(), timestep, images });
            shown += 1;
        }
    });
    let pixels = pixels.map_err(failed)?;
    Ok(Film { model: model.clone(), request, frames: trajectory.frames().to_vec(), pixels })
}

/// A frame of a film.
pub struct Frame<'a> {
    /// The number of the frame, from 0.
    pub number: usize,
    /// How many frames the film has.
    pub count: usize,
    /// The timestep that the chains have reached.
    pub timestep: Timestep,
    /// The images, `[n, C, H, W]`.
    pub images: &'a [u8],
}

impl Frame<'_> {
    /// The frame as an event for the client.
    pub fn to_json(&self) -> Value {
        json!({ "frame": self.number, "frames": self.count, "t": self.timestep.0, "images": encode(self.images) })
    }
}

impl Film {
    /// The last event of a film that was begun at `clock`: the images, and how they were made.
    pub fn to_json(&self, clock: Instant) -> Value {
        json!({
            "images": encode(&self.pixels),
            "seconds": clock.elapsed().as_secs_f64(),
            "nfe": self.request.sampling.nfe_taken(),
            "sampler": self.request.sampling.sampler.name(),
            "spacing": self.request.sampling.spacing.to_string(),
        })
    }
}

/// Bytes as text for JSON.
pub fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The `expected` bytes in `text`; `field` names them in the error.
///
/// # Errors
/// If the text is not base64, or holds another number of bytes.
pub fn decode(field: &str, text: &str, expected: usize) -> Answer<Vec<u8>> {
    let bytes =
        BASE64_STANDARD.decode(text).map_err(|error| Refusal::invalid(format!("{field}: {error}")))?;
    if bytes.len() == expected {
        return Ok(bytes);
    }
    Err(Refusal::invalid(format!("{field}: found {} bytes, expected {expected}", bytes.len())))
}
