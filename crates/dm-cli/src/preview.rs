//! Images in the terminal: as a picture where the terminal can show pictures, and otherwise two pixels per character, one above
//! the other, in 24-bit colours or in plain letters.

use std::fmt::Write;

use dm_nn::image::ImageShape;

use crate::graphics::raster::Raster;
use crate::graphics::{Pictures, kitty, sixel};

/// Letters from dark to light, for files and for terminals without colours.
const LETTERS: &[u8; 10] = b" .:-=+*#%@";
/// The largest number of columns of one image. Wider images are shrunk.
const MAX_COLUMNS: usize = 64;

/// Approximate width and height of a character in pixels; terminals do not report them.
const CELL: (usize, usize) = (8, 16);
/// The grey between the images of a picture, and its width in pixels.
const GAP: ([u8; 3], usize) = ([96; 3], 4);
/// Largest number of rows of images in a picture.
const ROWS: usize = 3;
/// The longer side of an image in a picture is enlarged to at most so many pixels.
const LONGER_SIDE: usize = 112;

/// Lines that show the first images of `images` [n, C, H, W]: as many side by side as fit into `width` columns, at least one.
/// Lines of [`Pictures::Letters`] are plain ASCII.
///
/// Images of three channels are shown as red, green and blue, all others as the mean of their channels.
pub fn lines(shape: ImageShape, images: &[u8], width: usize, pictures: Pictures) -> Vec<String> {
    match pictures {
        Pictures::Kitty => vec![kitty::encode(&picture(shape, images, width))],
        Pictures::Sixel => vec![sixel::encode(&picture(shape, images, width))],
        Pictures::Blocks => characters(shape, images, width, true),
        Pictures::Letters => characters(shape, images, width, false),
    }
}

/// A few rows of images, enlarged, as one picture.
fn picture(shape: ImageShape, images: &[u8], width: usize) -> Raster {
    let zoom = (LONGER_SIDE / shape.width.max(shape.height)).max(1);
    let cell = (zoom * shape.width + GAP.1, zoom * shape.height + GAP.1);
    let count = images.len() / shape.len();
    let columns = (width * CELL.0 / cell.0).clamp(1, count.max(1));
    let rows = count.div_ceil(columns).min(ROWS);
    let mut picture = Raster::new(columns * cell.0 + GAP.1, rows * cell.1 + GAP.1, GAP.0);
    for (i, image) in images.chunks_exact(shape.len()).take(columns * rows).enumerate() {
        let image = Thumbnail::of(shape, image, 1);
        let (left, top) = (i % columns * cell.0 + GAP.1, i / columns * cell.1 + GAP.1);
        for y in 0..zoom * image.height {
            let start = (top + y) * picture.width + left;
            for (x, pixel) in picture.pixels[start..][..zoom * image.width].iter_mut().enumerate() {
                *pixel = image.at(x / zoom, y / zoom);
            }
        }
    }
    picture
}

/// Two pixels per character, one above the other.
fn characters(shape: ImageShape, images: &[u8], width: usize, colors: bool) -> Vec<String> {
    let factor = shape.width.div_ceil(MAX_COLUMNS.min(width.saturating_sub(1).max(1)));
    let images: Vec<Thumbnail> = images
        .chunks_exact(shape.len())
        .take((width / (shape.width.div_ceil(factor) + 1)).max(1))
        .map(|image| Thumbnail::of(shape, image, factor))
        .collect();
    let rows = images.first().map_or(0, |image| image.height);
    (0..rows)
        .step_by(2)
        .map(|y| {
            let mut line = String::new();
            for image in &images {
                for x in 0..image.width {
                    let (upper, lower) = (image.at(x, y), image.at(x, y + 1));
                    if colors {
                        let ([r, g, b], [s, h, c]) = (upper, lower);
                        let _ = write!(line, "\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m▀");
                    } else {
                        line.push(letter(upper, lower));
                    }
                }
                line.push_str(if colors { "\x1b[0m " } else { " " });
            }
            line
        })
        .collect()
}

/// An image as it is shown: red, green and blue of each pixel, row by row.
struct Thumbnail {
    height: usize,
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Thumbnail {
    /// Shrinks `image` [C, H, W] by averaging squares of `factor` pixels on a side.
    fn of(shape: ImageShape, image: &[u8], factor: usize) -> Self {
        let (height, width) = (shape.height.div_ceil(factor), shape.width.div_ceil(factor));
        let mean = |channel: usize, x: usize, y: usize| {
            let plane = &image[channel * shape.pixels()..][..shape.pixels()];
            let rows = (y * factor..((y + 1) * factor).min(shape.height)).map(|row| row * shape.width);
            let columns = x * factor..((x + 1) * factor).min(shape.width);
            let square: Vec<usize> = rows
                .flat_map(|row| plane[row + columns.start..row + columns.end].iter())
                .map(|&p| p.into())
                .collect();
            (square.iter().sum::<usize>() + square.len() / 2) / square.len()
        };
        let color = |x: usize, y: usize| -> [u8; 3] {
            let channels: Vec<usize> = (0..shape.channels).map(|channel| mean(channel, x, y)).collect();
            match channels[..] {
                [red, green, blue] => [red as u8, green as u8, blue as u8],
                _ => [(channels.iter().sum::<usize>() / channels.len()) as u8; 3],
            }
        };
        let pixels =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| color(x, y)).collect();
        Self { height, width, pixels }
    }

    /// The pixel at column `x` and row `y`; black below the image.
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        if y < self.height { self.pixels[y * self.width + x] } else { [0; 3] }
    }
}

/// The letter whose lightness is the mean lightness of two pixels.
fn letter(upper: [u8; 3], lower: [u8; 3]) -> char {
    let both: usize = upper.iter().chain(&lower).map(|&channel| usize::from(channel)).sum::<usize>() / 3;
    char::from(LETTERS[(both * LETTERS.len() / 511).min(LETTERS.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_image_is_shown_in_greys_or_in_letters() {
        let shape = ImageShape::new(1, 28, 28);
        let mut images = vec![0u8; 2 * shape.len()];
        images[0] = 255;
        images[28] = 255;
        images[shape.len() + 1] = 255;
        let plain = characters(shape, &images, 120, false);
        assert_eq!(plain.len(), 14);
        assert!(plain.iter().all(|line| line.len() == 2 * 29 && line.is_ascii()));
        // Two white pixels give the lightest letter. One white pixel of two gives 255/511 of the ten letters: the fifth.
        assert!(plain[0].starts_with("@ ") && plain[0][29..].starts_with(" = "), "{}", plain[0]);
        assert!(plain[1].trim().is_empty());
        assert!(
            characters(shape, &images, 120, true)[0].starts_with("\x1b[38;2;255;255;255;48;2;255;255;255m▀")
        );
        assert_eq!(characters(shape, &images, 30, false)[0].len(), 29, "one image fits");
    }

    #[test]
    fn an_odd_height_ends_with_half_a_line_and_colours_are_kept() {
        let shape = ImageShape::new(3, 9, 11);
        let mut image = vec![0u8; shape.len()];
        // Red in the first channel, green in the second, blue in the third, at the last pixel of the first column.
        for (channel, value) in [10, 20, 30].into_iter().enumerate() {
            image[channel * shape.pixels() + 8 * 11] = value;
        }
        let colors = characters(shape, &image, 120, true);
        assert_eq!(colors.len(), 5);
        assert!(colors[4].starts_with("\x1b[38;2;10;20;30;48;2;0;0;0m▀"), "{:?}", colors[4]);
    }

    #[test]
    fn wide_images_are_shrunk_by_averaging() {
        let shape = ImageShape::new(1, 10, 127);
        let mut image = vec![0u8; shape.len()];
        image[0] = 200;
        image[9 * 127 + 126] = 100;
        let shown = Thumbnail::of(shape, &image, 2);
        assert_eq!((shown.height, shown.width), (5, 64));
        // One of the four pixels of the first square is bright, and one of the two pixels of the last square, which is cut off.
        assert_eq!((shown.at(0, 0), shown.at(63, 4)), ([50; 3], [50; 3]));
        assert_eq!(characters(shape, &image, 80, false)[0].len(), 65);
        for width in [1, 2, 20, 40, 64] {
            let line = &characters(shape, &image, width, false)[0];
            assert!(line.len() <= width.max(2), "{width}: {}", line.len());
        }
    }

    #[test]
    fn a_picture_shows_rows_of_enlarged_images() {
        let shape = ImageShape::new(1, 28, 28);
        let images: Vec<u8> = (0..20).flat_map(|i| vec![10 * i; shape.len()]).collect();
        let shown = picture(shape, &images, 80);
        // 80 columns are about 640 pixels, enough for five images of 4 x 28 pixels; three rows of them are shown.
        assert_eq!((shown.width, shown.height()), (5 * 116 + 4, 3 * 116 + 4));
        let at = |x: usize, y: usize| shown.pixels[y * shown.width + x];
        assert_eq!((at(0, 0), at(4, 4), at(115, 115), at(120, 4)), (GAP.0, [0; 3], [0; 3], [10; 3]));
        assert_eq!((at(4, 120), at(4 * 116 + 4, 2 * 116 + 4)), ([50; 3], [140; 3]));
        for (pictures, start) in [(Pictures::Kitty, "\x1b_Ga=T"), (Pictures::Sixel, "\x1bP")] {
            assert!(lines(shape, &images, 80, pictures)[0].starts_with(start));
        }
        assert!(lines(shape, &images, 80, Pictures::Letters)[0].is_ascii());
    }
}
