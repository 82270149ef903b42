//! The film: every grain of one image with its whole path, the keyed form of ink.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;

use super::Ink;
use super::grains::{cumulate, lanes, pick};
use crate::degradation::Level;
use crate::error::{Error, Result};
use crate::{heat, poisson};

/// Every grain of one image with its whole path: with the film as key, ink is inverted bit for bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Film {
    /// `paths[i][g]` is the pixel of grain g in frame i, where it also walks on when it has faded.
    paths: Vec<Vec<u16>>,
    /// The first frame in which grain g is no longer seen.
    faded: Vec<usize>,
}

impl Film {
    /// Draws Poisson(x0(p)) grains in every pixel and walks each through `levels`, one frame per level, until it fades.
    ///
    /// # Errors
    /// If `levels` do not begin at 0 and ascend to at most T.
    pub fn record(ink: &Ink, x0: &[f32], levels: &[Level], rng: &mut Rng) -> Result<Self> {
        let last = Level(ink.tau.len() - 1);
        let ascending = levels.windows(2).all(|pair| pair[0] <= pair[1]);
        if levels.first() != Some(&Level(0)) || !ascending || levels.last() > Some(&last) {
            let expected = format!("0 first, then ascending to at most {}", last.0);
            let found: Vec<usize> = levels.iter().map(|level| level.0).collect();
            return Err(Error::invalid("film levels", format!("{found:?}"), expected));
        }
        let mut start = Vec::new();
        for (p, &mean) in x0.iter().enumerate() {
            let count = poisson::quantile(mean, rng.uniform()) as usize;
            start.extend(std::iter::repeat_n(p as u16, count));
        }
        let mut paths = vec![start];
        for pair in levels.windows(2) {
            let kernel = heat::kernel(ink.tau(pair[1]) - ink.tau(pair[0]));
            let rows = kernel.map(|row| cumulate(lanes(row.iter())));
            let mut step = |from: &u16| {
                let (y, x) = (usize::from(*from) / SIDE, usize::from(*from) % SIDE);
                (pick(&rows[y], rng) * SIDE + pick(&rows[x], rng)) as u16
            };
            let next = paths[paths.len() - 1].iter().map(&mut step).collect();
            paths.push(next);
        }
        let left: Vec<f64> = levels.iter().map(|&level| ink.left(level)).collect();
        let mut fade = |_: &u16| {
            let fate = rng.uniform_f64();
            left.partition_point(|&left| fate < left)
        };
        let faded = paths[0].iter().map(&mut fade).collect();
        Ok(Self { paths, faded })
    }

    /// Number of frames: one per recorded level.
    pub fn frames(&self) -> usize {
        self.paths.len()
    }

    /// Pixel of every grain in frame `i`, faded or not; a grain keeps its place in the list from frame to frame.
    ///
    /// # Panics
    /// If `i` is not below [`Self::frames`].
    pub fn places(&self, i: usize) -> &[u16] {
        &self.paths[i]
    }

    /// Whether each grain is still seen in frame `i`, in the order of [`Self::places`].
    pub fn seen(&self, i: usize) -> impl Iterator<Item = bool> {
        self.faded.iter().map(move |&faded| i < faded)
    }

    /// Grain counts `[784]` of frame `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::frames`].
    pub fn counts(&self, i: usize) -> Vec<f32> {
        let mut counts = vec![0.0; PIXELS];
        let seen = self.paths[i].iter().zip(self.seen(i)).filter(|(_, seen)| *seen);
        seen.for_each(|(&p, _)| counts[usize::from(p)] += 1.0);
        counts
    }

    /// The counts of frame 0, recovered from the counts of frame `i` by walking every grain back along its path; the
    /// faded ones return to where they were.
    ///
    /// `None` if `counts` are not the counts of frame `i`: then the film is not its key.
    pub fn invert(&self, counts: &[f32], i: usize) -> Option<Vec<f32>> {
        let path = self.paths.get(i)?;
        if counts != self.counts(i) {
            return None;
        }
        let mut restored = counts.to_vec();
        for ((from, to), seen) in path.iter().zip(&self.paths[0]).zip(self.seen(i)) {
            restored[usize::from(*from)] -= f32::from(u8::from(seen));
            restored[usize::from(*to)] += 1.0;
        }
        Some(restored)
    }
}
