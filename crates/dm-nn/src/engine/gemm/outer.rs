//! Sums of outer products: the inner loops of linear layers and of Winograd's weight gradients.
//!
//! The weight gradient at a frequency is a matrix product, [out, images and tiles] x [images and tiles, in]. In the
//! batch-lane layout both matrices have the summed index in the lanes, so that every element of the product would be a
//! sum over lanes. Therefore one matrix is transposed first: its lanes then hold channels, and no sums over lanes
//! remain.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "inner loops over vectors; bounds are fixed by the caller's geometry")]

use pulp::Simd;

use crate::engine::substrate::simd::{V, load, store};

/// Transposes `width` vectors of every source, from `at` floats into it, to rows of `row` floats: element `c` of row
/// `p` is float `p` of source `c`. Beyond the last source the columns repeat it.
///
/// # Safety
/// Every source is valid for reads of `width` vectors from `at` on, and `to` for writes of all rows. All are aligned to
/// vectors. `row` is a multiple of the lanes, and there is at least one source.
#[inline(always)]
pub(crate) unsafe fn transpose<S: Simd>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    width: usize,
    row: usize,
    to: *mut f32,
) {
    let l = S::F32_LANES;
    // SAFETY: as promised by the caller; lanes are below `l` and columns below `row`.
    unsafe {
        if l < 4 {
            for p in 0..width * l {
                for c in 0..row {
                    *to.add(p * row + c) = *sources[c.min(sources.len() - 1)].add(at + p);
                }
            }
            return;
        }
        // After interleaving, each group of four lanes is one lane of four sources. Which lane depends on the
        // instruction set, so the lane numbers are interleaved in the same way.
        let mut numbers = simd.splat_f32s(0.0);
        for (lane, number) in
            bytemuck::cast_slice_mut::<V<S>, f32>(std::slice::from_mut(&mut numbers)).iter_mut().enumerate()
        {
            *number = lane as f32;
        }
        let order: [V<S>; 4] = simd.interleave_shfl_f32s([numbers; 4]);
        let order = bytemuck::cast_slice::<V<S>, [f32; 4]>(&order);
        for p in 0..width {
            for c in (0..row).step_by(4) {
                let mut v = [numbers; 4];
                for i in 0..4 {
                    v[i] = load::<S>(sources[(c + i).min(sources.len() - 1)].add(at + p * l));
                }
                let transposed: [V<S>; 4] = simd.interleave_shfl_f32s(v);
                let quads = bytemuck::cast_slice::<V<S>, [f32; 4]>(&transposed);
                for i in 0..l {
                    let lane = order[i][0] as usize;
                    to.add((p * l + lane) * row + c).cast::<[f32; 4]>().write(quads[i]);
                }
            }
        }
    }
}

/// The matrix that the products are added to.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    pub start: *mut f32,
    /// Floats from one row to the next, a multiple of the lanes.
    pub row: usize,
    /// Whether the sums start from zero instead of the values that are there.
    pub overwrite: bool,
}

/// `sums[m][c] += sum over p of rows[m][p] * transposed[p][c]` for `p` in `0..count`, counted from `at` floats into
/// each row. The rows of `transposed` are as long as those of the sums.
///
/// # Safety
/// Every row is valid for reads of `count` floats from `at` on. `transposed` is valid for reads of `count` rows and
/// the sums for reads and writes of as many rows as there are `rows`; both are aligned to vectors.
#[inline(always)]
pub(crate) unsafe fn add_products<S: Simd>(
    simd: S,
    rows: &[*const f32],
    at: usize,
    transposed: *const f32,
    count: usize,
    sums: Sums,
) {
    let l = S::F32_LANES;
    // With 32 registers: 24 sums, 4 vectors and a factor. With 16 registers: 12 sums, 2 vectors and a factor.
    let widest = if S::REGISTER_COUNT > 16 { 4 } else { 2 };
    let mut column = 0;
    while column < sums.row {
        let wide = widest.min((sums.row - column) / l);
        let mut done = 0;
        while done < rows.len() {
            let left = &rows[done..];
            // SAFETY: as promised by the caller; at least `wide` vectors of each row remain.
            done += unsafe {
                let transposed = transposed.add(column);
                let to = Sums { start: sums.start.add(done * sums.row + column), ..sums };
                match wide {
                    1 => some_rows::<S, 1>(simd, left, at, transposed, count, to),
                    2 => some_rows::<S, 2>(simd, left, at, transposed, count, to),
                    3 => some_rows::<S, 3>(simd, left, at, transposed, count, to),
                    _ => some_rows::<S, 4>(simd, left, at, transposed, count, to),
                }
            };
        }
        column += wide * l;
    }
}

/// `N` vectors of the first few of `rows`. Returns the number of these rows.
#[inline(always)]
unsafe fn some_rows<S: Simd, const N: usize>(
    simd: S,
    rows: &[*const f32],
    at: usize,
    transposed: *const f32,
    count: usize,
    sums: Sums,
) -> usize {
    // SAFETY: as promised by the caller.
    unsafe {
        match rows.len() {
            1 | 2 => block_of::<S, 2, N>(simd, rows, at, transposed, count, sums),
            // Two blocks of four are faster than a block of six and one of two.
            3 | 4 | 7 | 8 => block_of::<S, 4, N>(simd, rows, at, transposed, count, sums),
            _ => block_of::<S, 6, N>(simd, rows, at, transposed, count, sums),
        }
    }
}

/// `N` vectors of the first `M` of `rows`, or of all if there are fewer. Returns the number of these rows.
#[inline(always)]
unsafe fn block_of<S: Simd, const M: usize, const N: usize>(
    simd: S,
    rows: &[*const f32],
    at: usize,
    transposed: *const f32,
    count: usize,
    sums: Sums,
) -> usize {
    let l = S::F32_LANES;
    let height = M.min(rows.len());
    // Beyond the last row, the block repeats the last row.
    let rows: [*const f32; M] = std::array::from_fn(|m| rows[m.min(height - 1)].wrapping_add(at));
    let mut acc = [[simd.splat_f32s(0.0); N]; M];
    // SAFETY: as promised by the caller.
    unsafe {
        if !sums.overwrite {
            for m in 0..height {
                for n in 0..N {
                    acc[m][n] = load::<S>(sums.start.add(m * sums.row + n * l));
                }
            }
        }
        for p in 0..count {
            let mut v = [simd.splat_f32s(0.0); N];
            for n in 0..N {
                v[n] = load::<S>(transposed.add(p * sums.row + n * l));
            }
            for m in 0..M {
                let factor = simd.splat_f32s(*rows[m].add(p));
                for n in 0..N {
                    acc[m][n] = simd.mul_add_e_f32s(factor, v[n], acc[m][n]);
                }
            }
        }
        for m in 0..height {
            for n in 0..N {
                store::<S>(sums.start.add(m * sums.row + n * l), acc[m][n]);
            }
        }
    }
    height
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::substrate::pool::Buffer;
    use crate::engine::substrate::simd::on_all_sets;
    use pulp::WithSimd;

    fn pointers(planes: &[Buffer]) -> Vec<*const f32> {
        planes.iter().map(|plane| plane.as_ptr()).collect()
    }

    /// Compares sums over `width` vectors, first written and then added to.
    fn sums<S: Simd>(simd: S, rows: usize, columns: usize, width: usize) {
        let l = S::F32_LANES;
        let (row, count, at) = (columns.next_multiple_of(l), width * l, l);
        let (a, b) =
            (Buffer::test_integers(rows, at + count, 1), Buffer::test_integers(columns, at + count, 2));
        // Each matrix has one row more than needed, which has to stay as it is.
        let mut transposed = Buffer::recycled((count + 1) * row);
        let mut found = Buffer::recycled((rows + 1) * row);
        transposed.fill(f32::NAN);
        found.fill(f32::NAN);
        for overwrite in [true, false] {
            let sums = Sums { start: found.as_mut_ptr(), row, overwrite };
            // SAFETY: all buffers are as long as this, and aligned.
            unsafe {
                transpose(simd, &pointers(&b), at, width, row, transposed.as_mut_ptr());
                add_products(simd, &pointers(&a), at, transposed.as_ptr(), count, sums);
            }
        }
        for m in 0..rows {
            for c in 0..columns {
                let once: f32 = (at..at + count).map(|p| a[m][p] * b[c][p]).sum();
                assert_eq!(found[m * row + c], 2.0 * once, "{rows}x{columns}, {width} vectors: {m}, {c}");
            }
        }
        assert!(found[rows * row..].iter().chain(&transposed[count * row..]).all(|beyond| beyond.is_nan()));
    }

    #[derive(Clone, Copy)]
    struct Shapes;

    impl WithSimd for Shapes {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for (rows, columns, width) in [
                (1, 1, 1),
                (4, 16, 3),
                (3, 20, 2),
                (5, 33, 2),
                (7, 70, 1),
                (8, 24, 2),
                (9, 130, 4),
                (14, 16, 1),
            ] {
                sums(simd, rows, columns, width);
            }
        }
    }

    /// The order of interleaved lanes and the blocks differ between instruction sets.
    #[test]
    fn sums_are_exact_for_all_shapes() {
        on_all_sets(Shapes);
    }
}
