//! The configuration of one of this crate's networks, as it is written in a file.

use serde::{Deserialize, Serialize};

use super::network::{BuildNetwork, Network};
use super::ref_cnn::RefCnnConfig;
use super::unet::UNetConfig;
use crate::error::Result;
use crate::image::ImageShape;
use crate::onnx::{Graph, Value};
use crate::params::Path;

/// The configuration of one of this crate's networks, which the key `kind` selects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NetworkConfig {
    /// The reference network of the starter notebook: 7x7 convolutions at full resolution.
    RefCnn(RefCnnConfig),
    /// A U-Net: 3x3 convolutions at several resolutions.
    Unet(UNetConfig),
}

impl NetworkConfig {
    fn network(&self) -> &dyn BuildNetwork {
        match self {
            Self::RefCnn(config) => config,
            Self::Unet(config) => config,
        }
    }
}

impl BuildNetwork for NetworkConfig {
    fn check(&self) -> Result<()> {
        self.network().check()
    }

    fn check_shape(&self, shape: ImageShape) -> Result<()> {
        self.network().check_shape(shape)
    }

    fn num_classes(&self) -> usize {
        self.network().num_classes()
    }

    fn build(&self, input: ImageShape, outputs: usize, path: Path<'_>) -> Result<Box<dyn Network>> {
        self.network().build(input, outputs, path)
    }

    fn onnx(
        &self,
        input: ImageShape,
        graph: &mut Graph<'_>,
        x: &Value,
        t: &Value,
        classes: Option<&Value>,
    ) -> Result<Value> {
        self.network().onnx(input, graph, x, t, classes)
    }
}
