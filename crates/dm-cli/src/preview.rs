//! Images in the terminal: two pixels per character, one above the other, in 24-bit colours or in plain letters.

use std::fmt::Write;

use dm_nn::image::ImageShape;

/// Letters from dark to light, for files and for terminals without colours.
const LETTERS: &[u8; 10] = b" .:-=+*#%@";
/// The largest number of columns of one image. Wider images are shrunk.
const MAX_COLUMNS: usize = 64;

/// Lines that show the first images of `images` [n, C, H, W]: as many side by side as fit into `width` columns, at least one.
/// Without `colors` the lines are plain ASCII.
///
/// Images of three channels are shown as red, green and blue, all others as the mean of their channels.
pub fn lines(shape: ImageShape, images: &[u8], width: usize, colors: bool) -> Vec<String> {
    let images: Vec<Thumbnail> = images
        .chunks_exact(shape.len())
        .take((width / (Thumbnail::columns(shape) + 1)).max(1))
        .map(|image| Thumbnail::of(shape, image))
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
    /// The whole number by which both sides of an image are divided.
    fn factor(shape: ImageShape) -> usize {
        shape.width.div_ceil(MAX_COLUMNS)
    }

    /// The number of columns that an image takes.
    fn columns(shape: ImageShape) -> usize {
        shape.width.div_ceil(Self::factor(shape))
    }

    /// Shrinks `image` [C, H, W] by averaging squares of pixels.
    fn of(shape: ImageShape, image: &[u8]) -> Self {
        let factor = Self::factor(shape);
        let (height, width) = (shape.height.div_ceil(factor), Self::columns(shape));
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

/// The letter that is as light as two pixels together.
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
        let plain = lines(shape, &images, 120, false);
        assert_eq!(plain.len(), 14);
        assert!(plain.iter().all(|line| line.len() == 2 * 29 && line.is_ascii()));
        // Two white pixels give the lightest letter. One white pixel of two gives 255/511 of the ten letters: the fifth.
        assert!(plain[0].starts_with("@ ") && plain[0][29..].starts_with(" = "), "{}", plain[0]);
        assert!(plain[1].trim().is_empty());
        assert!(lines(shape, &images, 120, true)[0].starts_with("\x1b[38;2;255;255;255;48;2;255;255;255m▀"));
        assert_eq!(lines(shape, &images, 30, false)[0].len(), 29, "one image fits");
    }

    #[test]
    fn an_odd_height_ends_with_half_a_line_and_colours_are_kept() {
        let shape = ImageShape::new(3, 9, 11);
        let mut image = vec![0u8; shape.len()];
        // Red in the first channel, green in the second, blue in the third, at the last pixel of the first column.
        for (channel, value) in [10, 20, 30].into_iter().enumerate() {
            image[channel * shape.pixels() + 8 * 11] = value;
        }
        let colors = lines(shape, &image, 120, true);
        assert_eq!(colors.len(), 5);
        assert!(colors[4].starts_with("\x1b[38;2;10;20;30;48;2;0;0;0m▀"), "{:?}", colors[4]);
    }

    #[test]
    fn wide_images_are_shrunk_by_averaging() {
        let shape = ImageShape::new(1, 10, 127);
        let mut image = vec![0u8; shape.len()];
        image[0] = 200;
        image[9 * 127 + 126] = 100;
        let shown = Thumbnail::of(shape, &image);
        assert_eq!((shown.height, shown.width), (5, 64));
        // One of the four pixels of the first square is bright, and one of the two pixels of the last square, which is cut off.
        assert_eq!((shown.at(0, 0), shown.at(63, 4)), ([50; 3], [50; 3]));
        assert_eq!(lines(shape, &image, 40, false)[0].len(), 65, "one image is always shown");
    }
}
