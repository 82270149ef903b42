//! The networks: images and a time in, images out; beside them the judge, images in, features and classes out.
//!
//! Written against [`Planes`](crate::planes::Planes), so each runs on the CPU engine and on candle's devices alike.

pub mod judge;
mod layers;
mod parts;
mod ref_cnn;
mod unet;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::params::Path;
use parts::InParts;

pub use parts::{parts, rows};
pub use ref_cnn::{Norm, RefCnnConfig, frequencies};
pub use unet::UNetConfig;

/// A network on images with a time: [B, C_in, 28, 28] and `[B]` to [B, C_out, 28, 28].
pub trait Network: Send + Sync {
    /// Runs the network on `x` [B, C_in, 28, 28] at times `t` `[B]` in [0, 1].
    ///
    /// # Errors
    /// If shapes do not fit.
    fn forward(&self, x: &Tensor, t: &Tensor) -> candle_core::Result<Tensor>;

    /// Like [`Self::forward`], told the class of each image, `[B]`; the number of classes itself stands for "not told".
    ///
    /// # Errors
    /// If this network takes no classes, or a class is none of its own.
    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> candle_core::Result<Tensor> {
        let _ = (x, t, classes);
        candle_core::bail!("this network takes no classes")
    }
}

/// Which network, with its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NetworkConfig {
    /// The reference network: 7x7 convolutions at full resolution.
    RefCnn(RefCnnConfig),
    /// A small U-Net: 3x3 convolutions at 28, 14 and 7 pixels.
    Unet(UNetConfig),
}

impl NetworkConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field outside its domain.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::RefCnn(config) => config.check(),
            Self::Unet(config) => config.check(),
        }
    }

    /// Number of classes the network can be told; 0 if it takes none.
    pub fn classes(&self) -> usize {
        match self {
            Self::RefCnn(_) => 0,
            Self::Unet(config) => config.classes,
        }
    }

    /// Builds the network, taking its parameters from `path`; if they are frozen it takes batches apart (see [`parts`]).
    ///
    /// # Errors
    /// If the config is invalid or a parameter exists with another shape.
    pub fn build(&self, inputs: usize, outputs: usize, path: Path<'_>) -> Result<Box<dyn Network>> {
        self.check()?;
        let trainable = path.is_trainable();
        let network: Box<dyn Network> = match self {
            Self::RefCnn(config) => Box::new(config.build(inputs, outputs, path)?),
            Self::Unet(config) => Box::new(config.build(inputs, outputs, path)?),
        };
        Ok(if trainable { network } else { Box::new(InParts(network)) })
    }
}

/// Checks that `value` is in `min..=max`.
fn check_range(field: &str, value: usize, min: usize, max: usize) -> Result<()> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(Error::invalid(field, value, format!("{min} to {max}")))
    }
}
