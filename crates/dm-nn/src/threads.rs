//! Running work inside the thread pool.

/// Runs `work` on a thread of the global rayon pool and returns its result.
///
/// The engine's parallel loops run in this pool. A loop that is started from outside hands itself over to the pool and
/// blocks its own thread until the loop ends. A training step starts hundreds of loops, so that each hand-over costs
/// time during which no thread works. Inside the pool there is no hand-over.
pub fn on_the_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
