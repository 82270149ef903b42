//! Applying the kernels of both axes to an image: two small matrix products per plane, without allocation.
//!
//! Every element is one running sum in the order of the summed pixels, whatever the width of the vectors, so that results
//! do not depend on the machine. Columns are handled in blocks whose sums stay in registers; 28 columns, the width of MNIST,
//! are one block.

#![allow(clippy::inline_always, reason = "a vector operation that is not inlined loses its instruction set")]

use dm_nn::image::{ImageShape, MAX_SIDE};
use dm_nn::simd::arch;
use pulp::{Simd, WithSimd};

use super::kernel::Kernel;

/// The height and width of MNIST's images. Lines of this length are handled as one block.
const MNIST_SIDE: usize = 28;
/// Columns of a block for other widths; what is left over is handled in blocks of 4 and 1.
const BLOCK: usize = 16;

/// The kernels of both axes of an image.
#[derive(Clone, Debug)]
pub struct PlaneKernel {
    /// The kernel along the height; `None` if it is the same as along the width.
    height: Option<Kernel>,
    width: Kernel,
}

impl PlaneKernel {
    /// The kernels `axis(len)` for the height and the width of `shape`, each of which must be at most [`MAX_SIDE`].
    pub fn new(shape: ImageShape, axis: impl Fn(usize) -> Kernel) -> Self {
        let height = (shape.height != shape.width).then(|| axis(shape.height));
        Self { height, width: axis(shape.width) }
    }

    /// The kernel that acts as `height` from row to row and as `width` from column to column. Each must have at most
    /// [`MAX_SIDE`] pixels.
    pub fn of_axes(height: Kernel, width: Kernel) -> Self {
        Self { height: Some(height), width }
    }

    /// The heat kernel of images of `shape` after the walking time `tau`.
    pub fn heat(shape: ImageShape, tau: f64) -> Self {
        Self::new(shape, |len| Kernel::heat(len, tau))
    }

    /// The kernel along the height: from row to row.
    pub fn height(&self) -> &Kernel {
        self.height.as_ref().unwrap_or(&self.width)
    }

    /// The kernel along the width: from column to column.
    pub fn width(&self) -> &Kernel {
        &self.width
    }

    /// Writes `image` `[C, H, W]` after spreading along both axes to `out`.
    pub fn spread(&self, image: &[f32], out: &mut [f32]) {
        let pixels = self.height().len() * self.width.len();
        for (image, out) in image.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels)) {
            arch().dispatch(Spread { kernel: self, plane: image, out });
        }
    }
}

/// Writes `plane` `[H, W]` after spreading along its width to `out`.
pub fn spread_columns(kernel: &Kernel, plane: &[f32], out: &mut [f32]) {
    arch().dispatch(SpreadColumns { kernel, plane, out });
}

/// [`PlaneKernel::spread`] of one plane in the widest vectors of this machine.
struct Spread<'a> {
    kernel: &'a PlaneKernel,
    plane: &'a [f32],
    out: &'a mut [f32],
}

/// [`spread_columns`] in the widest vectors of this machine.
struct SpreadColumns<'a> {
    kernel: &'a Kernel,
    plane: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (height, width) = (self.kernel.height(), self.kernel.width());
        if height.len() == MNIST_SIDE && width.len() == MNIST_SIDE {
            mnist(height, width, self.plane, self.out);
        } else {
            columns(width, self.plane, self.out);
            rows(height, self.out, width.len());
        }
    }
}

impl WithSimd for SpreadColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        columns(self.kernel, self.plane, self.out);
    }
}

/// Both axes of a plane of MNIST's size.
#[inline(always)]
fn mnist(height: &Kernel, width: &Kernel, plane: &[f32], out: &mut [f32]) {
    let mut between = [[0.0; MNIST_SIDE]; MNIST_SIDE];
    let lines = |kernel| Kernel::weights(kernel).as_chunks::<MNIST_SIDE>().0;
    for (weights, between) in plane.as_chunks::<MNIST_SIDE>().0.iter().zip(&mut between) {
        *between = weighted_sum(weights, lines(width).iter());
    }
    for (weights, out) in lines(height).iter().zip(out.as_chunks_mut::<MNIST_SIDE>().0) {
        *out = weighted_sum(weights, between.iter());
    }
}

/// out[y] = sum over x' of plane[y][x'] k[x'], row by row.
#[inline(always)]
fn columns(kernel: &Kernel, plane: &[f32], out: &mut [f32]) {
    let width = kernel.len();
    for (weights, out) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        if width == MNIST_SIDE {
            columns_block::<MNIST_SIDE>(weights, kernel, 0, out);
            continue;
        }
        let mut x = 0;
        while x + BLOCK <= width {
            columns_block::<BLOCK>(weights, kernel, x, out);
            x += BLOCK;
        }
        while x + 4 <= width {
            columns_block::<4>(weights, kernel, x, out);
            x += 4;
        }
        while x < width {
            columns_block::<1>(weights, kernel, x, out);
            x += 1;
        }
    }
}

/// One row of [`columns`] for the `N` columns from `x`.
#[inline(always)]
fn columns_block<const N: usize>(weights: &[f32], kernel: &Kernel, x: usize, out: &mut [f32]) {
    let lines = kernel.weights().chunks_exact(kernel.len()).filter_map(|line| line[x..].first_chunk::<N>());
    out[x..x + N].copy_from_slice(&weighted_sum(weights, lines));
}

/// plane[y] = sum over y' of k[y][y'] plane[y'], in place, block of columns by block of columns.
#[inline(always)]
fn rows(kernel: &Kernel, plane: &mut [f32], width: usize) {
    let mut x = 0;
    while x + BLOCK <= width {
        rows_block::<BLOCK>(kernel, plane, width, x);
        x += BLOCK;
    }
    while x + 4 <= width {
        rows_block::<4>(kernel, plane, width, x);
        x += 4;
    }
    while x < width {
        rows_block::<1>(kernel, plane, width, x);
        x += 1;
    }
}

/// [`rows`] for the `N` columns from `x`.
#[inline(always)]
fn rows_block<const N: usize>(kernel: &Kernel, plane: &mut [f32], width: usize, x: usize) {
    let mut before = [[0.0; N]; MAX_SIDE];
    for (before, row) in before.iter_mut().zip(plane.chunks_exact(width)) {
        before.copy_from_slice(&row[x..x + N]);
    }
    for (y, out) in plane.chunks_exact_mut(width).enumerate() {
        out[x..x + N].copy_from_slice(&weighted_sum(kernel.row(y), before.iter()));
    }
}

/// The sum of `lines`, each times its weight.
#[inline(always)]
fn weighted_sum<'a, const N: usize>(weights: &[f32], lines: impl Iterator<Item = &'a [f32; N]>) -> [f32; N] {
    let mut sum = [0.0; N];
    for (&weight, line) in weights.iter().zip(lines) {
        for (sum, value) in sum.iter_mut().zip(line) {
            *sum += weight * value;
        }
    }
    sum
}
