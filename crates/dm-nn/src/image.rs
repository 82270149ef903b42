//! The shape of an image, and the conversion between bytes and numbers in [0, 1].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The largest number of channels of an image.
const MAX_CHANNELS: usize = 4;
/// The smallest height and width of an image, in pixels.
const MIN_SIDE: usize = 8;
/// The largest height and width of an image, in pixels.
pub const MAX_SIDE: usize = 128;

/// The shape of an image: channels, height and width.
///
/// Images are stored channel by channel, each channel row by row: `[C, H, W]`. The shape is shown as height x width x
/// channels, for example `28x28x1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Number of channels: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl ImageShape {
    /// The shape of `channels` channels of `height` x `width` pixels.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Number of pixels: height times width.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Number of values of one image: channels times height times width.
    #[allow(clippy::len_without_is_empty, reason = "a valid shape is never empty")]
    pub const fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// The dimensions `(n, C, H, W)` of a tensor of `n` such images.
    pub const fn dims(self, n: usize) -> (usize, usize, usize, usize) {
        (n, self.channels, self.height, self.width)
    }

    /// This shape with `channels` channels.
    #[must_use]
    pub const fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// Checks that images of this shape are supported: 1 to 4 channels, height and width of 8 to 128 pixels. `field`
    /// names the shape in the error.
    ///
    /// # Errors
    /// If a dimension is outside its range.
    pub fn check(self, field: &str) -> Result<()> {
        let supported = (1..=MAX_CHANNELS).contains(&self.channels)
            && (MIN_SIDE..=MAX_SIDE).contains(&self.height)
            && (MIN_SIDE..=MAX_SIDE).contains(&self.width);
        if supported { Ok(()) } else { Err(Error::invalid(field, self, Self::supported())) }
    }

    /// The supported shapes, in words.
    pub(crate) fn supported() -> String {
        format!(
            "{MIN_SIDE} to {MAX_SIDE} pixels in height and in width, and 1 to {MAX_CHANNELS} channels \
             (height x width x channels)"
        )
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// Converts bytes 0 to 255 to numbers in [0, 1]: divides each by 255.
///
/// If the slices differ in length, the shorter one decides how many values are converted.
pub fn to_unit(bytes: &[u8], out: &mut [f32]) {
    out.iter_mut().zip(bytes).for_each(|(unit, &byte)| *unit = f32::from(byte) / 255.0);
}

/// Like [`to_unit`], with numbers in double precision.
pub fn to_unit_f64(bytes: &[u8], out: &mut [f64]) {
    out.iter_mut().zip(bytes).for_each(|(unit, &byte)| *unit = f64::from(byte) / 255.0);
}

/// The total intensity of `bytes`: their sum divided by 255.
pub fn total_intensity(bytes: &[u8]) -> f32 {
    bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>() as f32 / 255.0
}

/// The mean intensity of `count` bytes whose sum is `sum`: sum / (255 count), rounded once to f32.
pub fn mean_intensity(sum: u64, count: usize) -> f32 {
    (sum as f64 / (255.0 * count as f64)) as f32
}

/// Converts numbers in [0, 1] to bytes 0 to 255: clamps each to [0, 1], multiplies it by 255 and rounds it.
pub fn to_bytes(unit: &[f32]) -> impl ExactSizeIterator<Item = u8> + '_ {
    unit.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_round_trip() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut unit = vec![0.0; 256];
        to_unit(&bytes, &mut unit);
        assert_eq!((unit[0], unit[255]), (0.0, 1.0));
        assert!(to_bytes(&unit).eq(bytes));
        assert!(to_bytes(&[-0.5, 1.5, 0.5]).eq([0, 255, 128]));
    }

    #[test]
    fn errors_about_unsupported_shapes_name_the_shape() {
        for shape in [(1, 28, 28), (3, 8, 128), (4, 17, 9)] {
            assert!(ImageShape::new(shape.0, shape.1, shape.2).check("image").is_ok());
        }
        for shape in [(0, 28, 28), (5, 28, 28), (1, 7, 28), (1, 28, 129)] {
            let shape = ImageShape::new(shape.0, shape.1, shape.2);
            let message = shape.check("image").map_err(|e| e.to_string());
            let expected = format!(
                "image: found {shape}, expected 8 to 128 pixels in height and in width, and 1 to 4 channels \
                 (height x width x channels)"
            );
            assert_eq!(message, Err(expected));
        }
    }
}
