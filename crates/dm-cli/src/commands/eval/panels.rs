//! `dm eval --panels`: pictures of the pool (the first set, or all of a pooled one), and the scores behind them.
//!
//! | file | what |
//! |---|---|
//! | `ranking.json` | pool, rule, and the scores of every image shown |
//! | `best.png`, `worst.png`, `random.png` | 32 images each, by realism, in reading order; near copies are no best |
//! | `nearest.png` | rows of nine: an image of the random choice, its four nearest training images in pixels, then in features |
//! | `closest.png` | the same for the images of the pool that are nearest to a training image |
//! | `failures.png` | a row per pair of classes the judge wavers between, largest group first, least certain image first |
//! | `pca.json` | features of pool and reference along the reference's two principal components |

use std::path::Path;

use anyhow::{Context, Result, ensure};
use dm_eval::Features;
use dm_eval::distances::{Exclude, nearest};
use dm_eval::failures::failures;
use dm_eval::manifold::K;
use dm_eval::pca::Pca;
use dm_eval::protocol::{Images, SEED, select};
use dm_eval::ranking::{Pool, ranking};
use dm_eval::realism::{REALISM, realism};
use dm_nn::data::PIXELS;
use dm_nn::params::file::write_atomic;
use dm_train::grid;
use serde_json::{Value, json};

use super::measured::Measured;
use super::target::Drawn;

/// Images of each selection.
const SHOWN: usize = 32;
/// Columns of a grid of them, and rows of a panel of neighbours or failures.
const COLUMNS: usize = 8;
/// Neighbours shown of each kind.
const NEAR: usize = 4;
/// Points of each set in `pca.json`, the first ones.
const POINTS: usize = 2000;
const ZOOM: u32 = 2;

pub(super) fn write(folder: &Path, main: &Measured<'_>, drawn: &Drawn) -> Result<()> {
    let pool = &main.pool;
    ensure!(pool.n() >= COLUMNS, "--panels: found {} images, expected at least {COLUMNS}", pool.n());
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let training = &main.training.as_ref().context("--panels: found no training set")?.images;
    let found = &pool.nearest.as_ref().context("--panels: found no nearest training images")?.pixels;
    let guesses = pool.judged.guesses();
    let nearest: Vec<(f64, u32)> = found.squared.iter().copied().zip(found.row.iter().copied()).collect();
    let near_copy: Vec<bool> = found.copied().collect();
    let realism = realism(&pool.judged.features, &main.reference.judged.features, K)?;
    let chosen = ranking(
        &Pool { realism: &realism, guesses: &guesses, nearest: &nearest, near_copy: &near_copy },
        SHOWN,
        SEED,
    )?;

    let picture = |name: &str, pixels: &[u8], columns: usize| {
        grid::write(&folder.join(name), pixels, columns, ZOOM).map_err(anyhow::Error::from)
    };
    for (name, images) in
        [("best.png", &chosen.best), ("worst.png", &chosen.worst), ("random.png", &chosen.random)]
    {
        let rows: Vec<usize> = images.iter().map(|image| image.index).collect();
        picture(name, &pixels(pool, &rows), COLUMNS)?;
    }
    let random: Vec<usize> = chosen.random.iter().take(COLUMNS).map(|image| image.index).collect();
    let mut order: Vec<usize> = (0..pool.n()).collect();
    order.sort_by(|&a, &b| nearest[a].0.total_cmp(&nearest[b].0));
    order.truncate(COLUMNS);
    for (name, rows) in [("nearest.png", &random), ("closest.png", &order)] {
        picture(name, &beside(pool, training, rows)?, 1 + 2 * NEAR)?;
    }
    let failed = failures(&guesses);
    let mut sheet = Vec::new();
    for group in failed.groups.iter().take(COLUMNS) {
        let shown = &group.images[..group.images.len().min(COLUMNS)];
        sheet.extend(pixels(pool, shown));
        sheet.resize(sheet.len() + (COLUMNS - shown.len()) * PIXELS, 0);
    }
    if !sheet.is_empty() {
        picture("failures.png", &sheet, COLUMNS)?;
    }
    let record = json!({
        "schema": 1,
        "pool": { "set": if drawn.pooled { "all seeds, one after another" } else { "the first" }, "of": drawn.origin, "sha256": pool.sha256 },
        "judge_sha256": main.judge.sha256,
        "reference_sha256": main.reference.sha256,
        "training_sha256": training.sha256,
        "rule": format!("{}, k = {K}, {}", REALISM.name.trim_start_matches("median "), REALISM.source),
        "ranking": chosen,
        "closest": order,
        "failures": failed,
    });
    save(&folder.join("ranking.json"), &record)?;
    save(&folder.join("pca.json"), &view(&pool.judged.features, &main.reference.judged.features)?)
}

/// The images of these numbers.
fn pixels(images: &Images, rows: &[usize]) -> Vec<u8> {
    select(&images.pixels, rows)
}

/// Rows of an image and its nearest training images, in pixels and in features.
fn beside(pool: &Images, training: &Images, rows: &[usize]) -> Result<Vec<u8>> {
    let shown = pool.select("shown images", rows)?;
    let in_pixels = nearest(&shown.ink()?, &training.ink()?, NEAR, Exclude::Nothing)?;
    let in_features = nearest(&shown.judged.features, &training.judged.features, NEAR, Exclude::Nothing)?;
    let mut sheet = Vec::new();
    for (place, &row) in rows.iter().enumerate() {
        sheet.extend(pixels(pool, &[row]));
        for near in [in_pixels.of(place), in_features.of(place)] {
            let near: Vec<usize> = near.iter().map(|&(_, image)| image as usize).collect();
            sheet.extend(pixels(training, &near));
        }
    }
    Ok(sheet)
}

/// The first images of both sets along the principal components of all real ones.
fn view(pool: &Features, real: &Features) -> Result<Value> {
    let pca = Pca::fit(real)?;
    let points = |set: &Features| -> Result<Vec<[f64; 2]>> {
        let few = set.select(&(0..set.n().min(POINTS)).collect::<Vec<_>>())?;
        Ok(pca.project(&few)?)
    };
    Ok(json!({
        "schema": 1, "fitted_on": real.n(), "explained": pca.explained,
        "reference": points(real)?, "generated": points(pool)?,
    }))
}

fn save(path: &Path, value: &Value) -> Result<()> {
    Ok(write_atomic(path, serde_json::to_string_pretty(value)?.as_bytes())?)
}
