//! Memory for large buffers of f32, in pages of 2 MiB where the operating system offers them.
//!
//! A training step passes through hundreds of megabytes, and a transform writes about three dozen streams at a time.
//! With pages of 4 KiB these are more write streams than the TLB has entries, and a TLB miss costs even more in a
//! virtual machine.

use memmap2::MmapMut;

/// One cache line of floats; gives every buffer its 64-byte alignment.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; CACHE_LINE]);

/// Floats in a cache line of 64 bytes.
pub(super) const CACHE_LINE: usize = 16;

/// Bytes of a large page. Smaller buffers come from the heap.
const PAGE: usize = 2 << 20;

/// A number of cache lines of floats, initially zero.
pub(super) enum Memory {
    Heap(Vec<Line>),
    /// The first `lines` of an anonymous map. Its length is a multiple of the large page, so that the operating system
    /// can use large pages if it also aligns the map to them.
    Pages {
        map: MmapMut,
        lines: usize,
    },
}

impl Memory {
    pub fn new(lines: usize) -> Self {
        let bytes = lines * size_of::<Line>();
        // Miri does not support memory maps.
        if bytes >= PAGE
            && !cfg!(miri)
            && let Ok(map) = MmapMut::map_anon(bytes.next_multiple_of(PAGE))
        {
            // A hint: where the system does not follow it, pages are small.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            return Self::Pages { map, lines };
        }
        Self::Heap(vec![Line([0.0; CACHE_LINE]); lines])
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Heap(lines) => lines.len(),
            Self::Pages { lines, .. } => *lines,
        }
    }

    pub fn floats(&self) -> &[f32] {
        match self {
            Self::Heap(lines) => bytemuck::cast_slice(lines),
            Self::Pages { map, lines } => &bytemuck::cast_slice(map)[..lines * CACHE_LINE],
        }
    }

    pub fn floats_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Heap(lines) => bytemuck::cast_slice_mut(lines),
            Self::Pages { map, lines } => &mut bytemuck::cast_slice_mut(map)[..*lines * CACHE_LINE],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_aligned_zeroed_and_not_shared() {
        for lines in [0, 1, 1000, PAGE / 64 - 1, PAGE / 64, PAGE / 64 + 1, 3 * PAGE / 64 + 5] {
            let (mut one, other) = (Memory::new(lines), Memory::new(lines));
            assert_eq!((one.len(), one.floats().len()), (lines, lines * CACHE_LINE));
            assert!(one.floats().iter().all(|&float| float == 0.0));
            assert_eq!(one.floats().as_ptr().align_offset(64), 0);
            one.floats_mut().fill(1.5);
            assert!(
                one.floats().iter().all(|&float| float == 1.5) && other.floats().iter().all(|&x| x == 0.0)
            );
        }
    }
}
