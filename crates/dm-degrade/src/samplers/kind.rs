//! The samplers by the names that configs and the command line use.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ancestral::Ancestral;
use super::ancestral_2m::Ancestral2m;
use super::ancestral_beta::AncestralBeta;
use super::chain::Sampler;
use super::cold::Cold;
use super::cold_fresh::ColdFresh;
use super::cold_naive::ColdNaive;
use super::ddim::Ddim;
use super::ddpm_notebook::DdpmNotebook;
use super::dpmpp_2m::Dpmpp2m;
use super::heun::Heun;
use crate::error::{Error, Result};

/// The samplers of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// The process's own posterior with the estimate in place of x_0; see [`Ancestral`].
    Ancestral,
    /// Ancestral sampling of second order; see [`Ancestral2m`].
    #[serde(rename = "ancestral_2m")]
    Ancestral2m,
    /// DDPM as the starter notebook runs it; see [`DdpmNotebook`].
    DdpmNotebook,
    /// DDIM; see [`Ddim`].
    Ddim,
    /// DPM-Solver++ 2M; see [`Dpmpp2m`].
    #[serde(rename = "dpmpp_2m")]
    Dpmpp2m,
    /// Heun's method on the probability flow; see [`Heun`].
    Heun,
    /// Cold diffusion, algorithm 2; see [`Cold`].
    Cold,
    /// Cold diffusion, algorithm 2, with fresh noise in every step; see [`ColdFresh`].
    ColdFresh,
    /// Cold diffusion, algorithm 1; see [`ColdNaive`].
    ColdNaive,
}

/// The variance of `ancestral` (Ho et al. 2020, section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variance {
    /// That of the posterior q(x_s | x_t, x_0), the smaller one.
    #[default]
    Posterior,
    /// That of the forward step from s to t, the larger one. For Gaussian noise only.
    Beta,
}

impl SamplerKind {
    /// All samplers.
    pub const ALL: [Self; 9] = [
        Self::Ancestral,
        Self::Ancestral2m,
        Self::DdpmNotebook,
        Self::Ddim,
        Self::Dpmpp2m,
        Self::Heun,
        Self::Cold,
        Self::ColdFresh,
        Self::ColdNaive,
    ];

    /// Builds the sampler. `variance` is the option of `ancestral` and `eta` that of `ddim`; other samplers ignore them.
    pub fn build(self, variance: Variance, eta: f64) -> Box<dyn Sampler> {
        match (self, variance) {
            (Self::Ancestral, Variance::Posterior) => Box::new(Ancestral),
            (Self::Ancestral, Variance::Beta) => Box::new(AncestralBeta),
            (Self::Ancestral2m, _) => Box::new(Ancestral2m),
            (Self::DdpmNotebook, _) => Box::new(DdpmNotebook),
            (Self::Ddim, _) => Box::new(Ddim { eta }),
            (Self::Dpmpp2m, _) => Box::new(Dpmpp2m),
            (Self::Heun, _) => Box::new(Heun),
            (Self::Cold, _) => Box::new(Cold),
            (Self::ColdFresh, _) => Box::new(ColdFresh),
            (Self::ColdNaive, _) => Box::new(ColdNaive),
        }
    }

    /// The name in configs and on the command line.
    pub fn name(self) -> &'static str {
        self.build(Variance::default(), 0.0).name()
    }

    /// What the sampler does, in a few words, and which degradations it can be used with.
    pub fn summary(self) -> &'static str {
        self.build(Variance::default(), 0.0).summary()
    }
}

impl FromStr for SamplerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::invalid("sampler", name, format!("one of {}", known())))
    }
}

impl Variance {
    /// All variances.
    pub const ALL: [Self; 2] = [Self::Posterior, Self::Beta];

    /// The name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Posterior => "posterior",
            Self::Beta => "beta",
        }
    }
}

impl FromStr for Variance {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|variance| variance.name() == name);
        found.ok_or_else(|| Error::invalid("variance", name, "one of posterior, beta"))
    }
}
