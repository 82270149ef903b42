//! Same-padded convolutions through the frequency domain: exact 32x32 real transforms, one plane per lane.
//!
//! A 7x7 convolution of 28x28 planes takes 38,416 multiplications per pair of channels directly and 2,056 as a product
//! of spectra. `transform` takes planes to spectra and back by way of `fft32`, `weights` does so with kernels, `product`
//! and `weight_gradient` multiply, `conv` is the operation.

mod conv;
mod fft32;
mod product;
mod transform;
mod weight_gradient;
mod weights;

pub use conv::conv_fft;
pub(crate) use weights::KernelSpectra;
