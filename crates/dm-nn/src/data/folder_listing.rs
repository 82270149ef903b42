//! The image files of a folder, with their classes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::dataset::MAX_CLASSES;
use crate::error::{Error, Result};
use crate::one_line::is_unsafe;

/// The image files of a data set.
pub(super) struct Listing {
    /// The files, sorted by name.
    pub files: Vec<ListedFile>,
    /// Names of the classes; empty if there are no class folders.
    pub class_names: Vec<String>,
    /// Whether the subfolders `train` and `test` divide the files into training and test images.
    pub is_split: bool,
}

/// An image file.
pub(super) struct ListedFile {
    /// Path relative to the data set, with `/` between folders.
    pub name: String,
    /// Number of the file's class; 0 if there are no classes.
    pub class: u8,
    /// Whether the file is in the subfolder `test`.
    pub in_test: bool,
}

/// The names of images, by class. Images outside class folders have the class `None`.
type ByClass = BTreeMap<Option<String>, Vec<String>>;

/// Whether the extension of `path` is that of a PNG or JPEG file.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// Lists the image files of the data set at `root`.
pub(super) fn list(root: &Path) -> Result<Listing> {
    let is_split = root.join("train").is_dir() && root.join("test").is_dir();
    let sets = if is_split {
        vec![(list_set(root, "train")?, false), (list_set(root, "test")?, true)]
    } else {
        vec![(list_set(root, "")?, false)]
    };
    let class_names = sets.first().map_or_else(Vec::new, |(training, _)| class_names(training));
    if class_names.len() > MAX_CLASSES {
        let found = class_names.len();
        return Err(Error::format(root, "class folders", found, format!("at most {MAX_CLASSES}")));
    }
    let mut files = Vec::new();
    for (by_class, in_test) in sets {
        for (class, names) in by_class {
            let class = match class {
                None if class_names.is_empty() => 0,
                Some(class) if class_names.contains(&class) => {
                    class_names.iter().position(|name| *name == class).unwrap_or(0)
                }
                other => {
                    let found = other.unwrap_or_else(|| "images outside class folders".to_owned());
                    let expected = format!("the classes of the training images, {class_names:?}");
                    return Err(Error::format(&root.join("test"), "classes", found, expected));
                }
            };
            files.extend(names.into_iter().map(|name| ListedFile { name, class: class as u8, in_test }));
        }
    }
    if !is_split && files.len() < 2 {
        let found = format!("{} image{}", files.len(), if files.len() == 1 { "" } else { "s" });
        let expected = "at least 2 PNG or JPEG files, one to train on and one to test with";
        return Err(Error::format(root, "images", found, expected));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { files, class_names, is_split })
}

/// The class names of the training images, sorted by name, or by number if every name is a number.
fn class_names(by_class: &ByClass) -> Vec<String> {
    let mut names: Vec<String> = by_class.keys().flatten().cloned().collect();
    let numbers: Option<Vec<u64>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        names.sort_by_key(|name| name.parse::<u64>().unwrap_or(0));
    }
    names
}

/// Lists the images of the subfolder `set` of `root` (of `root` itself if `set` is empty).
fn list_set(root: &Path, set: &str) -> Result<ByClass> {
    let folder = root.join(set);
    let (images, folders) = entries(&folder)?;
    let prefix = if set.is_empty() { String::new() } else { format!("{set}/") };
    let mut by_class = ByClass::new();
    if folders.is_empty() {
        if images.is_empty() {
            return Err(Error::format(&folder, "images", "no PNG or JPEG file", "at least one"));
        }
        by_class.insert(None, images.into_iter().map(|name| format!("{prefix}{name}")).collect());
        return Ok(by_class);
    }
    if let Some(image) = images.first() {
        let expected = "either all images in class folders, or no class folders";
        return Err(Error::format(&folder.join(image), "class", "an image beside class folders", expected));
    }
    for class in folders {
        let path = folder.join(&class);
        let (images, deeper) = entries(&path)?;
        if let Some(deeper) = deeper.first() {
            let expected = "only images in a class folder";
            return Err(Error::format(&path.join(deeper), "folder", "a folder in a class folder", expected));
        }
        if images.is_empty() {
            return Err(Error::format(&path, "class folder", "no PNG or JPEG file", "at least one"));
        }
        let names = images.into_iter().map(|name| format!("{prefix}{class}/{name}")).collect();
        by_class.insert(Some(class), names);
    }
    Ok(by_class)
}

/// The names of the images and of the folders in `folder`, both sorted. Hidden entries and other files are left out.
/// Symbolic links are followed: a data set is only read.
fn entries(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let io = |e| Error::io(folder, e);
    let (mut images, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(io)? {
        let path: PathBuf = entry.map_err(io)?.path();
        let Some(name) = path.file_name().and_then(OsStr::to_str) else {
            return Err(Error::format(&path, "file name", "bytes that are not UTF-8", "UTF-8"));
        };
        if name.starts_with('.') {
            continue;
        }
        let is_folder = path.is_dir();
        if !is_folder && !is_image(&path) {
            continue;
        }
        // A line break in a name would make two lines of one in the text that the hash of the data set is computed from.
        if name.chars().any(is_unsafe) {
            return Err(Error::format(
                &path,
                "file name",
                "a control character",
                "a name without such characters",
            ));
        }
        // Reading a pipe or a device may never end.
        if !is_folder && !path.is_file() {
            let found = "a broken link, a pipe or a device";
            return Err(Error::format(&path, "image", found, "a file"));
        }
        if is_folder { folders.push(name.to_owned()) } else { images.push(name.to_owned()) }
    }
    images.sort();
    folders.sort();
    Ok((images, folders))
}
