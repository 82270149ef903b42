//! Convolutions through the frequency domain: by exact real Fourier transforms of 32x32 points, one plane per lane.
//!
//! A 7x7 convolution of 28x28 planes takes 38,416 multiplications per pair of channels directly, and 2,056 as a product
//! of spectra. The files from the bottom up:
//!
//! - `fft32`: the complex transform of 32 points.
//! - `transform`: planes to spectra and back.
//! - `weight_spectra`: the same for weights.
//! - `product`, `weight_gradient`: products of spectra.
//! - `circular`: the convolution of planes that fit the transform, with its gradients.
//! - `tiling`: larger planes, cut into overlapping tiles.
//! - `conv`: the convolution of planes of any size.

mod circular;
mod conv;
mod fft32;
mod product;
mod tiling;
mod transform;
mod weight_gradient;
mod weight_spectra;

pub(super) use conv::conv_fft;
pub(super) use weight_spectra::WeightSpectra;
