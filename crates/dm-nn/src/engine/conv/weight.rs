//! The weight of a convolution, with the transformed weights of a frozen network cached beside it.
//!
//! Sampling evaluates the same frozen network a thousand times, so transforming the weights once pays off.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result, Tensor};

use super::fft::WeightSpectra;
use crate::engine::autograd::with_slice;
use crate::engine::substrate::pool::Buffer;

/// The weight [O, I, k, k] of a convolution.
///
/// Transformed weights are cached only if the tensor is not tracked by candle's automatic differentiation: a variable
/// changes with every training step. The cache, a copy of the weight included, takes 5 times the memory of a 3x3 weight
/// and 22 times that of a 7x7 weight, and lives as long as the `ConvWeight`.
pub struct ConvWeight {
    tensor: Tensor,
    winograd: FrozenCache<Buffer>,
    spectra: FrozenCache<WeightSpectra>,
}

impl From<Tensor> for ConvWeight {
    fn from(tensor: Tensor) -> Self {
        Self { tensor, winograd: FrozenCache::default(), spectra: FrozenCache::default() }
    }
}

impl From<&Tensor> for ConvWeight {
    fn from(tensor: &Tensor) -> Self {
        tensor.clone().into()
    }
}

impl ConvWeight {
    /// The weight itself, [O, I, k, k].
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The weight in the domain of Winograd's algorithm; `transform` computes it from the values of the weight.
    pub(super) fn winograd(&self, transform: impl FnOnce(&[f32]) -> Buffer) -> Result<Arc<Buffer>> {
        self.winograd.get(&self.tensor, transform)
    }

    /// The weight in the frequency domain; `transform` computes it from the values of the weight.
    pub(super) fn spectra(
        &self,
        transform: impl FnOnce(&[f32]) -> WeightSpectra,
    ) -> Result<Arc<WeightSpectra>> {
        self.spectra.get(&self.tensor, transform)
    }
}

/// A cache of one entry: what was last computed from a frozen weight.
struct FrozenCache<T>(Mutex<Option<Arc<Entry<T>>>>);

/// The values of a weight, and what was computed from them.
struct Entry<T> {
    weight: Vec<f32>,
    result: Arc<T>,
}

impl<T> Default for FrozenCache<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> FrozenCache<T> {
    /// `compute` of the values of `weight`, from the cache if the last values were the same. The values are compared
    /// because a frozen network may share its memory with a network that is being trained.
    fn get(&self, weight: &Tensor, compute: impl FnOnce(&[f32]) -> T) -> Result<Arc<T>> {
        with_slice(weight, |values| {
            if weight.track_op() {
                return Ok(Arc::new(compute(values)));
            }
            if let Some(cached) = self.cached(values) {
                return Ok(cached);
            }
            // The lock is not held while `compute` runs: it runs in parallel, and a thread that waits for others takes
            // up other work, which may ask for the same weight.
            let result = Arc::new(compute(values));
            if let Some(faster) = self.cached(values) {
                return Ok(faster);
            }
            let new = Arc::new(Entry { weight: values.to_vec(), result: result.clone() });
            // The old entry has a name so that it is dropped after the lock is released.
            let old = self.lock().replace(new);
            drop(old);
            Ok(result)
        })
    }

    /// The cached result if it was computed from these values.
    fn cached(&self, values: &[f32]) -> Option<Arc<T>> {
        let last = self.lock().clone()?;
        (bits(&last.weight) == bits(values)).then(|| last.result.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Entry<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bit patterns of floats: 0.0 and -0.0 are different weights, and a NaN is equal to itself.
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
    fn a_frozen_weight_is_transformed_once() {
        let cache = FrozenCache::<Vec<f32>>::default();
        let var = Var::from_slice(&[0.0f32, 1.0], 2, &Device::Cpu).unwrap();
        let frozen = var.as_detached_tensor();
        let get = |weight: &Tensor| cache.get(weight, <[f32]>::to_vec).unwrap();
        let first = get(&frozen);
        assert!(Arc::ptr_eq(&first, &get(&frozen)));
        // For a variable everything is computed anew, and nothing is cached.
        assert!(!Arc::ptr_eq(&first, &get(&var)));
        assert!(Arc::ptr_eq(&first, &get(&frozen)));
        // The frozen tensor shares the variable's memory.
        for values in [[-0.0f32, 1.0], [2.0, 1.0]] {
            var.set(&Tensor::new(&values, &Device::Cpu).unwrap()).unwrap();
            let now = get(&frozen);
            assert_eq!(bits(&now), bits(&values));
            assert!(Arc::ptr_eq(&now, &get(&frozen)));
        }
    }

    #[test]
    fn threads_that_transform_at_once_never_mix_up_weights() {
        let cache = FrozenCache::<Vec<f32>>::default();
        let weights = [0.0f32, 1.0].map(|first| Tensor::new(&[first, 1.0], &Device::Cpu).unwrap());
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for i in 0..4 {
                let (cache, weight, barrier) = (&cache, &weights[i / 2], &barrier);
                scope.spawn(move || {
                    // All four threads are inside `make` at the same time, which a lock held there would never allow.
                    let make = |weights: &[f32]| {
                        barrier.wait();
                        weights.to_vec()
                    };
                    let found = cache.get(weight, make).unwrap();
                    assert_eq!(*found, weight.to_vec1::<f32>().unwrap());
                });
            }
        });
    }
}
