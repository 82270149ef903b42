//! The IDX file format of the MNIST files, plain or compressed with gzip.
//!
//! An IDX file consists of two zero bytes, a type byte (8 for u8), the number of dimensions, the dimensions as big-endian
//! u32, and the items. The reader allocates no more memory than the file's content takes, whatever its header says.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::file_kind::mistaken_kind;
use crate::hash::sha256_hex;

/// Decompressed files larger than 1 GiB are refused. The largest file of EMNIST takes 547 MB.
const MAX_BYTES: u64 = 1 << 30;

/// The content of an IDX file of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes of the dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// Items in row-major order.
    pub items: Vec<u8>,
    /// SHA-256 of the decompressed file, header included.
    pub raw_sha256: String,
}

/// Reads the IDX file at `path` and checks every header field. A file that starts with gzip's magic number is
/// decompressed.
///
/// # Errors
/// If reading fails, or the file is truncated, too long, of another item type or of another format.
pub fn read(path: &Path) -> Result<Idx> {
    let file = fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut packed = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut packed).map_err(|e| Error::io(path, e))?;
    let raw = if packed.starts_with(&[0x1f, 0x8b]) { decompress(path, &packed)? } else { packed };
    if raw.len() as u64 > MAX_BYTES {
        let found = format!("more than {MAX_BYTES} bytes");
        return Err(Error::format(
            path,
            "size after decompression",
            found,
            format!("at most {MAX_BYTES} bytes"),
        ));
    }
    parse(path, raw)
}

fn decompress(path: &Path, packed: &[u8]) -> Result<Vec<u8>> {
    let mut raw = Vec::new();
    flate2::read::MultiGzDecoder::new(packed)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut raw)
        .map_err(|e| Error::format(path, "gzip stream", e, "a complete gzip file"))?;
    Ok(raw)
}

/// The name of the item type `code`.
fn type_name(code: u8) -> Option<&'static str> {
    match code {
        0x08 => Some("u8"),
        0x09 => Some("i8"),
        0x0b => Some("i16"),
        0x0c => Some("i32"),
        0x0d => Some("f32"),
        0x0e => Some("f64"),
        _ => None,
    }
}

fn parse(path: &Path, mut raw: Vec<u8>) -> Result<Idx> {
    if let Some(kind) = mistaken_kind(&raw) {
        return Err(Error::format(path, "format", kind, "an IDX file, plain or compressed with gzip"));
    }
    let [zero0, zero1, code, rank, rest @ ..] = raw.as_slice() else {
        return Err(Error::format(path, "magic number", format!("{} bytes", raw.len()), "4 bytes"));
    };
    let known = type_name(*code).filter(|_| (*zero0, *zero1) == (0, 0));
    let Some(item_type) = known.filter(|_| (1..=4).contains(rank)) else {
        let found = format!("{zero0:02x}{zero1:02x}{code:02x}{rank:02x}");
        return Err(Error::format(
            path,
            "magic number",
            found,
            "000008 and 1 to 4 dimensions (an IDX file of bytes)",
        ));
    };
    let rank = usize::from(*rank);
    if rest.len() < 4 * rank {
        let found = format!("{} bytes", rest.len());
        return Err(Error::format(path, "dimensions", found, format!("{} bytes", 4 * rank)));
    }
    let dimension = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
    let shape: Vec<usize> = rest[..4 * rank].chunks_exact(4).map(dimension).collect();
    if item_type != "u8" {
        let found = format!("{item_type} items of shape {shape:?}");
        return Err(Error::format(path, "item type", found, "u8 items"));
    }
    let items = rest.len() - 4 * rank;
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(items) {
        let expected = format!("the product of the dimensions {shape:?} in the header");
        return Err(Error::format(path, "items", format!("{items} bytes"), expected));
    }
    let raw_sha256 = sha256_hex(&raw);
    raw.drain(..4 + 4 * rank);
    Ok(Idx { shape, items: raw, raw_sha256 })
}
