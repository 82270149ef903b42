//! Functions of the Laplacian of an image, through its cosine transform.

use dm_nn::image::ImageShape;

/// Eigenvectors and eigenvalues of the Laplacian along both axes of an image.
#[derive(Clone, Debug)]
pub struct Spectrum {
    height: Axis,
    width: Axis,
}

/// An eigenvector of the Laplacian of an image of one channel.
#[derive(Clone, Debug)]
pub struct CosineMode {
    /// The eigenvalue.
    pub lambda: f64,
    /// The values of the orthonormal mode, `[H, W]`.
    pub values: Vec<f64>,
}

/// The modes of images of `shape` whose row and column numbers have a sum from 1 to `order`.
pub fn low_modes(shape: ImageShape, order: usize) -> Vec<CosineMode> {
    let (height, width) = (Axis::new(shape.height), Axis::new(shape.width));
    let numbers = (0..=order).flat_map(|i| (0..=order - i).map(move |j| (i, j))).filter(|&(i, j)| i + j > 0);
    let inside = numbers.filter(|&(i, j)| i < shape.height && j < shape.width);
    let mode = |(i, j): (usize, usize)| CosineMode {
        lambda: height.lambda[i] + width.lambda[j],
        values: height.cosines[i].iter().flat_map(|a| width.cosines[j].iter().map(move |b| a * b)).collect(),
    };
    inside.map(mode).collect()
}

/// Eigenvectors and eigenvalues of a path of n pixels.
#[derive(Clone, Debug)]
struct Axis {
    /// `cosines[j][x]`: value of mode j at pixel x.
    cosines: Vec<Vec<f64>>,
    lambda: Vec<f64>,
}

impl Axis {
    fn new(len: usize) -> Self {
        let n = len as f64;
        let angle = std::f64::consts::PI / n;
        let mode = |j: usize| {
            let scale = if j == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
            (0..len).map(|x| scale * (angle * (x as f64 + 0.5) * j as f64).cos()).collect()
        };
        Self {
            cosines: (0..len).map(mode).collect(),
            lambda: (0..len).map(|j| 2.0 - 2.0 * (angle * j as f64).cos()).collect(),
        }
    }

    /// Entry (to, from) of the transform, or of its inverse.
    fn entry(&self, to: usize, from: usize, inverse: bool) -> f64 {
        if inverse { self.cosines[from][to] } else { self.cosines[to][from] }
    }
}

impl Spectrum {
    /// The spectrum of images of `shape`; channels are transformed one by one.
    pub fn new(shape: ImageShape) -> Self {
        Self { height: Axis::new(shape.height), width: Axis::new(shape.width) }
    }

    /// Writes to `out` the `image` `[C, H, W]` after multiplying every mode by `gain(lambda_row + lambda_column)`. In this
    /// way any function of the Laplacian is applied, for example exp(-lambda tau) for the heat equation.
    pub fn filter(&self, image: &[f32], gain: impl Fn(f64) -> f64, out: &mut [f32]) {
        self.filter_sum([image], |lambda| [gain(lambda)], out);
    }

    /// Writes to `out` the sum of `images`, each `[C, H, W]`, after multiplying every mode of each by its own gain at
    /// lambda_row + lambda_column.
    pub fn filter_sum<const N: usize>(
        &self,
        images: [&[f32]; N],
        gains: impl Fn(f64) -> [f64; N],
        out: &mut [f32],
    ) {
        let (height, width) = (self.height.lambda.len(), self.width.lambda.len());
        let pixels = height * width;
        for (plane, out) in out.chunks_exact_mut(pixels).enumerate() {
            let modes = images.map(|image| {
                let plane = &image[plane * pixels..(plane + 1) * pixels];
                self.transform(&plane.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), false)
            });
            let sum = |i: usize| {
                let gains = gains(self.height.lambda[i / width] + self.width.lambda[i % width]);
                modes.iter().zip(gains).map(|(modes, gain)| modes[i] * gain).sum()
            };
            let filtered = self.transform(&(0..pixels).map(sum).collect::<Vec<f64>>(), true);
            out.iter_mut().zip(filtered).for_each(|(out, v)| *out = v as f32);
        }
    }

    /// The two-dimensional DCT of `plane` `[H, W]`, or its inverse.
    fn transform(&self, plane: &[f64], inverse: bool) -> Vec<f64> {
        let (height, width) = (self.height.lambda.len(), self.width.lambda.len());
        let mut rows = vec![0.0; height * width];
        for (from, to) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
            for (j, to) in to.iter_mut().enumerate() {
                *to = from.iter().enumerate().map(|(x, v)| self.width.entry(j, x, inverse) * v).sum();
            }
        }
        let mut out = vec![0.0; height * width];
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            for (y, row) in rows.chunks_exact(width).enumerate() {
                let weight = self.height.entry(i, y, inverse);
                out.iter_mut().zip(row).for_each(|(out, v)| *out += weight * v);
            }
        }
        out
    }
}
