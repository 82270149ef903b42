//! Pictures of many images: a grid on a dark page, ink bright, two pixels between images.

use std::io::Cursor;
use std::path::Path;

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::params::file::write_atomic;
use image::{GrayImage, ImageFormat, Luma, imageops};

use crate::error::{Error, Result};

const GAP: usize = 2;
const PAGE: u8 = 24;

/// Writes `images` ([n, 784], u8) as a PNG grid with `columns` columns, enlarged `zoom` times, atomically.
///
/// # Errors
/// If the disk says so.
pub fn write(path: &Path, images: &[u8], columns: usize, zoom: u32) -> Result<()> {
    let mut png = Cursor::new(Vec::new());
    let written = page(images, columns, zoom).write_to(&mut png, ImageFormat::Png);
    written.map_err(|e| Error::io(path, std::io::Error::other(e)))?;
    Ok(write_atomic(path, png.get_ref())?)
}

/// `images` ([n, 784], u8) as a grid with `columns` columns, enlarged `zoom` times.
pub(crate) fn page(images: &[u8], columns: usize, zoom: u32) -> GrayImage {
    let columns = columns.max(1);
    let rows = (images.len() / PIXELS).div_ceil(columns);
    let extent = |n: usize| (n * (SIDE + GAP) + GAP) as u32;
    let mut page = GrayImage::from_pixel(extent(columns), extent(rows), Luma([PAGE]));
    for (i, image) in images.chunks_exact(PIXELS).enumerate() {
        let (top, left) = (extent(i / columns), extent(i % columns));
        for (p, &value) in image.iter().enumerate() {
            page.put_pixel(left + (p % SIDE) as u32, top + (p / SIDE) as u32, Luma([value]));
        }
    }
    let (width, height) = (page.width() * zoom, page.height() * zoom);
    imageops::resize(&page, width, height, imageops::FilterType::Nearest)
}
