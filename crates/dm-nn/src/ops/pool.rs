//! Reusable, cache-line-aligned buffers of f32.
//!
//! A training step asks for the same few hundred megabytes again and again; taking them from the operating system each
//! time costs a page fault per 4 KB. Dropped buffers wait here for the next request of about their size. Contents of a
//! fresh buffer are whatever the last user left (or zeros): never uninitialised memory, but nothing to rely on.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::memory::{LINE, Memory};

static POOL: Mutex<Vec<Memory>> = Mutex::new(Vec::new());

/// A 64-byte-aligned slice of f32 from the pool; derefs to `[f32]` and goes back when dropped.
pub(crate) struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` floats with arbitrary (initialised) content: for callers that write every element.
    pub fn stale(len: usize) -> Self {
        let need = len.div_ceil(LINE);
        let reused = {
            let mut pool = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let fits = |m: &&Memory| m.len() >= need && m.len() <= need + need / 2;
            let best = pool.iter().filter(fits).map(Memory::len).min();
            best.and_then(|n| pool.iter().position(|m| m.len() == n)).map(|i| pool.swap_remove(i))
        };
        let memory = reused.unwrap_or_else(|| Memory::new(need));
        Self { memory, len }
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
        &self.memory.floats()[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory.floats_mut()[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::new(0));
        if memory.len() > 0 {
            POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(memory);
        }
    }
}
