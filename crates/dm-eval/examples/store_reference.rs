//! Writes the statistics of the test images of a data set in the features of a classifier, with real baselines, as JSON:
//! `store_reference DATA CLASSIFIER OUT`. The program `dm` contains such a file.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::path::PathBuf;

use candle_core::Device;
use dm_eval::Classifier;
use dm_eval::cache::Cache;
use dm_eval::protocol::{
    BaselineSets, EvalContext, ImageSet, MAX_BATCHES, ReferenceStatistics, metrics_named, real_baseline,
    select, shuffled,
};
use dm_nn::data::{Dataset, ReadOptions};
use dm_nn::params::file::write_atomic;

/// The numbers of images that real baselines are stored for.
const COUNTS: [usize; 4] = [100, 500, 1_000, 10_000];
/// The largest number of reference images, as in `dm eval`.
const MAX_REFERENCE: usize = 10_000;

/// Writes the file.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [data, path, out] =
        match std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>().try_into() {
            Ok(paths) => paths,
            Err(found) => return Err(format!("found {found:?}, expected DATA CLASSIFIER OUT").into()),
        };
    let data = Dataset::open(&data, &ReadOptions::default())?;
    let classifier = Classifier::read(&path, &Device::Cpu)?;
    let folder = tempfile::tempdir()?;
    let cache = Cache::new(folder.path(), "");
    let mut watch = |_: &str, _: usize, _: usize| {};
    let len = data.shape().len();
    let images = data.test.pixels[..data.test.len().min(MAX_REFERENCE) * len].to_vec();
    let reference = ImageSet::new("test images", images, &classifier, None, &mut watch)?;
    let context = EvalContext::new(&reference, None);
    let metrics = metrics_named(&ReferenceStatistics::METRICS.map(str::to_owned))?;
    let mut baselines = Vec::new();
    for n in COUNTS {
        // The same training images as in `dm eval`.
        let rows = shuffled(data.train.len(), (MAX_BATCHES * n).min(data.train.len()));
        let pixels = select(&data.train.pixels, len, &rows);
        let real = ImageSet::new("training images", pixels, &classifier, None, &mut watch)?;
        let sets = BaselineSets { real: &real, unseen: &real, classifier_sha256: &classifier.sha256 };
        baselines.extend(real_baseline(&sets, &context, &metrics, n, &cache, &mut watch)?);
    }
    let statistics = ReferenceStatistics::of(&reference, &data.sha256, &classifier, baselines)?;
    write_atomic(&out, serde_json::to_string(&statistics)?.as_bytes())?;
    println!("{}: {} images, {} features", out.display(), statistics.n, statistics.mean.len());
    Ok(())
}
