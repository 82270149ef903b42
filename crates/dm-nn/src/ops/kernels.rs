//! The kernels of a convolution, and what was last made of them while they are frozen: drawing an image asks for the
//! transforms of the same kernels a thousand times.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result, Tensor};

use super::fft::KernelSpectra;
use super::lanes::with_slice;
use super::pool::Buffer;

/// Kernels [O, I, k, k] with what the engine's convolutions keep of them.
///
/// Nothing is kept of a variable, or of what else is tracked: it changes with every step. What is kept, a copy of
/// them included, takes 5 times the memory of 3x3 kernels and 23 times that of 7x7 ones, as long as these live.
pub struct Kernels {
    weight: Tensor,
    transform: Kept<Buffer>,
    spectra: Kept<KernelSpectra>,
}

impl From<Tensor> for Kernels {
    fn from(weight: Tensor) -> Self {
        Self { weight, transform: Kept::default(), spectra: Kept::default() }
    }
}

impl From<&Tensor> for Kernels {
    fn from(weight: &Tensor) -> Self {
        weight.clone().into()
    }
}

impl Kernels {
    /// [O, I, k, k].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// What Winograd's algorithm multiplies with; `make` makes it of the weights.
    pub(super) fn transform(&self, make: impl FnOnce(&[f32]) -> Buffer) -> Result<Arc<Buffer>> {
        self.transform.get(&self.weight, make)
    }

    /// Their spectra; `make` makes them of the weights.
    pub(super) fn spectra(&self, make: impl FnOnce(&[f32]) -> KernelSpectra) -> Result<Arc<KernelSpectra>> {
        self.spectra.get(&self.weight, make)
    }
}

/// What was last made of frozen weights.
struct Kept<T>(Mutex<Option<Arc<Made<T>>>>);

/// Weights, and what was made of them.
struct Made<T> {
    weights: Vec<f32>,
    result: Arc<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// What `make` makes of the values of `weight`, or made of the same ones the last time. They are compared, for a frozen
    /// network may share its memory with one that is trained.
    fn get(&self, weight: &Tensor, make: impl FnOnce(&[f32]) -> T) -> Result<Arc<T>> {
        with_slice(weight, |weights| {
            if weight.track_op() {
                return Ok(Arc::new(make(weights)));
            }
            if let Some(known) = self.known(weights) {
                return Ok(known);
            }
            // Not locked meanwhile: a thread that waits for others takes up other work, which may ask for the same kernels.
            let result = Arc::new(make(weights));
            if let Some(quicker) = self.known(weights) {
                return Ok(quicker);
            }
            let new = Arc::new(Made { weights: weights.to_vec(), result: result.clone() });
            // Named, so that what it replaces is dropped after the lock.
            let old = self.lock().replace(new);
            drop(old);
            Ok(result)
        })
    }

    /// What was made of these weights, if they are the last ones.
    fn known(&self, weights: &[f32]) -> Option<Arc<T>> {
        let last = self.lock().clone()?;
        (bits(&last.weights) == bits(weights)).then(|| last.result.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Made<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two zeros of different sign are different weights.
fn bits(values: &[f32]) -> &[u32] {
    bytemuck::cast_slice(values)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn what_was_made_of_frozen_weights_is_made_once() {
        let kept = Kept::<Vec<f32>>::default();
        let var = Var::from_slice(&[0.0f32, 1.0], 2, &Device::Cpu).unwrap();
        let frozen = var.as_detached_tensor();
        let get = |weight: &Tensor| kept.get(weight, <[f32]>::to_vec).unwrap();
        let first = get(&frozen);
        assert!(Arc::ptr_eq(&first, &get(&frozen)));
        // Of a variable everything is made anew, and nothing kept.
        assert!(!Arc::ptr_eq(&first, &get(&var)));
        assert!(Arc::ptr_eq(&first, &get(&frozen)));
        // The frozen weights are the variable's memory.
        for values in [[-0.0f32, 1.0], [2.0, 1.0]] {
            var.set(&Tensor::new(&values, &Device::Cpu).unwrap()).unwrap();
            let now = get(&frozen);
            assert_eq!(bits(&now), bits(&values));
            assert!(Arc::ptr_eq(&now, &get(&frozen)));
        }
    }

    #[test]
    fn what_threads_make_at_once_is_never_of_other_weights() {
        let kept = Kept::<Vec<f32>>::default();
        let weights = [0.0f32, 1.0].map(|first| Tensor::new(&[first, 1.0], &Device::Cpu).unwrap());
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for i in 0..4 {
                let (kept, weight, barrier) = (&kept, &weights[i / 2], &barrier);
                scope.spawn(move || {
                    // All four are within `make` together, which a lock held there would never let happen.
                    let make = |weights: &[f32]| {
                        barrier.wait();
                        weights.to_vec()
                    };
                    let found = kept.get(weight, make).unwrap();
                    assert_eq!(*found, weight.to_vec1::<f32>().unwrap());
                });
            }
        });
    }
}
