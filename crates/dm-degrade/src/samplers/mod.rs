//! Samplers: the reverse chain from the prior to an image, one file each.
//!
//! A sampler visits a list of timesteps from T down to 0. All its randomness comes from one stream per sample and timestep,
//! so a sample depends on its seed and number alone; a caller may replace any of these streams. A new sampler implements
//! [`Sampler`].

mod ancestral;
mod ancestral_2m;
mod ancestral_beta;
mod chain;
mod cold;
mod cold_fresh;
mod cold_naive;
mod ddim;
mod ddpm_notebook;
mod dpmpp_2m;
mod gaussian_step;
mod heun;
mod kind;
mod sampling;
mod spacing;

pub use ancestral::Ancestral;
pub use ancestral_2m::Ancestral2m;
pub use ancestral_beta::AncestralBeta;
pub use chain::{Chain, InitialState, Randomness, Sampler, TrajectoryObserver, blend};
pub use cold::Cold;
pub use cold_fresh::ColdFresh;
pub use cold_naive::ColdNaive;
pub use ddim::Ddim;
pub use ddpm_notebook::DdpmNotebook;
pub use dpmpp_2m::Dpmpp2m;
pub use heun::Heun;
pub use kind::{SamplerKind, Variance};
pub use sampling::Sampling;
pub use spacing::Spacing;
