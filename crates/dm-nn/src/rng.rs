//! Random numbers: ChaCha8 streams, each a pure function of (root seed, purpose, index, sub-index).
//!
//! The numbers do not depend on batch size or thread count, and a training run resumes from its seed and step alone.
//! candle's CPU generator cannot be seeded and is not used anywhere. The purposes of the upper crates (noise, timesteps,
//! shuffling, ...) are numbers that those crates define.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// The root seed of a run or of a sampling command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// The purpose of a stream of random numbers, as a number. Two purposes of the same seed give independent streams.
///
/// This crate uses [`INIT`] and [`SPLIT`]. Other crates define their own purposes and must not reuse a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose(pub u32);

/// The purpose of initial weights. The index is the position of the parameter in its network.
pub const INIT: Purpose = Purpose(1);
/// The purpose of splitting a folder of images into training set and test set.
pub const SPLIT: Purpose = Purpose(10);

/// A stream of random numbers: ChaCha8 with its own key.
#[derive(Clone, Debug)]
pub struct Rng {
    core: ChaCha8Rng,
    /// Standard normals that are returned before new ones are drawn, in reverse order: the second one of a Box-Muller
    /// pair, or the list given to [`Rng::with_normals`].
    ready: Vec<f32>,
}

impl Seed {
    /// The stream number (`index`, `sub`) for `purpose`.
    pub fn stream(self, purpose: Purpose, index: u64, sub: u64) -> Rng {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..12].copy_from_slice(&purpose.0.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..].copy_from_slice(&sub.to_le_bytes());
        Rng { core: ChaCha8Rng::from_seed(key), ready: Vec::new() }
    }
}

impl Rng {
    /// Makes [`Self::normal`] return the numbers `normals`, in order, before it draws further ones. A caller can in this way
    /// replace all the normal numbers that an algorithm draws.
    #[must_use]
    pub fn with_normals(mut self, normals: &[f32]) -> Self {
        self.ready = normals.iter().rev().copied().collect();
        self
    }

    /// 64 uniformly random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.core.next_u64()
    }

    /// A number uniform on [0, 1) with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        (self.core.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// A number uniform on [0, 1) with 53 random bits.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.core.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A uniform integer in `0..n` (Lemire 2019: multiply and reject, without modulo bias); 0 for `n = 0`.
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

    /// A standard normal number (Box-Muller in f64, rounded to f32). Numbers are drawn in pairs; the second of a pair is
    /// returned by the next call.
    pub fn normal(&mut self) -> f32 {
        if let Some(z) = self.ready.pop() {
            return z;
        }
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform_f64()).sin_cos();
        self.ready.push((radius * sin) as f32);
        (radius * cos) as f32
    }

    /// Fills `out` with standard normal numbers.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        out.iter_mut().for_each(|z| *z = self.normal());
    }

    /// Fills `out` with numbers uniform on [0, 1).
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
mod tests {
    use super::*;

    /// A purpose of the sampler, as an upper crate would define it.
    const SAMPLE: Purpose = Purpose(6);

    fn first(seed: u64, purpose: Purpose, index: u64, sub: u64) -> u64 {
        Seed(seed).stream(purpose, index, sub).next_u64()
    }

    #[test]
    fn equal_keys_give_equal_streams_and_different_keys_different_ones() {
        let a = first(7, SAMPLE, 3, 0);
        assert_eq!(a, first(7, SAMPLE, 3, 0));
        for other in
            [first(8, SAMPLE, 3, 0), first(7, INIT, 3, 0), first(7, SAMPLE, 4, 0), first(7, SAMPLE, 3, 1)]
        {
            assert_ne!(a, other);
        }
    }

    #[test]
    fn uniform_and_normal_numbers_have_the_right_moments() {
        let mut rng = Seed(1).stream(INIT, 0, 0);
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
        let mut order = Seed(5).stream(SAMPLE, 2, 0).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
