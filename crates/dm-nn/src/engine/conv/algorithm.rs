//! Which algorithm computes a convolution: the only place where this is decided.
//!
//! | convolution | algorithm | multiplications per result and pair of channels |
//! |---|---|---|
//! | 3x3, stride 1, at least 8 channels in and out | Winograd F(4x4, 3x3) | 2.25 instead of 9 |
//! | 5x5 to 17x17, stride 1 | fast Fourier transform of 32x32 points | 2.6 instead of 49 for 7x7 on 28x28 |
//! | all others (1x1, any stride, few channels) | direct sum over taps | k^2 |
//!
//! The height and width of the planes do not matter: Winograd's tiles and the direct sum cover planes of any size, and
//! planes that are larger than the Fourier transform are cut into overlapping tiles (see [`fft`](super::fft)). Tiles of
//! a 7x7 convolution yield 26x26 results each, so a large plane takes 2056 / 26^2 = 3.0 multiplications per result.

/// An algorithm for convolutions with zero padding of half the kernel's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The sum over the kernel's taps. Takes any odd kernel size and any stride.
    Direct,
    /// Winograd's F(4x4, 3x3). Takes 3x3 kernels with stride 1.
    Winograd,
    /// Products of discrete Fourier transforms. Takes odd kernel sizes up to 31 with stride 1.
    Fft,
}

/// The smallest number of channels, both in and out, for which the transforms of Winograd's algorithm pay off.
const WINOGRAD_CHANNELS: usize = 8;

/// Largest kernel that goes through the Fourier transform. Tiles of a 17x17 convolution yield 16x16 results of 32x32
/// points, a quarter; for larger kernels most of each transform would be overlap.
const LARGEST_FFT_KERNEL: usize = 17;

impl Algorithm {
    /// The fastest algorithm for a convolution of `inputs` to `outputs` channels with a `kernel` x `kernel` kernel.
    pub fn fastest(kernel: usize, stride: usize, inputs: usize, outputs: usize) -> Self {
        match kernel {
            3 if stride == 1 && inputs.min(outputs) >= WINOGRAD_CHANNELS => Self::Winograd,
            5..=LARGEST_FFT_KERNEL if stride == 1 => Self::Fft,
            _ => Self::Direct,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm::{self, Direct, Fft, Winograd};

    #[test]
    fn each_convolution_has_its_algorithm() {
        for (kernel, stride, inputs, outputs, expected) in [
            (1, 1, 64, 64, Direct),
            (3, 1, 8, 8, Winograd),
            (3, 1, 7, 64, Direct),
            (3, 1, 64, 1, Direct),
            (3, 2, 64, 64, Direct),
            (5, 1, 1, 1, Fft),
            (7, 1, 32, 32, Fft),
            (7, 2, 32, 32, Direct),
            (17, 1, 2, 2, Fft),
            (19, 1, 2, 2, Direct),
        ] {
            assert_eq!(Algorithm::fastest(kernel, stride, inputs, outputs), expected, "{kernel}, {stride}");
        }
    }
}
