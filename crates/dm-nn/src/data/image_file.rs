//! Images in files of any supported format, read and written.
//!
//! | path | format |
//! |---|---|
//! | `.safetensors` | a sample set, with labels and metadata; see [`SampleSet`] |
//! | `.npz` | NumPy arrays `images`, uint8 [n, H, W] or [n, H, W, C], and `labels`, uint8 `[n]` |
//! | `.idx`, `-ubyte`, `.gz` | an IDX file [n, H, W] of grey images; only read if it ends in `.gz` |
//! | a folder | PNG files, or JPEG files when it is read; images with labels are in subfolders |
//! | `.png` | a grid of all images; only written |

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::dataset::ReadOptions;
use super::sample_file::{IMAGES, LABELS};
use super::sample_set::SampleSet;
use super::{idx, image_folder, npy, npz};
use crate::error::{Error, Result};
use crate::image::ImageShape;
use crate::params::file::write_atomic;
use crate::picture::grid;
use crate::storage::TEMPORARY;

/// Enlargement of a grid.
const ZOOM: u32 = 2;

/// A format that images can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A grid of all images as one PNG file.
    Grid,
    /// A sample set.
    Safetensors,
    /// A NumPy archive.
    Npz,
    /// An IDX file.
    Idx,
    /// A folder of PNG files.
    Folder,
}

impl Format {
    /// The format that the name of `path` stands for, to write images of `shape` in it.
    ///
    /// # Errors
    /// If the name stands for no format, or the format cannot hold such images.
    pub fn of(path: &Path, shape: ImageShape) -> Result<Self> {
        let extension =
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let format = match extension.as_deref() {
            Some("png") => Self::Grid,
            Some("safetensors") => Self::Safetensors,
            Some("npz") => Self::Npz,
            _ if is_idx(path) => Self::Idx,
            None => Self::Folder,
            Some(other) => {
                let found = format!("the extension .{other}");
                let expected = ".png, .safetensors, .npz, .idx or -ubyte, or the name of a folder";
                return Err(Error::format(path, "format of images", found, expected));
            }
        };
        let channels: &[usize] = match format {
            Self::Safetensors => return Ok(format),
            Self::Idx => &[1],
            Self::Grid | Self::Npz | Self::Folder => &[1, 3],
        };
        if channels.contains(&shape.channels) {
            return Ok(format);
        }
        let expected = format!("{channels:?}, or a .safetensors file, which holds any number");
        Err(Error::format(path, "channels of the images", shape.channels, expected))
    }
}

/// Whether the name of `path` is that of an IDX file.
#[allow(clippy::case_sensitive_file_extension_comparisons, reason = "the name is in lower case")]
fn is_idx(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    name.ends_with(".idx") || name.ends_with("-ubyte")
}

/// Reads the images at `path`. Images of a folder are in the order of their names; labels are read from sample sets and
/// NumPy archives only.
///
/// # Errors
/// If reading fails, there are no images, or the images do not have one supported shape. If a file of a folder cannot be
/// read, the error names the file.
pub fn read(path: &Path) -> Result<SampleSet> {
    if path.is_dir() {
        let images = image_folder::read_images(path, &ReadOptions::default())?;
        return Ok(SampleSet::of(images.shape, images.pixels));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("safetensors") => SampleSet::read(path),
        Some("npz") => {
            let (shape, pixels, labels) = npz::read_images(path)?;
            Ok(SampleSet { labels, ..SampleSet::of(shape, pixels) })
        }
        Some("png" | "jpg" | "jpeg") if path.is_file() => {
            let expected = "a folder of pictures, or a .safetensors, .npz or IDX file";
            Err(Error::format(path, "images", "a single picture", expected))
        }
        _ => {
            let (shape, pixels) = idx::read_images(path)?;
            Ok(SampleSet::of(shape, pixels))
        }
    }
}

/// Writes `images` to `path` in the format `format`, atomically. A grid has `columns` columns.
///
/// # Errors
/// If writing fails, the format cannot hold the images, or a folder at `path` is not empty. Nothing is then left behind.
pub fn write(path: &Path, format: Format, images: &SampleSet, columns: usize) -> Result<()> {
    match format {
        Format::Grid => grid::write(path, images.shape, &images.pixels, columns, ZOOM),
        Format::Safetensors => images.write(path),
        Format::Npz => write_atomic(path, &npz_bytes(path, images)?),
        Format::Idx => write_atomic(path, &idx::of_images(images.shape, &images.pixels)),
        Format::Folder => write_folder(path, images),
    }
}

/// The content of a NumPy archive of `images`. Equal images give equal bytes.
fn npz_bytes(path: &Path, images: &SampleSet) -> Result<Vec<u8>> {
    let ImageShape { channels, height, width } = images.shape;
    let n = images.len();
    let (dims, pixels) = if channels == 1 {
        (vec![n, height, width], images.pixels.clone())
    } else {
        let plane = height * width;
        let image = |image: &[u8]| -> Vec<u8> {
            let pixel = |p: usize| image.iter().skip(p).step_by(plane).copied();
            (0..plane).flat_map(pixel).collect()
        };
        let pixels = images.pixels.chunks_exact(images.shape.len().max(1)).flat_map(image).collect();
        (vec![n, height, width, channels], pixels)
    };
    let arrays = std::iter::once((IMAGES, dims, &pixels));
    let labels = images.labels.as_ref().map(|labels| (LABELS, vec![labels.len()], labels));
    let write = || -> zip::result::ZipResult<Vec<u8>> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, dims, items) in arrays.chain(labels) {
            archive.start_file(format!("{name}.npy"), SimpleFileOptions::default())?;
            archive.write_all(&npy::header("|u1", &dims))?;
            archive.write_all(items)?;
        }
        Ok(archive.finish()?.into_inner())
    };
    write().map_err(|e| Error::format(path, "NumPy archive", e, "images that a zip file can hold"))
}

/// Writes every image as a PNG file whose name is its number. Images with labels are in a subfolder for each label.
fn write_folder(path: &Path, images: &SampleSet) -> Result<()> {
    let io = |e| Error::io(path, e);
    if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::format(path, "folder", "files in it", "a new or an empty folder"));
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The folder gets its name when it is complete.
    let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(above).map_err(io)?;
    for (i, pixels) in images.pixels.chunks_exact(images.shape.len().max(1)).enumerate() {
        let label = images.labels.as_ref().and_then(|labels| labels.get(i));
        let folder =
            label.map_or(temporary.path().to_owned(), |label| temporary.path().join(label.to_string()));
        fs::create_dir_all(&folder).map_err(io)?;
        fs::write(folder.join(format!("{i:06}.png")), grid::image_png(images.shape, pixels)?).map_err(io)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).map_err(io)?;
    }
    fs::rename(temporary.path(), path).map_err(io)?;
    // The folder has another name now, and another process may take the old one. `keep` stops the guard, which would
    // remove what has the old name.
    let _old_name = temporary.keep();
    Ok(())
}
