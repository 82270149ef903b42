//! Grids and strips as `dm` writes them, taken apart into their 28x28 images and put together again with fewer
//! rows and columns. Where they go on a page is for the figures to say.

use image::{RgbaImage, imageops};
use std::path::Path;

const SIDE: u32 = 28;
const GAP: u32 = 2;
const PITCH: u32 = SIDE + GAP;

/// Largest zoom that a sheet is looked for.
const MOST_ZOOM: u32 = 4;

/// A sheet of images in rows and columns, a margin as wide as the gaps around it.
pub struct Tiles {
    sheet: RgbaImage,
    /// Pixels of the sheet to a pixel of an image.
    zoom: u32,
    pub rows: usize,
    pub columns: usize,
}

impl Tiles {
    /// Opens a sheet; `None` if it is not there (yet), or no sheet of images of this size.
    pub fn open(path: &Path) -> Option<Self> {
        let sheet = image::open(path).ok()?.to_rgba8();
        let count = |length: u32, zoom: u32| {
            let fits = length.is_multiple_of(zoom) && length / zoom > GAP;
            (fits && (length / zoom - GAP).is_multiple_of(PITCH))
                .then(|| ((length / zoom - GAP) / PITCH) as usize)
        };
        let (width, height) = sheet.dimensions();
        let (zoom, columns, rows) =
            (1..=MOST_ZOOM).find_map(|zoom| Some((zoom, count(width, zoom)?, count(height, zoom)?)))?;
        Some(Self { sheet, zoom, rows, columns })
    }

    /// The image in this row and column, unzoomed.
    fn tile(&self, row: usize, column: usize) -> RgbaImage {
        let corner = |index: usize| GAP + index as u32 * PITCH;
        let pixel = |x: u32, y: u32| {
            *self.sheet.get_pixel((corner(column) + x) * self.zoom, (corner(row) + y) * self.zoom)
        };
        RgbaImage::from_fn(SIDE, SIDE, pixel)
    }

    /// A new sheet of the chosen images, each given by row and column, laid out in `columns` columns with the same
    /// gaps and no margin.
    pub fn arrange(&self, chosen: &[(usize, usize)], columns: usize) -> RgbaImage {
        let extent = |count: usize| (count as u32 * PITCH).saturating_sub(GAP).max(1);
        let paper = *self.sheet.get_pixel(0, 0);
        let mut sheet = RgbaImage::from_pixel(extent(columns), extent(chosen.len().div_ceil(columns)), paper);
        for (index, &(row, column)) in chosen.iter().enumerate() {
            let place = |index: usize| i64::from(index as u32 * PITCH);
            let (x, y) = (place(index % columns), place(index / columns));
            imageops::replace(&mut sheet, &self.tile(row, column), x, y);
        }
        sheet
    }

    /// The first images in reading order.
    pub fn first(&self, count: usize) -> Vec<(usize, usize)> {
        let all = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        all.take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgba;

    /// A sheet whose image in row r, column c is all of shade 10 r + c.
    fn sheet(rows: u32, columns: u32, zoom: u32) -> RgbaImage {
        let extent = |count: u32| (count * PITCH + GAP) * zoom;
        RgbaImage::from_fn(extent(columns), extent(rows), |x, y| {
            let (x, y) = (x / zoom, y / zoom);
            let in_gap = x % PITCH < GAP || y % PITCH < GAP;
            let shade = if in_gap { 200 } else { (10 * (y / PITCH) + x / PITCH) as u8 };
            Rgba([shade, shade, shade, 255])
        })
    }

    #[test]
    fn images_are_found_and_laid_out_anew_at_any_zoom() {
        let dir = tempfile::tempdir().unwrap();
        for zoom in 1..=3 {
            let path = dir.path().join(format!("{zoom}.png"));
            sheet(3, 5, zoom).save(&path).unwrap();
            let tiles = Tiles::open(&path).unwrap();
            assert_eq!((tiles.rows, tiles.columns, tiles.zoom), (3, 5, zoom));
            let picked = tiles.arrange(&[(2, 1), (2, 4), (0, 1), (0, 4)], 2);
            assert_eq!(picked.dimensions(), (58, 58));
            let shades =
                [(0, 0), (30, 0), (0, 30), (57, 57), (28, 0)].map(|(x, y)| picked.get_pixel(x, y).0[0]);
            assert_eq!(shades, [21, 24, 1, 4, 200]);
            assert_eq!(tiles.first(7)[5..], [(1, 0), (1, 1)]);
        }
    }

    #[test]
    fn other_files_are_no_sheets() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Tiles::open(&dir.path().join("absent.png")).is_none());
        let odd = dir.path().join("odd.png");
        RgbaImage::new(33, 28).save(&odd).unwrap();
        assert!(Tiles::open(&odd).is_none());
    }
}
