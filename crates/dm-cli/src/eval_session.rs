//! What the commands that evaluate images share: classifiers, data set, reference, cache and progress bar.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use candle_core::Device;
use dm_eval::Classifier;
use dm_eval::cache::Cache;
use dm_eval::protocol::{ImageSet, ReferenceStatistics};
use dm_nn::data::Dataset;
use dm_nn::image::ImageShape;
use tracing::info;

use crate::bar::Bar;
use crate::data_args::DataArgs;
use crate::device::{self, DeviceKind};
use crate::image_files::ImageFiles;
use crate::reference::Reference;
use crate::terminal::Terminal;
use crate::{embedded, locate};

/// The options that `dm eval` and `dm sanity` share.
#[derive(clap::Args)]
pub struct SessionArgs {
    /// The reference images, of which at most 10,000 are used: test, train, a path as for TARGET of dm eval, or validation, which
    /// is the last sixth of the training images, for choices that must not depend on the test images. Train with
    /// training.max_images so that the model does not see them.
    #[arg(long, default_value = "test", value_name = "test|train|validation|PATH")]
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
    pub device: Device,
    pub cache: Cache,
    data: SessionData,
    reference: &'a str,
    bar: Bar,
    start: Instant,
}

/// The data of an evaluation.
enum SessionData {
    /// A data set.
    Dataset(Dataset),
    /// No data set, but the statistics of the test images inside the program.
    Stored {
        statistics: ReferenceStatistics,
        /// Where the data set was looked for, as an error message.
        missing: String,
    },
}

impl<'a> EvalSession<'a> {
    /// Reads classifiers and data. Where no data set is named and the default data set is not found, the statistics inside the
    /// program take the place of the test images.
    ///
    /// # Errors
    /// If one of them cannot be read, a classifier is for images of another shape than the data, or the statistics inside the
    /// program are not those of the reference and the classifiers.
    pub fn open(args: &'a SessionArgs, terminal: &Terminal) -> Result<Self> {
        let device = device::open(args.device)?;
        let data = match args.data.open(terminal) {
            Err(error) if args.data.is_missing() => {
                SessionData::Stored { statistics: embedded::reference()?, missing: format!("{error:#}") }
            }
            data => SessionData::Dataset(data?),
        };
        let read = |name: &String| -> Result<Classifier> {
            let classifier = locate::classifier(name)?.open_classifier(&device)?;
            match &data {
                SessionData::Dataset(data) => classifier.check_shape(data.shape(), "--data")?,
                SessionData::Stored { statistics, missing } => ensure!(
                    classifier.sha256 == statistics.classifier_sha256 && args.reference == "test",
                    "{missing}, which has the statistics of the test images for the classifier `{}` only",
                    locate::DEFAULT_CLASSIFIER
                ),
            }
            Ok(classifier)
        };
        Ok(Self {
            classifiers: args.classifier.iter().map(read).collect::<Result<_>>()?,
            cache: Cache::new(&args.cache, &locate::program_sha256()?),
            reference: &args.reference,
            bar: terminal.bar(1, "evaluating"),
            start: Instant::now(),
            data,
            device,
        })
    }

    /// The data set.
    ///
    /// # Errors
    /// If there is none; the error says where it was looked for.
    pub fn data(&self) -> Result<&Dataset> {
        match &self.data {
            SessionData::Dataset(data) => Ok(data),
            SessionData::Stored { missing, .. } => bail!("{missing}"),
        }
    }

    /// SHA-256 of the data set, in hexadecimal.
    pub fn data_sha256(&self) -> &str {
        match &self.data {
            SessionData::Dataset(data) => &data.sha256,
            SessionData::Stored { statistics, .. } => &statistics.data_sha256,
        }
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        let of_classifier = self.classifiers.first().map(|classifier| classifier.shape);
        self.data().ok().map(Dataset::shape).or(of_classifier).unwrap_or(ImageShape::new(1, 0, 0))
    }

    /// Shows on the progress bar that `done` of `all` steps of a part of the evaluation are complete.
    pub fn watch(&self, part: &str, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_part(part);
    }

    /// Removes the progress bar and says how long the evaluation took.
    pub fn finish(&self) {
        self.bar.finish();
        info!("evaluated in {:.1} s", self.start.elapsed().as_secs_f64());
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
    ///
    /// # Errors
    /// If there is no data set.
    pub fn training_pixels(&self, n: usize) -> Result<&[u8]> {
        Ok(first(&self.data()?.train.pixels, n, self.shape()))
    }

    /// Whether the test images are the reference.
    pub fn reference_is_test(&self) -> bool {
        self.reference == "test"
    }

    /// The reference images as `classifier` sees them.
    ///
    /// # Errors
    /// If they cannot be read or have another shape than the data.
    pub fn reference(&self, classifier: &Classifier) -> Result<Reference> {
        if let SessionData::Stored { statistics, .. } = &self.data {
            return Ok(Reference::Stored(statistics.clone()));
        }
        let images = match self.reference {
            "test" => self.image_set("test images", test_reference(self.data()?), classifier),
            "validation" => {
                self.image_set("validation images", validation_reference(self.data()?), classifier)
            }
            "train" => self.image_set("training images", self.training_pixels(MAX_REFERENCE)?, classifier),
            path => {
                let files = ImageFiles::read(Path::new(path))?;
                classifier.check_shape(files.shape, "--reference")?;
                self.image_set(path, files.first(MAX_REFERENCE), classifier)
            }
        };
        images.map(Reference::Images)
    }
}

/// The default reference, the first test images: pixels [n, C, H, W].
pub fn test_reference(data: &Dataset) -> &[u8] {
    first(&data.test.pixels, MAX_REFERENCE, data.shape())
}

/// The last sixth of the training images: pixels [n, C, H, W].
fn validation_reference(data: &Dataset) -> &[u8] {
    let n = (data.train.len() / 6).min(MAX_REFERENCE);
    &data.train.pixels[data.train.pixels.len() - n * data.shape().len()..]
}

/// The first `n` images of `pixels` [n, C, H, W], or all of them if there are fewer.
pub fn first(pixels: &[u8], n: usize, shape: ImageShape) -> &[u8] {
    &pixels[..pixels.len().min(n.saturating_mul(shape.len()))]
}
