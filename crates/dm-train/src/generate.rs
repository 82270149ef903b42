//! Drawing images from a model: batches of reverse chains, each image from its own seed.

use dm_degrade::degradation::{Degradation, Level};
use dm_degrade::restorer::{Condition, NetworkRestorer};
use dm_degrade::samplers::{self, Chain, Sampling};
use dm_nn::data::{CLASSES, PIXELS};
use dm_nn::rng::{Seed, Stream};

use crate::error::Result;

/// What to draw and how.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Root seed; image i depends on it and on i alone.
    pub seed: Seed,
    /// Number of the first image; a request for images 0 to 9 is one for 0 to 4 and one for 5 to 9.
    pub first: u64,
    /// Number of images.
    pub count: usize,
    /// Images per batch; does not change the images.
    pub batch: usize,
    /// The sampler and its levels.
    pub sampling: Sampling,
    /// The classes to draw, for a network that takes them; `None` tells it none.
    pub class: Option<Class>,
    /// W of classifier-free guidance ([`Condition`]); 1 is none.
    pub guidance: f32,
    /// Where to start; `None` is the prior.
    pub start: Option<Start<'a>>,
}

impl Request<'_> {
    /// Images from the prior, without a class.
    pub const fn new(seed: Seed, count: usize, batch: usize, sampling: Sampling) -> Self {
        Self { seed, first: 0, count, batch, sampling, class: None, guidance: 1.0, start: None }
    }
}

/// Which classes to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Image i of class i mod 10.
    All,
    /// Every image of this class.
    One(u8),
}

/// A start other than the prior.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Level of the states; the chain then visits the levels below it that a chain from T would.
    pub level: Level,
    /// The state of an image and its key, by its number.
    pub state: &'a samplers::Start<'a>,
}

/// Sees the chain of every batch: number of its first image, level reached, states [n, 784].
pub type Watch<'a> = dyn FnMut(u64, Level, &[f32]) + 'a;

impl Class {
    /// The class of image `i`.
    pub fn of(self, i: usize) -> u8 {
        match self {
            Self::All => (i % CLASSES) as u8,
            Self::One(class) => class,
        }
    }
}

/// The stream of image `sample` at `level`, as the samplers number them; none of theirs is level 0.
pub fn randomness(seed: Seed) -> impl Fn(u64, Level) -> dm_nn::rng::Rng + Sync {
    move |sample, level| seed.stream(Stream::Sample, sample, level.0 as u64)
}

/// Draws images as u8 [count, 784], 255 = full ink.
///
/// # Errors
/// If the sampler does not go with the degradation, or the network fails.
pub fn images(
    restorer: &NetworkRestorer<'_>,
    request: &Request<'_>,
    watch: &mut Watch<'_>,
) -> Result<Vec<u8>> {
    let degradation = restorer.degradation;
    let levels = levels(degradation, request)?;
    let randomness = randomness(request.seed);
    let mut images = Vec::with_capacity(request.count * PIXELS);
    for start in (0..request.count).step_by(request.batch.max(1)) {
        let count = request.batch.max(1).min(request.count - start);
        let first = request.first + start as u64;
        let classes = |class: Class| (0..count).map(|i| class.of(first as usize + i)).collect();
        let classes: Option<Vec<u8>> = request.class.map(classes);
        let condition = classes.as_ref().map(|classes| Condition { classes, guidance: request.guidance });
        let chain = Chain {
            degradation,
            restorer: &NetworkRestorer { condition, ..*restorer },
            levels: &levels,
            eta: request.sampling.eta,
            randomness: &randomness,
            first,
            count,
            start: request.start.map(|start| start.state),
        };
        let states =
            request.sampling.sampler.run(&chain, &mut |level, states| watch(first, level, states))?;
        states.chunks_exact(PIXELS).for_each(|state| images.extend(quantise(&degradation.to_image(state))));
    }
    Ok(images)
}

/// The levels a chain visits: those from T down, or those of them below where it starts.
fn levels(degradation: &dyn Degradation, request: &Request<'_>) -> Result<Vec<Level>> {
    let mut levels = request.sampling.levels(degradation)?;
    if let Some(Start { level, .. }) = request.start {
        levels.retain(|&visited| visited < level);
        levels.insert(0, level);
    }
    Ok(levels)
}

/// [0, 1] -> 0..=255, rounded.
pub fn quantise(image: &[f32]) -> impl Iterator<Item = u8> + '_ {
    image.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
}
