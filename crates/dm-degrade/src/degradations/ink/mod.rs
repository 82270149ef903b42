//! Ink: an image is a set of grains that walk at random and fade one by one, until a few are left, spread over the page.
//!
//! An image I in [0, 1] holds Poisson(L_0 I(p)) grains in pixel p, where L is the density, in grains per full pixel. Each
//! grain walks independently for the time tau(t) with the heat kernel K, and is still there at timestep t with probability
//! L_t / L_0. By the displacement and thinning theorems (Kingman 1993, sections 5.5 and 5.1) the counts at t are again
//! independent Poisson numbers, of mean L_t (K I)(p). 1/L acts as a temperature: with L = infinity at every timestep the
//! process is the deterministic heat equation, that is, blur; with L_T = L_0 no grain fades. Each channel is an ink of its
//! own.
//!
//! Backward from t to s < t, given an estimate h_0 of the intensity: h_s = K_tau(s) h_0, h_t = K_(tau(t)-tau(s)) h_s, and
//! each grain at p moves to p' independently with probability K(p, p') h_s(p') / h_t(p), drawn as row, then column. The
//! grains that fade between s and t are independent of those that stay, so Poisson((L_s - L_t) h_s(p)) new ones join them.
//! This is exact when h_0 is.
//!
//! The prior has the distribution of the total intensity of the training set, and at T its mean image: digits lie in the
//! middle of the page, half a pixel below and to the right of its centre, and at a spread of 8 pixels this is still visible.
//! With `prior = "modes"` the lowest cosine modes of an image, which survive at T, are drawn as well.
//!
//! The noise is one uniform per value: the count is the Poisson quantile of its mean, the same randomness at every timestep.
//! The last state of sampling (t = 0) is the intensity itself, not a count, so shot noise does not affect the image.

mod film;
mod grains;
mod process;
mod sums;

pub use film::Film;
pub use grains::thin_and_walk;
pub use process::{ENTRY, Ink, InkConfig, InkPrior};
