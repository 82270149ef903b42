//! The names of the four IDX files of a data set, in the spellings of MNIST, EMNIST, QMNIST and others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Names of the four files: training images, training labels, test images, test labels.
///
/// Each may also be spelled with a dot instead of the hyphen before `idx`, and each may be compressed with gzip and then
/// carries `.gz`. The test set may be called `test` instead of `t10k`, as in EMNIST and QMNIST. Labels may be those of
/// QMNIST, whose names end in `idx2-int`. All four names may begin with the same prefix, for example `emnist-letters-`.
pub const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Other names of the files, each with its place in [`FILES`].
const OTHER_NAMES: [(&str, usize); 4] = [
    ("train-labels-idx2-int", 1),
    ("test-images-idx3-ubyte", 2),
    ("test-labels-idx1-ubyte", 3),
    ("test-labels-idx2-int", 3),
];

/// The files that were found for each place in [`FILES`].
type Found = [Option<PathBuf>; 4];

/// Whether `folder` has an IDX file under one of the known names.
pub(super) fn has_any(folder: &Path) -> bool {
    !find_all(folder).is_empty()
}

/// The four files in `folder`.
///
/// # Errors
/// If one is missing, or there are the files of several data sets.
pub(super) fn find(folder: &Path) -> Result<[PathBuf; 4]> {
    let mut sets = find_all(folder);
    // Files without a prefix take precedence.
    let set = match (sets.remove(""), sets.len()) {
        (Some(set), _) => (String::new(), set),
        (None, 0 | 1) => sets.pop_first().unwrap_or_default(),
        (None, _) => {
            let prefixes: Vec<&str> = sets.keys().map(|prefix| prefix.trim_end_matches('-')).collect();
            let expected = "the files of one data set; move the files of the others elsewhere";
            return Err(Error::format(
                folder,
                "files",
                format!("the files of {}", prefixes.join(", ")),
                expected,
            ));
        }
    };
    match set {
        (_, [Some(a), Some(b), Some(c), Some(d)]) => Ok([a, b, c, d]),
        (prefix, found) => {
            let name =
                FILES.iter().zip(&found).find(|(_, found)| found.is_none()).map_or("", |(name, _)| name);
            let expected = "this file, possibly with .gz, or with `.idx` or `test` in its name";
            Err(Error::format(&folder.join(format!("{prefix}{name}")), "file", "no such file", expected))
        }
    }
}

/// The files of all data sets in `folder`, by the prefix of their names.
fn find_all(folder: &Path) -> BTreeMap<String, Found> {
    let mut sets: BTreeMap<String, Found> = BTreeMap::new();
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    // If a file exists in several spellings, the hyphen comes before the dot, and then the plain file before the compressed
    // one.
    names.sort_by_key(|name| (name.contains(".idx"), name.strip_suffix(".gz").is_some(), name.clone()));
    for name in names {
        let Some((prefix, place)) = place(&name) else { continue };
        let path = folder.join(&name);
        if path.is_file()
            && let Some(found) = sets.entry(prefix).or_default().get_mut(place)
        {
            found.get_or_insert(path);
        }
    }
    sets
}

/// The prefix of a file's name, and its place in [`FILES`].
fn place(name: &str) -> Option<(String, usize)> {
    let name = name.strip_suffix(".gz").unwrap_or(name).replace(".idx", "-idx");
    let known = FILES.iter().enumerate().map(|(place, name)| (*name, place)).chain(OTHER_NAMES);
    known.into_iter().find_map(|(known, place)| {
        let prefix = name.strip_suffix(known)?;
        (prefix.is_empty() || prefix.ends_with('-')).then(|| (prefix.to_owned(), place))
    })
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn known_spellings_are_recognized() {
        for (name, prefix, expected) in [
            ("train-images-idx3-ubyte", "", 0),
            ("train-images.idx3-ubyte", "", 0),
            ("t10k-labels.idx1-ubyte.gz", "", 3),
            ("emnist-letters-train-labels-idx1-ubyte.gz", "emnist-letters-", 1),
            ("emnist-balanced-test-images-idx3-ubyte", "emnist-balanced-", 2),
            ("qmnist-test-labels-idx2-int.gz", "qmnist-", 3),
            ("test-labels-idx1-ubyte", "", 3),
        ] {
            assert_eq!(place(name), Some((prefix.to_owned(), expected)), "{name}");
        }
        for name in ["train-images", "mytrain-images-idx3-ubyte", "train-images-idx3-ubyte.zip", "readme.gz"]
        {
            assert_eq!(place(name), None, "{name}");
        }
    }
}
