//! Where a direct convolution finds its inputs: the geometry of a kernel, and patches of the input with zero borders.
//!
//! What is summed over them is left out.

use pulp::{Simd, WithSimd};

use crate::ops::lanes::LaneShape;
use crate::ops::simd::{dispatch, lanes};

/// Bytes of a patch: fits the second-level cache beside weights and results.
const PATCH_BYTES: usize = 256 << 10;

/// A square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Geometry {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    /// Shape of the result.
    pub fn output(self, shape: LaneShape, channels: usize) -> LaneShape {
        let size = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        LaneShape { channels, height: size(shape.height), width: size(shape.width), ..shape }
    }

    pub fn taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Whether results are sums over the channels of single pixels, so that planes need no borders and rows follow each
    /// other.
    pub fn is_pointwise(self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }
}

/// Which part of a plane a patch holds, and how.
#[derive(Clone, Copy)]
pub(super) struct Patch {
    pub stride: usize,
    /// Rows and columns of each phase.
    pub rows: usize,
    pub cols: usize,
    /// Zero columns before the image.
    pub left: usize,
}

impl Patch {
    /// Vectors per channel.
    pub fn channel(self) -> usize {
        self.stride * self.stride * self.rows * self.cols
    }

    /// Vectors from a channel's start to the input of tap (`y`, `x`) of the first result.
    fn tap(self, y: usize, x: usize) -> usize {
        let s = self.stride;
        ((y % s * s + x % s) * self.rows + y / s) * self.cols + x / s
    }

    /// Fills the patch of all channels of a block from image row `top` (may be negative) on.
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

/// Every `stride`-th pixel of a row with `left` zeros before it, from `first` on; zeros follow.
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

/// Rows of results per task so that the patch has about `PATCH_BYTES`.
pub(super) fn rows_per_task(channels: usize, geometry: Geometry, out: LaneShape) -> usize {
    let row = channels
        * geometry.stride
        * geometry.stride
        * (out.width + geometry.kernel)
        * lanes()
        * size_of::<f32>();
    (PATCH_BYTES / row).saturating_sub(geometry.kernel / 2).clamp(1, out.height)
}

/// All (block, first row, rows) tasks.
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

/// Offsets of all (channel, tap) steps; taps in the order that `tap_at` gives.
pub(super) fn offsets(channels: usize, patch: Patch, taps: &[(usize, usize)]) -> Vec<u32> {
    let l = lanes();
    let of = |c: usize| taps.iter().map(move |(y, x)| ((c * patch.channel() + patch.tap(*y, *x)) * l) as u32);
    (0..channels).flat_map(of).collect()
}

/// Taps column by column: neighbours in this order never read overlapping runs of one row.
pub(super) fn tap_order(kernel: usize) -> Vec<(usize, usize)> {
    (0..kernel).flat_map(|x| (0..kernel).map(move |y| (y, x))).collect()
}

/// Where the runs of all steps start in a patch.
pub(super) fn sources(patch: &[f32], offsets: &[u32]) -> Vec<*const f32> {
    offsets.iter().map(|offset| patch[*offset as usize..].as_ptr()).collect()
}

/// Where the pixels of each plane start, from `first` floats on.
pub(super) fn pixels(planes: &[&[f32]], first: usize) -> Vec<*const f32> {
    planes.iter().map(|plane| plane[first..].as_ptr()).collect()
}

pub(super) fn patch_of(geometry: Geometry, out: LaneShape, rows: usize) -> Patch {
    let phase = |n: usize| ((n - 1) * geometry.stride + geometry.kernel).div_ceil(geometry.stride);
    Patch { stride: geometry.stride, rows: phase(rows), cols: phase(out.width), left: geometry.padding }
}
