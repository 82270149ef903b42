//! The SIMD instruction set that this process uses, and vector functions that several operations share.

use pulp::{Simd, WithSimd};

use crate::simd::arch;

/// LANES, the number of f32 in a vector of the instruction set in use ([`arch`]): 16 with AVX-512, 8 with AVX2, 4 with NEON, else
/// 1.
///
/// It is also the number of images in a block of the batch-lane layout.
pub fn lanes() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Width)
}

/// Runs `op` compiled for the instruction set in use.
pub(crate) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    arch().dispatch(op)
}

/// A vector of [`lanes`] floats.
pub(crate) type V<S> = <S as Simd>::f32s;

/// The vector at `p`.
///
/// # Safety
/// `p` is valid for reads of a whole vector and aligned to it: a multiple of [`lanes`] floats into a
/// [`Buffer`](super::pool::Buffer).
#[inline(always)]
#[allow(unsafe_code, reason = "aligned vector access to buffers; bounds are the caller's loop bounds")]
pub(crate) unsafe fn load<S: Simd>(p: *const f32) -> V<S> {
    // SAFETY: as the caller promises; any bits are a valid vector of floats.
    unsafe { p.cast::<V<S>>().read() }
}

/// Writes the vector `v` to `p`.
///
/// # Safety
/// As [`load`], for writes.
#[inline(always)]
#[allow(unsafe_code, reason = "aligned vector access to buffers; bounds are the caller's loop bounds")]
pub(crate) unsafe fn store<S: Simd>(p: *mut f32, v: V<S>) {
    // SAFETY: as the caller promises.
    unsafe { p.cast::<V<S>>().write(v) }
}

/// The sums of four vectors over their lanes. The order of the terms is fixed for each instruction set.
#[inline(always)]
pub(crate) fn sum4<S: Simd>(simd: S, v: [V<S>; 4]) -> [f32; 4] {
    if S::F32_LANES < 4 {
        return v.map(|v| simd.reduce_sum_f32s(v));
    }
    // After interleaving, lane i of every group of four lanes comes from vector i.
    let [a, b, c, d]: [V<S>; 4] = simd.interleave_shfl_f32s(v);
    let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
    let (quads, _) = bytemuck::cast_slice::<V<S>, f32>(std::slice::from_ref(&sum)).as_chunks::<4>();
    let mut total = quads[0];
    for quad in &quads[1..] {
        for (t, q) in total.iter_mut().zip(quad) {
            *t += q;
        }
    }
    total
}

/// Runs `op` compiled for each instruction set that this machine has.
#[cfg(test)]
pub(crate) fn on_all_sets(op: impl WithSimd<Output = ()> + Copy) {
    dispatch(op);
    Simd::vectorize(pulp::Scalar, op);
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        Simd::vectorize(simd, op);
    }
}
