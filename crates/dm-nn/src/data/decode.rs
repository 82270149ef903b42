//! Decoding one PNG or JPEG file.
//!
//! The size in the header is checked before anything is decoded, so that one file takes at most [`MAX_MEMORY`] while it is
//! decoded. The chunks of a PNG carry a CRC-32, so that a flipped bit is noticed. A JPEG has no checksum: a flipped bit in
//! its data may only change a few pixels. It changes the hash of the data set, which a run records.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::jpeg_sampling::too_fine;
use crate::error::{Error, Result};
use crate::file_kind::mistaken_kind;
use crate::hash::sha256_hex;
use crate::image::ImageShape;
use crate::params::file::read_at_most;

/// The largest file that is read: 64 MiB.
const MAX_FILE: u64 = 64 << 20;
/// The largest height and width in pixels of an image before resizing.
const MAX_SIDE: u32 = 8192;
/// The most memory that the decoder of one image may take: 512 MiB.
const MAX_MEMORY: u64 = 512 << 20;
/// The filter for resizing.
const FILTER: FilterType = FilterType::Lanczos3;

/// A decoded image.
pub(super) struct Decoded {
    /// 1 for a grey image, 3 for a colour image.
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Pixels [H, W, C].
    bytes: Vec<u8>,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Decoded {
    /// The image as planes `[channels, H, W]`. A grey image fills all channels.
    pub fn planes(&self, channels: usize) -> impl Iterator<Item = u8> + '_ {
        let channel = move |c: usize| c.min(self.channels - 1);
        (0..channels).flat_map(move |c| self.bytes.iter().skip(channel(c)).step_by(self.channels).copied())
    }
}

/// A size for a message, as height x width.
pub(super) fn size_text(height: usize, width: usize) -> String {
    format!("{height}x{width} (height x width)")
}

/// Reads the image file at `path` and resizes it to the height and width `size`, if one is given. `check` sees the shape
/// that the file's header states before anything is decoded.
pub(super) fn decode(
    path: &Path,
    size: Option<(usize, usize)>,
    check: impl FnOnce(ImageShape) -> Result<()>,
) -> Result<Decoded> {
    let bytes = read_at_most(path, MAX_FILE)?;
    let image = decode_bytes(path, &bytes, check)?;
    let image = match size {
        Some((height, width)) if (image.height(), image.width()) != (height as u32, width as u32) => {
            image.resize_exact(width as u32, height as u32, FILTER)
        }
        _ => image,
    };
    let (height, width) = (image.height() as usize, image.width() as usize);
    let (channels, pixels) = if image.color().has_color() {
        (3, image.into_rgb8().into_raw())
    } else {
        (1, image.into_luma8().into_raw())
    };
    Ok(Decoded { channels, height, width, bytes: pixels, sha256: sha256_hex(&bytes) })
}

fn decode_bytes(
    path: &Path,
    bytes: &[u8],
    check: impl FnOnce(ImageShape) -> Result<()>,
) -> Result<DynamicImage> {
    let expected = "a complete PNG or JPEG file";
    if let Some(kind) = mistaken_kind(bytes) {
        return Err(Error::format(path, "image", kind, expected));
    }
    if let Some(found) = too_fine(bytes) {
        let expected = "a JPEG whose first component has the most samples; convert it, for example with `magick IN.jpg \
                        -sampling-factor 2x2 OUT.jpg`";
        return Err(Error::format(path, "sampling", found, expected));
    }
    let bad = |e: image::ImageError| Error::format(path, "image", e, expected);
    let mut reader = ImageReader::new(Cursor::new(bytes));
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(|e| Error::io(path, e))?;
    let decoder = reader.into_decoder().map_err(bad)?;
    let color = decoder.color_type();
    if color.has_alpha() {
        let channels = color.channel_count();
        let found = format!("{channels} channels, the last of which is transparency");
        let expected = "1 (grey) or 3 (red, green, blue); remove the transparency, for example with `magick IN.png \
                        -background white -alpha remove -alpha off OUT.png`";
        return Err(Error::format(path, "channels", found, expected));
    }
    let (width, height) = decoder.dimensions();
    check(ImageShape::new(if color.has_color() { 3 } else { 1 }, height as usize, width as usize))?;
    // A decoder that panics is a fault of the decoder, but must not end a program that reads thousands of files.
    let decoded = catch_unwind(AssertUnwindSafe(|| DynamicImage::from_decoder(decoder)));
    decoded
        .map_err(|_| Error::format(path, "image", "data on which the decoder fails", expected))?
        .map_err(bad)
}
