//! The IDX file format of the MNIST files, plain or gzip, trusting no header.
//!
//! Layout: two zero bytes, a type byte (8 = u8), the number of dimensions, each dimension as a big-endian u32, then the
//! items. A header is believed only as far as the bytes behind it go; nothing is allocated from a header's word.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Unpacked files larger than this are refused: ten times MNIST's largest.
const MAX_BYTES: u64 = 512 << 20;

/// The content of one IDX file of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes of the dimensions, slowest first.
    pub shape: Vec<usize>,
    /// Items, row-major.
    pub items: Vec<u8>,
    /// The unpacked file, header included: what a data hash is computed over.
    pub raw_sha256: String,
}

/// Reads the file at `path`, unpacking gzip by its magic number, and checks every header field.
///
/// # Errors
/// A missing, cut, over-long or mislabelled file, by name, field, found and expected.
pub fn read(path: &Path) -> Result<Idx> {
    let packed = fs::read(path).map_err(|e| Error::io(path, e))?;
    let raw = if packed.starts_with(&[0x1f, 0x8b]) { unpack(path, &packed)? } else { packed };
    parse(path, &raw)
}

fn unpack(path: &Path, packed: &[u8]) -> Result<Vec<u8>> {
    let mut raw = Vec::new();
    flate2::read::MultiGzDecoder::new(packed)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut raw)
        .map_err(|e| Error::format(path, "gzip stream", e, "a whole gzip file"))?;
    if raw.len() as u64 > MAX_BYTES {
        let expected = format!("at most {MAX_BYTES} bytes");
        return Err(Error::format(path, "unpacked size", "more", expected));
    }
    Ok(raw)
}

fn parse(path: &Path, raw: &[u8]) -> Result<Idx> {
    let [zero0, zero1, kind, rank, rest @ ..] = raw else {
        return Err(Error::format(path, "magic", format!("{} bytes", raw.len()), "4 bytes"));
    };
    if (*zero0, *zero1, *kind) != (0, 0, 8) || !(1..=4).contains(rank) {
        let found = format!("{zero0:02x}{zero1:02x}{kind:02x}{rank:02x}");
        return Err(Error::format(path, "magic", found, "000008 and a rank of 1 to 4"));
    }
    let rank = usize::from(*rank);
    if rest.len() < 4 * rank {
        let found = format!("{} bytes", rest.len());
        return Err(Error::format(path, "dimensions", found, format!("{} bytes", 4 * rank)));
    }
    let (header, items) = rest.split_at(4 * rank);
    let shape: Vec<usize> =
        header.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let expected = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if expected != Some(items.len()) {
        let expected = format!("{shape:?} as the header says");
        return Err(Error::format(path, "items", format!("{} bytes", items.len()), expected));
    }
    let raw_sha256 = super::sha256_hex(raw);
    Ok(Idx { shape, items: items.to_vec(), raw_sha256 })
}
