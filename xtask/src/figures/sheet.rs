//! Pages of pictures: bands one below the other, each with a title, a line of text, and blocks of pictures side by side.

use super::canvas::Canvas;
use super::style::{LABEL_SIZE, QUIET, TEXT, TITLE_SIZE};
use super::tiles::Tiles;
use image::RgbaImage;

const MARGIN: u32 = 14;
/// Height of a title, and of a line of text or captions.
const TITLE: u32 = 30;
const LINE: u32 = 18;
const BELOW: u32 = 10;
/// Mean width of a letter of the label size, in units.
const LETTER: u32 = 7;

/// A picture below a caption.
pub struct Block {
    pub caption: String,
    pub picture: RgbaImage,
    /// Space to the left of the block.
    pub gap: u32,
}

/// A title and its blocks.
#[derive(Default)]
pub struct Band {
    pub title: String,
    /// A line below the title; an empty line takes no space.
    pub text: String,
    pub blocks: Vec<Block>,
}

impl Block {
    /// The chosen images of a grid, each given by row and column, in `columns` columns.
    pub fn new(
        caption: impl Into<String>,
        gap: u32,
        tiles: &Tiles,
        chosen: &[(usize, usize)],
        columns: usize,
    ) -> Self {
        Self { caption: caption.into(), gap, picture: tiles.arrange(chosen, columns) }
    }

    /// The first `rows` rows of these columns of a grid.
    pub fn columns(
        caption: impl Into<String>,
        gap: u32,
        tiles: &Tiles,
        rows: usize,
        columns: &[usize],
    ) -> Self {
        let row = |row: usize| columns.iter().map(move |&column| (row, column));
        let chosen: Vec<_> = (0..tiles.rows.min(rows)).flat_map(row).collect();
        Self::new(caption, gap, tiles, &chosen, columns.len())
    }
}

impl Band {
    fn text_height(&self) -> u32 {
        TITLE + if self.text.is_empty() { 0 } else { LINE }
    }

    fn height(&self) -> u32 {
        let pictures = self.blocks.iter().map(|block| block.picture.height()).max().unwrap_or(0);
        self.text_height() + LINE + pictures + BELOW
    }

    fn width(&self) -> u32 {
        let pictures = self.blocks.iter().map(|block| block.gap + block.picture.width()).sum();
        let letters = self.text.chars().count().max(self.title.chars().count()) as u32;
        u32::max(pictures, letters * LETTER)
    }

    fn draw(self, page: &mut Canvas, top: u32) {
        page.text(MARGIN, top + 21, &self.title, TITLE_SIZE, TEXT);
        if !self.text.is_empty() {
            page.text(MARGIN, top + TITLE + 9, &self.text, LABEL_SIZE, QUIET);
        }
        let (mut left, pictures) = (MARGIN, top + self.text_height() + LINE);
        for block in self.blocks {
            left += block.gap;
            page.text(left, pictures - 7, &block.caption, LABEL_SIZE, QUIET);
            let width = block.picture.width();
            page.picture(left, pictures, block.picture);
            left += width;
        }
    }
}

/// A page of bands; `None` without any.
pub fn page(bands: Vec<Band>) -> Option<Canvas> {
    let width = bands.iter().map(Band::width).max()?;
    let mut page = Canvas::new(width + 2 * MARGIN, bands.iter().map(Band::height).sum());
    let mut top = 0;
    for band in bands {
        let height = band.height();
        band.draw(&mut page, top);
        top += height;
    }
    Some(page)
}
