//! Reusable, cache-line-aligned buffers of f32.
//!
//! A training step asks for the same few hundred megabytes again and again; taking them from the operating system each
//! time costs a page fault per 4 KB. Dropped buffers wait here for the next request of about their size. Contents of a
//! fresh buffer are whatever the last user left (or zeros): never uninitialised memory, but nothing to rely on.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use super::memory::{LINE, Memory};

/// Memory that waits, by its length: with the thread that gave it back, most often the one that wrote to it last. Its core's
/// caches may still hold it, and writing to what another core's caches hold is slow.
static POOL: Mutex<BTreeMap<usize, Vec<(Memory, ThreadId)>>> = Mutex::new(BTreeMap::new());

/// A 64-byte-aligned slice of f32 from the pool; derefs to `[f32]` and goes back when dropped.
pub(crate) struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` floats with arbitrary (initialised) content: for callers that write every element.
    pub fn stale(len: usize) -> Self {
        let need = len.div_ceil(LINE);
        let thread = thread::current().id();
        let reused = {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = need..=need + need / 2;
            // One of this thread's before those of others, then the smallest, then the one that came back last.
            let own = pool.range(fits.clone()).find_map(|(&len, waiting)| {
                Some((len, waiting.iter().rposition(|(_, giver)| *giver == thread)?))
            });
            let others =
                || pool.range(fits).find_map(|(&len, waiting)| Some((len, waiting.len().checked_sub(1)?)));
            let best = own.or_else(others);
            best.and_then(|(len, at)| Some(pool.get_mut(&len)?.remove(at).0))
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

    /// `count` buffers of `len` small whole numbers, whose products and sums are exact.
    #[cfg(test)]
    pub fn numbers(count: usize, len: usize, seed: usize) -> Vec<Self> {
        let fill = |i: usize| {
            let mut buffer = Self::stale(len);
            for (p, value) in buffer.iter_mut().enumerate() {
                *value = ((p * 5 + i * 7 + seed + p * i % 3) % 11) as f32 - 5.0;
            }
            buffer
        };
        (0..count).map(fill).collect()
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
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            pool.entry(memory.len()).or_default().push((memory, thread::current().id()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_back_its_own_before_what_others_gave() {
        // A length that nothing else here asks for.
        const LEN: usize = 123_457;
        let (ours, theirs) = (Buffer::stale(LEN), Buffer::stale(LEN));
        let (our_start, their_start) = (ours.as_ptr(), theirs.as_ptr());
        drop(ours);
        thread::scope(|scope| {
            scope.spawn(|| drop(theirs));
        });
        let (first, second) = (Buffer::stale(LEN), Buffer::stale(LEN));
        assert_eq!((first.as_ptr(), second.as_ptr()), (our_start, their_start));
    }
}
