//! Data sets of images with labels, from files of several formats, and files of sampled images.
//!
//! Pixels stay bytes here (0 is black and 255 is white). [`crate::image`] converts them to numbers in [0, 1].
//! [`Dataset::open`] finds out which format a path has. To support another format, implement [`DataSource`] and add the
//! implementation to [`SOURCES`].

// These modules read files that may contain anything.
#![warn(clippy::indexing_slicing)]

pub mod array_file;
mod dataset;
mod decode;
mod folder_listing;
#[cfg(feature = "hub")]
pub mod hub;
pub mod idx;
pub mod idx_files;
mod idx_names;
pub mod image_file;
pub mod image_folder;
mod jpeg_sampling;
mod npy;
pub mod npz;
mod open;
pub mod sample_file;
pub mod sample_set;
pub mod shards;

pub use crate::hash::sha256_hex;
pub use dataset::{DataFile, DataSource, Dataset, Images, MNIST_SHA256, ReadOptions};
pub use open::SOURCES;
pub use sample_set::SampleSet;
pub use shards::{Shard, ShardedSet};
