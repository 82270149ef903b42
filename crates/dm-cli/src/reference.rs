//! The reference of an evaluation: images, or the statistics inside the program where there are no images.

use anyhow::{Result, bail};
use dm_eval::protocol::{EvalContext, ImageSet, ReferenceStatistics, TrainingSet};
use dm_record::ReferenceRecord;

/// The real images that a set is compared with, as one classifier sees them.
pub enum Reference {
    /// Images with their features.
    Images(ImageSet),
    /// The statistics of images that are not at hand.
    Stored(ReferenceStatistics),
}

impl Reference {
    /// The context of an evaluation with this reference and, for metrics that need it, the training set.
    pub fn context<'a>(&'a self, training: Option<&'a TrainingSet>) -> EvalContext<'a> {
        match self {
            Self::Images(images) => EvalContext::new(images, training),
            Self::Stored(statistics) => EvalContext::of_statistics(statistics),
        }
    }

    /// The images.
    ///
    /// # Errors
    /// If only their statistics are known.
    pub fn images(&self) -> Result<&ImageSet> {
        match self {
            Self::Images(images) => Ok(images),
            Self::Stored(_) => bail!("reference: found only its statistics, expected images"),
        }
    }

    /// The reference in files.
    pub fn record(&self) -> ReferenceRecord {
        match self {
            Self::Images(images) => {
                ReferenceRecord { name: images.name.clone(), sha256: images.sha256.clone(), n: images.n() }
            }
            Self::Stored(statistics) => ReferenceRecord {
                name: statistics.name.clone(),
                sha256: statistics.sha256.clone(),
                n: statistics.n,
            },
        }
    }

    /// Number of features of an image.
    pub fn dim(&self) -> usize {
        match self {
            Self::Images(images) => images.output.features.dim(),
            Self::Stored(statistics) => statistics.mean.len(),
        }
    }

    /// Number of images of each class; empty if it is not known.
    pub fn class_counts(&self) -> Vec<u64> {
        self.context(None).class_counts().unwrap_or_default()
    }

    /// The line above the table of scores.
    pub fn describe(&self) -> String {
        let ReferenceRecord { name, n, .. } = self.record();
        match self {
            Self::Images(_) => format!("compared with {n} {name}"),
            Self::Stored(_) => format!("compared with the statistics of {n} {name} inside the program"),
        }
    }
}
