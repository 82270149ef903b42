//! A grid of images as a PNG file, written and read: images on a dark background, two pixels apart.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageFormat, ImageReader, Luma, Pixel, Rgb, imageops};

use crate::error::{Error, Result};
use crate::image::ImageShape;
use crate::params::file::{read_bounded, write_atomic};

/// Pixels between two images.
const GAP: usize = 2;
/// Grey of the background.
const BACKGROUND: u8 = 24;
/// The largest height and width of a picture in pixels.
const MAX_SIDE: usize = 65_535;

/// Writes `images` [n, C, H, W] of shape `shape` to `path` as a PNG grid with `columns` columns, enlarged `zoom` times. The
/// file is written atomically.
///
/// # Errors
/// If the images have neither 1 nor 3 channels, the picture would be too large, or writing fails.
pub fn write(path: &Path, shape: ImageShape, images: &[u8], columns: usize, zoom: u32) -> Result<()> {
    write_atomic(path, &to_png(shape, images, columns, zoom)?)
}

/// The content of the file that [`write()`] writes.
///
/// # Errors
/// If the images have neither 1 nor 3 channels, or the picture would be too large.
pub fn to_png(shape: ImageShape, images: &[u8], columns: usize, zoom: u32) -> Result<Vec<u8>> {
    encode(&draw(shape, images, columns, zoom)?)
}

/// The content of a PNG file of one image `[C, H, W]` of shape `shape`.
///
/// # Errors
/// If the image has neither 1 nor 3 channels.
pub fn image_png(shape: ImageShape, image: &[u8]) -> Result<Vec<u8>> {
    let picture = draw(shape, image, 1, 1)?;
    let gap = GAP as u32;
    encode(&picture.crop_imm(gap, gap, shape.width as u32, shape.height as u32))
}

/// `picture` as a PNG file.
fn encode(picture: &DynamicImage) -> Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    let encoded = picture.write_to(&mut png, ImageFormat::Png);
    encoded.map_err(|e| Error::invalid("picture", e, "one that PNG can hold"))?;
    Ok(png.into_inner())
}

/// The error for images that are neither grey nor in colour.
fn unsupported(channels: usize) -> Error {
    Error::invalid("channels of a picture", channels, "1 (grey) or 3 (red, green, blue)")
}

/// Reads the images of shape `shape` in the grid at `path`, which must not be enlarged: pixels [n, C, H, W], row by row.
/// Cells that show nothing but the background are left out.
///
/// # Errors
/// If reading fails, the shape has neither 1 nor 3 channels, or the picture is not a grid of such images.
pub fn read(path: &Path, shape: ImageShape) -> Result<Vec<u8>> {
    let file = Cursor::new(read_bounded(path)?);
    let picture = ImageReader::with_format(file, ImageFormat::Png).decode();
    let picture = picture.map_err(|e| Error::format(path, "picture", e, "a PNG file"))?;
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let pixels = match shape.channels {
        1 => picture.to_luma8().into_raw(),
        3 => picture.to_rgb8().into_raw(),
        channels => return Err(unsupported(channels)),
    };
    let count = |extent: usize, side: usize| {
        let count = extent.checked_sub(GAP)? / (side + GAP);
        (count > 0 && count * (side + GAP) + GAP == extent).then_some(count)
    };
    let (Some(rows), Some(columns)) = (count(height, shape.height), count(width, shape.width)) else {
        let found = format!("{height}x{width} pixels (height x width)");
        return Err(Error::format(
            path,
            "size",
            found,
            format!("a grid of images of {shape}, {GAP} pixels apart"),
        ));
    };
    let mut images = Vec::with_capacity(rows * columns * shape.len());
    for i in 0..rows * columns {
        let start = images.len();
        let (top, left) = (GAP + i / columns * (shape.height + GAP), GAP + i % columns * (shape.width + GAP));
        for channel in 0..shape.channels {
            for y in top..top + shape.height {
                let row = y * width + left..y * width + left + shape.width;
                images.extend(row.map(|at| pixels[at * shape.channels + channel]));
            }
        }
        if images[start..].iter().all(|&pixel| pixel == BACKGROUND) {
            images.truncate(start);
        }
    }
    Ok(images)
}

/// Draws `images` [n, C, H, W] of shape `shape` as a grid with `columns` columns, enlarged `zoom` times: a grey or an RGB
/// picture.
///
/// # Errors
/// If the images have neither 1 nor 3 channels, or the picture would be too large.
pub(super) fn draw(shape: ImageShape, images: &[u8], columns: usize, zoom: u32) -> Result<DynamicImage> {
    match shape.channels {
        1 => Ok(page(shape, images, columns, zoom, Luma([BACKGROUND]))?.into()),
        3 => Ok(page(shape, images, columns, zoom, Rgb([BACKGROUND; 3]))?.into()),
        channels => Err(unsupported(channels)),
    }
}

fn page<P: Pixel<Subpixel = u8> + 'static>(
    shape: ImageShape,
    images: &[u8],
    columns: usize,
    zoom: u32,
    background: P,
) -> Result<ImageBuffer<P, Vec<u8>>> {
    let (columns, zoom) = (columns.max(1), zoom.max(1));
    let rows = (images.len() / shape.len().max(1)).div_ceil(columns);
    let extent = |count: usize, side: usize| count.saturating_mul(side + GAP).saturating_add(GAP);
    let (width, height) = (extent(columns, shape.width), extent(rows, shape.height));
    let largest = width.max(height).saturating_mul(zoom as usize);
    if largest > MAX_SIDE {
        let field = "height or width of a picture";
        return Err(Error::invalid(field, format!("{largest} pixels"), format!("at most {MAX_SIDE} pixels")));
    }
    let mut page = ImageBuffer::from_pixel(width as u32, height as u32, background);
    for (i, image) in images.chunks_exact(shape.len().max(1)).enumerate() {
        let (top, left) = (extent(i / columns, shape.height), extent(i % columns, shape.width));
        for y in 0..shape.height {
            for x in 0..shape.width {
                let pixel = page.get_pixel_mut((left + x) as u32, (top + y) as u32);
                for (channel, value) in pixel.channels_mut().iter_mut().enumerate() {
                    *value = image[channel * shape.pixels() + y * shape.width + x];
                }
            }
        }
    }
    let (width, height) = (page.width() * zoom, page.height() * zoom);
    Ok(imageops::resize(&page, width, height, imageops::FilterType::Nearest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_any_shape_are_where_the_grid_puts_them() {
        for shape in [ImageShape::new(1, 28, 28), ImageShape::new(3, 9, 14)] {
            let len = shape.len();
            let images: Vec<u8> = (0..3 * len).map(|i| (i % 251) as u8).collect();
            let picture = draw(shape, &images, 2, 3).unwrap();
            let (width, height) = (2 * (shape.width + 2) + 2, 2 * (shape.height + 2) + 2);
            assert_eq!((picture.width(), picture.height()), (3 * width as u32, 3 * height as u32));
            let channels = usize::from(picture.color().channel_count());
            assert_eq!(channels, shape.channels);
            let at = |x: usize, y: usize| {
                let start = (3 * y * 3 * width + 3 * x) * channels;
                picture.as_bytes()[start..start + channels].to_vec()
            };
            for (i, image) in images.chunks_exact(len).enumerate() {
                let (left, top) = (2 + i % 2 * (shape.width + 2), 2 + i / 2 * (shape.height + 2));
                let (x, y) = (shape.width - 1, shape.height / 2);
                let plane = |c: usize| image[c * shape.pixels() + y * shape.width + x];
                assert_eq!(at(left + x, top + y), (0..channels).map(plane).collect::<Vec<_>>());
            }
            assert_eq!(at(0, 0), vec![BACKGROUND; channels]);
            assert_eq!(at(width - 3, height - 3), vec![BACKGROUND; channels], "there is no fourth image");
        }
    }

    #[test]
    fn a_grid_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.png");
        for shape in [ImageShape::new(1, 28, 28), ImageShape::new(3, 9, 14)] {
            let images: Vec<u8> = (0..5 * shape.len()).map(|i| (i % 251) as u8).collect();
            for columns in [1, 3, 5, 8] {
                write(&path, shape, &images, columns, 1).unwrap();
                assert!(read(&path, shape).unwrap() == images, "{columns} columns");
            }
            let message = read(&path, ImageShape::new(1, 11, 11)).unwrap_err().to_string();
            assert!(message.contains("expected a grid of images of 11x11x1"), "{message}");
        }
        std::fs::write(&path, "no picture").unwrap();
        assert!(
            read(&path, ImageShape::new(1, 8, 8)).unwrap_err().to_string().contains("expected a PNG file")
        );
    }

    #[test]
    fn other_channels_and_huge_pictures_are_refused() {
        let message = draw(ImageShape::new(2, 8, 8), &[0; 128], 1, 1).unwrap_err().to_string();
        assert!(message.contains("found 2, expected 1 (grey) or 3"), "{message}");
        let message = draw(ImageShape::new(1, 8, 8), &[0; 64], usize::MAX, 1).unwrap_err().to_string();
        assert!(message.contains("expected at most 65535 pixels"), "{message}");
    }
}
