//! The IDX file format of the MNIST files, plain or compressed with gzip.
//!
//! An IDX file consists of two zero bytes, a type byte (8 for u8), the number of dimensions, the dimensions as big-endian
//! u32, and the items. The reader takes no more memory than the header states and than the file delivers. A gzip file that
//! unpacks to more bytes than its header states is refused after one extra byte.
//!
//! The CRC-32 of a gzip file reveals damage. A plain IDX file has no checksum, so that a flipped bit in its items is not
//! noticed when the file is read. The flipped bit changes the SHA-256 of the data set. A run records this SHA-256 and
//! refuses to resume on data with another one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::file_kind::{PREFIX, mistaken_kind};
use crate::hash::sha256_of;
use crate::image::ImageShape;

/// Decompressed files larger than 1 GiB are refused. The largest file of EMNIST takes 547 MB.
const MAX_BYTES: usize = 1 << 30;

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

/// The type of the items of an IDX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemType {
    /// Name of the type.
    pub name: &'static str,
    /// Bytes of one item.
    pub size: usize,
}

/// The item types of the format, by their type byte.
pub(super) const TYPES: [(u8, ItemType); 6] = [
    (0x08, ItemType { name: "u8", size: 1 }),
    (0x09, ItemType { name: "i8", size: 1 }),
    (0x0b, ItemType { name: "i16", size: 2 }),
    (0x0c, ItemType { name: "i32", size: 4 }),
    (0x0d, ItemType { name: "f32", size: 4 }),
    (0x0e, ItemType { name: "f64", size: 8 }),
];

/// Reads the IDX file at `path` and checks every header field. A file that starts with gzip's magic number is
/// decompressed.
///
/// # Errors
/// If reading fails, or the file is truncated, too long, of another item type or of another format.
pub fn read(path: &Path) -> Result<Idx> {
    read_items(path, |item, shape| check_bytes(path, item, shape))
}

/// As [`read`], from the content `bytes` of a plain IDX file; `path` names it in errors.
///
/// # Errors
/// As [`read`], except that nothing is read.
pub fn from_bytes(path: &Path, mut bytes: &[u8]) -> Result<Idx> {
    parse(path, &mut bytes, &|e| Error::io(path, e), |item, shape| check_bytes(path, item, shape))
}

/// Refuses items that are not bytes.
fn check_bytes(path: &Path, item: ItemType, shape: &[usize]) -> Result<()> {
    if item.name == "u8" {
        return Ok(());
    }
    let found = format!("{} items of shape {shape:?}", item.name);
    Err(Error::format(path, "item type", found, "u8 items (0 for black and 255 for white)"))
}

/// Reads the grey images [n, H, W] in the IDX file at `path`: the shape of an image, and the pixels.
///
/// # Errors
/// As [`read`], and if the file does not hold at least one image of a supported shape.
pub fn read_images(path: &Path) -> Result<(ImageShape, Vec<u8>)> {
    let file = read(path)?;
    Ok((image_shape(path, &file.shape)?, file.items))
}

/// The shape of one image of an array of images [n, H, W] that has these `dimensions`; `path` names the file in errors.
///
/// # Errors
/// If these are not the dimensions of at least one image of a supported shape.
pub(super) fn image_shape(path: &Path, dimensions: &[usize]) -> Result<ImageShape> {
    let bad = |expected: String| Error::format(path, "shape", format!("{dimensions:?}"), expected);
    let shape = match *dimensions {
        [n, height, width] if n > 0 => ImageShape::new(1, height, width),
        _ => return Err(bad("[n, height, width] with n > 0".to_owned())),
    };
    shape.check("shape").map_err(|_| bad(ImageShape::supported()))?;
    Ok(shape)
}

/// The content of an IDX file of the grey images `pixels` [n, H, W] of shape `shape`.
pub(super) fn of_images(shape: ImageShape, pixels: &[u8]) -> Vec<u8> {
    let sizes = [pixels.len() / shape.len().max(1), shape.height, shape.width];
    let mut bytes = vec![0, 0, 8, 3];
    bytes.extend(sizes.into_iter().flat_map(|size| (size as u32).to_be_bytes()));
    bytes.extend(pixels);
    bytes
}

/// Like [`read`], for every item type that `check` accepts. `check` is called with type and shape before the items are read.
pub(super) fn read_items(path: &Path, check: impl FnOnce(ItemType, &[usize]) -> Result<()>) -> Result<Idx> {
    let io = |e| Error::io(path, e);
    let mut file = BufReader::new(fs::File::open(path).map_err(io)?);
    if file.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]) {
        let bad = |e| Error::format(path, "gzip stream", e, "a complete gzip file");
        parse(path, &mut MultiGzDecoder::new(file), &bad, check)
    } else {
        parse(path, &mut file, &io, check)
    }
}

/// Parses the decompressed content of the file at `path`. `failed` converts an error of reading.
fn parse(
    path: &Path,
    file: &mut dyn Read,
    failed: &dyn Fn(std::io::Error) -> Error,
    check: impl FnOnce(ItemType, &[usize]) -> Result<()>,
) -> Result<Idx> {
    let mut start = Vec::new();
    (&mut *file).take(PREFIX as u64).read_to_end(&mut start).map_err(failed)?;
    if let Some(kind) = mistaken_kind(&start) {
        return Err(Error::format(path, "format", kind, "an IDX file, plain or compressed with gzip"));
    }
    let [zero0, zero1, code, rank, rest @ ..] = start.as_slice() else {
        return Err(Error::format(path, "magic number", format!("{} bytes", start.len()), "4 bytes"));
    };
    let item = TYPES.iter().find(|(known, _)| known == code).map(|(_, item)| *item);
    let Some(item) = item.filter(|_| (*zero0, *zero1) == (0, 0) && (1..=4).contains(rank)) else {
        let found = format!("{zero0:02x}{zero1:02x}{code:02x}{rank:02x}");
        let expected = "000008 and 1 to 4 dimensions (an IDX file of bytes)";
        return Err(Error::format(path, "magic number", found, expected));
    };
    let rank = usize::from(*rank);
    let Some((dimensions, begun)) = rest.split_at_checked(4 * rank) else {
        let found = format!("{} bytes", rest.len());
        return Err(Error::format(path, "dimensions", found, format!("{} bytes", 4 * rank)));
    };
    let (dimensions, _) = dimensions.as_chunks::<4>();
    let shape: Vec<usize> = dimensions.iter().map(|&bytes| u32::from_be_bytes(bytes) as usize).collect();
    check(item, &shape)?;
    let size = shape.iter().try_fold(item.size, |n, &d| n.checked_mul(d));
    let expected = || format!("the product of the dimensions {shape:?} in the header");
    let Some(size) = size.filter(|&size| size <= MAX_BYTES) else {
        let found = format!("a header of {shape:?} {} items", item.name);
        return Err(Error::format(path, "items", found, format!("at most {MAX_BYTES} bytes")));
    };
    let header = start.len() - begun.len();
    let mut items = begun.to_vec();
    // Reading one byte more than expected reveals a longer file. In any other file it reaches the end, where gzip compares
    // its checksum.
    let left = (size + 1).saturating_sub(items.len());
    file.take(left as u64).read_to_end(&mut items).map_err(failed)?;
    if items.len() != size {
        let more = if items.len() > size { "more than " } else { "" };
        let found = format!("{more}{} bytes", items.len().min(size));
        return Err(Error::format(path, "items", found, expected()));
    }
    let raw_sha256 = sha256_of(&[start.get(..header).unwrap_or_default(), &items]);
    Ok(Idx { shape, items, raw_sha256 })
}
