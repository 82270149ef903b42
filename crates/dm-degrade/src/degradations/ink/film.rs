//! Films, which record the paths of all grains of one image. With its film, a degraded image can be inverted exactly.

use dm_nn::rng::Rng;

use super::process::Ink;
use super::sums::walk;
use crate::degradation::Degradation;
use crate::error::{Error, Result};
use crate::heat::PlaneKernel;
use crate::poisson;
use crate::timestep::Timestep;

/// The paths of all grains of one image. With its film, the counts of a frame can be inverted bit for bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Film {
    /// Number of values of the image, over all channels.
    len: usize,
    /// `paths[i][g]` is the place of grain g in frame i, as an index into `[C, H, W]`. Grains that have faded walk on. The
    /// largest supported images have 4 x 128 x 128 values, so that 16 bits are enough.
    paths: Vec<Vec<u16>>,
    /// The first frame in which grain g is no longer seen.
    faded: Vec<usize>,
}

impl Film {
    /// Draws Poisson(x0(p)) grains at every place and walks each through `timesteps`, one frame per timestep, until it
    /// fades.
    ///
    /// # Errors
    /// Unless `timesteps` begin at 0 and ascend to at most T.
    pub fn record(ink: &Ink, x0: &[f32], timesteps: &[Timestep], rng: &mut Rng) -> Result<Self> {
        let (last, shape) = (Timestep(ink.timesteps()), ink.shape());
        let ascending = timesteps.windows(2).all(|pair| pair[0] <= pair[1]);
        if timesteps.first() != Some(&Timestep(0)) || !ascending || timesteps.last() > Some(&last) {
            let expected = format!("0 first, then ascending to at most {}", last.0);
            let found: Vec<usize> = timesteps.iter().map(|t| t.0).collect();
            return Err(Error::invalid("film timesteps", format!("{found:?}"), expected));
        }
        let mut frame = Vec::new();
        for (p, &mean) in x0.iter().enumerate() {
            let count = poisson::quantile(mean, rng.uniform()) as usize;
            frame.extend(std::iter::repeat_n(p as u16, count));
        }
        let mut paths = Vec::with_capacity(timesteps.len());
        for pair in timesteps.windows(2) {
            let kernel = PlaneKernel::heat(shape, ink.tau(pair[1]) - ink.tau(pair[0]));
            let (down, across) = (walk(kernel.height()), walk(kernel.width()));
            let mut step = |from: &u16| {
                let (plane, p) = (usize::from(*from) / shape.pixels(), usize::from(*from) % shape.pixels());
                let (y, x) = (down.step(p / shape.width, rng), across.step(p % shape.width, rng));
                (plane * shape.pixels() + y * shape.width + x) as u16
            };
            let next = frame.iter().map(&mut step).collect();
            paths.push(std::mem::replace(&mut frame, next));
        }
        paths.push(frame);
        let left: Vec<f64> = timesteps.iter().map(|&t| ink.share_left(t)).collect();
        let mut fade = |_: &u16| {
            let fate = rng.uniform_f64();
            left.partition_point(|&left| fate < left)
        };
        let faded = paths[0].iter().map(&mut fade).collect();
        Ok(Self { len: shape.len(), paths, faded })
    }

    /// Number of frames: one per recorded timestep.
    pub fn frames(&self) -> usize {
        self.paths.len()
    }

    /// The place of every grain in frame `i`, faded or not, as an index into `[C, H, W]`. A grain keeps its position in the
    /// list from frame to frame.
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

    /// The grain counts of frame `i`, `[C, H, W]`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::frames`].
    pub fn counts(&self, i: usize) -> Vec<f32> {
        let mut counts = vec![0.0; self.len];
        let seen = self.paths[i].iter().zip(self.seen(i)).filter(|(_, seen)| *seen);
        seen.for_each(|(&p, _)| counts[usize::from(p)] += 1.0);
        counts
    }

    /// The counts of frame 0, recovered from the counts of frame `i` by moving every grain back along its path; grains that
    /// have faded return to where they were.
    ///
    /// `None` if `counts` are not the counts of frame `i`, so that the film belongs to another image, or if there is no
    /// frame `i`.
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
