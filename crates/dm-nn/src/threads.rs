//! Running work inside the thread pool.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::Yield;

/// Runs `work` on a thread of the global rayon pool and returns its result.
///
/// The engine's parallel loops run in this pool. If a thread outside the pool starts a loop, it hands the loop over to the
/// pool and blocks until the loop ends. No thread works during a hand-over, and a training step starts hundreds of loops.
/// Threads of the pool start loops without a hand-over.
pub fn on_the_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Runs `work` on a thread of the pool, and keeps the other threads of the pool awake until it ends.
///
/// The loops of a small batch are so short that a thread without work falls asleep between two of them, and waking it takes as long
/// as a loop. Only one call at a time keeps threads awake; a call during another one just runs its work.
pub(crate) fn on_awake_threads<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    static HELD: AtomicBool = AtomicBool::new(false);
    // With two such calls at once, each could wait on top of the other's stack for the other to end.
    if rayon::current_num_threads() == 1 || HELD.swap(true, Ordering::Acquire) {
        return on_the_pool(work);
    }
    let _held = SetOnDrop { flag: &HELD, value: false };
    let ended = AtomicBool::new(false);
    rayon::scope(|scope| {
        let worker = rayon::current_thread_index();
        let ended = &ended;
        scope.spawn_broadcast(move |_, context| {
            // The thread of `work` gets here while it waits for others, and must go back to its work.
            while Some(context.index()) != worker && !ended.load(Ordering::Acquire) {
                if rayon::yield_now() != Some(Yield::Executed) {
                    std::thread::yield_now();
                }
            }
        });
        let _ended = SetOnDrop { flag: ended, value: true };
        work()
    })
}

/// Sets a flag when it is dropped, after a panic too.
struct SetOnDrop<'a> {
    flag: &'a AtomicBool,
    value: bool,
}

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.flag.store(self.value, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn calls_at_once_and_within_one_another_end() {
        let sum = |n: u64| on_awake_threads(|| (0..n).into_par_iter().sum::<u64>());
        let nested = |n: u64| on_awake_threads(|| (0..n).into_par_iter().map(sum).sum::<u64>());
        let expected = (0..30).map(|n: u64| (0..n).map(|m| (0..m).sum::<u64>()).sum::<u64>()).sum::<u64>();
        for _ in 0..200 {
            assert_eq!((0..30).into_par_iter().map(nested).sum::<u64>(), expected);
        }
    }

    #[test]
    fn a_panic_lets_the_other_threads_go() {
        let panics = || on_awake_threads(|| panic!("on purpose"));
        for _ in 0..10 {
            assert!(std::panic::catch_unwind(panics).is_err());
        }
        assert_eq!(on_awake_threads(|| rayon::join(|| 1, || 2)), (1, 2));
    }
}
