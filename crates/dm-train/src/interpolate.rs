//! Between two samples: starting states on the arc between two draws of a Gaussian prior.
//!
//! Song et al. 2021 (DDIM), section 5.3. A deterministic sampler maps the prior to images without further noise, so a path
//! between two priors becomes a path between two images. The straight line leaves the prior (its middle has half the
//! variance); the arc does not.

use dm_degrade::degradation::{Degradation, Key, Level};
use dm_nn::rng::Seed;

use crate::generate::randomness;

/// Images of a row, both ends included.
pub const COLUMNS: usize = 10;

/// The state image `i` of a grid of [`COLUMNS`] columns starts from at level T: row r goes from sample 2r to sample
/// 2r + 1 of `seed`. Its key is the noise itself.
pub fn start(degradation: &dyn Degradation, seed: Seed, i: u64) -> (Vec<f32>, Key) {
    let (row, column) = (i / COLUMNS as u64, i % COLUMNS as u64);
    let (draw, top) = (randomness(seed), Level(degradation.steps()));
    let end = |sample: u64| degradation.prior(&mut draw(sample, top));
    let noise = slerp(&end(2 * row), &end(2 * row + 1), column as f64 / (COLUMNS - 1) as f64);
    (noise.clone(), Key(noise))
}

/// The point at `share` of the way along the arc from `a` to `b`, DDIM's eq. 67:
/// (sin((1 - share) angle) a + sin(share angle) b) / sin(angle).
fn slerp(a: &[f32], b: &[f32], share: f64) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    // Nearly parallel or opposite ends have no arc of their own.
    let weight = |share: f64| if angle.sin() > 1e-6 { (share * angle).sin() / angle.sin() } else { share };
    let (from_a, from_b) = (weight(1.0 - share) as f32, weight(share) as f32);
    a.iter().zip(b).map(|(a, b)| from_a * a + from_b * b).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dm_degrade::degradations::{DegradationConfig, GaussianConfig};

    use super::*;

    #[test]
    fn rows_lead_from_sample_to_sample_without_losing_variance() {
        let config = DegradationConfig::Gaussian(GaussianConfig { steps: 10, ..GaussianConfig::default() });
        let degradation = config.build(&[]).unwrap();
        let prior = |sample: u64| degradation.prior(&mut randomness(Seed(4))(sample, Level(10)));
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        for (i, sample) in [(0, 0), (9, 1), (10, 2), (19, 3)] {
            assert!(close(&start(&*degradation, Seed(4), i).0, &prior(sample)));
        }
        for i in 0..20 {
            let (state, _) = start(&*degradation, Seed(4), i);
            let variance = state.iter().map(|z| z * z).sum::<f32>() / state.len() as f32;
            // Five standard errors of the variance of 784 normals.
            assert!((variance - 1.0).abs() < 5.0 * (2.0f32 / 784.0).sqrt(), "{i}: {variance}");
        }
    }

    #[test]
    fn parallel_ends_have_a_straight_line() {
        assert_eq!(slerp(&[1.0, 2.0], &[1.0, 2.0], 0.25), [1.0, 2.0]);
    }
}
