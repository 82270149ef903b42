//! The kitty graphics protocol: a picture as base64 in escape sequences
//! (<https://sw.kovidgoyal.net/kitty/graphics-protocol/>).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::raster::Raster;

/// The most characters of base64 in one escape sequence.
const CHUNK: usize = 4096;

/// The escape sequences that show `picture` at the cursor. The terminal sends no answer.
pub fn encode(picture: &Raster) -> String {
    let bytes: Vec<u8> = picture.pixels.iter().flatten().copied().collect();
    let text = STANDARD.encode(bytes);
    let mut sequences = String::with_capacity(text.len() + text.len() / CHUNK * 16 + 64);
    let (width, height) = (picture.width, picture.height());
    let mut keys = format!("a=T,f=24,s={width},v={height},q=2,");
    let mut rest = text.as_str();
    while !rest.is_empty() || !keys.is_empty() {
        let (chunk, more) = rest.split_at(rest.len().min(CHUNK));
        let _ = write!(sequences, "\x1b_G{keys}m={};{chunk}\x1b\\", u8::from(!more.is_empty()));
        keys.clear();
        rest = more;
    }
    sequences
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_chunks_together_are_the_pixels() {
        let mut picture = Raster::new(70, 50, [1, 2, 3]);
        picture.pixels[70 * 49 + 69] = [200, 100, 50];
        let sequences = encode(&picture);
        let (mut text, mut flags) = (String::new(), Vec::new());
        for sequence in sequences.split_terminator("\x1b\\") {
            let (keys, data) = sequence.strip_prefix("\x1b_G").unwrap().split_once(';').unwrap();
            assert!(data.len() <= CHUNK);
            flags.push(keys.ends_with("m=1"));
            text.push_str(data);
        }
        assert!(sequences.starts_with("\x1b_Ga=T,f=24,s=70,v=50,q=2,m=1;"));
        assert!(
            flags.len() > 2 && flags.iter().rev().skip(1).all(|&more| more) && flags.last() == Some(&false)
        );
        let expected: Vec<u8> = picture.pixels.iter().flatten().copied().collect();
        assert_eq!(STANDARD.decode(text).unwrap(), expected);
    }
}
