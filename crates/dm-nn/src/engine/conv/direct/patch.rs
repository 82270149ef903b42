//! Where a direct convolution reads its input: the geometry of the kernel, and patches of the input with zero borders.

use pulp::{Simd, WithSimd};

use crate::engine::autograd::LaneShape;
use crate::engine::substrate::simd::{dispatch, lanes};

/// Bytes of a patch, which shares the second-level cache with weights and results.
const PATCH_BYTES: usize = 256 << 10;

/// Size, stride and padding of a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Geometry {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    /// Shape of the results for an input of `shape`.
    pub fn output(self, shape: LaneShape, channels: usize) -> LaneShape {
        let size = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        LaneShape { channels, height: size(shape.height), width: size(shape.width), ..shape }
    }

    /// Number of taps.
    pub fn taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Whether every result depends on one pixel only. Then planes need no borders, and all rows of a plane form one
    /// run.
    pub fn is_pointwise(self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }
}

/// The layout of a patch: [channel, phase, row, column] vectors. Phase (a, b) holds every `stride`-th pixel from row a
/// and column b on.
#[derive(Clone, Copy)]
pub(super) struct Patch {
    pub stride: usize,
    /// Rows and columns of each phase.
    pub rows: usize,
    pub cols: usize,
    /// Columns of zeros before the image.
    pub left: usize,
}

impl Patch {
    /// Vectors of a channel.
    pub fn channel(self) -> usize {
        self.stride * self.stride * self.rows * self.cols
    }

    /// Vectors from the start of a channel to the pixel that tap (`y`, `x`) of the first result reads.
    fn tap(self, y: usize, x: usize) -> usize {
        let s = self.stride;
        ((y % s * s + x % s) * self.rows + y / s) * self.cols + x / s
    }

    /// Fills the patch from row `top` of the planes of a block on. `top` may be negative; rows outside the planes are
    /// zero.
    pub fn fill(self, patch: &mut [f32], planes: &[&[f32]], shape: LaneShape, top: isize) {
        let l = lanes();
        let s = self.stride;
        for (channel, plane) in planes.iter().enumerate() {
            for (phase, rows) in patch[channel * self.channel() * l..][..self.channel() * l]
                .chunks_mut(self.rows * self.cols * l)
                .enumerate()
            {
                let (a, b) = (phase / s, phase % s);
                for (r, row) in rows.chunks_mut(self.cols * l).enumerate() {
                    let y = top + (r * s + a).cast_signed();
                    if y < 0 || y >= shape.height.cast_signed() {
                        row.fill(0.0);
                        continue;
                    }
                    let source = &plane[y.cast_unsigned() * shape.width * l..][..shape.width * l];
                    if s == 1 {
                        let inside = shape.width.min(self.cols - self.left);
                        row[..self.left * l].fill(0.0);
                        row[self.left * l..][..inside * l].copy_from_slice(&source[..inside * l]);
                        row[(self.left + inside) * l..].fill(0.0);
                    } else {
                        dispatch(EveryOther { source, stride: s, first: b, left: self.left, row });
                    }
                }
            }
        }
    }
}

/// Copies every `stride`-th pixel, from `first` on, of a row of the image that has `left` zeros before it and zeros
/// after it.
struct EveryOther<'a> {
    source: &'a [f32],
    stride: usize,
    first: usize,
    left: usize,
    row: &'a mut [f32],
}

impl WithSimd for EveryOther<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (source, _) = S::as_simd_f32s(self.source);
        let (row, _) = S::as_mut_simd_f32s(self.row);
        for (x, value) in row.iter_mut().enumerate() {
            let pixel = (x * self.stride + self.first).checked_sub(self.left).and_then(|x| source.get(x));
            *value = pixel.copied().unwrap_or(simd.splat_f32s(0.0));
        }
    }
}

/// Rows of results per task, chosen so that the patch has about [`PATCH_BYTES`].
pub(super) fn rows_per_task(channels: usize, geometry: Geometry, out: LaneShape) -> usize {
    let row = channels
        * geometry.stride
        * geometry.stride
        * (out.width + geometry.kernel)
        * lanes()
        * size_of::<f32>();
    (PATCH_BYTES / row).saturating_sub(geometry.kernel / 2).clamp(1, out.height)
}

/// All tasks, each a (block, first row, number of rows) of the results.
pub(super) fn tasks(out: LaneShape, rows: usize) -> Vec<(usize, usize, usize)> {
    let pieces = out.height.div_ceil(rows);
    (0..out.blocks())
        .flat_map(|block| {
            (0..pieces).map(move |p| {
                let (first, end) = (p * out.height / pieces, (p + 1) * out.height / pieces);
                (block, first, end - first)
            })
        })
        .collect()
}

/// Floats from the start of a patch to the first pixel of each step. The steps are all taps of the first channel, then
/// of the second, and so on.
pub(super) fn offsets(channels: usize, patch: Patch, taps: &[(usize, usize)]) -> Vec<u32> {
    let l = lanes();
    let of = |c: usize| taps.iter().map(move |(y, x)| ((c * patch.channel() + patch.tap(*y, *x)) * l) as u32);
    (0..channels).flat_map(of).collect()
}

/// All taps (y, x), column by column. In this order, successive taps never read overlapping runs of the same row.
pub(super) fn tap_order(kernel: usize) -> Vec<(usize, usize)> {
    (0..kernel).flat_map(|x| (0..kernel).map(move |y| (y, x))).collect()
}

/// Pointers to the first pixel of each step in a patch.
pub(super) fn sources(patch: &[f32], offsets: &[u32]) -> Vec<*const f32> {
    offsets.iter().map(|offset| patch[*offset as usize..].as_ptr()).collect()
}

/// Pointers to the pixel `first` floats into each plane.
pub(super) fn pixels(planes: &[&[f32]], first: usize) -> Vec<*const f32> {
    planes.iter().map(|plane| plane[first..].as_ptr()).collect()
}

/// The patch for `rows` rows of results.
pub(super) fn patch_of(geometry: Geometry, out: LaneShape, rows: usize) -> Patch {
    let phase = |n: usize| ((n - 1) * geometry.stride + geometry.kernel).div_ceil(geometry.stride);
    Patch { stride: geometry.stride, rows: phase(rows), cols: phase(out.width), left: geometry.padding }
}
