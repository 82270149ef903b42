//! Degradations with parameters that a client chooses.

use std::sync::Arc;

use dm_degrade::{Degradation, DegradationConfig};
use dm_nn::data::Images;
use serde_json::Value;

use super::answer::{Answer, Refusal};
use super::limits::TIMESTEPS;
use super::recent::Recent;

/// A degradation, fitted to the test images.
pub struct Process {
    /// Its config.
    pub config: DegradationConfig,
    /// The degradation.
    pub degradation: Box<dyn Degradation>,
}

impl Process {
    /// The degradation with the config `value`, fitted to `images` now or kept from before.
    ///
    /// # Errors
    /// If the config has an unknown key or a value outside its range.
    pub fn of(kept: &Recent<Self>, images: &Images, value: &Value) -> Answer<Arc<Self>> {
        let config: DegradationConfig = serde_json::from_value(value.clone())
            .map_err(|error| Refusal::invalid(format!("degradation: {error}")))?;
        let whole = serde_json::to_value(&config).map_err(Refusal::invalid)?;
        let timesteps = whole.get("timesteps").and_then(Value::as_u64).unwrap_or(0);
        if !(1..=TIMESTEPS as u64).contains(&timesteps) {
            let message = format!("degradation.timesteps: found {timesteps}, expected 1 to {TIMESTEPS}");
            return Err(Refusal::invalid(message));
        }
        kept.get_or_make(whole.to_string(), || Self::build(config, images))
    }

    fn build(config: DegradationConfig, images: &Images) -> Answer<Self> {
        let degradation = config.build(images.shape, &config.fit(images)).map_err(Refusal::invalid)?;
        Ok(Self { config, degradation })
    }
}
