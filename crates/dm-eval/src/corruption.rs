//! Known corruptions of real images, from imperceptible noise to images of nothing but noise.
//!
//! The corruptions form families. Within a family the strength rises: more noise, a wider blur, fewer different images, means
//! over more images. This order holds whatever the data set and the classifier. How corruptions of different families compare
//! depends on both; their `groups` say how they compare on MNIST.

use dm_nn::image::{ImageShape, to_bytes, to_unit};
use dm_nn::rng::Seed;

use crate::error::{EvalError, Result, count_images};
use crate::protocol::SEED;
use crate::streams::METRIC;

/// A corruption of a set of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption {
    /// Name in tables and result files.
    pub name: &'static str,
    /// The family, which names what rises in strength; empty for the uncorrupted images, which come before every family.
    pub family: &'static str,
    /// First and last group of severity on MNIST. The order of the groups was measured with the classifiers of this project at
    /// n = 2,000 and n = 10,000. Corruptions whose ranges overlap come out in either order.
    pub groups: [usize; 2],
    kind: Kind,
}

/// What a corruption does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Nothing.
    Identity,
    /// Adds Gaussian noise of this standard deviation to values in [0, 1].
    Noise(f32),
    /// Repeats the first images, of which this many are kept.
    Repeat(usize),
    /// Blurs with a Gaussian of this standard deviation in pixels.
    Blur(f32),
    /// Replaces each image by its mean with another image.
    MixUp,
    /// Replaces each image by the mean of its class.
    ClassMean,
    /// Replaces each image by the mean of all images.
    GlobalMean,
    /// Replaces each image by uniform random values.
    Uniform,
}

const fn corruption(name: &'static str, family: &'static str, groups: [usize; 2], kind: Kind) -> Corruption {
    Corruption { name, family, groups, kind }
}

/// All corruptions, by severity on MNIST. The uncorrupted images come first, and within each family the strength rises.
pub const CORRUPTIONS: [Corruption; 12] = [
    corruption("real (training copies)", "", [0, 0], Kind::Identity),
    corruption("noise 0.02", "noise", [1, 1], Kind::Noise(0.02)),
    corruption("100 images over and over", "repetition", [2, 3], Kind::Repeat(100)),
    corruption("blur 0.5 pixels", "blur", [2, 2], Kind::Blur(0.5)),
    corruption("noise 0.1", "noise", [3, 3], Kind::Noise(0.1)),
    corruption("blur 1 pixel", "blur", [4, 4], Kind::Blur(1.0)),
    corruption("50/50 mix-up", "averaging", [5, 5], Kind::MixUp),
    corruption("class means", "averaging", [6, 6], Kind::ClassMean),
    corruption("noise 0.3", "noise", [6, 6], Kind::Noise(0.3)),
    corruption("10 images over and over", "repetition", [7, 7], Kind::Repeat(10)),
    corruption("global mean", "averaging", [8, 8], Kind::GlobalMean),
    corruption("uniform noise", "noise", [8, 8], Kind::Uniform),
];

impl Corruption {
    /// Whether the corruption needs images of several classes.
    pub fn needs_classes(&self) -> bool {
        self.kind == Kind::ClassMean
    }

    /// Corrupts the images `pixels` [n, C, H, W] of `shape` with the classes `labels` `[n]`. The random numbers of an image depend
    /// only on its index; the partners of the mix-up also depend on n.
    ///
    /// # Errors
    /// If `pixels` are not whole images, or there is not one label per image.
    pub fn apply(&self, shape: ImageShape, pixels: &[u8], labels: &[u8]) -> Result<Vec<u8>> {
        let len = shape.len();
        let n = count_images("images to corrupt", pixels.len(), len)?;
        if labels.len() != n {
            let set = "labels of the images to corrupt".to_owned();
            return Err(EvalError::Length { set, expected: n, found: labels.len() });
        }
        let image = |i: usize| &pixels[i * len..(i + 1) * len];
        let stream = |i: usize| SEED.stream(METRIC, i as u64, 1);
        let each = |change: &dyn Fn(usize) -> Vec<u8>| (0..n).flat_map(change).collect();
        Ok(match self.kind {
            Kind::Identity => pixels.to_vec(),
            Kind::Noise(sigma) => each(&|i| {
                let (mut rng, mut values) = (stream(i), unit(image(i)));
                values.iter_mut().for_each(|v| *v += sigma * rng.normal());
                to_bytes(&values).collect()
            }),
            Kind::Repeat(count) => each(&|i| image(i % count.min(n)).to_vec()),
            Kind::Blur(sigma) => each(&|i| blur(image(i), shape, sigma)),
            Kind::MixUp => {
                let partners = Seed(1).stream(METRIC, 0, 1).permutation(n);
                let mix = |(&a, &b): (&u8, &u8)| u8::midpoint(a, b);
                each(&|i| image(i).iter().zip(image(partners[i] as usize)).map(mix).collect())
            }
            Kind::ClassMean => {
                let of_class = |class: u8| (0..n).filter(move |&i| labels[i] == class).map(image);
                let means: Vec<Vec<u8>> = (0..=u8::MAX).map(|class| mean(len, of_class(class))).collect();
                each(&|i| means[usize::from(labels[i])].clone())
            }
            Kind::GlobalMean => {
                let mean = mean(len, (0..n).map(image));
                each(&|_| mean.clone())
            }
            Kind::Uniform => each(&|i| {
                let mut rng = stream(i);
                (0..len).map(|_| rng.below(256) as u8).collect()
            }),
        })
    }
}

/// `bytes` as numbers in [0, 1].
fn unit(bytes: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; bytes.len()];
    to_unit(bytes, &mut values);
    values
}

/// The mean of images of `len` values, rounded down; zeros if there are no images.
fn mean<'a>(len: usize, images: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut sums, mut count) = (vec![0u64; len], 0);
    for image in images {
        sums.iter_mut().zip(image).for_each(|(sum, &value)| *sum += u64::from(value));
        count += 1;
    }
    sums.iter().map(|sum| (sum / count.max(1)) as u8).collect()
}

/// `image` `[C, H, W]` blurred by a Gaussian of `sigma` pixels, channel by channel. Values beyond the edges are 0.
fn blur(image: &[u8], shape: ImageShape, sigma: f32) -> Vec<u8> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weight = |d: isize| (-0.5 * (d as f32 / sigma).powi(2)).exp();
    let total: f32 = (-reach..=reach).map(weight).sum();
    let (height, width) = (shape.height.cast_signed(), shape.width.cast_signed());
    let pass = |source: &[f32], down: isize, right: isize| -> Vec<f32> {
        let at = |p: isize, d: isize| {
            let (row, column) = (p / width + d * down, p % width + d * right);
            let inside = (0..height).contains(&row) && (0..width).contains(&column);
            if inside { source[(row * width + column) as usize] } else { 0.0 }
        };
        let sum = |p: isize| (-reach..=reach).map(|d| weight(d) * at(p, d)).sum::<f32>() / total;
        (0..height * width).map(sum).collect()
    };
    let blur = |plane: &[u8]| to_bytes(&pass(&pass(&unit(plane), 0, 1), 1, 0)).collect::<Vec<u8>>();
    image.chunks_exact(shape.pixels()).flat_map(blur).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn named(name: &str) -> Corruption {
        *CORRUPTIONS.iter().find(|corruption| corruption.name == name).unwrap()
    }

    #[test]
    fn corruptions_are_what_they_are_called() {
        for shape in [ImageShape::new(1, 28, 28), ImageShape::new(3, 9, 14), ImageShape::new(2, 17, 8)] {
            let len = shape.len();
            let pixels: Vec<u8> = (0..4 * len).map(|p| (p % 251) as u8).collect();
            let labels = [3, 3, 5, 5];
            for corruption in CORRUPTIONS {
                let corrupted = corruption.apply(shape, &pixels, &labels).unwrap();
                assert_eq!(corrupted.len(), pixels.len());
                assert_eq!(corrupted, corruption.apply(shape, &pixels, &labels).unwrap());
                // Four images are fewer than those that are repeated.
                assert_eq!(corrupted == pixels, ["", "repetition"].contains(&corruption.family));
            }
            let means = named("class means").apply(shape, &pixels, &labels).unwrap();
            assert_eq!(means[..len], means[len..2 * len]);
            assert_eq!(means[0], u8::midpoint(pixels[0], pixels[len]));
            // A blur leaves a uniform image unchanged away from the edges, in every channel.
            let flat = blur(&vec![100; len], shape, 0.5);
            let middle = shape.height / 2 * shape.width + shape.width / 2;
            for channel in 0..shape.channels {
                let plane = &flat[channel * shape.pixels()..(channel + 1) * shape.pixels()];
                assert_eq!(plane[middle], 100);
                assert!(plane[0] < 100);
            }
        }
    }

    #[test]
    fn the_groups_of_a_family_rise_with_its_strength() {
        for (i, stronger) in CORRUPTIONS.iter().enumerate() {
            for milder in CORRUPTIONS[..i].iter().filter(|milder| milder.family == stronger.family) {
                assert!(milder.groups[0] < stronger.groups[0], "{} and {}", milder.name, stronger.name);
            }
        }
    }

    #[test]
    fn incomplete_sets_are_refused() {
        let shape = ImageShape::new(1, 8, 8);
        let message = |pixels: usize, labels: usize| {
            CORRUPTIONS[0].apply(shape, &vec![0; pixels], &vec![0; labels]).unwrap_err().to_string()
        };
        assert_eq!(message(100, 1), "images to corrupt: expected 64 values, found 100");
        assert_eq!(message(128, 3), "labels of the images to corrupt: expected 2 values, found 3");
    }
}
