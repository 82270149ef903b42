//! Reads the grids of images that `dm` writes, and arranges chosen images in new grids.

use dm_record::ImageSize;
use image::{RgbaImage, imageops};
use std::path::Path;

/// Pixels between two images of a grid, and around all of them.
pub const GAP: u32 = 2;
/// Largest enlargement of a grid that [`Tiles::open`] recognises.
const MAX_ZOOM: u32 = 4;

/// A grid of images in rows and columns.
pub struct Tiles {
    grid: RgbaImage,
    /// Pixels of the grid per pixel of an image.
    zoom: u32,
    height: u32,
    width: u32,
    pub rows: usize,
    pub columns: usize,
}

impl Tiles {
    /// Opens a grid; `None` if the file is missing, or is not a grid of images of this size.
    pub fn open(path: &Path, size: ImageSize) -> Option<Self> {
        let (height, width) = (size.height as u32, size.width as u32);
        let grid = image::open(path).ok()?.to_rgba8();
        let count = |length: u32, side: u32, zoom: u32| {
            let inner = (length / zoom).checked_sub(GAP).filter(|_| length.is_multiple_of(zoom))?;
            (inner > 0 && inner.is_multiple_of(side + GAP)).then(|| (inner / (side + GAP)) as usize)
        };
        let counts =
            |zoom| Some((zoom, count(grid.height(), height, zoom)?, count(grid.width(), width, zoom)?));
        let (zoom, rows, columns) = (1..=MAX_ZOOM).find_map(counts)?;
        Some(Self { grid, zoom, height, width, rows, columns })
    }

    /// The image in this row and column, at its own size.
    fn tile(&self, row: usize, column: usize) -> RgbaImage {
        let (left, top) = (GAP + column as u32 * (self.width + GAP), GAP + row as u32 * (self.height + GAP));
        let pixel = |x: u32, y: u32| *self.grid.get_pixel((left + x) * self.zoom, (top + y) * self.zoom);
        RgbaImage::from_fn(self.width, self.height, pixel)
    }

    /// A new grid of the chosen images, each given by row and column, in `columns` columns with the same gaps and no margin.
    pub fn arrange(&self, chosen: &[(usize, usize)], columns: usize) -> RgbaImage {
        let extent = |count: usize, side: u32| (count as u32 * (side + GAP)).saturating_sub(GAP).max(1);
        let background = *self.grid.get_pixel(0, 0);
        let rows = chosen.len().div_ceil(columns.max(1));
        let mut grid =
            RgbaImage::from_pixel(extent(columns, self.width), extent(rows, self.height), background);
        for (index, &(row, column)) in chosen.iter().enumerate() {
            let x = (index % columns) as u32 * (self.width + GAP);
            let y = (index / columns) as u32 * (self.height + GAP);
            imageops::replace(&mut grid, &self.tile(row, column), i64::from(x), i64::from(y));
        }
        grid
    }

    /// The first images in reading order.
    pub fn first(&self, count: usize) -> Vec<(usize, usize)> {
        let all = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        all.take(count).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use image::Rgba;

    /// An empty grid of images of MNIST's size.
    pub fn write_grid(path: &Path, rows: u32, columns: u32) {
        RgbaImage::new(columns * 30 + GAP, rows * 30 + GAP).save(path).unwrap();
    }

    #[test]
    fn images_of_any_size_are_found_at_any_zoom_and_arranged_anew() {
        let dir = tempfile::tempdir().unwrap();
        for (zoom, height, width) in [(1, 28, 28), (2, 28, 28), (3, 9, 16), (1, 40, 12)] {
            let (pitch_y, pitch_x) = (height + GAP, width + GAP);
            let path = dir.path().join("grid.png");
            // The image in row r and column c is all of shade 10 r + c.
            let grid = RgbaImage::from_fn((5 * pitch_x + GAP) * zoom, (3 * pitch_y + GAP) * zoom, |x, y| {
                let (x, y) = (x / zoom, y / zoom);
                let in_gap = x % pitch_x < GAP || y % pitch_y < GAP;
                let shade = if in_gap { 200 } else { (10 * (y / pitch_y) + x / pitch_x) as u8 };
                Rgba([shade, shade, shade, 255])
            });
            grid.save(&path).unwrap();
            let size = ImageSize { channels: 1, height: height as usize, width: width as usize };
            let tiles = Tiles::open(&path, size).unwrap();
            assert_eq!((tiles.rows, tiles.columns, tiles.zoom), (3, 5, zoom));
            let picked = tiles.arrange(&[(2, 1), (2, 4), (0, 1), (0, 4)], 2);
            assert_eq!(picked.dimensions(), (2 * pitch_x - GAP, 2 * pitch_y - GAP));
            let shade = |x, y| picked.get_pixel(x, y).0[0];
            let corner = shade(2 * pitch_x - GAP - 1, 2 * pitch_y - GAP - 1);
            assert_eq!([shade(0, 0), shade(pitch_x, 0), shade(0, pitch_y), corner], [21, 24, 1, 4]);
            assert_eq!(shade(width, 0), 200);
            assert_eq!(tiles.first(7)[5..], [(1, 0), (1, 1)]);
        }
    }

    #[test]
    fn missing_and_other_files_are_not_grids() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Tiles::open(&dir.path().join("absent.png"), ImageSize::default()).is_none());
        let odd = dir.path().join("odd.png");
        RgbaImage::new(33, 28).save(&odd).unwrap();
        assert!(Tiles::open(&odd, ImageSize::default()).is_none());
    }
}
