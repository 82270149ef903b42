//! What measures compare a set with: the reference, and the training set with how near unseen images come to it. What
//! takes long about them is computed once.

use std::sync::OnceLock;

use super::{Images, Nearest};
use crate::authenticity::{Authenticity, authenticity};
use crate::cache::Cache;
use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::manifold::{K, RealBalls};

/// The reference and, for measures of memorisation, the training set.
pub struct Sight<'a> {
    /// The reference set.
    pub reference: &'a Images,
    /// The training set.
    pub training: Option<&'a Training>,
    balls: OnceLock<RealBalls>,
}

impl<'a> Sight<'a> {
    /// Looks at these.
    pub fn new(reference: &'a Images, training: Option<&'a Training>) -> Self {
        Self { reference, training, balls: OnceLock::new() }
    }

    /// The balls around the reference's features, which are the same for every set.
    pub(super) fn balls(&self) -> Result<&RealBalls> {
        if let Some(balls) = self.balls.get() {
            return Ok(balls);
        }
        let balls = RealBalls::of(&self.reference.judged.features, K)?;
        Ok(self.balls.get_or_init(|| balls))
    }

    /// The training set.
    pub(super) fn training(&self) -> Result<&Training> {
        self.training.ok_or_else(|| absent("training set", "one to compare with"))
    }
}

/// The training set and how near unseen real images come to it.
pub struct Training {
    /// The set.
    pub images: Images,
    /// The nearest training images of unseen ones.
    pub unseen: Nearest,
    /// Its pixels as ink.
    ink: Features,
    /// The judge of all sets.
    judge_sha256: String,
}

impl Training {
    /// Looks how near `unseen` comes to `images`; `judge_sha256` is that of both.
    ///
    /// # Errors
    /// As [`authenticity`].
    pub fn new(images: Images, unseen: &mut Images, judge_sha256: &str, cache: &Cache) -> Result<Self> {
        let ink = images.ink()?;
        let nearest = nearest(unseen, &images, &ink, judge_sha256, cache)?;
        unseen.nearest = Some(nearest.clone());
        Ok(Self { images, unseen: nearest, ink, judge_sha256: judge_sha256.to_owned() })
    }

    /// Finds the nearest training image of every one of `images`, or takes it from `cache`.
    ///
    /// # Errors
    /// As [`authenticity`].
    pub fn look(&self, images: &mut Images, cache: &Cache) -> Result<()> {
        images.nearest = Some(nearest(images, &self.images, &self.ink, &self.judge_sha256, cache)?);
        Ok(())
    }
}

fn nearest(of: &Images, to: &Images, ink: &Features, judge: &str, cache: &Cache) -> Result<Nearest> {
    let keys = [of.sha256.as_str(), to.sha256.as_str(), judge];
    let features = || authenticity(&of.judged.features, &to.judged.features);
    Ok(Nearest {
        pixels: cache.value("nearest-pixels", &keys[..2], || authenticity(&of.ink()?, ink))?,
        features: cache.value("nearest-features", &keys, features)?,
    })
}

impl Images {
    /// Their nearest training images.
    pub(super) fn nearest(&self) -> Result<&Nearest> {
        self.nearest
            .as_ref()
            .ok_or_else(|| absent("nearest training images", "Training::look at the set first"))
    }
}

impl Nearest {
    /// In pixels, then in features, each with its name.
    pub fn both(&self) -> [(&'static str, &Authenticity); 2] {
        [("pixels", &self.pixels), ("features", &self.features)]
    }
}

fn absent(argument: &'static str, expected: &str) -> EvalError {
    EvalError::Argument { metric: "memorisation", argument, expected: expected.into(), found: "none".into() }
}
