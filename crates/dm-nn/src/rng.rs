//! All randomness of the project: ChaCha8 streams keyed by (root seed, stream, index, sub-index), drawn on the host.
//!
//! candle's CPU generator cannot be seeded, so none of it is used. A stream is a pure function of its key: a sample does
//! not depend on batch size or thread count, and a training run resumes with its seed and step alone. What the numbers
//! mean (noise, levels, grains) is the callers' business.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// The root seed of a run or of a sampling command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// What a stream of random numbers is for. Two streams of one seed are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights; index = position of the parameter.
    Init = 1,
    /// Order of the training set; index = epoch.
    Shuffle = 2,
    /// Levels t of the training batch; index = step.
    Level = 3,
    /// Keys of degradations in training; index = step, sub-index = position in the batch.
    Degrade = 4,
    /// Dropout masks; index = step.
    Dropout = 5,
    /// Sampling; index = sample id, sub-index = step of the reverse chain.
    Sample = 6,
    /// Validation batches: fixed over a run; index = position in the validation set.
    Validate = 7,
    /// Random choices of a metric (projections, subsets); index = their number.
    Metric = 8,
    /// Random shifts of training images; index = step, sub-index = position in the batch.
    Augment = 9,
}

/// One stream of random numbers: ChaCha8 with its own key.
#[derive(Clone, Debug)]
pub struct Rng {
    core: ChaCha8Rng,
    /// Normals to hand out before drawing new ones, last first: the second of a pair, or a prepared list.
    ready: Vec<f32>,
}

impl Seed {
    /// The stream `stream` number (`index`, `sub`) of this seed.
    pub fn stream(self, stream: Stream, index: u64, sub: u64) -> Rng {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..12].copy_from_slice(&(stream as u32).to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..].copy_from_slice(&sub.to_le_bytes());
        Rng { core: ChaCha8Rng::from_seed(key), ready: Vec::new() }
    }
}

impl Rng {
    /// This stream with `normals` handed out first: lets a caller fix every noise of a sampler.
    #[must_use]
    pub fn with_normals(mut self, normals: &[f32]) -> Self {
        self.ready = normals.iter().rev().copied().collect();
        self
    }

    /// Uniform 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.core.next_u64()
    }

    /// Uniform on [0, 1) with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        (self.core.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform on [0, 1) with 53 random bits.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.core.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform integer in `0..n` (Lemire's multiply-and-reject; no modulo bias). Returns 0 for `n = 0`.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.core.next_u64()) * u128::from(n);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Standard normal (Box-Muller in f64, rounded to f32; draws come in pairs).
    pub fn normal(&mut self) -> f32 {
        if let Some(z) = self.ready.pop() {
            return z;
        }
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform_f64()).sin_cos();
        self.ready.push((radius * sin) as f32);
        (radius * cos) as f32
    }

    /// Fills `out` with standard normals.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        out.iter_mut().for_each(|z| *z = self.normal());
    }

    /// Fills `out` with uniforms on [0, 1).
    pub fn fill_uniform(&mut self, out: &mut [f32]) {
        out.iter_mut().for_each(|u| *u = self.uniform());
    }

    /// A uniformly random permutation of `0..n` (Fisher-Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn first(seed: u64, stream: Stream, index: u64, sub: u64) -> u64 {
        Seed(seed).stream(stream, index, sub).next_u64()
    }

    #[test]
    fn streams_are_pinned_and_distinct() {
        let a = first(7, Stream::Sample, 3, 0);
        assert_eq!(a, first(7, Stream::Sample, 3, 0));
        for other in [
            first(8, Stream::Sample, 3, 0),
            first(7, Stream::Degrade, 3, 0),
            first(7, Stream::Sample, 4, 0),
            first(7, Stream::Sample, 3, 1),
        ] {
            assert_ne!(a, other);
        }
    }

    #[test]
    fn moments_of_uniform_and_normal() {
        let mut rng = Seed(1).stream(Stream::Degrade, 0, 0);
        let n = 200_000;
        let (mut u1, mut u2, mut z1, mut z2, mut z4) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for _ in 0..n {
            let (u, z) = (f64::from(rng.uniform()), f64::from(rng.normal()));
            u1 += u;
            u2 += u * u;
            z1 += z;
            z2 += z * z;
            z4 += z.powi(4);
        }
        let n = f64::from(n);
        // Five standard errors each.
        assert!((u1 / n - 0.5).abs() < 5.0 * (1.0f64 / 12.0 / n).sqrt());
        assert!((u2 / n - 1.0 / 3.0).abs() < 5.0 * (4.0f64 / 45.0 / n).sqrt());
        assert!((z1 / n).abs() < 5.0 / n.sqrt());
        assert!((z2 / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((z4 / n - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn permutation_is_a_permutation() {
        let mut order = Seed(5).stream(Stream::Shuffle, 2, 0).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
