//! Running work inside the thread pool.

use std::sync::Arc;
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

/// Whether threads are kept awake.
static HELD: AtomicBool = AtomicBool::new(false);

/// How often a thread that is kept awake looks for work in vain before it stops: about a millisecond.
const LOOKS: usize = 2000;

/// Runs `work` on a thread of the pool, and keeps the threads of the pool that are free awake until it ends.
///
/// The loops of a small batch are so short that a thread without work falls asleep between two of them, and waking it takes as long
/// as a loop. Only one call at a time keeps threads awake; a call during another one just runs its work.
pub(crate) fn on_awake_threads<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_num_threads() == 1 || HELD.swap(true, Ordering::Acquire) {
        return on_the_pool(work);
    }
    on_the_pool(|| {
        let awake = Awake { ended: Arc::default() };
        let (worker, ended) = (rayon::current_thread_index(), awake.ended.clone());
        // Nobody waits for these tasks: a thread that is busy until `work` has ended finds nothing to do.
        rayon::spawn_broadcast(move |context| {
            if Some(context.index()) != worker {
                find_work_until(&ended);
            }
        });
        work()
    })
}

/// A call that keeps threads awake. When it is dropped, after a panic too, they are let go and the next call may do the same.
struct Awake {
    ended: Arc<AtomicBool>,
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        HELD.store(false, Ordering::Release);
    }
}

/// Takes up work of the pool until `ended`, or until there has been none for [`LOOKS`] looks.
fn find_work_until(ended: &AtomicBool) {
    // Without the limit this could wait forever: it may lie on top of a piece of the work that this thread had begun.
    let mut in_vain = 0;
    while !ended.load(Ordering::Acquire) && in_vain < LOOKS {
        if rayon::yield_now() == Some(Yield::Executed) {
            in_vain = 0;
        } else {
            in_vain += 1;
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use rayon::prelude::*;

    use super::*;

    /// The tests share [`HELD`].
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn calls_at_once_and_within_one_another_end() {
        let _alone = ALONE.lock();
        let sum = |n: u64| on_awake_threads(|| (0..n).into_par_iter().sum::<u64>());
        let nested = |n: u64| on_awake_threads(|| (0..n).into_par_iter().map(sum).sum::<u64>());
        let expected = (0..30).map(|n: u64| (0..n).map(|m| (0..m).sum::<u64>()).sum::<u64>()).sum::<u64>();
        for _ in 0..200 {
            assert_eq!((0..30).into_par_iter().map(nested).sum::<u64>(), expected);
        }
        assert!(!HELD.load(Ordering::Acquire));
    }

    #[test]
    fn a_panic_lets_the_other_threads_go() {
        let _alone = ALONE.lock();
        let panics = || on_awake_threads(|| panic!("on purpose"));
        for _ in 0..10 {
            assert!(std::panic::catch_unwind(panics).is_err());
            assert!(!HELD.load(Ordering::Acquire));
        }
        assert_eq!(on_awake_threads(|| rayon::join(|| 1, || 2)), (1, 2));
    }

    /// A thread that is kept awake takes up work, and returns once there has been none for a while, ended or not.
    #[test]
    fn a_thread_that_is_kept_awake_does_the_work_of_the_pool() {
        let _alone = ALONE.lock();
        let done = Arc::new(AtomicUsize::new(0));
        on_the_pool(|| {
            for _ in 0..20 {
                let done = done.clone();
                rayon::spawn(move || {
                    done.fetch_add(1, Ordering::AcqRel);
                });
            }
            // Each call returns by itself; another thread may have begun some of the tasks.
            while done.load(Ordering::Acquire) < 20 {
                find_work_until(&AtomicBool::new(false));
            }
        });
        assert_eq!(done.load(Ordering::Acquire), 20);
    }
}
