//! Grids and strips as `dm` writes them, taken apart into their 28x28 images and put together again with fewer
//! rows and columns. Where they go on a page is for the figures to say.

use image::{GenericImage, GenericImageView, Rgba, RgbaImage};
use std::path::Path;

const SIDE: u32 = 28;
const GAP: u32 = 2;
const PITCH: u32 = SIDE + GAP;

/// A sheet of images in rows and columns.
pub struct Tiles {
    sheet: RgbaImage,
    /// Width of the margin around the images.
    border: u32,
    pub rows: usize,
    pub columns: usize,
}

impl Tiles {
    /// Opens a sheet; `None` if it is not there (yet), or no sheet of images of this size.
    pub fn open(path: &Path) -> Option<Self> {
        let sheet = image::open(path).ok()?.to_rgba8();
        let (width, height) = sheet.dimensions();
        let border = [0, GAP].into_iter().find(|border| {
            let fits =
                |length: u32| length + GAP > 2 * border && (length + GAP - 2 * border).is_multiple_of(PITCH);
            fits(width) && fits(height)
        })?;
        let count = |length: u32| ((length + GAP - 2 * border) / PITCH) as usize;
        Some(Self { border, rows: count(height), columns: count(width), sheet })
    }

    /// A sheet of the given rows and columns only, with the same gaps and no margin.
    pub fn pick(&self, rows: &[usize], columns: &[usize]) -> RgbaImage {
        let length = |count: usize| (count as u32 * PITCH).saturating_sub(GAP).max(1);
        let mut picked = RgbaImage::from_pixel(length(columns.len()), length(rows.len()), self.paper());
        for (y, &row) in rows.iter().enumerate() {
            for (x, &column) in columns.iter().enumerate() {
                let corner = |index: usize| self.border + index as u32 * PITCH;
                let tile = self.sheet.view(corner(column), corner(row), SIDE, SIDE);
                let placed = picked.copy_from(&*tile, x as u32 * PITCH, y as u32 * PITCH);
                debug_assert!(placed.is_ok(), "the picked sheet was sized for its tiles");
            }
        }
        picked
    }

    /// The colour between the images.
    fn paper(&self) -> Rgba<u8> {
        let (x, y) = (self.border + SIDE, self.border);
        if x < self.sheet.width() { *self.sheet.get_pixel(x, y) } else { Rgba([0, 0, 0, 255]) }
    }
}

/// At most `most` of `count` places, evenly spread, first and last among them.
pub fn spread(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let place =
        |index: usize| (index as f64 * (count - 1) as f64 / (most - 1).max(1) as f64).round() as usize;
    (0..most).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet whose image in row r, column c is all of shade 10 r + c.
    fn sheet(rows: u32, columns: u32, border: u32) -> RgbaImage {
        let length = |count: u32| count * PITCH - GAP + 2 * border;
        let mut sheet = RgbaImage::from_pixel(length(columns), length(rows), Rgba([200, 200, 200, 255]));
        for row in 0..rows {
            for column in 0..columns {
                let shade = (10 * row + column) as u8;
                let tile = RgbaImage::from_pixel(SIDE, SIDE, Rgba([shade, shade, shade, 255]));
                sheet.copy_from(&tile, border + column * PITCH, border + row * PITCH).unwrap();
            }
        }
        sheet
    }

    #[test]
    fn picking_finds_the_right_images_with_and_without_a_margin() {
        let dir = tempfile::tempdir().unwrap();
        for border in [0, GAP] {
            let path = dir.path().join(format!("{border}.png"));
            sheet(3, 5, border).save(&path).unwrap();
            let tiles = Tiles::open(&path).unwrap();
            assert_eq!((tiles.rows, tiles.columns), (3, 5));
            let picked = tiles.pick(&[2, 0], &[1, 4]);
            assert_eq!(picked.dimensions(), (58, 58));
            let shades =
                [(0, 0), (30, 0), (0, 30), (57, 57), (28, 0)].map(|(x, y)| picked.get_pixel(x, y).0[0]);
            assert_eq!(shades, [21, 24, 1, 4, 200]);
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

    #[test]
    fn spreading_keeps_both_ends() {
        assert_eq!(spread(0, 4), Vec::<usize>::new());
        assert_eq!(spread(3, 4), [0, 1, 2]);
        assert_eq!(spread(100, 4), [0, 33, 66, 99]);
        assert_eq!(spread(5, 1), [0]);
    }
}
