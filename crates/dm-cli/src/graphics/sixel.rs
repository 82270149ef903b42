//! Sixel: a picture as characters that each stand for six pixels above one another (DEC VT330/VT340 programmer reference
//! manual, chapter 14).

use std::fmt::Write;

use super::raster::Raster;

/// Number of greys of a grey picture.
const GREYS: usize = 64;
/// Number of values of red, of green and of blue in a coloured picture.
const SHADES: usize = 6;
/// Rows of pixels that a character covers.
const ROWS: usize = 6;

/// The escape sequence that shows `picture` at the cursor.
pub fn encode(picture: &Raster) -> String {
    let palette = Palette { grey: picture.is_grey() };
    let colors: Vec<usize> = picture.pixels.iter().map(|&pixel| palette.nearest(pixel)).collect();
    let mut text = format!("\x1bP0;1q\"1;1;{};{}", picture.width, picture.height());
    let mut used = colors.clone();
    used.sort_unstable();
    used.dedup();
    for &color in &used {
        let [red, green, blue] = palette.percent(color);
        let _ = write!(text, "#{color};2;{red};{green};{blue}");
    }
    for band in colors.chunks(ROWS * picture.width.max(1)) {
        let mut in_band = band.to_vec();
        in_band.sort_unstable();
        in_band.dedup();
        for color in in_band {
            let _ = write!(text, "#{color}");
            let bits = |x: usize| -> u8 {
                let rows = band.chunks(picture.width).enumerate();
                rows.map(|(row, pixels)| u8::from(pixels[x] == color) << row).sum()
            };
            run_lengths(&mut text, (0..picture.width).map(bits));
            text.push('$');
        }
        text.push('-');
    }
    text.push_str("\x1b\\");
    text
}

/// Writes the characters of `bits`, equal ones as a count.
fn run_lengths(text: &mut String, bits: impl Iterator<Item = u8>) {
    let mut bits = bits.peekable();
    while let Some(value) = bits.next() {
        let mut count = 1;
        while bits.next_if_eq(&value).is_some() {
            count += 1;
        }
        let character = char::from(b'?' + value);
        match count {
            1..=3 => (0..count).for_each(|_| text.push(character)),
            _ => {
                let _ = write!(text, "!{count}{character}");
            }
        }
    }
}

/// The colours of a picture: greys, or a cube of red, green and blue.
struct Palette {
    grey: bool,
}

impl Palette {
    /// The number of the colour nearest to `pixel`.
    fn nearest(&self, [red, green, blue]: [u8; 3]) -> usize {
        let step = |value: u8, count: usize| (usize::from(value) * (count - 1) + 127) / 255;
        if self.grey {
            return step(red, GREYS);
        }
        [red, green, blue].into_iter().fold(0, |number, value| number * SHADES + step(value, SHADES))
    }

    /// Red, green and blue of a colour in percent.
    fn percent(&self, color: usize) -> [usize; 3] {
        let percent = |step: usize, count: usize| (step * 100 + (count - 1) / 2) / (count - 1);
        if self.grey {
            return [percent(color, GREYS); 3];
        }
        [color / (SHADES * SHADES), color / SHADES % SHADES, color % SHADES].map(|step| percent(step, SHADES))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// Reads what [`encode`] writes: the colour of every pixel in percent.
    fn decode(text: &str, width: usize, height: usize) -> Vec<Option<[usize; 3]>> {
        let body = text.strip_prefix("\x1bP0;1q").unwrap().strip_suffix("\x1b\\").unwrap();
        let mut pixels = vec![None; width * height];
        let mut palette = std::collections::BTreeMap::new();
        let (mut x, mut band, mut color, mut repeat) = (0, 0, [0; 3], 1);
        let mut rest = body;
        while let Some(first) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(rest.len());
            match first {
                '"' | '#' | '!' => {
                    let numbers: Vec<usize> = rest[..end].split(';').map(|n| n.parse().unwrap()).collect();
                    rest = &rest[end..];
                    match (first, &numbers[..]) {
                        ('"', &[1, 1, w, h]) => assert_eq!((w, h), (width, height)),
                        ('#', &[number, 2, red, green, blue]) => {
                            palette.insert(number, [red, green, blue]);
                        }
                        ('#', &[number]) => color = palette[&number],
                        ('!', &[count]) => repeat = count,
                        _ => panic!("{first}{numbers:?}"),
                    }
                }
                '$' => x = 0,
                '-' => (x, band) = (0, band + 1),
                character => {
                    let bits = character as u8 - b'?';
                    for _ in 0..std::mem::replace(&mut repeat, 1) {
                        for row in (0..ROWS).filter(|row| bits >> row & 1 == 1) {
                            pixels[(band * ROWS + row) * width + x] = Some(color);
                        }
                        x += 1;
                    }
                }
            }
        }
        pixels
    }

    #[test]
    fn a_decoder_finds_every_pixel_in_its_colour() {
        let (width, height) = (23, 15);
        for grey in [true, false] {
            let mut picture = Raster::new(width, height, [24; 3]);
            for (i, pixel) in picture.pixels.iter_mut().enumerate() {
                let value = (i * i * 7 % 256) as u8;
                if i % 5 < 3 {
                    *pixel = if grey { [value; 3] } else { [value, 255 - value, value / 2] };
                }
            }
            let decoded = decode(&encode(&picture), width, height);
            // A colour differs by at most half a step of the palette, and by the rounding to percent.
            let tolerance = if grey { 0.5 / 63.0 } else { 0.5 / 5.0 } + 0.006;
            for (found, expected) in decoded.iter().zip(&picture.pixels) {
                for (percent, value) in found.unwrap().iter().zip(expected) {
                    let error = (*percent as f64 / 100.0 - f64::from(*value) / 255.0).abs();
                    assert!(error < tolerance, "{found:?} {expected:?}");
                }
            }
        }
    }

    #[test]
    fn equal_characters_are_counted() {
        let text = encode(&Raster::new(100, 6, [255; 3]));
        assert!(text.contains("#63;2;100;100;100") && text.ends_with("#63!100~$-\x1b\\"), "{text:?}");
    }
}
