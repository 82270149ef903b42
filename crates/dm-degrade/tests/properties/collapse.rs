//! What a chain can generate from its prior: 32 digits scaled to the same total intensity, and the exact posterior mean among
//! them. Where the prior is a single state a chain generates a single image, whose first estimate is the mean of all digits;
//! where the prior is noise, the digits come back in all their variety.

use dm_degrade::degradations::{BlurConfig, GaussianConfig, PixelateConfig};
use dm_degrade::{Degradation, DegradationConfig, Denoiser, Result, SamplerKind, Sampling, Timestep};

use super::samplers::run;
use super::slices::Slices;
use super::{MNIST, PIXELS, digit, worst};

pub const DIGITS: usize = 32;

/// Digits, all with the ink of the lightest.
pub fn digits() -> Vec<Vec<f32>> {
    let mut images: Vec<Vec<f32>> = (0..DIGITS).map(digit).collect();
    let total = |image: &[f32]| image.iter().sum::<f32>();
    let least = images.iter().map(|image| total(image)).fold(f32::INFINITY, f32::min);
    for image in &mut images {
        let scale = least / total(image);
        image.iter_mut().for_each(|v| *v *= scale);
    }
    images
}

pub fn mean(images: &[Vec<f32>]) -> Vec<f32> {
    (0..PIXELS).map(|p| images.iter().map(|image| image[p]).sum::<f32>() / DIGITS as f32).collect()
}

/// The mean of the digits that x_t may come from, each weighted by how near its own state at t lies.
struct Among<'a> {
    process: &'a dyn Degradation,
    states: Vec<Vec<f32>>,
}

/// The distance per pixel that a network can resolve: the standard deviation in the weights of processes without noise.
const WIDTH: f32 = 0.02;

impl Denoiser for Among<'_> {
    fn denoise(&self, x_t: &[f32], t: Timestep) -> Result<Vec<f32>> {
        let hot = self.process.gaussian().map(|process| process.alpha_sigma(t));
        let here = |state: &Vec<f32>| match hot {
            Some((a, _)) => state.iter().map(|x| a * x).collect(),
            None => self.process.degraded(state, t, &dm_degrade::Noise::default()),
        };
        let (degraded, width) = (self.states.iter().map(here), hot.map_or(WIDTH, |(_, b)| b));
        let degraded: Vec<Vec<f32>> = degraded.collect();
        let estimate = |x: &[f32]| {
            let apart = |d: &Vec<f32>| -> f32 {
                x.iter().zip(d).map(|(x, d)| (x - d).powi(2)).sum::<f32>() / (2.0 * width * width)
            };
            let apart: Vec<f32> = degraded.iter().map(apart).collect();
            let nearest = apart.iter().copied().fold(f32::INFINITY, f32::min);
            let weights: Vec<f32> = apart.iter().map(|apart| (nearest - apart).exp()).collect();
            let total: f32 = weights.iter().sum();
            let pixel =
                |p: usize| self.states.iter().zip(&weights).map(|(s, w)| w * s[p]).sum::<f32>() / total;
            (0..PIXELS).map(pixel).collect::<Vec<_>>()
        };
        Ok(x_t.chunks_exact(PIXELS).flat_map(estimate).collect())
    }
}

fn among(process: &dyn Degradation) -> Among<'_> {
    Among { process, states: digits().iter().map(|image| process.state(image)).collect() }
}

#[test]
fn a_prior_of_one_state_generates_one_image_and_begins_with_the_mean() {
    let images = digits();
    let total: f32 = images[0].iter().sum();
    let fitted = [vec![total; 257], mean(&images)].concat();
    for config in [
        DegradationConfig::Pixelate(PixelateConfig::default()),
        DegradationConfig::Blur(BlurConfig::default()),
    ] {
        let process = config.build(MNIST, &fitted).unwrap();
        let among = among(process.as_ref());
        for sampler in [SamplerKind::Cold, SamplerKind::ColdNaive, SamplerKind::Ancestral] {
            let drawn = run(Sampling::new(sampler, 50), process.as_ref(), &among, 0..8).unwrap();
            for image in drawn.chunks_exact(PIXELS) {
                assert_eq!(image, &drawn[..PIXELS], "{} of {}", sampler.name(), process.name());
            }
        }
        let start = process.prior(&mut super::rng(1, 0));
        let first = among.denoise(&start, Timestep(process.timesteps())).unwrap();
        // Pixelate's x_T is the same for all digits; blur's still differs a little, within the width.
        let off = worst(&first, &mean(&images));
        assert!(off < if process.name() == "pixelate" { 1e-5 } else { 0.1 }, "{}: {off}", process.name());
    }
}

#[test]
fn noise_generates_all_digits() {
    let process = DegradationConfig::Gaussian(GaussianConfig::default()).build(MNIST, &[]).unwrap();
    let among = among(process.as_ref());
    let drawn = run(Sampling::new(SamplerKind::Ddim, 60), process.as_ref(), &among, 0..64).unwrap();
    let mut seen = [0; DIGITS];
    for state in drawn.chunks_exact(PIXELS) {
        let found = among.states.iter().position(|digit| worst(digit, state) < 0.05);
        seen[found.expect("a digit, and not a mean of several")] += 1;
    }
    // 64 draws among 32 equally likely digits meet 28 of them, give or take 2.
    let met = seen.iter().filter(|&&times| times > 0).count();
    assert!(met >= 20, "{met} of {DIGITS}: {seen:?}");
}
