//! The kernels of a convolution, and what was last made of them while they are frozen: drawing an image asks for the
//! transforms of the same kernels a thousand times.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor};

use super::fft::KernelSpectra;
use super::lanes::with_slice;
use super::pool::Buffer;

/// Kernels [O, I, k, k] with what the engine's convolutions keep of them.
///
/// Nothing is kept of a variable, or of what else is tracked: it changes with every step.
pub struct Kernels {
    weight: Tensor,
    /// What Winograd's algorithm multiplies with.
    pub(super) transform: Kept<Buffer>,
    pub(super) spectra: Kept<KernelSpectra>,
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
}

/// What was last made of frozen weights.
pub(super) struct Kept<T>(Mutex<Option<Arc<Made<T>>>>);

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
    pub fn get(&self, weight: &Tensor, make: impl FnOnce(&[f32]) -> T) -> Result<Arc<T>> {
        with_slice(weight, |weights| {
            if weight.track_op() {
                return Ok(Arc::new(make(weights)));
            }
            // Not locked while it compares or makes: a thread that waits for others takes up other work, which may ask for the
            // same kernels.
            let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = lock().clone();
            if let Some(known) = known.filter(|known| bits(&known.weights) == bits(weights)) {
                return Ok(known.result.clone());
            }
            let result = Arc::new(make(weights));
            *lock() = Some(Arc::new(Made { weights: weights.to_vec(), result: result.clone() }));
            Ok(result)
        })
    }
}

/// Two zeros of different sign are different weights.
fn bits(values: &[f32]) -> &[u32] {
    bytemuck::cast_slice(values)
}

#[cfg(test)]
mod tests {
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
}
