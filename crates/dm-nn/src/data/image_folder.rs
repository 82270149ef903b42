//! Data sets in a folder of PNG or JPEG files.

use std::path::Path;

use rayon::prelude::*;

use super::dataset::{DataSource, Dataset, Images, ReadOptions};
use super::decode::{Decoded, decode, size_text};
use super::folder_listing::{ListedFile, Listing, is_image, list};
use crate::error::{Error, Result};
use crate::hash::sha256_hex;
use crate::image::ImageShape;
use crate::rng::{SPLIT, Seed};

/// In folders without `train` and `test`, one image in this many becomes a test image.
const TEST_SHARE: usize = 10;
/// Seed of the split into training and test images. Changing it would change every split.
const SPLIT_SEED: Seed = Seed(0);
/// The largest number of bytes of pixels of a data set: 8 GiB.
const MAX_PIXELS: usize = 8 << 30;

/// A folder of PNG or JPEG files.
///
/// - If there are the subfolders `train` and `test`, they hold the two sets. Otherwise one image in ten is a test image (at
///   least one); the choice is random, but always the same for the same file names.
/// - Subfolders (of `train` and `test`, if there are such) are classes, sorted by name, or by number if every name is a
///   number. Images without class folders have no labels.
/// - All images have one size, or [`ReadOptions::size`] is given: then each image is resized to exactly this height and
///   width with a Lanczos filter of radius 3. The ratio of the sides is not kept.
/// - If every file is grey, images have one channel, otherwise three. Images of 16 bits per channel are reduced to 8.
///   Transparent images are refused.
/// - Hidden files and files with other extensions than `.png`, `.jpg` and `.jpeg` are ignored.
///
/// The hash of the data set is the SHA-256 over one line `<SHA-256 of the file>  <name>` per file, sorted by name, where
/// names are relative to the folder and use `/`; resized images add a line with their size. Without resizing this is
/// the output of `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum | sha256sum`.
pub struct ImageFolder;

impl DataSource for ImageFolder {
    fn name(&self) -> &'static str {
        "folder of images"
    }

    fn description(&self) -> &'static str {
        "a folder of PNG or JPEG files, in subfolders if they have classes"
    }

    fn recognizes(&self, path: &Path) -> bool {
        let Ok(entries) = std::fs::read_dir(path) else { return false };
        entries.flatten().any(|entry| {
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            !hidden && (is_image(&entry.path()) || entry.path().is_dir())
        })
    }

    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Dataset> {
        let (listing, images, shape) = load(path, options)?;
        let sha256 = hash(&listing, &images, options);
        let in_test = test_images(&listing);
        let set = |test: bool| {
            let chosen = || listing.files.iter().zip(&images).zip(&in_test).filter(|(_, is)| **is == test);
            Images {
                shape,
                num_classes: listing.class_names.len(),
                pixels: chosen().flat_map(|((_, image), _)| image.planes(shape.channels)).collect(),
                labels: chosen().map(|((file, _), _)| file.class).collect(),
            }
        };
        Ok(Dataset {
            train: set(false),
            test: set(true),
            sha256,
            format: self.name(),
            class_names: listing.class_names,
            files: Vec::new(),
        })
    }
}

/// Reads all images of the folder at `path`, training images and test images together, in the order of their names.
///
/// # Errors
/// If a file cannot be read, or the folder does not follow the rules of [`ImageFolder`].
pub fn read_images(path: &Path, options: &ReadOptions) -> Result<Images> {
    let (listing, images, shape) = load(path, options)?;
    Ok(Images {
        shape,
        num_classes: listing.class_names.len(),
        pixels: images.iter().flat_map(|image| image.planes(shape.channels)).collect(),
        labels: listing.files.iter().map(|file| file.class).collect(),
    })
}

/// Lists and decodes the images of the folder at `path`, and checks that they have one supported shape.
///
/// The first image decides the size. The header of every other image is compared with it before the image is decoded, so
/// that a folder takes no more memory than its images of that size, and what the threads resize at the moment.
fn load(path: &Path, options: &ReadOptions) -> Result<(Listing, Vec<Decoded>, ImageShape)> {
    if let Some((height, width)) = options.size {
        ImageShape::new(1, height, width).check("size")?;
    }
    let listing = list(path)?;
    let Some(first_file) = listing.files.first() else {
        return Err(Error::format(path, "images", "no PNG or JPEG file", "at least one"));
    };
    let first_path = path.join(&first_file.name);
    let first = decode(&first_path, options.size, |shape| {
        if options.size.is_some() || shape.check("image").is_ok() {
            return Ok(());
        }
        let expected = format!("{}; or a size to which all images are resized", ImageShape::supported());
        Err(Error::format(&first_path, "image size", shape, expected))
    })?;
    let (height, width) = (first.height, first.width);
    let largest = ImageShape::new(3, height, width);
    if listing.files.len().saturating_mul(largest.len()) > MAX_PIXELS {
        let found = format!("{} images of {largest}", listing.files.len());
        return Err(Error::format(path, "images", found, format!("at most {MAX_PIXELS} bytes of pixels")));
    }
    let one = |file: &ListedFile| {
        let path = path.join(&file.name);
        decode(&path, options.size, |shape| {
            if options.size.is_some() || (shape.height, shape.width) == (height, width) {
                return Ok(());
            }
            let as_first = format!("{} as in {}", size_text(height, width), first_file.name);
            let expected = format!("{as_first}; or give a size to which all images are resized");
            Err(Error::format(&path, "image size", size_text(shape.height, shape.width), expected))
        })
    };
    // If several cannot be read, the error names the first by order of names.
    let images: Vec<Result<Decoded>> = listing.files.par_iter().map(one).collect();
    let images = images.into_iter().collect::<Result<Vec<_>>>()?;
    let channels = images.iter().map(|image| image.channels).max().unwrap_or(1);
    Ok((listing, images, ImageShape::new(channels, height, width)))
}

/// The hash of the data set; see [`ImageFolder`].
fn hash(listing: &Listing, images: &[Decoded], options: &ReadOptions) -> String {
    let mut text = String::new();
    for (file, image) in listing.files.iter().zip(images) {
        text.extend([image.sha256.as_str(), "  ", &file.name, "\n"]);
    }
    if let Some((height, width)) = options.size {
        text.extend(["resized to ", &size_text(height, width), "\n"]);
    }
    sha256_hex(text.as_bytes())
}

/// Whether each file is a test image.
fn test_images(listing: &Listing) -> Vec<bool> {
    if listing.is_split {
        return listing.files.iter().map(|file| file.in_test).collect();
    }
    let count = listing.files.len();
    let mut in_test = vec![false; count];
    let order = SPLIT_SEED.stream(SPLIT, 0, 0).permutation(count);
    for &i in order.iter().take((count / TEST_SHARE).max(1)) {
        if let Some(is_test) = in_test.get_mut(i as usize) {
            *is_test = true;
        }
    }
    in_test
}
