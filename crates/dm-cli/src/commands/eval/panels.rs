//! `dm eval --panels`: pictures of the pool (the first set, or all images of a pooled set), and the scores behind them.
//!
//! | file | content |
//! |---|---|
//! | `ranking.json` | the pool, the rule, and the scores of every image shown |
//! | `best.png`, `worst.png`, `random.png` | 32 images each, ranked by realism; near copies are not among the best |
//! | `nearest.png` | rows of nine: a random image, its four nearest training images in pixels, then its four nearest in features |
//! | `closest.png` | the same for the images that are nearest to a training image |
//! | `failures.png` | images of uncertain class: one row per pair of classes that are confused, the largest group first |
//! | `pca.json` | features of pool and reference along the first two principal components of the reference |

use std::path::Path;

use anyhow::{Context, Result, ensure};
use dm_eval::Features;
use dm_eval::distances::{Exclude, nearest};
use dm_eval::failures::failures;
use dm_eval::manifold::K;
use dm_eval::pca::Pca;
use dm_eval::protocol::{ImageSet, SEED, select};
use dm_eval::ranking::{PoolScores, ranking};
use dm_eval::realism::{REALISM, realism};
use dm_nn::image::ImageShape;
use dm_nn::picture::grid;
use dm_record::{PcaFile, RankingFile, SCHEMA};

use super::eval_result::EvalResult;
use super::sample_sets::SampleSets;
use crate::folder::write_json;
use crate::records;

/// Number of images of each selection.
const SHOWN: usize = 32;
/// Number of columns of a grid, and of rows of a panel of neighbours or failures.
const COLUMNS: usize = 8;
/// Number of neighbours of each kind.
const NEIGHBORS: usize = 4;
/// Number of points of each set in `pca.json`.
const POINTS: usize = 2000;
/// Enlargement of the pictures.
const ZOOM: u32 = 2;

/// Checks that `n` images are enough for the pictures.
///
/// # Errors
/// If they are not.
pub(super) fn check(n: usize) -> Result<()> {
    ensure!(n >= COLUMNS, "--panels: found {n} images, expected at least {COLUMNS}");
    Ok(())
}

/// Writes all files to `folder`.
///
/// # Errors
/// If there are too few images, or writing fails.
pub(super) fn write(folder: &Path, main: &EvalResult<'_>, samples: &SampleSets) -> Result<()> {
    let (pool, shape, reference) = (&main.pool, samples.shape, main.reference.images()?);
    check(pool.n())?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let training = &main.training.as_ref().context("--panels: found no training set")?.images;
    let found = &pool.nearest.as_ref().context("--panels: found no nearest training images")?.pixels;
    let predictions = pool.output.predictions();
    let nearest: Vec<(f64, u32)> = found.squared.iter().copied().zip(found.row.iter().copied()).collect();
    let near_copy: Vec<bool> = found.copied().collect();
    let realism = realism(&pool.output.features, &reference.output.features, K)?;
    let candidates =
        PoolScores { realism: &realism, predictions: &predictions, nearest: &nearest, near_copy: &near_copy };
    let chosen = ranking(&candidates, SHOWN, SEED)?;

    let picture = |name: &str, pixels: &[u8], columns: usize| {
        grid::write(&folder.join(name), shape, pixels, columns, ZOOM).map_err(anyhow::Error::from)
    };
    for (name, images) in
        [("best.png", &chosen.best), ("worst.png", &chosen.worst), ("random.png", &chosen.random)]
    {
        let rows: Vec<usize> = images.iter().map(|image| image.index).collect();
        picture(name, &pixels(pool, &rows), COLUMNS)?;
    }
    let random: Vec<usize> = chosen.random.iter().take(COLUMNS).map(|image| image.index).collect();
    let mut closest: Vec<usize> = (0..pool.n()).collect();
    closest.sort_by(|&a, &b| nearest[a].0.total_cmp(&nearest[b].0));
    closest.truncate(COLUMNS);
    for (name, rows) in [("nearest.png", &random), ("closest.png", &closest)] {
        picture(name, &with_neighbors(pool, training, rows)?, 1 + 2 * NEIGHBORS)?;
    }
    let failed = failures(&predictions);
    let groups = failed.groups.iter().map(|group| &group.images[..]);
    let sheet = failure_rows(pool, shape, groups);
    if !sheet.is_empty() {
        picture("failures.png", &sheet, COLUMNS)?;
    }
    let record = RankingFile {
        schema: SCHEMA,
        pool: Some(dm_record::Pool {
            set: if samples.pooled { "all seeds, one after another" } else { "the first" }.to_owned(),
            of: samples.target.clone(),
            sha256: pool.sha256.clone(),
        }),
        classifier_sha256: main.classifier.sha256.clone(),
        reference_sha256: reference.sha256.clone(),
        training_sha256: training.sha256.clone(),
        rule: format!("{}, k = {K}, {}", REALISM.name.trim_start_matches("median "), REALISM.source),
        ranking: records::ranking(&chosen),
        closest,
        failures: Some(records::failures(&failed)),
    };
    write_json(&folder.join("ranking.json"), &record)?;
    write_json(&folder.join("pca.json"), &components(&pool.output.features, &reference.output.features)?)
}

/// The images of `set` whose indices are `rows`: pixels [n, C, H, W].
fn pixels(set: &ImageSet, rows: &[usize]) -> Vec<u8> {
    select(&set.pixels, set.shape.len(), rows)
}

/// Rows of an image and its nearest training images, in pixels and in features: pixels [rows * (1 + 2 * NEIGHBORS), C, H, W].
fn with_neighbors(pool: &ImageSet, training: &ImageSet, rows: &[usize]) -> Result<Vec<u8>> {
    let shown = pool.select("shown images", rows)?;
    let in_pixels = nearest(&shown.unit_values()?, &training.unit_values()?, NEIGHBORS, Exclude::Nothing)?;
    let in_features =
        nearest(&shown.output.features, &training.output.features, NEIGHBORS, Exclude::Nothing)?;
    let mut sheet = Vec::new();
    for (place, &row) in rows.iter().enumerate() {
        sheet.extend(pixels(pool, &[row]));
        for neighbors in [in_pixels.of(place), in_features.of(place)] {
            let neighbors: Vec<usize> = neighbors.iter().map(|&(_, image)| image as usize).collect();
            sheet.extend(pixels(training, &neighbors));
        }
    }
    Ok(sheet)
}

/// One row of images per group, filled up with black images.
fn failure_rows<'a>(
    pool: &ImageSet,
    shape: ImageShape,
    groups: impl Iterator<Item = &'a [usize]>,
) -> Vec<u8> {
    let mut sheet = Vec::new();
    for (row, group) in groups.take(COLUMNS).enumerate() {
        sheet.extend(pixels(pool, &group[..group.len().min(COLUMNS)]));
        sheet.resize((row + 1) * COLUMNS * shape.len(), 0);
    }
    sheet
}

/// The first images of both sets along the principal components of the reference.
fn components(pool: &Features, reference: &Features) -> Result<PcaFile> {
    let pca = Pca::fit(reference)?;
    let points = |set: &Features| -> Result<Vec<[f64; 2]>> {
        let few = set.select(&(0..set.n().min(POINTS)).collect::<Vec<_>>())?;
        Ok(pca.project(&few)?)
    };
    Ok(PcaFile {
        schema: SCHEMA,
        fitted_on: reference.n(),
        explained: pca.explained,
        reference: points(reference)?,
        generated: points(pool)?,
    })
}
