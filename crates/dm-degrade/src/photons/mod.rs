//! Restoring photon counts: images from detectors that count photons, such as fluorescence microscopes and telescopes.
//!
//! A detector sees an image I in [0, 1] through optics with the point spread function P. If a white pixel sends F photons on
//! average, the counts are independent Poisson numbers of mean F (P I)(p). A state of a process of grains is the same kind of
//! object: n_t(p) ~ Poisson(L_t (K_tau(t) I)(p)), with the heat kernel K. So counts become a state by leaving out photons and
//! moving them, both at random ([`Placement`]), and the reverse chain of a model restores the image from there.
//! `dm restore --counts` does this; `THEORY.md`, section 7, says what is exact.
//!
//! [`richardson_lucy`] and [`AnscombeStart`] are the classical methods to compare with.

mod anscombe;
mod instrument;
mod optics;
mod placement;
mod richardson_lucy;

pub use anscombe::AnscombeStart;
pub use instrument::Instrument;
pub use optics::{Optics, PointSpread};
pub use placement::Placement;
pub use richardson_lucy::richardson_lucy;
