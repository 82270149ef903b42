//! Where a program's work runs.

/// Runs `work` on one of the threads that the engine's loops run on.
///
/// From any other thread each loop would be handed over, and that thread put to sleep until it is done: hundreds of times
/// in a training step, and each time nobody works until somebody has woken up.
pub fn on_the_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
