//! Films: a grid of images over time, as GIF or APNG, three times enlarged. Some 17 frames a second; the first is held for half
//! a second and the last for two, so that beginning and end are seen.
//!
//! Both have few greys: noise does not compress, and more greys are hardly seen. 18 images over 40 frames stay below 1 MB.

use std::io;
use std::path::Path;

use dm_nn::params::file::write_atomic;
use image::GrayImage;

use crate::error::{Error, Result};
use crate::grid;

/// Greys of a film, evenly spaced from black to white.
const GREYS: usize = 16;
/// Time of a frame in hundredths of a second.
const FRAME: u16 = 6;
/// Time of the first frame.
const FIRST: u16 = 50;
/// Time of the last frame.
const LAST: u16 = 200;
/// Pixels of the film to a pixel of an image, in each direction.
const ZOOM: u32 = 3;

/// What a film is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// GIF.
    Gif,
    /// Animated PNG.
    Apng,
}

impl Format {
    /// The format that the ending of `path` names.
    ///
    /// # Errors
    /// An ending that is neither .gif nor .png.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        match ending.as_ref().and_then(|ending| ending.to_str()) {
            Some("gif") => Ok(Self::Gif),
            Some("png") => Ok(Self::Apng),
            _ => Err(Error::invalid("film", path.display(), "a file ending in .gif or .png")),
        }
    }
}

/// Writes `frames` (each [n, 784], u8) as a film of grids with `columns` columns, atomically, in the format that the ending
/// of `path` names. It is played over and over.
///
/// # Errors
/// An ending that is neither .gif nor .png, or if the disk says so.
pub fn write(path: &Path, frames: &[Vec<u8>], columns: usize) -> Result<()> {
    let frames: Vec<GrayImage> = frames.iter().map(|images| grid::page(images, columns, ZOOM)).collect();
    let film = match Format::of(path)? {
        Format::Gif => gif(&frames).map_err(io::Error::other),
        Format::Apng => apng(&frames).map_err(io::Error::other),
    };
    Ok(write_atomic(path, &film.map_err(|e| Error::io(path, e))?)?)
}

/// Red, green and blue of every grey.
fn palette() -> Vec<u8> {
    (0..GREYS).flat_map(|grey| [(grey * 255 / (GREYS - 1)) as u8; 3]).collect()
}

/// The nearest grey of every pixel.
fn indices(frame: &GrayImage) -> Vec<u8> {
    frame.as_raw().iter().map(|&value| ((usize::from(value) * (GREYS - 1) + 127) / 255) as u8).collect()
}

/// Width and height of the frames; nothing without any.
fn size(frames: &[GrayImage]) -> (u32, u32) {
    frames.first().map_or((0, 0), GrayImage::dimensions)
}

/// How long frame `i` of `count` is shown.
fn delay(i: usize, count: usize) -> u16 {
    match i {
        _ if i + 1 == count => LAST,
        0 => FIRST,
        _ => FRAME,
    }
}

fn gif(frames: &[GrayImage]) -> std::result::Result<Vec<u8>, gif::EncodingError> {
    let mut film = Vec::new();
    let (width, height) = (size(frames).0 as u16, size(frames).1 as u16);
    let mut encoder = gif::Encoder::new(&mut film, width, height, &palette())?;
    encoder.set_repeat(gif::Repeat::Infinite)?;
    for (i, frame) in frames.iter().enumerate() {
        let delay = delay(i, frames.len());
        let buffer = indices(frame).into();
        encoder.write_frame(&gif::Frame { width, height, delay, buffer, ..gif::Frame::default() })?;
    }
    drop(encoder);
    Ok(film)
}

fn apng(frames: &[GrayImage]) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut film = Vec::new();
    let (width, height) = size(frames);
    let mut encoder = png::Encoder::new(&mut film, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette());
    encoder.set_compression(png::Compression::High);
    // Enlarged rows repeat, which the compressor sees by itself.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_animated(frames.len() as u32, 0)?;
    let mut writer = encoder.write_header()?;
    for (i, frame) in frames.iter().enumerate() {
        writer.set_frame_delay(delay(i, frames.len()), 100)?;
        writer.write_image_data(&indices(frame))?;
    }
    writer.finish()?;
    Ok(film)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dm_nn::data::PIXELS;

    use super::*;

    /// Three frames of two images: all black, all grey, all white.
    fn written(name: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let frames: Vec<Vec<u8>> = [0, 132, 255].iter().map(|&v| vec![v; 2 * PIXELS]).collect();
        write(&path, &frames, 2).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_gif_decodes_to_its_frames() {
        let film = written("film.GIF");
        let mut decoder = gif::DecodeOptions::new().read_info(&film[..]).unwrap();
        let (mut delays, mut corners) = (Vec::new(), Vec::new());
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!((frame.width, frame.height), (186, 96));
            delays.push(frame.delay);
            corners.push(frame.buffer[6 * 186 + 6]);
        }
        assert_eq!((delays, corners), (vec![50, 6, 200], vec![0, 8, 15]));
    }

    #[test]
    fn an_apng_decodes_to_its_frames() {
        let film = written("film.png");
        let mut decoder = png::Decoder::new(io::Cursor::new(&film[..])).read_info().unwrap();
        assert_eq!(decoder.info().animation_control().unwrap().num_frames, 3);
        let mut corners = Vec::new();
        for i in 0..3 {
            let mut buffer = vec![0; decoder.output_buffer_size().unwrap()];
            let info = decoder.next_frame(&mut buffer).unwrap();
            assert_eq!((info.width, info.height), (186, 96));
            let delay = decoder.info().frame_control().unwrap().delay_num;
            assert_eq!(delay, [50, 6, 200][i]);
            corners.push(buffer[6 * 186 + 6]);
        }
        assert_eq!(corners, [0, 8, 15]);
    }

    #[test]
    fn other_endings_are_refused() {
        let message = Format::of(Path::new("film.mp4")).unwrap_err().to_string();
        assert!(message.contains("film.mp4") && message.contains(".gif or .png"), "{message}");
    }
}
