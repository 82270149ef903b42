//! Images in the terminal: two pixels per character, upper half and lower half, in 24-bit greys, or in plain letters.

use std::fmt::Write;

use dm_nn::data::{PIXELS, SIDE};

/// From paper to ink, for terminals and files without colours.
const RAMP: &[u8; 10] = b" .:-=+*#%@";

/// Lines that show the first images of `images` ([n, 784]), as many side by side as fit `width` columns, one row;
/// without `colours` in plain ASCII.
pub fn lines(images: &[u8], width: usize, colours: bool) -> Vec<String> {
    let count = (images.len() / PIXELS).min((width / (SIDE + 1)).max(1));
    (0..SIDE / 2)
        .map(|row| {
            let mut line = String::new();
            for image in images.chunks_exact(PIXELS).take(count) {
                for column in 0..SIDE {
                    let upper = image[2 * row * SIDE + column];
                    let lower = image[(2 * row + 1) * SIDE + column];
                    if colours {
                        let (u, l) = (upper, lower);
                        let _ = write!(line, "\x1b[38;2;{u};{u};{u};48;2;{l};{l};{l}m▀");
                    } else {
                        line.push(letter(upper, lower));
                    }
                }
                line.push_str(if colours { "\x1b[0m " } else { " " });
            }
            line
        })
        .collect()
}

/// The letter as dark as two pixels together.
fn letter(upper: u8, lower: u8) -> char {
    let both = usize::from(upper) + usize::from(lower);
    char::from(RAMP[(both * RAMP.len() / 511).min(RAMP.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_fourteen_lines_in_greys_or_in_letters() {
        let mut images = vec![0u8; 2 * PIXELS];
        images[0] = 255;
        images[SIDE] = 255;
        images[PIXELS + 1] = 255;
        let plain = lines(&images, 120, false);
        assert_eq!(plain.len(), SIDE / 2);
        assert!(plain.iter().all(|line| line.len() == 2 * (SIDE + 1) && line.is_ascii()));
        // Two full pixels are the darkest letter; one of two, half the ramp: 255 of 511 parts of ten letters is the fifth.
        assert!(plain[0].starts_with("@ ") && plain[0][SIDE + 1..].starts_with(" = "), "{}", plain[0]);
        assert!(plain[1].trim().is_empty());
        assert!(lines(&images, 120, true)[0].starts_with("\x1b[38;2;255;255;255;48;2;255;255;255m▀"));
        assert_eq!(lines(&images, 30, false)[0].len(), SIDE + 1, "one image fits");
    }
}
