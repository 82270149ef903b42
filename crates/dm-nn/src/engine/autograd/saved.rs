//! Values that the forward pass of an operation saves for its backward pass.

use std::sync::{Mutex, PoisonError};

use candle_core::{Result, bail};

/// Values that the backward pass takes, so that their memory is freed as soon as it has used them.
pub(crate) struct SavedForBackward<T>(Mutex<Option<T>>);

impl<T> SavedForBackward<T> {
    /// Saves `values`; `None` if there will be no backward pass.
    pub fn new(values: Option<T>) -> Self {
        Self(Mutex::new(values))
    }

    /// Takes the values. `operation` names the operation in the error.
    ///
    /// # Errors
    /// If a backward pass has already taken the values, or none were saved.
    pub fn take(&self, operation: &str) -> Result<T> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(values) = values else { bail!("{operation}: the backward pass can run only once") };
        Ok(values)
    }
}
