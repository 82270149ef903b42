//! A buffer that several tasks write at once, each its own part.
//!
//! Tasks that own tile rows of every channel write pieces which no `chunks_mut` describes.

#![allow(unsafe_code, reason = "tasks write disjoint parts of one buffer")]

use std::marker::PhantomData;

/// The start of a buffer borrowed for writing by many tasks.
pub(crate) struct Disjoint<'a> {
    start: *mut f32,
    len: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer is only written through `at`, whose callers keep their parts apart.
unsafe impl Sync for Disjoint<'_> {}
// SAFETY: as above; floats can be written from any thread.
unsafe impl Send for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    /// Borrows `buffer` for the tasks.
    pub fn new(buffer: &'a mut [f32]) -> Self {
        Self { start: buffer.as_mut_ptr(), len: buffer.len(), borrow: PhantomData }
    }

    /// A pointer to element `offset`, good to the end of the buffer.
    ///
    /// # Safety
    /// Until the borrow ends no other task touches what is written through the pointer.
    pub unsafe fn at(&self, offset: usize) -> *mut f32 {
        assert!(offset <= self.len);
        // SAFETY: inside the buffer, or one past it.
        unsafe { self.start.add(offset) }
    }
}
