//! What was last made of frozen kernels: drawing an image asks for the transforms of the same ones a thousand times.

use std::sync::{Arc, Mutex, PoisonError};

/// Kernels [O, I, k, k] with their I and O, and what was made of them.
struct Made<T> {
    kernels: Vec<f32>,
    channels: (usize, usize),
    result: Arc<T>,
}

/// What was made of the latest kernels, those last used at the end.
pub(crate) struct Recent<T> {
    made: Mutex<Vec<Arc<Made<T>>>>,
    most: usize,
}

impl<T> Recent<T> {
    /// Of kernels with at most `most` weights together: those of a network.
    pub const fn new(most: usize) -> Self {
        Self { made: Mutex::new(Vec::new()), most }
    }

    /// What `make` makes of these kernels, or made of the same ones just now.
    pub fn get(&self, kernels: &[f32], channels: (usize, usize), make: impl FnOnce() -> T) -> Arc<T> {
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |made: &Made<T>| made.channels == channels && bits(&made.kernels) == bits(kernels);
        let find = |known: &[Arc<Made<T>>]| known.iter().rev().find(|made| same(made)).cloned();
        // Not locked while it compares or makes: a thread that waits for others takes up other work, which may ask for
        // kernels too.
        let known = lock().clone();
        if let Some(known) = find(&known) {
            self.used(&mut lock(), &known);
            return known.result.clone();
        }
        let new = Arc::new(Made { kernels: kernels.to_vec(), channels, result: Arc::new(make()) });
        let mut made = lock();
        // Another thread may have been quicker.
        let new = find(&made).unwrap_or(new);
        self.used(&mut made, &new);
        new.result.clone()
    }

    /// Notes that `latest` was used last, and drops what was not for longest if there is too much.
    fn used(&self, made: &mut Vec<Arc<Made<T>>>, latest: &Arc<Made<T>>) {
        made.retain(|other| !Arc::ptr_eq(other, latest));
        made.push(latest.clone());
        let mut room = self.most;
        let fits = made.iter().rev().take_while(|made| {
            let fits = made.kernels.len() <= room;
            room = room.saturating_sub(made.kernels.len());
            fits
        });
        let surplus = made.len() - fits.count();
        made.drain(..surplus);
    }
}

fn bits(values: &[f32]) -> &[u32] {
    bytemuck::cast_slice(values)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_was_made_is_made_once_while_there_is_room() {
        let recent = Recent::new(8);
        let count = AtomicUsize::new(0);
        let get = |first: f32, channels| {
            let kernels = [first, 1.0, 2.0, 3.0];
            *recent.get(&kernels, channels, || (first, channels, count.fetch_add(1, Ordering::Relaxed)))
        };
        assert_eq!(get(0.0, (1, 4)), (0.0, (1, 4), 0));
        // The same numbers in another shape, or another zero, are other kernels.
        assert_eq!(get(0.0, (4, 1)), (0.0, (4, 1), 1));
        assert_eq!(get(0.0, (1, 4)), (0.0, (1, 4), 0));
        // Room for two: the one that was used less lately goes.
        assert_eq!(get(-0.0, (1, 4)).2, 2);
        assert_eq!(get(0.0, (1, 4)).2, 0);
        assert_eq!(get(0.0, (4, 1)).2, 3);
    }

    #[test]
    fn kernels_without_room_are_made_each_time() {
        let recent = Recent::new(3);
        for round in 0..3 {
            assert_eq!(*recent.get(&[1.0; 4], (2, 2), || round), round);
        }
        assert!(recent.made.lock().unwrap().is_empty());
    }

    #[test]
    fn threads_that_ask_at_once_share_the_first_result() {
        let recent = Recent::new(8);
        let barrier = std::sync::Barrier::new(4);
        let results: Vec<Arc<usize>> = std::thread::scope(|scope| {
            let ask = |i: usize| {
                let (recent, barrier) = (&recent, &barrier);
                let make = move || {
                    barrier.wait();
                    i
                };
                scope.spawn(move || recent.get(&[1.0; 4], (2, 2), make))
            };
            let threads: Vec<_> = (0..4).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().all(|result| Arc::ptr_eq(result, &results[0])));
    }
}
