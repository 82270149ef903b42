//! Sums of outer products: the inner loops of linear layers, and of weight gradients between Winograd transforms.
//!
//! There the gradient of a frequency's weights is a product of matrices, [out, images and tiles] x [images and tiles, in]. In the
//! batch-lane layout both have the summed index in the lanes, and each number of the product would be a sum over lanes.
//! So one matrix is turned first: what is in the lanes then are its channels, and nothing is left to sum.

#![allow(clippy::needless_range_loop, reason = "register arrays read best by index, several at a time")]
#![allow(unsafe_code, reason = "inner loops over vectors; bounds are fixed by the caller's geometry")]

use pulp::Simd;

use super::simd::{V, load, store};

/// Turns `width` vectors of every source, `at` floats into it, into rows of `row` floats, one per vector and lane:
/// float `c` of row `p` is number `p` of source `c`, or of the last one beyond it.
///
/// # Safety
/// Every source is good for reading the vectors from there on, `to` for writing all rows, all aligned; `row` is a multiple
/// of the lanes, and there are sources.
#[inline(always)]
pub(crate) unsafe fn turn<S: Simd>(
    simd: S,
    sources: &[*const f32],
    at: usize,
    width: usize,
    row: usize,
    to: *mut f32,
) {
    let l = S::F32_LANES;
    // SAFETY: the caller's promise; lanes are fewer than `l`, columns fewer than `row`.
    unsafe {
        if l < 4 {
            for p in 0..width * l {
                for c in 0..row {
                    *to.add(p * row + c) = *sources[c.min(sources.len() - 1)].add(at + p);
                }
            }
            return;
        }
        // Interleaved, a quadruple of lanes is one lane of four sources; which one depends on the instruction set.
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
                let turned: [V<S>; 4] = simd.interleave_shfl_f32s(v);
                let quads = bytemuck::cast_slice::<V<S>, [f32; 4]>(&turned);
                for i in 0..l {
                    let lane = order[i][0] as usize;
                    to.add((p * l + lane) * row + c).cast::<[f32; 4]>().write(quads[i]);
                }
            }
        }
    }
}

/// A matrix of results.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    pub start: *mut f32,
    /// Floats from one row to the next: whole vectors.
    pub row: usize,
    /// Whether the sums begin here, and what was there does not count.
    pub fresh: bool,
}

/// `sums[m][c] += sum over p of rows[m][p] * turned[p][c]`, `at` floats into the rows, for `p` in `0..count`; `turned` has
/// rows like the sums.
///
/// # Safety
/// Every row is good for reading `count` floats from there on, `turned` and the sums for their rows, aligned to vectors.
#[inline(always)]
pub(crate) unsafe fn add_products<S: Simd>(
    simd: S,
    rows: &[*const f32],
    at: usize,
    turned: *const f32,
    count: usize,
    sums: Sums,
) {
    let l = S::F32_LANES;
    // 24 sums, 4 vectors and a factor in 32 registers; 12, 2 and 1 in 16.
    let widest = if S::REGISTER_COUNT > 16 { 4 } else { 2 };
    let mut column = 0;
    while column < sums.row {
        let wide = widest.min((sums.row - column) / l);
        let mut done = 0;
        while done < rows.len() {
            let left = &rows[done..];
            // SAFETY: the caller's promise; `wide` vectors are left of each row.
            done += unsafe {
                let turned = turned.add(column);
                let to = Sums { start: sums.start.add(done * sums.row + column), ..sums };
                match wide {
                    1 => some_rows::<S, 1>(simd, left, at, turned, count, to),
                    2 => some_rows::<S, 2>(simd, left, at, turned, count, to),
                    3 => some_rows::<S, 3>(simd, left, at, turned, count, to),
                    _ => some_rows::<S, 4>(simd, left, at, turned, count, to),
                }
            };
        }
        column += wide * l;
    }
}

/// `N` vectors of as many of `rows` as go together, and how many these are.
#[inline(always)]
unsafe fn some_rows<S: Simd, const N: usize>(
    simd: S,
    rows: &[*const f32],
    at: usize,
    turned: *const f32,
    count: usize,
    sums: Sums,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        match rows.len() {
            1 | 2 => block_of::<S, 2, N>(simd, rows, at, turned, count, sums),
            // Two blocks of four rather than a last one of two.
            3 | 4 | 7 | 8 => block_of::<S, 4, N>(simd, rows, at, turned, count, sums),
            _ => block_of::<S, 6, N>(simd, rows, at, turned, count, sums),
        }
    }
}

/// `N` vectors of the first of `rows`, at most `M`, and how many these are.
#[inline(always)]
unsafe fn block_of<S: Simd, const M: usize, const N: usize>(
    simd: S,
    rows: &[*const f32],
    at: usize,
    turned: *const f32,
    count: usize,
    sums: Sums,
) -> usize {
    let l = S::F32_LANES;
    let height = M.min(rows.len());
    // Beyond the last row is the last row again.
    let rows: [*const f32; M] = std::array::from_fn(|m| rows[m.min(height - 1)].wrapping_add(at));
    let mut acc = [[simd.splat_f32s(0.0); N]; M];
    // SAFETY: the caller's promise.
    unsafe {
        if !sums.fresh {
            for m in 0..height {
                for n in 0..N {
                    acc[m][n] = load::<S>(sums.start.add(m * sums.row + n * l));
                }
            }
        }
        for p in 0..count {
            let mut v = [simd.splat_f32s(0.0); N];
            for n in 0..N {
                v[n] = load::<S>(turned.add(p * sums.row + n * l));
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
    use crate::ops::pool::Buffer;
    use crate::ops::simd::on_all_sets;
    use pulp::WithSimd;

    fn pointers(planes: &[Buffer]) -> Vec<*const f32> {
        planes.iter().map(|plane| plane.as_ptr()).collect()
    }

    /// Sums for so many rows and columns over `width` vectors, begun and added to.
    fn sums<S: Simd>(simd: S, rows: usize, columns: usize, width: usize) {
        let l = S::F32_LANES;
        let (row, count, at) = (columns.next_multiple_of(l), width * l, l);
        let (a, b) = (Buffer::numbers(rows, at + count, 1), Buffer::numbers(columns, at + count, 2));
        // Each with a row too many, which stays as it is.
        let mut turned = Buffer::stale((count + 1) * row);
        let mut found = Buffer::stale((rows + 1) * row);
        turned.fill(f32::NAN);
        found.fill(f32::NAN);
        for fresh in [true, false] {
            let sums = Sums { start: found.as_mut_ptr(), row, fresh };
            // SAFETY: all buffers are as long as this, and aligned.
            unsafe {
                turn(simd, &pointers(&b), at, width, row, turned.as_mut_ptr());
                add_products(simd, &pointers(&a), at, turned.as_ptr(), count, sums);
            }
        }
        for m in 0..rows {
            for c in 0..columns {
                let once: f32 = (at..at + count).map(|p| a[m][p] * b[c][p]).sum();
                assert_eq!(found[m * row + c], 2.0 * once, "{rows}x{columns}, {width} vectors: {m}, {c}");
            }
        }
        assert!(found[rows * row..].iter().chain(&turned[count * row..]).all(|beyond| beyond.is_nan()));
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

    /// What is beside what after a turn, and blocks of registers, differ between instruction sets.
    #[test]
    fn sums_are_exact_for_all_shapes() {
        on_all_sets(Shapes);
    }
}
