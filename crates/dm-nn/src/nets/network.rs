//! The traits of networks and of their configurations.

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::image::ImageShape;
use crate::onnx::{Graph, Value};
use crate::params::Path;

/// A network that maps images and a time to images of the same size.
pub trait Network: Send + Sync {
    /// Maps the images `x` [B, C_in, H, W] at the times `t` `[B]` in [0, 1] to images [B, C_out, H, W].
    ///
    /// # Errors
    /// If the shapes do not fit the network.
    fn forward(&self, x: &Tensor, t: &Tensor) -> candle_core::Result<Tensor>;

    /// Like [`Self::forward`], with the class of each image, `[B]`. The class number [`BuildNetwork::num_classes`] means
    /// that the class of the image is not given.
    ///
    /// # Errors
    /// If the network takes no classes, or a class number is too large.
    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> candle_core::Result<Tensor> {
        let _ = (x, t, classes);
        candle_core::bail!("this network takes no classes")
    }
}

/// The configuration of a network, from which the network is built.
pub trait BuildNetwork: Send + Sync {
    /// Checks every field of the configuration.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    fn check(&self) -> Result<()>;

    /// Checks that the network accepts images of the height and width of `shape`. The default accepts every size.
    ///
    /// # Errors
    /// If the network does not accept this size; the error names sizes that it accepts.
    fn check_shape(&self, shape: ImageShape) -> Result<()> {
        let _ = shape;
        Ok(())
    }

    /// Number of classes that [`Network::forward_class`] takes, at most 255; 0 if it takes none.
    fn num_classes(&self) -> usize {
        0
    }

    /// Builds the network with its parameters from `path`. `input` is the shape of the images that the network takes;
    /// `input.channels` counts the channels that it sees, which may be more than those of an image. `outputs` is the
    /// number of channels of the images that it returns. A network with frozen parameters should be wrapped by
    /// [`in_parts`](super::in_parts).
    ///
    /// # Errors
    /// If the configuration is invalid, the network does not accept images of this shape, or a parameter exists with another
    /// shape.
    fn build(&self, input: ImageShape, outputs: usize, path: Path<'_>) -> Result<Box<dyn Network>>;

    /// Describes the network's computation to `graph` and returns its output [B, C_out, H, W]. `x` are images
    /// [B, C_in, H, W] of the shape `input`, `t` are times `[B]`, and `classes` are class numbers `[B]`, given if
    /// [`Self::num_classes`] is not 0. The default refuses.
    ///
    /// # Errors
    /// If the network cannot be expressed in ONNX, or a parameter is missing.
    fn onnx(
        &self,
        input: ImageShape,
        graph: &mut Graph<'_>,
        x: &Value,
        t: &Value,
        classes: Option<&Value>,
    ) -> Result<Value> {
        let _ = (input, graph, x, t, classes);
        let network = std::any::type_name::<Self>();
        Err(Error::invalid(
            "ONNX",
            format!("the network {network}"),
            "a network that implements BuildNetwork::onnx",
        ))
    }
}
