//! Interpolation between two samples: starting states on the arc between two draws of a Gaussian prior.
//!
//! Song et al. 2021 (DDIM), section 5.3. A deterministic sampler maps the prior to images without further random numbers, so
//! a path between two draws of the prior becomes a path between two images. Points on the straight line between them do not
//! look like draws of the prior (the variance at its middle is half as large); points on the arc do.

use dm_degrade::generate::randomness;
use dm_degrade::{Degradation, Noise, Timestep};
use dm_nn::rng::Seed;

/// Number of images in a row, both ends included.
pub const COLUMNS: usize = 10;

/// The state at timestep T, `[C, H, W]`, from which image `i` of a grid with [`COLUMNS`] columns is sampled, and the noise of the
/// state, which is the state itself. Row r leads from sample 2r to sample 2r + 1 of `seed`.
pub fn start(degradation: &dyn Degradation, seed: Seed, i: u64) -> (Vec<f32>, Noise) {
    let (row, column) = (i / COLUMNS as u64, i % COLUMNS as u64);
    let (stream, last) = (randomness(seed), Timestep(degradation.timesteps()));
    let end = |sample: u64| {
        let mut state = vec![0.0; degradation.shape().len()];
        degradation.sample_prior(&mut stream(sample, last), &mut state);
        state
    };
    let state = slerp(&end(2 * row), &end(2 * row + 1), column as f64 / (COLUMNS - 1) as f64);
    (state.clone(), Noise(state))
}

/// The point at `share` of the way along the arc from `a` to `b`, eq. 67 of Song et al. 2021:
/// (sin((1 - share) angle) a + sin(share angle) b) / sin(angle).
fn slerp(a: &[f32], b: &[f32], share: f64) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    // The arc between nearly parallel or opposite ends is not defined; there the straight line is used.
    let weight = |share: f64| if angle.sin() > 1e-6 { (share * angle).sin() / angle.sin() } else { share };
    let (from_a, from_b) = (weight(1.0 - share) as f32, weight(share) as f32);
    a.iter().zip(b).map(|(a, b)| from_a * a + from_b * b).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dm_degrade::degradations::{DegradationConfig, GaussianConfig};
    use dm_nn::image::ImageShape;

    use super::*;

    #[test]
    fn rows_lead_from_sample_to_sample_without_losing_variance() {
        for shape in [ImageShape::new(1, 28, 28), ImageShape::new(3, 19, 24)] {
            let config = GaussianConfig { timesteps: 10, ..GaussianConfig::default() };
            let degradation = DegradationConfig::Gaussian(config).build(shape, &[]).unwrap();
            let prior = |sample: u64| {
                let mut state = vec![0.0; shape.len()];
                degradation.sample_prior(&mut randomness(Seed(4))(sample, Timestep(10)), &mut state);
                state
            };
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
            for (i, sample) in [(0, 0), (9, 1), (10, 2), (19, 3)] {
                assert!(close(&start(&*degradation, Seed(4), i).0, &prior(sample)));
            }
            for i in 0..20 {
                let (state, _) = start(&*degradation, Seed(4), i);
                let count = state.len() as f32;
                let variance = state.iter().map(|z| z * z).sum::<f32>() / count;
                // Five standard errors of the variance of so many normals.
                assert!((variance - 1.0).abs() < 5.0 * (2.0f32 / count).sqrt(), "{i}: {variance}");
            }
        }
    }

    #[test]
    fn parallel_ends_have_a_straight_line() {
        assert_eq!(slerp(&[1.0, 2.0], &[1.0, 2.0], 0.25), [1.0, 2.0]);
    }
}
