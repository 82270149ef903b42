//! The protocol: a set of images against a reference set, metric by metric, with floor and intervals beside every value.
//!
//! [`Images`] are u8, as real images are, with what the judge says of them. [`measure`] runs metrics on one set; [`Floor`]
//! runs the same on real images; [`table`] joins both over seeds. Where images come from is left out.

mod floor;
mod measures;
mod table;

use dm_nn::data::{PIXELS, sha256_hex};
use dm_nn::rng::Stream;

use crate::cache::Cache;
use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::judge::{Judge, Judged};

pub use floor::{Floor, FloorSets, MOST_BATCHES, floor};
pub use measures::{MEASURES, Measure, Outcome, Sight, Training, measure, measures};
pub use table::{Omitted, Row, Table, table};

/// Seed of whatever a metric draws: projections, subsets, splits.
pub const SEED: dm_nn::rng::Seed = dm_nn::rng::Seed(0);

/// Hears how far a long part has come: its name, units done, units in all.
pub type Watch<'a> = dyn FnMut(&str, usize, usize) + 'a;

/// A set of images with what the judge says of them.
#[derive(Clone, Debug)]
pub struct Images {
    /// What it is called in errors and tables.
    pub name: String,
    /// Pixels [n, 784].
    pub pixels: Vec<u8>,
    /// SHA-256 of the pixels.
    pub sha256: String,
    /// The judge's features and logits.
    pub judged: Judged,
}

impl Images {
    /// Has `judge` look at `pixels` [n, 784]; with `cache`, only if it has not done so before.
    ///
    /// # Errors
    /// Pixels that are no whole images, or none.
    pub fn new(
        name: &str,
        pixels: Vec<u8>,
        judge: &Judge,
        cache: Option<&Cache>,
        watch: &mut Watch<'_>,
    ) -> Result<Self> {
        let n = pixels.len() / PIXELS;
        if n == 0 || !pixels.len().is_multiple_of(PIXELS) {
            let expected = n.max(1) * PIXELS;
            return Err(EvalError::Length { set: name.to_owned(), expected, found: pixels.len() });
        }
        let stage = format!("features of {name}");
        let mut tick = |done| watch(&stage, done, n);
        let judged = match cache {
            Some(cache) => cache.judged(judge, &pixels, &mut tick)?,
            None => judge.look(&pixels, &mut tick)?,
        };
        Ok(Self { name: name.to_owned(), sha256: sha256_hex(&pixels), pixels, judged })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.judged.n()
    }

    /// The images from `first` up to, not including, `end`, as a set of that name.
    ///
    /// # Errors
    /// An empty range, or one beyond the end.
    pub fn part(&self, name: &str, first: usize, end: usize) -> Result<Self> {
        self.select(name, &(first..end).collect::<Vec<_>>())
    }

    /// The images of these numbers, as a set of that name.
    ///
    /// # Errors
    /// No image named, or one that does not exist.
    pub fn select(&self, name: &str, rows: &[usize]) -> Result<Self> {
        let judged = self.judged.select(rows)?;
        let pixels = select(&self.pixels, rows);
        Ok(Self { name: name.to_owned(), sha256: sha256_hex(&pixels), pixels, judged })
    }

    /// Pixels as ink in [0, 1], 784 columns.
    ///
    /// # Errors
    /// None in a set that was made by [`Self::new`].
    pub fn ink(&self) -> Result<Features> {
        let values = self.pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
        Features::new(&self.name, self.n(), PIXELS, values)
    }
}

/// The images of these numbers out of `pixels` [n, 784], each below n.
pub fn select(pixels: &[u8], rows: &[usize]) -> Vec<u8> {
    rows.iter().flat_map(|&row| &pixels[row * PIXELS..(row + 1) * PIXELS]).copied().collect()
}

/// `count` of `n` numbers in random order, always the same ones. Real images lie in the order in which they were written:
/// neighbours are of one hand, and a batch of them is less varied than as many images drawn at random.
pub fn shuffled(n: usize, count: usize) -> Vec<usize> {
    let order = SEED.stream(Stream::Metric, 0, 2).permutation(n);
    order.into_iter().take(count).map(|row| row as usize).collect()
}
