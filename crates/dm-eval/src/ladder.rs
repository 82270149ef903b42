//! The sanity ladder: real images spoiled in known ways, from unnoticeable to hopeless. A measure of fidelity that does not
//! put them in order is not to be trusted with models.
//!
//! Every rung is made of the same n training images and measured against the reference. The order is that of groups; rungs
//! of one group may come out either way round, as they were seen to with another judge or another n, and a rung may belong to
//! two groups. With the shipped judges, n = 2,000 and 10,000, it was
//! real < noise 0.02 < blur < noise 0.1 < mix-up < {class means, noise 0.3} < {global mean, uniform noise}, and 100 images over
//! and over between noise 0.02 and mix-up, on either side of noise 0.1. This is what was measured, no law of nature.

use dm_nn::data::{CLASSES, PIXELS, SIDE, sha256_hex};
use dm_nn::rng::{Seed, Stream};
use serde::Serialize;

use crate::authenticity::authenticity;
use crate::cache::Cache;
use crate::error::Result;
use crate::features::Features;
use crate::frechet::frechet;
use crate::judge::Judge;
use crate::manifold::{K, RealBalls};
use crate::protocol::{Images, SEED, Watch};

/// A way of spoiling images.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spoil {
    Nothing,
    Noise(f32),
    Few(usize),
    Blur(f32),
    MixUp,
    ClassMeans,
    GlobalMean,
    Uniform,
}

/// Name, first and last group, and recipe of every rung.
const RUNGS: [(&str, [usize; 2], Spoil); 10] = [
    ("real (training copies)", [0, 0], Spoil::Nothing),
    ("noise 0.02", [1, 1], Spoil::Noise(0.02)),
    ("100 images over and over", [2, 3], Spoil::Few(100)),
    ("blur 0.5 pixels", [2, 2], Spoil::Blur(0.5)),
    ("noise 0.1", [3, 3], Spoil::Noise(0.1)),
    ("50/50 mix-up", [4, 4], Spoil::MixUp),
    ("class means", [5, 5], Spoil::ClassMeans),
    ("noise 0.3", [5, 5], Spoil::Noise(0.3)),
    ("global mean", [6, 6], Spoil::GlobalMean),
    ("uniform noise", [6, 6], Spoil::Uniform),
];

/// What was measured of one rung.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    /// Its name.
    pub name: &'static str,
    /// First and last group; rungs whose first group is above this one's last must be worse.
    pub groups: [usize; 2],
    /// Frechet distance.
    pub fd: f64,
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// Coverage.
    pub coverage: f64,
    /// Share that looks copied from those n training images, in pixels.
    pub memorised: f64,
}

/// Measures every rung, made of `pixels` [n, 784] with `labels`, against `reference`. How much of a rung looks copied does
/// not depend on the judge and comes from `cache` for every judge but the first.
///
/// # Errors
/// As the metrics; fewer images than the judge has features.
pub fn ladder(
    judge: &Judge,
    pixels: &[u8],
    labels: &[u8],
    reference: &Images,
    cache: &Cache,
    watch: &mut Watch<'_>,
) -> Result<Vec<Rung>> {
    let (training, training_sha256) = (ink(pixels)?, sha256_hex(pixels));
    let real = &reference.judged.features;
    let balls = RealBalls::of(real, K)?;
    let mut rungs = Vec::with_capacity(RUNGS.len());
    for (i, &(name, groups, spoil)) in RUNGS.iter().enumerate() {
        watch(name, i, RUNGS.len());
        let spoiled = apply(spoil, pixels, labels);
        let images = Images::new(name, spoiled, judge, None, &mut |_, _, _| {})?;
        let set = &images.judged.features;
        let values = balls.manifold(set, real)?;
        let memorised = || -> Result<f64> { Ok(authenticity(&images.ink()?, &training)?.score().value) };
        rungs.push(Rung {
            name,
            groups,
            fd: frechet(set, real)?.value,
            precision: values.precision,
            recall: values.recall,
            coverage: values.coverage,
            memorised: cache.value("memorised", &[&images.sha256, &training_sha256], memorised)?,
        });
    }
    Ok(rungs)
}

/// All pairs of rungs whose Frechet distances are in the wrong order: (better group, worse group).
pub fn disorder(rungs: &[Rung]) -> Vec<(&Rung, &Rung)> {
    let pairs = rungs.iter().flat_map(|a| rungs.iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| a.groups[1] < b.groups[0] && a.fd >= b.fd).collect()
}

fn ink(pixels: &[u8]) -> Result<Features> {
    let values = pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
    Features::new("training images", pixels.len() / PIXELS, PIXELS, values)
}

/// Spoils [n, 784] images, all randomness keyed by the place in the set.
fn apply(spoil: Spoil, pixels: &[u8], labels: &[u8]) -> Vec<u8> {
    let n = pixels.len() / PIXELS;
    let image = |i: usize| &pixels[i * PIXELS..(i + 1) * PIXELS];
    let stream = |i: usize| SEED.stream(Stream::Metric, i as u64, 1);
    let each = |change: &dyn Fn(usize) -> Vec<u8>| (0..n).flat_map(change).collect();
    match spoil {
        Spoil::Nothing => pixels.to_vec(),
        Spoil::Noise(sigma) => each(&|i| {
            let mut rng = stream(i);
            image(i).iter().map(|&p| quantise(f32::from(p) / 255.0 + sigma * rng.normal())).collect()
        }),
        Spoil::Few(count) => each(&|i| image(i % count.min(n)).to_vec()),
        Spoil::Blur(sigma) => each(&|i| blurred(image(i), sigma)),
        Spoil::MixUp => {
            let partner = Seed(1).stream(Stream::Metric, 0, 1).permutation(n);
            let mix = |(&a, &b): (&u8, &u8)| u8::midpoint(a, b);
            each(&|i| image(i).iter().zip(image(partner[i] as usize)).map(mix).collect())
        }
        Spoil::ClassMeans => {
            let means: Vec<Vec<u8>> = (0..CLASSES as u8)
                .map(|class| mean((0..n).filter(|&i| labels[i] == class).map(image)))
                .collect();
            each(&|i| means[usize::from(labels[i])].clone())
        }
        Spoil::GlobalMean => {
            let mean = mean((0..n).map(image));
            each(&|_| mean.clone())
        }
        Spoil::Uniform => each(&|i| {
            let mut rng = stream(i);
            (0..PIXELS).map(|_| rng.below(256) as u8).collect()
        }),
    }
}

fn quantise(ink: f32) -> u8 {
    (ink.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn mean<'a>(images: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut sum, mut count) = (vec![0u64; PIXELS], 0);
    for image in images {
        sum.iter_mut().zip(image).for_each(|(s, &p)| *s += u64::from(p));
        count += 1;
    }
    sum.iter().map(|s| (s / count.max(1)) as u8).collect()
}

/// A Gaussian blur of `sigma` pixels, paper beyond the edges.
fn blurred(image: &[u8], sigma: f32) -> Vec<u8> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weight = |d: isize| (-0.5 * (d as f32 / sigma).powi(2)).exp();
    let total: f32 = (-reach..=reach).map(weight).sum();
    let side = SIDE.cast_signed();
    let pass = |source: &[f32], down: isize, right: isize| -> Vec<f32> {
        let at = |p: isize, d: isize| {
            let (row, column) = (p / side + d * down, p % side + d * right);
            let inside = (0..side).contains(&row) && (0..side).contains(&column);
            if inside { source[(row * side + column) as usize] } else { 0.0 }
        };
        let sum = |p: isize| (-reach..=reach).map(|d| weight(d) * at(p, d)).sum::<f32>() / total;
        (0..PIXELS.cast_signed()).map(sum).collect()
    };
    let ink: Vec<f32> = image.iter().map(|&p| f32::from(p) / 255.0).collect();
    pass(&pass(&ink, 0, 1), 1, 0).into_iter().map(quantise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_what_they_are_called() {
        let pixels: Vec<u8> = (0..4 * PIXELS).map(|p| (p % 251) as u8).collect();
        let labels = [3, 3, 5, 5];
        for (_, _, spoil) in RUNGS {
            assert_eq!(apply(spoil, &pixels, &labels).len(), pixels.len());
            assert_eq!(apply(spoil, &pixels, &labels), apply(spoil, &pixels, &labels));
        }
        let means = apply(Spoil::ClassMeans, &pixels, &labels);
        assert_eq!(means[..PIXELS], means[PIXELS..2 * PIXELS]);
        assert_eq!(means[0], u8::midpoint(pixels[0], pixels[PIXELS]));
        // Blur keeps flat ink flat away from the edges, and moves none of it far.
        let flat = blurred(&[100; PIXELS], 0.5);
        assert_eq!(flat[10 * SIDE + 10], 100);
        assert!(flat[0] < 100);
    }
}
