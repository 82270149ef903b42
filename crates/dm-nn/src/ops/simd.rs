//! Which SIMD instruction set this process uses, and the vector functions the kernels share.

use pulp::{Arch, Simd, WithSimd};

/// Images per lane block: the width of an f32 vector on this machine (16 with AVX-512, 8 with AVX2, 4 with NEON, else 1).
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

/// Runs `op` with the best instruction set of this machine.
pub(crate) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    Arch::new().dispatch(op)
}
