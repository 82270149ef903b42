//! The point spread function of an instrument.

use dm_nn::image::ImageShape;

use crate::error::{Error, Result};
use crate::heat::PlaneKernel;

/// The largest height and width of a measured point spread function in pixels.
const MAX_SIDE: usize = 129;
/// The largest standard deviation of a Gaussian one in pixels.
const MAX_SPREAD: f64 = 100.0;

/// What the optics do to a point of light.
#[derive(Clone, Debug, PartialEq)]
pub enum Optics {
    /// A point stays in its pixel.
    Sharp,
    /// A point spreads by the heat equation on the pixels with reflecting edges: nearly a Gaussian.
    Gaussian {
        /// Standard deviation along each axis, in pixels.
        spread: f64,
    },
    /// A point becomes a measured pattern.
    Measured(PointSpread),
}

/// A measured point spread function: the distribution of photons around the pixel that they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct PointSpread {
    height: usize,
    width: usize,
    /// Probabilities `[height, width]`; the middle one is that of the pixel itself.
    weights: Vec<f32>,
}

impl Optics {
    /// A Gaussian of standard deviation `spread` in pixels; 0 is [`Self::Sharp`].
    ///
    /// # Errors
    /// Unless `spread` is from 0 to 100.
    pub fn gaussian(spread: f64) -> Result<Self> {
        match spread {
            0.0 => Ok(Self::Sharp),
            _ if spread > 0.0 && spread <= MAX_SPREAD => Ok(Self::Gaussian { spread }),
            _ => Err(Error::invalid("psf", spread, format!("0 to {MAX_SPREAD} pixels"))),
        }
    }

    /// The variance of a photon's displacement along height and width, in pixels squared.
    pub fn variances(&self) -> [f64; 2] {
        match self {
            Self::Sharp => [0.0; 2],
            Self::Gaussian { spread } => [spread * spread; 2],
            Self::Measured(psf) => psf.moments().1,
        }
    }

    /// The image `[C, H, W]` of `shape` after the optics: what an endless exposure would show.
    ///
    /// Light that would fall outside the page is reflected at its edges, as in the heat equation.
    pub fn blur(&self, shape: ImageShape, image: &[f32]) -> Vec<f32> {
        match self {
            Self::Sharp => image.to_vec(),
            Self::Gaussian { spread } => heat(shape, *spread, image),
            Self::Measured(psf) => psf.apply(shape, image, Direction::Forward),
        }
    }

    /// The transpose of [`Self::blur`] as a matrix, applied to `image`.
    pub fn blur_back(&self, shape: ImageShape, image: &[f32]) -> Vec<f32> {
        match self {
            Self::Measured(psf) => psf.apply(shape, image, Direction::Back),
            // The heat kernel is symmetric.
            _ => self.blur(shape, image),
        }
    }
}

fn heat(shape: ImageShape, spread: f64, image: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; image.len()];
    PlaneKernel::heat(shape, 0.5 * spread * spread).spread(image, &mut out);
    out
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Back,
}

impl PointSpread {
    /// The point spread function with these `weights` `[height, width]`, which are scaled to the sum 1. The pixel in the
    /// middle is the one that the photons come from.
    ///
    /// # Errors
    /// Unless there is a weight for every pixel, both sides are odd and at most 129, no weight is negative, their sum is
    /// positive, and their centre of mass is less than half a pixel from the middle.
    pub fn new(height: usize, width: usize, weights: &[f32]) -> Result<Self> {
        let odd = |side: usize| !side.is_multiple_of(2) && side <= MAX_SIDE;
        if !odd(height) || !odd(width) || weights.len() != height * width {
            let found = format!("{height}x{width} with {} numbers", weights.len());
            let expected =
                format!("height and width that are odd and at most {MAX_SIDE}, and a number per pixel");
            return Err(Error::invalid("psf: size", found, expected));
        }
        if let Some(bad) = weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::invalid("psf: values", bad, "no negative numbers (subtract the background)"));
        }
        let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        if sum <= 0.0 {
            return Err(Error::invalid("psf: values", "only zeros", "a positive sum"));
        }
        let weights = weights.iter().map(|&w| (f64::from(w) / sum) as f32).collect();
        let psf = Self { height, width, weights };
        let [down, across] = psf.moments().0;
        if down.abs().max(across.abs()) >= 0.5 {
            let found = format!("{down:.2} pixels down and {across:.2} across from the middle");
            return Err(Error::invalid(
                "psf: centre of mass",
                found,
                "less than half a pixel from the middle",
            ));
        }
        Ok(psf)
    }

    /// Means and variances of a photon's displacement along height and width.
    fn moments(&self) -> ([f64; 2], [f64; 2]) {
        let (mut means, mut squares) = ([0.0; 2], [0.0; 2]);
        for (dy, dx, weight) in self.displacements() {
            for (axis, d) in [dy, dx].into_iter().enumerate() {
                means[axis] += f64::from(weight) * d as f64;
                squares[axis] += f64::from(weight) * (d * d) as f64;
            }
        }
        let variance = |axis: usize| (squares[axis] - means[axis] * means[axis]).max(0.0);
        (means, [variance(0), variance(1)])
    }

    /// Every displacement in rows and columns, with its probability.
    fn displacements(&self) -> impl Iterator<Item = (isize, isize, f32)> + '_ {
        let middle = |side: usize| (side / 2).cast_signed();
        let rows = self.weights.chunks_exact(self.width).enumerate();
        rows.flat_map(move |(y, row)| {
            row.iter().enumerate().map(move |(x, &weight)| {
                (y.cast_signed() - middle(self.height), x.cast_signed() - middle(self.width), weight)
            })
        })
    }

    /// Sends the light of every pixel to its surroundings, or collects it from there.
    fn apply(&self, shape: ImageShape, image: &[f32], direction: Direction) -> Vec<f32> {
        let (height, width) = (shape.height, shape.width);
        let mut out = vec![0.0; image.len()];
        let planes = image.chunks_exact(shape.pixels()).zip(out.chunks_exact_mut(shape.pixels()));
        for (image, out) in planes {
            for (dy, dx, weight) in self.displacements().filter(|&(_, _, weight)| weight > 0.0) {
                for y in 0..height {
                    let row = reflect(y.cast_signed() + dy, height) * width;
                    for x in 0..width {
                        let (here, there) = (y * width + x, row + reflect(x.cast_signed() + dx, width));
                        match direction {
                            Direction::Forward => out[there] += weight * image[here],
                            Direction::Back => out[here] += weight * image[there],
                        }
                    }
                }
            }
        }
        out
    }
}

/// The pixel at which light that falls on `at` of a line arrives when it is reflected at both edges.
fn reflect(at: isize, len: usize) -> usize {
    let len = len.cast_signed();
    let folded = at.rem_euclid(2 * len);
    (if folded < len { folded } else { 2 * len - 1 - folded }).cast_unsigned()
}
