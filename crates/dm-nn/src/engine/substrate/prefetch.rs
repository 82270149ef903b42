//! Explicit prefetching into the cache.
//!
//! Hardware prefetchers follow long sequential reads. A transform or a product of spectra reads short, strided runs,
//! and without prefetching waits for memory during a tenth of a training step on two cores. The loops know which lines
//! they will read next and prefetch them. The prefetches have to be spread over the preceding work: a core has about
//! two dozen outstanding cache misses, and one that issues more prefetches than that waits too.

use super::memory::CACHE_LINE;

/// Prefetches the cache lines of `p` and of every sixteenth of the `len` floats from there on. If a line begins at `p`,
/// these are the lines of all `len` floats. The address need not be inside a buffer.
///
/// The lines go to the second-level cache. The first-level cache is full of what the loop works on; prefetching into it
/// loses half of the gain.
#[inline(always)]
#[allow(unsafe_code, reason = "prefetching is an intrinsic")]
pub(crate) fn prefetch(p: *const f32, len: usize) {
    for line in (0..len).step_by(CACHE_LINE) {
        let p = p.wrapping_add(line);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: the instruction is a hint, which has no effect on addresses that are not mapped.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T1>(p.cast());
        }
        // Stable Rust has no prefetch intrinsic for other processors.
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = p;
    }
}

/// Prefetches the line `at` floats after `p` if `at` is a whole number of lines: for loops that step by one vector.
#[inline(always)]
pub(crate) fn prefetch_along(p: *const f32, at: usize) {
    if at.is_multiple_of(CACHE_LINE) {
        prefetch(p.wrapping_add(at), 1);
    }
}
