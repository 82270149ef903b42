//! Asking for memory before it is needed.
//!
//! Processors foresee long runs through memory. A transform or a product of spectra takes a few lines here and a few there,
//! and each time stands still until they are in cache: for a tenth of a training step on two cores. The loops know where
//! they will be next and ask for it. Asking must be spread over the work before: a core waits for about two dozen lines at a
//! time, and one that asks for more stands still too.

use super::memory::CACHE_LINE;

/// Asks for the lines that hold `p` and every sixteenth of the `len` floats from there on, in or out of a buffer: those of
/// all of them where a line begins at `p`.
///
/// Into the second-level cache: the first is full of what the loop works on, and half of the gain is lost there.
#[inline(always)]
#[allow(unsafe_code, reason = "prefetching is an intrinsic")]
pub(crate) fn prefetch(p: *const f32, len: usize) {
    for line in (0..len).step_by(CACHE_LINE) {
        let p = p.wrapping_add(line);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a hint; where there is no memory it does nothing.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T1>(p.cast());
        }
        // Stable Rust has no such hint for other processors.
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = p;
    }
}

/// [`prefetch`] for loops over vectors: of what is `at` floats after `p`, if that is a whole number of lines.
#[inline(always)]
pub(crate) fn prefetch_along(p: *const f32, at: usize) {
    if at.is_multiple_of(CACHE_LINE) {
        prefetch(p.wrapping_add(at), 1);
    }
}
