//! Reusable, cache-line-aligned buffers of f32.
//!
//! A training step needs the same few hundred megabytes again and again, and taking them from the operating system each
//! time costs a page fault per 4 KiB. Dropped buffers therefore go to a pool, where they wait for the next request of
//! about their size. A recycled buffer holds what its last user left, or zeros: initialised memory, but no defined
//! content.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::memory::{CACHE_LINE, Memory};

static POOL: Mutex<Pool> = Mutex::new(Pool(BTreeMap::new()));

/// Unused memory by its length in cache lines, each with the thread that gave it back. That thread most often wrote to
/// the memory last, so that its core's caches may still hold it; writing to lines in another core's caches is slow.
struct Pool(BTreeMap<usize, Vec<(Memory, ThreadId)>>);

impl Pool {
    /// Takes memory of `need` lines or up to half as many more. Memory that `thread` gave back comes before that of
    /// other threads, then the smallest comes first, then what was given back last.
    fn take(&mut self, need: usize, thread: ThreadId) -> Option<Memory> {
        let fits = need..=need + need / 2;
        let own = self.0.range(fits.clone()).find_map(|(&len, waiting)| {
            Some((len, waiting.iter().rposition(|(_, giver)| *giver == thread)?))
        });
        let others =
            || self.0.range(fits).find_map(|(&len, waiting)| Some((len, waiting.len().checked_sub(1)?)));
        let (len, at) = own.or_else(others)?;
        let waiting = self.0.get_mut(&len)?;
        let memory = waiting.remove(at).0;
        if waiting.is_empty() {
            self.0.remove(&len);
        }
        Some(memory)
    }

    fn give(&mut self, memory: Memory, thread: ThreadId) {
        self.0.entry(memory.len()).or_default().push((memory, thread));
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A slice of f32 from the pool, aligned to 64 bytes. It derefs to `[f32]` and returns to the pool when dropped.
pub(crate) struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` floats of any (initialised) content, for callers that write every element.
    pub fn recycled(len: usize) -> Self {
        let need = len.div_ceil(CACHE_LINE);
        // A statement of its own, so that the lock is released before new memory is requested.
        let reused = pool().take(need, thread::current().id());
        let memory = reused.unwrap_or_else(|| Memory::new(need));
        Self { memory, len }
    }

    /// A buffer of `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::recycled(len);
        buffer.fill(0.0);
        buffer
    }

    /// `count` buffers of `len` small integers each, whose products and sums are exact in f32.
    #[cfg(test)]
    pub fn test_integers(count: usize, len: usize, seed: usize) -> Vec<Self> {
        let fill = |i: usize| {
            let mut buffer = Self::recycled(len);
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
            pool().give(memory, thread::current().id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_its_own_memory_before_that_of_others() {
        let us = thread::current().id();
        let them = thread::spawn(|| thread::current().id()).join().unwrap();
        let mut pool = Pool(BTreeMap::new());
        for (lines, giver) in [(100, them), (110, us), (120, us), (100, them), (151, us)] {
            pool.give(Memory::new(lines), giver);
        }
        let mut take = |need| pool.take(need, us).map(|memory| memory.len());
        // First ours, the smaller one before the larger one, then theirs; never less than needed nor more than 1.5
        // times that.
        assert_eq!([100; 5].map(&mut take), [Some(110), Some(120), Some(100), Some(100), None]);
        assert_eq!([take(152), take(101), take(101)], [None, Some(151), None]);
        assert!(pool.0.is_empty(), "lengths without memory are removed");
    }

    #[test]
    fn memory_given_back_last_is_taken_first() {
        let us = thread::current().id();
        let mut pool = Pool(BTreeMap::new());
        let memories = [Memory::new(3), Memory::new(3)];
        let starts = memories.each_ref().map(|memory| memory.floats().as_ptr());
        memories.into_iter().for_each(|memory| pool.give(memory, us));
        let mut take = || pool.take(3, us).map(|memory| memory.floats().as_ptr());
        assert_eq!([take(), take()], [Some(starts[1]), Some(starts[0])]);
    }
}
