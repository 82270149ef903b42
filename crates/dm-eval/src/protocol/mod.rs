//! The protocol: a set of images against a reference set, metric by metric, with floor and intervals beside every value.
//!
//! [`Images`] are u8, as real images are, with what the judge says of them. [`measure`] runs metrics on one set; [`Floor`]
//! runs the same on real images; [`table`] joins both over seeds, which are sets of their own or groups of one ([`Design`]).
//! Where images come from is left out.

mod floor;
mod measures;
mod sight;
mod table;

use dm_nn::data::{PIXELS, sha256_hex};
use dm_nn::rng::Stream;

use crate::authenticity::Authenticity;
use crate::cache::Cache;
use crate::error::{EvalError, Result};
use crate::features::Features;
use crate::judge::{Judge, Judged};

pub use floor::{Floor, FloorSets, MOST_BATCHES, floor};
pub use measures::{MEASURES, Measure, Outcome, measure, measures};
pub use sight::{Sight, Training};
pub use table::{Design, Omitted, Outcomes, Row, Table, table};

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
    /// Their nearest training images, once [`Training::look`] has looked for them.
    pub nearest: Option<Nearest>,
}

/// The nearest training images of a set, in two ways of seeing.
#[derive(Clone, Debug)]
pub struct Nearest {
    /// In pixels, as ink in [0, 1].
    pub pixels: Authenticity,
    /// In the judge's features.
    pub features: Authenticity,
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
        Ok(Self { name: name.to_owned(), sha256: sha256_hex(&pixels), pixels, judged, nearest: None })
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
        let nearest = self.nearest.as_ref().map(|nearest| Nearest {
            pixels: nearest.pixels.select(rows),
            features: nearest.features.select(rows),
        });
        Ok(Self { name: name.to_owned(), sha256: sha256_hex(&pixels), pixels, judged, nearest })
    }

    /// All images of `parts`, one part after another, as a set of that name. Nothing is computed again.
    ///
    /// # Errors
    /// No parts, or such of different judges.
    pub fn join(name: &str, parts: &[&Self]) -> Result<Self> {
        let pixels: Vec<u8> = parts.iter().flat_map(|part| &part.pixels).copied().collect();
        let judged = Judged::join(&parts.iter().map(|part| &part.judged).collect::<Vec<_>>())?;
        let nearest: Option<Vec<&Nearest>> = parts.iter().map(|part| part.nearest.as_ref()).collect();
        let all = |of: fn(&Nearest) -> &Authenticity, parts: &[&Nearest]| {
            Authenticity::join(&parts.iter().map(|part| of(part)).collect::<Vec<_>>())
        };
        let nearest = nearest.map(|parts| Nearest {
            pixels: all(|part| &part.pixels, &parts),
            features: all(|part| &part.features, &parts),
        });
        Ok(Self { name: name.to_owned(), sha256: sha256_hex(&pixels), pixels, judged, nearest })
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
