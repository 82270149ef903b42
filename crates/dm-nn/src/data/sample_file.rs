//! Sample sets on the disk, read and written part by part, so that a set may be larger than the memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::error::{Error, Result};
use crate::file_kind::mistaken_kind;
use crate::image::ImageShape;
use crate::params::file::{MAX_HEADER, json_metadata, read_metadata};
use crate::storage::{self, Disk, Write};

/// Name of the tensor of images.
pub(super) const IMAGES: &str = "images";
/// Name of the tensor of labels.
pub(super) const LABELS: &str = "labels";
/// Number of bytes that state the length of the header. The header's length is a multiple of it.
const LENGTH_BYTES: usize = 8;

/// A sample set of which only the header is in memory. The file is open only while something is read from it.
#[derive(Clone, Debug)]
pub struct SampleFile {
    path: PathBuf,
    shape: ImageShape,
    count: usize,
    metadata: BTreeMap<String, String>,
    /// Where the pixels and the labels begin in the file.
    pixels_at: u64,
    labels_at: Option<u64>,
}

impl SampleFile {
    /// Opens the sample set at `path` and checks its header.
    ///
    /// # Errors
    /// If reading fails, or the file is not a sample set with at least one image.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let header = read_header(path, &mut file)?;
        let begin = (LENGTH_BYTES + header.len()) as u64;
        let bad = |found: String| Error::format(path, "safetensors header", found, "that of a sample set");
        let header: Metadata = serde_json::from_slice(&header).map_err(|e| bad(e.to_string()))?;
        let expected = begin + header.data_len() as u64;
        if size != expected {
            let found = format!("{size} bytes");
            return Err(Error::format(path, "size", found, format!("{expected} bytes as in the header")));
        }
        let wrong = |name: &str, found: Option<&TensorInfo>, expected: String| {
            let found = found.map_or("none".into(), |info| format!("{:?} {:?}", info.dtype, info.shape));
            Error::format(path, format!("tensor `{name}`"), found, expected)
        };
        let images = header.info(IMAGES);
        let Some(&TensorInfo { dtype: Dtype::U8, ref shape, data_offsets: (pixels, _) }) = images else {
            return Err(wrong(IMAGES, images, "a u8 tensor [n, C, H, W]".into()));
        };
        let &[count, channels, height, width] = &shape[..] else {
            return Err(wrong(IMAGES, images, "a u8 tensor [n, C, H, W]".into()));
        };
        let shape = ImageShape::new(channels, height, width);
        if count == 0 || shape.check(IMAGES).is_err() {
            return Err(wrong(IMAGES, images, format!("at least one image of {}", ImageShape::supported())));
        }
        let labels_at = match header.info(LABELS) {
            None => None,
            Some(info) if info.dtype == Dtype::U8 && info.shape == [count] => {
                Some(begin + info.data_offsets.0 as u64)
            }
            info @ Some(_) => return Err(wrong(LABELS, info, format!("U8 [{count}]"))),
        };
        let (pixels_at, metadata) = (begin + pixels as u64, read_metadata(path, &header)?);
        Ok(Self { path: path.to_owned(), shape, count, metadata, pixels_at, labels_at })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of images, at least 1.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The origin of the images.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Whether each image has a label.
    pub fn has_labels(&self) -> bool {
        self.labels_at.is_some()
    }

    /// The pixels of `count` images from number `first` on, [count, C, H, W].
    ///
    /// # Errors
    /// If there are fewer images, or reading fails.
    pub fn images(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        let len = self.shape.len();
        if first.checked_add(count).is_none_or(|end| end > self.count) {
            let found = format!("images {first} and the next {count}");
            return Err(Error::format(&self.path, IMAGES, found, format!("numbers below {}", self.count)));
        }
        self.read(self.pixels_at + (first * len) as u64, count * len)
    }

    /// The label of each image, `[n]`, if there are labels.
    ///
    /// # Errors
    /// If reading fails.
    pub fn labels(&self) -> Result<Option<Vec<u8>>> {
        self.labels_at.map(|at| self.read(at, self.count)).transpose()
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let io = |e| Error::io(&self.path, e);
        let mut file = File::open(&self.path).map_err(io)?;
        let mut bytes = vec![0; len];
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).map_err(io)?;
        Ok(bytes)
    }
}

/// The header at the beginning of `file`, as JSON.
fn read_header(path: &Path, file: &mut File) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(LENGTH_BYTES as u64).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    if let Some(kind) = mistaken_kind(&start) {
        return Err(Error::format(path, "format", kind, "a safetensors file"));
    }
    let length = start.first_chunk().map_or(u64::MAX, |&length| u64::from_le_bytes(length));
    let mut header = Vec::new();
    if length <= MAX_HEADER {
        file.take(length).read_to_end(&mut header).map_err(|e| Error::io(path, e))?;
    }
    if header.len() as u64 != length {
        let expected = format!("a complete safetensors file with a header of at most {MAX_HEADER} bytes");
        return Err(Error::format(path, "safetensors header", "another length", expected));
    }
    Ok(header)
}

/// What a sample set contains, apart from the pixels and labels themselves.
#[derive(Clone, Copy, Debug)]
pub struct SampleHeader<'a> {
    /// Shape of every image.
    pub shape: ImageShape,
    /// Number of images.
    pub count: usize,
    /// Whether each image has a label.
    pub has_labels: bool,
    /// The origin of the images.
    pub metadata: &'a BTreeMap<String, String>,
}

impl SampleHeader<'_> {
    /// Number of bytes of pixels and labels.
    fn data_len(&self) -> usize {
        self.count * self.shape.len() + if self.has_labels { self.count } else { 0 }
    }

    /// The beginning of the file, up to the first pixel.
    pub(super) fn to_bytes(self) -> std::result::Result<Vec<u8>, String> {
        let (count, channels, height, width) = self.shape.dims(self.count);
        let pixels = count * self.shape.len();
        let info = |shape: Vec<usize>, begin, end| TensorInfo {
            dtype: Dtype::U8,
            shape,
            data_offsets: (begin, end),
        };
        let mut tensors = vec![(IMAGES.to_owned(), info(vec![count, channels, height, width], 0, pixels))];
        if self.has_labels {
            tensors.push((LABELS.to_owned(), info(vec![count], pixels, pixels + count)));
        }
        let header = Metadata::new(Some(json_metadata(self.metadata)), tensors).map_err(|e| e.to_string())?;
        let mut header = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
        header.resize(header.len().next_multiple_of(LENGTH_BYTES), b' ');
        Ok([&(header.len() as u64).to_le_bytes()[..], &header].concat())
    }
}

/// Writes a sample set to `path`, atomically and part by part. `fill` receives the function that appends bytes: first all
/// pixels, then all labels.
///
/// # Errors
/// If `fill` or writing fails, or `fill` appends another number of bytes than `header` announces.
pub fn write_parts(
    path: &Path,
    header: SampleHeader<'_>,
    fill: &mut dyn FnMut(&mut Write<'_>) -> Result<()>,
) -> Result<()> {
    let expected = || format!("complete images of {}, one label each", header.shape);
    let bad = |found: String| Error::format(path, IMAGES, found, expected());
    let begin = header.to_bytes().map_err(bad)?;
    let staged = storage::stage_parts(&Disk, path, &mut |write| {
        write(&begin)?;
        let mut written = 0;
        fill(&mut |part| {
            written += part.len();
            write(part)
        })?;
        if written == header.data_len() { Ok(()) } else { Err(bad(format!("{written} bytes"))) }
    })?;
    staged.commit()
}
