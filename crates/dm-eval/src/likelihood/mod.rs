//! Variational bounds on the negative log-likelihood of images: how many bits a model needs at most to describe an image. Each
//! degradation that has such a bound has a file.
//!
//! A bound belongs to one chain of timesteps. The model starts from the prior, goes from timestep to timestep by the posterior
//! of the degradation with the estimate in place of the clean state, and ends with a distribution over the data. A chain with
//! fewer timesteps is another, worse model. The bounds say nothing about samplers without transition probabilities (cold
//! diffusion, solvers of differential equations).
//!
//! The two bounds are about different data and cannot be compared. [`gaussian`] bounds the C * H * W values of an image, each of
//! which is one of 256 intensities. [`ink`] bounds the C * H * W grain counts that an image is turned into at random.

mod bound;
mod chain;
pub mod gaussian;
pub mod ink;
mod ink_walk;
mod normal;

pub use bound::{Bound, Part, Term};
pub use chain::timesteps;
pub use gaussian::{GAUSSIAN_BOUND, gaussian_bound};
pub use ink::{INK_BOUND, ink_bound};
