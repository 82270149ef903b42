//! A buffer that several tasks write at the same time, each its own part.
//!
//! `chunks_mut` divides a buffer into contiguous parts. A task that owns some rows of every channel writes many
//! separate pieces, for which this type is needed.

#![allow(unsafe_code, reason = "tasks write disjoint parts of one buffer")]

use std::marker::PhantomData;

/// A buffer that is mutably borrowed by many tasks. The tasks promise to write different elements.
pub(crate) struct DisjointMut<'a> {
    start: *mut f32,
    len: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: elements are written only through `at`, whose callers promise to write different elements.
unsafe impl Sync for DisjointMut<'_> {}
// SAFETY: as above; floats can be written from any thread.
unsafe impl Send for DisjointMut<'_> {}

impl<'a> DisjointMut<'a> {
    /// Borrows `buffer` for all tasks.
    pub fn new(buffer: &'a mut [f32]) -> Self {
        Self { start: buffer.as_mut_ptr(), len: buffer.len(), borrow: PhantomData }
    }

    /// A pointer to element `offset`, valid up to the end of the buffer.
    ///
    /// # Safety
    /// Until the borrow ends, no other task reads or writes the elements that are written through the pointer.
    pub unsafe fn at(&self, offset: usize) -> *mut f32 {
        assert!(offset <= self.len);
        // SAFETY: inside the buffer, or one past it.
        unsafe { self.start.add(offset) }
    }
}
