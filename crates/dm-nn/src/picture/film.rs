//! Films: a grid of images over time, as an animated GIF or PNG, enlarged three times.
//!
//! A film plays about 17 frames per second and repeats forever. The first frame stays for half a second and the last for
//! two seconds, so that the beginning and the end can be seen. Both formats use a small palette, because noise does not
//! compress and finer steps are hardly visible: 18 grey images over 40 frames take less than 1 MB.

use std::io;
use std::path::Path;

use image::DynamicImage;

use super::grid;
use crate::error::{Error, Result};
use crate::image::ImageShape;
use crate::params::file::write_atomic;

/// Levels of a grey film, evenly spaced from black to white.
const GREY_LEVELS: &[usize] = &[16];
/// Levels of red, green and blue of a colour film: 252 colours. The eye distinguishes more levels of green.
const COLOR_LEVELS: &[usize] = &[6, 7, 6];
/// Duration of a frame in hundredths of a second.
const FRAME: u16 = 6;
/// Duration of the first frame in hundredths of a second.
const FIRST: u16 = 50;
/// Duration of the last frame in hundredths of a second.
const LAST: u16 = 200;
/// Enlargement of the images in each direction.
const ZOOM: u32 = 3;

/// The file format of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Animated GIF.
    Gif,
    /// Animated PNG.
    Apng,
}

impl Format {
    /// The format that belongs to the extension of `path`.
    ///
    /// # Errors
    /// If the extension is neither `.gif` nor `.png`.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("gif") => Ok(Self::Gif),
            Some("png") => Ok(Self::Apng),
            _ => Err(Error::invalid("film", path.display(), "a file ending in .gif or .png")),
        }
    }
}

/// Writes `frames` as a film to `path`, atomically, in the format that belongs to its extension. Each frame consists of
/// images [n, C, H, W] of shape `shape`, shown as a grid with `columns` columns.
///
/// # Errors
/// If the extension is neither `.gif` nor `.png`, there are no frames, the images have neither 1 nor 3 channels, or writing
/// fails.
pub fn write(path: &Path, shape: ImageShape, frames: &[Vec<u8>], columns: usize) -> Result<()> {
    write_atomic(path, &encode(Format::of(path)?, shape, frames, columns)?)
}

/// The content of the file that [`write()`] writes.
///
/// # Errors
/// If there are no frames, or the images have neither 1 nor 3 channels.
pub fn encode(format: Format, shape: ImageShape, frames: &[Vec<u8>], columns: usize) -> Result<Vec<u8>> {
    let pages = frames.iter().map(|images| grid::draw(shape, images, columns, ZOOM));
    let pages: Vec<DynamicImage> = pages.collect::<Result<_>>()?;
    let Some(first) = pages.first() else {
        return Err(Error::invalid("frames of a film", 0, "at least one"));
    };
    let levels = if shape.channels == 1 { GREY_LEVELS } else { COLOR_LEVELS };
    let film = Film {
        width: first.width(),
        height: first.height(),
        palette: palette(levels),
        frames: pages.iter().map(|page| indices(page.as_bytes(), levels)).collect(),
    };
    let bytes = match format {
        Format::Gif => film.gif().map_err(io::Error::other),
        Format::Apng => film.apng().map_err(io::Error::other),
    };
    bytes.map_err(|e| Error::invalid("film", e, "one that the format can hold"))
}

/// Red, green and blue of every colour: all combinations of the `levels` of each channel, the last channel fastest. One
/// channel is used for all three.
fn palette(levels: &[usize]) -> Vec<u8> {
    let count: usize = levels.iter().product();
    let color = |mut index: usize| {
        let mut color = vec![0; levels.len()];
        for (value, &levels) in color.iter_mut().zip(levels).rev() {
            *value = (index % levels * 255 / (levels - 1)) as u8;
            index /= levels;
        }
        std::array::from_fn::<u8, 3, _>(|channel| color[channel.min(color.len() - 1)])
    };
    (0..count).flat_map(color).collect()
}

/// The index of the nearest colour of each pixel of `bytes`, whose channels are interleaved.
fn indices(bytes: &[u8], levels: &[usize]) -> Vec<u8> {
    let nearest = |(&value, &levels): (&u8, &usize)| (usize::from(value) * (levels - 1) + 127) / 255;
    let index = |pixel: &[u8]| {
        let digits = pixel.iter().zip(levels);
        digits.fold(0, |index, digit| index * digit.1 + nearest(digit)) as u8
    };
    bytes.chunks_exact(levels.len()).map(index).collect()
}

/// The duration of frame `i` of `count` in hundredths of a second.
fn delay(i: usize, count: usize) -> u16 {
    match i {
        _ if i + 1 == count => LAST,
        0 => FIRST,
        _ => FRAME,
    }
}

/// Frames of palette indices.
struct Film {
    width: u32,
    height: u32,
    palette: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Film {
    fn gif(&self) -> std::result::Result<Vec<u8>, gif::EncodingError> {
        let mut film = Vec::new();
        // A picture's sides fit 16 bits.
        let (width, height) = (self.width as u16, self.height as u16);
        let mut encoder = gif::Encoder::new(&mut film, width, height, &self.palette)?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        for (i, frame) in self.frames.iter().enumerate() {
            let delay = delay(i, self.frames.len());
            let buffer = frame.into();
            encoder.write_frame(&gif::Frame { width, height, delay, buffer, ..gif::Frame::default() })?;
        }
        drop(encoder);
        Ok(film)
    }

    fn apng(&self) -> std::result::Result<Vec<u8>, png::EncodingError> {
        let mut film = Vec::new();
        let mut encoder = png::Encoder::new(&mut film, self.width, self.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(self.palette.as_slice());
        encoder.set_compression(png::Compression::High);
        // The compressor finds the repetition of enlarged rows without a filter.
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_animated(self.frames.len() as u32, 0)?;
        let mut writer = encoder.write_header()?;
        for (i, frame) in self.frames.iter().enumerate() {
            writer.set_frame_delay(delay(i, self.frames.len()), 100)?;
            writer.write_image_data(frame)?;
        }
        writer.finish()?;
        Ok(film)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three frames of two images: all black, all grey, all white.
    fn written(name: &str, shape: ImageShape) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let frames: Vec<Vec<u8>> = [0, 132, 255].iter().map(|&v| vec![v; 2 * shape.len()]).collect();
        write(&path, shape, &frames, 2).unwrap();
        std::fs::read(path).unwrap()
    }

    /// Shapes, the size of their films, and the colours of black, grey and white.
    fn cases() -> [(ImageShape, (u32, u32), [u8; 3]); 2] {
        [
            (ImageShape::new(1, 28, 28), (186, 96), [0, 8, 15]),
            (ImageShape::new(3, 10, 20), (138, 42), [0, 3 * 42 + 3 * 6 + 3, 251]),
        ]
    }

    #[test]
    fn a_gif_decodes_to_its_frames() {
        for (shape, (width, height), colors) in cases() {
            let film = written("film.GIF", shape);
            let mut decoder = gif::DecodeOptions::new().read_info(&film[..]).unwrap();
            let (mut delays, mut corners) = (Vec::new(), Vec::new());
            while let Some(frame) = decoder.read_next_frame().unwrap() {
                assert_eq!((u32::from(frame.width), u32::from(frame.height)), (width, height));
                delays.push(frame.delay);
                corners.push(frame.buffer[6 * width as usize + 6]);
            }
            assert_eq!((delays, corners), (vec![50, 6, 200], colors.to_vec()));
        }
    }

    #[test]
    fn an_apng_decodes_to_its_frames() {
        for (shape, size, colors) in cases() {
            let film = written("film.png", shape);
            let mut decoder = png::Decoder::new(io::Cursor::new(&film[..])).read_info().unwrap();
            assert_eq!(decoder.info().animation_control().unwrap().num_frames, 3);
            let mut corners = Vec::new();
            for i in 0..3 {
                let mut buffer = vec![0; decoder.output_buffer_size().unwrap()];
                let info = decoder.next_frame(&mut buffer).unwrap();
                assert_eq!((info.width, info.height), size);
                let delay = decoder.info().frame_control().unwrap().delay_num;
                assert_eq!(delay, [50, 6, 200][i]);
                corners.push(buffer[6 * size.0 as usize + 6]);
            }
            assert_eq!(corners, colors);
        }
    }

    #[test]
    fn colors_are_close_to_the_palette() {
        let palette = palette(COLOR_LEVELS);
        assert_eq!(palette.len(), 3 * 252);
        for color in [[0, 0, 0], [255, 0, 0], [10, 200, 90], [123, 45, 67], [255, 255, 255]] {
            let index = usize::from(indices(&color, COLOR_LEVELS)[0]);
            let found = &palette[3 * index..][..3];
            assert!(found.iter().zip(color).all(|(&a, b)| a.abs_diff(b) <= 26), "{color:?}, {found:?}");
        }
    }

    #[test]
    fn other_extensions_are_refused() {
        let message = Format::of(Path::new("film.mp4")).unwrap_err().to_string();
        assert!(message.contains("film.mp4") && message.contains(".gif or .png"), "{message}");
    }
}
