//! Running work inside the thread pool.

/// Runs `work` on a thread of the global rayon pool and returns its result.
///
/// The engine's parallel loops run in this pool. If a thread outside the pool starts a loop, it hands the loop over to the
/// pool and blocks until the loop ends. No thread works during a hand-over, and a training step starts hundreds of loops.
/// Threads of the pool start loops without a hand-over.
pub fn on_the_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
