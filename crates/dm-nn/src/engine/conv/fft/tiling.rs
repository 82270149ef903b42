//! Planes that are larger than the transform, cut into overlapping tiles (the overlap-save method).
//!
//! A tile of 32x32 points holds a core of 32 - 2r pixels per axis, where r = k/2 is the reach of the kernel, and r more
//! pixels of the plane (or zeros outside it) on each side. A circular convolution of the tile is wrong near its border
//! and right in its core; the cores of all tiles make up the result. [`cut`] and [`join`] are linear operations, and
//! the backward pass of each is its transpose: cores are put back with zeros around them, and overlapping tiles are
//! summed.
//!
//! The tiles of a block of images are stored as further blocks, so that all other code works on them without changes.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::fft32::POINTS;
use crate::engine::autograd::{GradSlot, LanePlanes, LaneShape, PlaneData, token, token_grad};
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::lanes;

/// How one axis of a plane is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    /// Pixels of the plane.
    len: usize,
    /// Pixels of a tile.
    tile: usize,
    /// Pixels of a tile on each side of its core.
    halo: usize,
    /// Pixels of a core; the last core of a plane may be shorter.
    core: usize,
}

impl Axis {
    /// `None` if the kernel leaves no core.
    fn new(len: usize, reach: usize) -> Option<Self> {
        if len + reach <= POINTS {
            return Some(Self { len, tile: len, halo: 0, core: len });
        }
        let core = POINTS.checked_sub(2 * reach).filter(|core| *core > 0)?;
        Some(Self { len, tile: POINTS, halo: reach, core })
    }

    fn tiles(self) -> usize {
        self.len.div_ceil(self.core)
    }

    /// The pixels of tile number `tile` that belong to `part`.
    fn span(self, tile: usize, part: Part) -> Span {
        let core = tile * self.core;
        match part {
            Part::Core => Span { in_plane: core, in_tile: self.halo, len: self.core.min(self.len - core) },
            Part::Whole => {
                let in_plane = core.saturating_sub(self.halo);
                let end = (core + self.tile - self.halo).min(self.len);
                Span { in_plane, in_tile: in_plane + self.halo - core, len: end - in_plane }
            }
        }
    }
}

/// Which pixels of a tile are read or written.
#[derive(Clone, Copy)]
enum Part {
    /// Those where the circular convolution is right.
    Core,
    /// All that lie inside the plane.
    Whole,
}

/// A run of pixels along one axis, by its start in the plane and in a tile.
#[derive(Clone, Copy)]
struct Span {
    in_plane: usize,
    in_tile: usize,
    len: usize,
}

/// How planes are cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    /// Images of the planes.
    batch: usize,
    rows: Axis,
    columns: Axis,
}

impl Tiling {
    /// Tiles of planes of `shape` for a `kernel` x `kernel` kernel; `None` if the kernel is too large for any tile.
    pub fn new(shape: LaneShape, kernel: usize) -> Option<Self> {
        let axis = |len| Axis::new(len, kernel / 2);
        Some(Self { batch: shape.batch, rows: axis(shape.height)?, columns: axis(shape.width)? })
    }

    /// Whether the only tile is the plane itself.
    pub fn is_whole(self) -> bool {
        self.tiles() == 1
    }

    /// Tiles of a plane.
    fn tiles(self) -> usize {
        self.rows.tiles() * self.columns.tiles()
    }

    /// Shape of the planes.
    fn planes(self, channels: usize) -> LaneShape {
        LaneShape { batch: self.batch, channels, height: self.rows.len, width: self.columns.len }
    }

    /// Shape of the tiles: those of a block are as many blocks.
    fn tiled(self, channels: usize) -> LaneShape {
        let batch = self.planes(channels).blocks() * self.tiles() * lanes();
        LaneShape { batch, channels, height: self.rows.tile, width: self.columns.tile }
    }

    /// Start in the plane and in the tile, and length, of every row of pixels that a tile shares with the plane; in
    /// floats.
    fn runs(self, tile: usize, part: Part) -> impl Iterator<Item = Span> {
        let across = self.columns.tiles();
        let rows = self.rows.span(tile / across, part);
        let columns = self.columns.span(tile % across, part);
        let (l, width, tile_width) = (lanes(), self.columns.len, self.columns.tile);
        (0..rows.len).map(move |row| Span {
            in_plane: ((rows.in_plane + row) * width + columns.in_plane) * l,
            in_tile: ((rows.in_tile + row) * tile_width + columns.in_tile) * l,
            len: columns.len * l,
        })
    }

    /// Copies a part of every tile out of the planes; the rest of a tile is zero.
    fn to_tiles(self, planes: &PlaneData, channels: usize, part: Part) -> Buffer {
        let (planes, shape, tiled) = (planes.materialized(), self.planes(channels), self.tiled(channels));
        let mut tiles = Buffer::recycled(tiled.len());
        tiles.par_chunks_mut(tiled.plane()).enumerate().for_each(|(i, out)| {
            let (at, channel) = (i / channels, i % channels);
            let plane = planes.at(shape, at / self.tiles(), channel);
            out.fill(0.0);
            for Span { in_plane, in_tile, len } in self.runs(at % self.tiles(), part) {
                out[in_tile..][..len].copy_from_slice(&plane[in_plane..][..len]);
            }
        });
        tiles
    }

    /// Sums a part of every tile into the planes: the transpose of [`Self::to_tiles`].
    fn sum_tiles(self, tiles: &PlaneData, channels: usize, part: Part) -> Buffer {
        let (tiles, shape, tiled) = (tiles.materialized(), self.planes(channels), self.tiled(channels));
        let mut planes = Buffer::recycled(shape.len());
        planes.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, out)| {
            let (block, channel) = (i / channels, i % channels);
            out.fill(0.0);
            for tile in 0..self.tiles() {
                let values = tiles.at(tiled, block * self.tiles() + tile, channel);
                for Span { in_plane, in_tile, len } in self.runs(tile, part) {
                    let pairs = out[in_plane..][..len].iter_mut().zip(&values[in_tile..][..len]);
                    pairs.for_each(|(sum, value)| *sum += value);
                }
            }
        });
        planes
    }
}

/// Planes -> their overlapping tiles.
pub(super) fn cut(x: &LanePlanes, tiling: Tiling) -> Result<LanePlanes> {
    let channels = x.shape.channels;
    let tiles = tiling.to_tiles(&x.data, channels, Part::Whole);
    let grad = Arc::<GradSlot>::default();
    let op = Cut { tiling, channels, x: x.grad.clone(), out: grad.clone() };
    let token = x.token.apply_op1(op)?;
    Ok(LanePlanes::new(token, tiling.tiled(channels), tiles, grad))
}

/// Tiles -> the planes that their cores make up.
pub(super) fn join(tiles: &LanePlanes, tiling: Tiling) -> Result<LanePlanes> {
    let channels = tiles.shape.channels;
    let planes = tiling.sum_tiles(&tiles.data, channels, Part::Core);
    let grad = Arc::<GradSlot>::default();
    let op = Join { tiling, channels, tiles: tiles.grad.clone(), out: grad.clone() };
    let token = tiles.token.apply_op1(op)?;
    Ok(LanePlanes::new(token, tiling.planes(channels), planes, grad))
}

struct Cut {
    tiling: Tiling,
    channels: usize,
    x: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp1 for Cut {
    fn name(&self) -> &'static str {
        "lanes-cut-into-tiles"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let Some(grad) = self.out.take_data() else { return Ok(None) };
        self.x.accumulate(self.tiling.sum_tiles(&grad, self.channels, Part::Whole));
        token_grad()
    }
}

struct Join {
    tiling: Tiling,
    channels: usize,
    tiles: Arc<GradSlot>,
    out: Arc<GradSlot>,
}

impl CustomOp1 for Join {
    fn name(&self) -> &'static str {
        "lanes-join-tiles"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let Some(grad) = self.out.take_data() else { return Ok(None) };
        self.tiles.accumulate(self.tiling.to_tiles(&grad, self.channels, Part::Core));
        token_grad()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_make_up_the_plane_and_whole_tiles_hold_all_that_a_core_needs() {
        for reach in 0..16 {
            for len in 1..140 {
                let axis = Axis::new(len, reach).unwrap();
                let mut next = 0;
                for tile in 0..axis.tiles() {
                    let (core, whole) = (axis.span(tile, Part::Core), axis.span(tile, Part::Whole));
                    assert_eq!((core.in_plane, core.in_tile), (next, axis.halo), "{axis:?}");
                    next += core.len;
                    // The same shift between plane and tile, and all neighbours of the core that the plane has.
                    assert_eq!(core.in_plane + whole.in_tile, whole.in_plane + core.in_tile, "{axis:?}");
                    assert!(whole.in_plane <= core.in_plane.saturating_sub(reach), "{axis:?}");
                    assert!(whole.in_plane + whole.len >= len.min(next + reach), "{axis:?}");
                    assert!(whole.in_tile + whole.len <= axis.tile && axis.tile <= POINTS, "{axis:?}");
                }
                assert_eq!(next, len);
            }
        }
        assert_eq!(Axis::new(17, 16), None);
    }
}
