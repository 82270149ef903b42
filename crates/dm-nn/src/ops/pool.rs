//! Reusable, cache-line-aligned buffers of f32.
//!
//! A training step asks for the same few hundred megabytes again and again; taking them from the operating system each
//! time costs a page fault per 4 KB. Dropped buffers wait here for the next request of about their size. Contents of a
//! fresh buffer are whatever the last user left (or zeros): never uninitialised memory, but nothing to rely on.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// One cache line of floats; gives every buffer its 64-byte alignment.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

static POOL: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());

/// A 64-byte-aligned slice of f32 from the pool; derefs to `[f32]` and goes back when dropped.
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` floats with arbitrary (initialised) content: for callers that write every element.
    pub fn stale(len: usize) -> Self {
        let need = len.div_ceil(16);
        let reused = {
            let mut pool = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let fits = |v: &&Vec<Line>| v.len() >= need && v.len() <= need + need / 2;
            let best = pool.iter().filter(fits).map(Vec::len).min();
            best.and_then(|n| pool.iter().position(|v| v.len() == n)).map(|i| pool.swap_remove(i))
        };
        let lines = reused.unwrap_or_else(|| vec![Line([0.0; 16]); need]);
        Self { lines, len }
    }

    /// A buffer of `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::stale(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if !lines.is_empty() {
            POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(lines);
        }
    }
}
