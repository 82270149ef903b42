//! Sampling images: batches of reverse chains, each image from its own random streams.

use dm_nn::image::to_bytes;
use dm_nn::rng::{Rng, Seed};

use crate::degradation::Degradation;
use crate::denoiser::{Condition, NetworkDenoiser};
use crate::error::{Error, Result};
use crate::samplers::{Chain, InitialState, Sampling};
use crate::streams;
use crate::timestep::Timestep;

/// A request for sampled images.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Root seed; image i depends on it and on i alone.
    pub seed: Seed,
    /// Number of the first image. A request for images 0 to 9 gives the same images as one for 0 to 4 and one for 5 to 9.
    pub first: u64,
    /// Number of images.
    pub count: usize,
    /// Images per batch; does not change the images.
    pub batch_size: usize,
    /// The sampler, its options and its timesteps.
    pub sampling: Sampling,
    /// The classes to sample, for a network that takes them; `None` uses it without a class.
    pub class: Option<Class>,
    /// The weight of classifier-free guidance ([`Condition`]); 1 is none.
    pub guidance: f32,
    /// The states that the chains start from; `None` for draws from the prior.
    pub start: Option<Start<'a>>,
}

impl Request<'_> {
    /// A request for images from the prior, without a class.
    pub const fn new(seed: Seed, count: usize, batch_size: usize, sampling: Sampling) -> Self {
        Self { seed, first: 0, count, batch_size, sampling, class: None, guidance: 1.0, start: None }
    }
}

/// Which classes to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Image i of class i mod `num_classes`.
    All {
        /// Number of classes.
        num_classes: usize,
    },
    /// Every image of this class.
    One(u8),
}

impl Class {
    /// The class of image `i`.
    pub fn of(self, i: u64) -> u8 {
        match self {
            Self::All { num_classes } => (i % num_classes.max(1) as u64) as u8,
            Self::One(class) => class,
        }
    }
}

/// A start other than the prior.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The timestep of the states. The chain then visits the timesteps below it that a chain from T would visit.
    pub timestep: Timestep,
    /// The state of an image and its noise, by the number of the image.
    pub state: &'a InitialState<'a>,
}

/// Observes the chains of every batch. The arguments are the number of the batch's first image, the timestep that the chains
/// have reached, and the states `[n, C, H, W]`.
pub type BatchObserver<'a> = dyn FnMut(u64, Timestep, &[f32]) + 'a;

/// The random streams of a sampling command, as the samplers number them; see [`crate::samplers::Randomness`].
pub fn randomness(seed: Seed) -> impl Fn(u64, Timestep) -> Rng + Sync {
    move |sample, t| seed.stream(streams::SAMPLE, sample, t.0 as u64)
}

/// Samples images as u8 `[count, C, H, W]`; 0 is black and 255 is white.
///
/// # Errors
/// If the sampler cannot be used with the degradation, the start is at a timestep above T, or the network fails.
pub fn images(
    denoiser: &NetworkDenoiser<'_>,
    request: &Request<'_>,
    observer: &mut BatchObserver<'_>,
) -> Result<Vec<u8>> {
    let degradation = denoiser.degradation;
    let (len, sampler) = (degradation.shape().len(), request.sampling.build());
    let timesteps = timesteps(degradation, request)?;
    let randomness = randomness(request.seed);
    let mut images = Vec::with_capacity(request.count * len);
    let mut image = vec![0.0; len];
    for start in (0..request.count).step_by(request.batch_size.max(1)) {
        let count = request.batch_size.max(1).min(request.count - start);
        let first = request.first + start as u64;
        let classes = |class: Class| (0..count as u64).map(|i| class.of(first + i)).collect();
        let classes: Option<Vec<u8>> = request.class.map(classes);
        let condition = classes.as_ref().map(|classes| Condition { classes, guidance: request.guidance });
        let chain = Chain {
            degradation,
            denoiser: &NetworkDenoiser { condition, ..*denoiser },
            timesteps: &timesteps,
            randomness: &randomness,
            first,
            count,
            start: request.start.map(|start| start.state),
        };
        let states = sampler.sample(&chain, &mut |t, states| observer(first, t, states))?;
        for state in states.chunks_exact(len) {
            degradation.codec().decode_image(state, &mut image);
            images.extend(to_bytes(&image));
        }
    }
    Ok(images)
}

/// The timesteps that a chain visits: from T to 0, or from its start through the timesteps below the start.
fn timesteps(degradation: &dyn Degradation, request: &Request<'_>) -> Result<Vec<Timestep>> {
    let mut timesteps = request.sampling.timesteps(degradation)?;
    if let Some(Start { timestep, .. }) = request.start {
        let last = degradation.timesteps();
        if timestep.0 > last {
            return Err(Error::invalid("timestep of the start", timestep.0, format!("at most {last}")));
        }
        timesteps.retain(|&visited| visited < timestep);
        timesteps.insert(0, timestep);
    }
    Ok(timesteps)
}
