//! The heat equation on an image with reflecting edges.
//!
//! The Laplacian of a path of n pixels has the eigenvectors C (the orthonormal DCT-II) and the eigenvalues
//! lambda_j = 2 - 2 cos(pi j / n). After the time tau the kernel of one axis is k = C^T exp(-lambda tau) C; on the image the
//! kernels of height and width act one after the other. Each is nonnegative and symmetric, its rows sum to 1,
//! k_a k_b = k_(a+b), and the uniform distribution is stationary. A walker has moved by about sigma = sqrt(2 tau) pixels.

mod kernel;
mod spectrum;
mod spread;

pub use kernel::{Kernel, walking_times};
pub use spectrum::{CosineMode, Spectrum, low_modes};
pub use spread::{PlaneKernel, spread_columns};
