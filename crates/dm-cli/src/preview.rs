//! Images in the terminal: two pixels per character, upper half and lower half, in 24-bit greys.

use std::fmt::Write;

use dm_nn::data::{PIXELS, SIDE};

/// Lines that show the first images of `images` ([n, 784]), as many side by side as fit `width` columns, one row.
pub fn lines(images: &[u8], width: usize) -> Vec<String> {
    let count = (images.len() / PIXELS).min((width / (SIDE + 1)).max(1));
    (0..SIDE / 2)
        .map(|row| {
            let mut line = String::new();
            for image in images.chunks_exact(PIXELS).take(count) {
                for column in 0..SIDE {
                    let upper = image[2 * row * SIDE + column];
                    let lower = image[(2 * row + 1) * SIDE + column];
                    let _ = write!(line, "\x1b[38;2;{upper};{upper};{upper};48;2;{lower};{lower};{lower}m▀");
                }
                line.push_str("\x1b[0m ");
            }
            line
        })
        .collect()
}
