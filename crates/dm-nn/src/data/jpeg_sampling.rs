//! The sampling factors of a JPEG file. The standard (ITU-T T.81) allows a component to have more samples than the first one, but the
//! decoder may panic on such a file. They are rare, and are refused before they are decoded. What hides its frame header from this
//! check is caught where the file is decoded.

use std::fmt;

/// Samples of one component in each unit of the image, along width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Samples {
    horizontal: u8,
    vertical: u8,
}

/// A component with more samples than the first one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFine {
    /// Its number, counted from 1.
    component: usize,
    samples: Samples,
    first: Samples,
}

impl fmt::Display for TooFine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, samples, first } = self;
        write!(
            f,
            "component {component} with {}x{} samples where the first has {}x{}",
            samples.horizontal, samples.vertical, first.horizontal, first.vertical
        )
    }
}

/// The first component that has more samples than the first one, by the frame header of `bytes`; `None` in a file that is no JPEG.
pub(super) fn too_fine(bytes: &[u8]) -> Option<TooFine> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        // Decoders skip what is no marker.
        let at =
            rest.windows(2).position(|pair| matches!(pair, [0xff, second] if !matches!(second, 0 | 0xff)))?;
        let marker = *rest.get(at + 1)?;
        rest = rest.get(at + 2..)?;
        match marker {
            0xc0..=0xc2 => {
                if let Some(found) = in_frame_header(rest) {
                    return Some(found);
                }
            }
            // Markers that stand alone.
            0x01 | 0xd0..=0xd8 => continue,
            // The end, and the start of the data of the image, which follow the frame header.
            0xd9 | 0xda => return None,
            _ => {}
        }
        let length = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
        rest = rest.get(usize::from(length)..)?;
    }
}

/// As [`too_fine`], in the frame header whose length is in the first two of `bytes`.
fn in_frame_header(bytes: &[u8]) -> Option<TooFine> {
    // Length, precision, height, width, number of components; then a number, factors and a table for each of them.
    let (count, components) = (*bytes.get(7)?, bytes.get(8..)?);
    let mut samples = components.chunks_exact(3).take(usize::from(count)).map(|component| {
        let factors = component.get(1).copied().unwrap_or_default();
        Samples { horizontal: factors >> 4, vertical: factors & 15 }
    });
    let first = samples.next()?;
    let (at, samples) = samples
        .enumerate()
        .find(|(_, of)| of.horizontal > first.horizontal || of.vertical > first.vertical)?;
    Some(TooFine { component: at + 2, samples, first })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of a file with components of these factors.
    fn file(factors: &[u8]) -> Vec<u8> {
        let count = factors.len() as u8;
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0, 8 + 3 * count, 8, 0, 8, 0, 8, count];
        factors.iter().enumerate().for_each(|(i, factors)| bytes.extend([i as u8 + 1, *factors, 0]));
        bytes
    }

    #[test]
    fn only_a_component_finer_than_the_first_is_found() {
        for usual in [&[0x11][..], &[0x11, 0x11, 0x11], &[0x22, 0x11, 0x11], &[0x21, 0x11, 0x11], &[]] {
            assert_eq!(too_fine(&file(usual)), None);
        }
        let message = too_fine(&file(&[0x11, 0x24, 0x11])).unwrap().to_string();
        assert_eq!(message, "component 2 with 2x4 samples where the first has 1x1");
        assert!(too_fine(&file(&[0x21, 0x11, 0x12])).is_some());
        // A segment for programs may contain anything.
        let mut bytes = file(&[0x11, 0x24, 0x11]);
        let frame = bytes.split_off(2);
        let length = (frame.len() + 2) as u8;
        let within = [&bytes[..], &[0xff, 0xe1, 0, length], &frame, &file(&[0x22, 0x11, 0x11])[2..]].concat();
        assert_eq!(too_fine(&within), None);
        let after = [&bytes[..], &[0xff, 0xe1, 0, 4, 7, 7], &frame].concat();
        assert!(too_fine(&after).is_some());
        for end in 0..after.len() {
            too_fine(&after[..end]);
        }
    }
}
