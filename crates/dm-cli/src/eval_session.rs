//! What the commands that evaluate images share: classifiers, data set, reference, cache and progress bar.

use std::path::{Path, PathBuf};

use anyhow::Result;
use candle_core::Device;
use dm_eval::Classifier;
use dm_eval::cache::Cache;
use dm_eval::protocol::ImageSet;
use dm_nn::data::Dataset;
use dm_nn::image::ImageShape;
use indicatif::ProgressBar;

use crate::data_args::DataArgs;
use crate::device::{self, DeviceKind};
use crate::image_files::ImageFiles;
use crate::locate;
use crate::terminal::Terminal;

/// The options that `dm eval` and `dm sanity` share.
#[derive(clap::Args)]
pub struct SessionArgs {
    /// The reference images, of which at most 10,000 are used: test, train, or a path as for TARGET of dm eval.
    #[arg(long, default_value = "test", value_name = "test|train|PATH")]
    pub reference: String,
    /// The classifier whose features are compared: a shipped name, a file or a run folder. Name
    /// several, separated by commas, to see whether a ranking depends on the classifier.
    #[arg(long, value_delimiter = ',', default_value = locate::DEFAULT_CLASSIFIER)]
    #[arg(value_name = "CLASSIFIER[,CLASSIFIER...]")]
    pub classifier: Vec<String>,
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder of the cache, which may be deleted at any time. Entries of another build of the program are not used.
    #[arg(long, default_value = "runs/.cache", value_name = "DIR")]
    pub cache: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = DeviceKind::Cpu)]
    pub device: DeviceKind,
}

/// The largest number of reference images: the size of MNIST's test set.
pub const MAX_REFERENCE: usize = 10_000;

/// An evaluation in progress: its classifiers, its data set, its cache and its progress bar.
pub struct EvalSession<'a> {
    pub classifiers: Vec<Classifier>,
    pub data: Dataset,
    pub device: Device,
    pub cache: Cache,
    reference: &'a str,
    bar: ProgressBar,
}

impl<'a> EvalSession<'a> {
    /// Reads classifiers and data.
    ///
    /// # Errors
    /// If one of them cannot be read, or a classifier is for images of another shape than the data.
    pub fn open(args: &'a SessionArgs, terminal: &Terminal) -> Result<Self> {
        let device = device::open(args.device)?;
        let data = args.data.open()?;
        let read = |name: &String| -> Result<Classifier> {
            let classifier = Classifier::read(&locate::classifier_file(name)?, &device)?;
            classifier.check_shape(data.shape(), "--data")?;
            Ok(classifier)
        };
        Ok(Self {
            classifiers: args.classifier.iter().map(read).collect::<Result<_>>()?,
            cache: Cache::new(&args.cache, &locate::program_sha256()?),
            reference: &args.reference,
            bar: terminal.bar(1, "{msg:<44} {bar:24.cyan/blue} {percent:>3}%  left {eta}"),
            data,
            device,
        })
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.data.shape()
    }

    /// Shows on the progress bar that `done` of `all` steps of a part of the evaluation are complete.
    pub fn watch(&self, part: &str, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(part.to_owned());
    }

    /// Removes the progress bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The images `pixels` [n, C, H, W] with their features, which are read from the cache if possible. `name` names the set.
    ///
    /// # Errors
    /// If there are no images, or the classifier fails.
    pub fn image_set(&self, name: &str, pixels: &[u8], classifier: &Classifier) -> Result<ImageSet> {
        let mut watch = |part: &str, done, all| self.watch(part, done, all);
        Ok(ImageSet::new(name, pixels.to_vec(), classifier, Some(&self.cache), &mut watch)?)
    }

    /// The first `n` training images, or all of them if there are fewer.
    pub fn training_pixels(&self, n: usize) -> &[u8] {
        first(&self.data.train.pixels, n, self.shape())
    }

    /// Whether the test images are the reference.
    pub fn reference_is_test(&self) -> bool {
        self.reference == "test"
    }

    /// The reference images as `classifier` sees them.
    ///
    /// # Errors
    /// If they cannot be read or have another shape than the data.
    pub fn reference(&self, classifier: &Classifier) -> Result<ImageSet> {
        match self.reference {
            "test" => self.image_set("test images", test_reference(&self.data), classifier),
            "train" => self.image_set("training images", self.training_pixels(MAX_REFERENCE), classifier),
            path => {
                let files = ImageFiles::read(Path::new(path))?;
                classifier.check_shape(files.shape, "--reference")?;
                self.image_set(path, files.first(MAX_REFERENCE), classifier)
            }
        }
    }
}

/// The default reference, the first test images: pixels [n, C, H, W].
pub fn test_reference(data: &Dataset) -> &[u8] {
    first(&data.test.pixels, MAX_REFERENCE, data.shape())
}

/// The first `n` images of `pixels` [n, C, H, W], or all of them if there are fewer.
pub fn first(pixels: &[u8], n: usize, shape: ImageShape) -> &[u8] {
    &pixels[..pixels.len().min(n.saturating_mul(shape.len()))]
}
