//! How a chain is walked: the sampler, how many levels it visits, and which.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SamplerKind;
use crate::degradation::{Degradation, Level};
use crate::error::{Error, Result};

/// All there is to sampling beside model and seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The sampler.
    pub sampler: SamplerKind,
    /// Network evaluations per image, at most. `heun` takes two a step and one in the last: 2n - 1 for n steps.
    pub steps: usize,
    /// DDIM's share of fresh noise, 0 (deterministic) to 1 (that of `bridge`); 0 for other samplers.
    #[serde(default)]
    pub eta: f64,
    /// Where the levels lie.
    #[serde(default)]
    pub spacing: Spacing,
}

/// Where the visited levels lie between T and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// Evenly.
    #[default]
    Even,
    /// Closer in the middle: steps there are a quarter of the mean.
    Middle,
    /// Closer near T, where what kind of image it will be is decided: a share s of the steps walks s^1.5 of the way.
    Early,
}

impl Spacing {
    /// Every spacing there is.
    pub const ALL: [Self; 3] = [Self::Even, Self::Middle, Self::Early];

    /// The name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Middle => "middle",
            Self::Early => "early",
        }
    }

    /// `intervals` + 1 levels from T to 0, strictly descending.
    fn levels(self, steps: usize, intervals: usize) -> Vec<Level> {
        let at = |i: usize| match self {
            Self::Even => (steps * (intervals - i) + intervals / 2) / intervals,
            Self::Middle => {
                let left = (intervals - i) as f64 / intervals as f64;
                let wave = (std::f64::consts::TAU * left).sin() / std::f64::consts::TAU;
                (steps as f64 * (left + 0.75 * wave)).round() as usize
            }
            Self::Early => {
                let walked = i as f64 / intervals as f64;
                (steps as f64 * (1.0 - walked.powf(1.5))).round() as usize
            }
        };
        let mut above = steps + 1;
        let mut next = |i: usize| {
            // Rounding may join two levels where they lie close; there is room for all of them.
            above = at(i).clamp(intervals - i, above - 1);
            Level(above)
        };
        (0..=intervals).map(&mut next).collect()
    }
}

impl FromStr for Spacing {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|spacing| spacing.name() == name);
        found.ok_or_else(|| Error::invalid("spacing", name, format!("one of {}", known())))
    }
}

impl Sampling {
    /// `sampler` in at most `steps` evaluations at even levels, without fresh noise where that is a choice.
    pub const fn new(sampler: SamplerKind, steps: usize) -> Self {
        Self { sampler, steps, eta: 0.0, spacing: Spacing::Even }
    }

    /// Checks that everything goes with `degradation`.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn check(&self, degradation: &dyn Degradation) -> Result<()> {
        let steps = degradation.steps();
        if !(1..=steps).contains(&self.steps) {
            return Err(Error::invalid("sampling steps", self.steps, format!("1 to {steps}")));
        }
        self.sampler.check(degradation)?;
        let prince = self.sampler == SamplerKind::Prince;
        if prince && (self.steps != steps || self.spacing != Spacing::Even) {
            let found = format!("{}, {} spacing", self.steps, self.spacing.name());
            let expected = format!("all {steps}, even spacing for the sampler `prince`");
            return Err(Error::invalid("sampling steps", found, expected));
        }
        if !(0.0..=1.0).contains(&self.eta) {
            return Err(Error::invalid("sampling eta", self.eta, "0 to 1"));
        }
        if self.eta != 0.0 && self.sampler != SamplerKind::Ddim {
            let expected = format!("0 for the sampler `{}`", self.sampler.name());
            return Err(Error::invalid("sampling eta", self.eta, expected));
        }
        Ok(())
    }

    /// The levels to visit, from T to 0. The network runs at all but the last; `heun` runs it twice but in its last step.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn levels(&self, degradation: &dyn Degradation) -> Result<Vec<Level>> {
        self.check(degradation)?;
        Ok(self.spacing.levels(degradation.steps(), self.intervals()))
    }

    /// Network evaluations an image really takes.
    pub fn evaluations(&self) -> usize {
        if self.sampler == SamplerKind::Heun { 2 * self.intervals() - 1 } else { self.steps }
    }

    /// Whether the state at T, with its key, decides the image: no step draws anything.
    pub fn is_deterministic(&self) -> bool {
        match self.sampler {
            SamplerKind::Ddim => self.eta == 0.0,
            SamplerKind::Dpmpp2m | SamplerKind::Heun | SamplerKind::Cold | SamplerKind::ColdNaive => true,
            SamplerKind::Bridge
            | SamplerKind::Bridge2m
            | SamplerKind::Ancestral
            | SamplerKind::Prince
            | SamplerKind::ColdFresh => false,
        }
    }

    fn intervals(&self) -> usize {
        if self.sampler == SamplerKind::Heun { self.steps.div_ceil(2) } else { self.steps }
    }
}

/// `evaluations` + 1 levels from T to 0, evenly spaced.
///
/// # Errors
/// If `evaluations` is zero or more than T.
pub fn levels(degradation: &dyn Degradation, evaluations: usize) -> Result<Vec<Level>> {
    Sampling::new(SamplerKind::Cold, evaluations).levels(degradation)
}
