//! A network of images and times as an ONNX file.

use super::network::BuildNetwork;
use crate::error::Result;
use crate::image::ImageShape;
use crate::onnx::{Axis, ElementType, Graph};
use crate::params::file::TensorFile;

/// The content of an ONNX file of the network that `config` describes, with its parameters from `weights`. `input` is the
/// shape of the images that the network takes and `outputs` the number of channels that it returns, as in
/// [`BuildNetwork::build`].
///
/// Inputs are `x` [batch, C_in, H, W] and `t` `[batch]` in [0, 1], both f32, and for a network with classes `classes`
/// `[batch]`, i64, where [`BuildNetwork::num_classes`] means that the class is not given. The output is `y`
/// [batch, C_out, H, W], f32. The file also contains the entries of `metadata`.
///
/// # Errors
/// If the network cannot be expressed, does not accept images of this shape, or a parameter is missing.
pub fn to_onnx(
    config: &dyn BuildNetwork,
    input: ImageShape,
    outputs: usize,
    weights: &TensorFile,
    metadata: &[(&str, &str)],
) -> Result<Vec<u8>> {
    config.check_shape(input)?;
    let axes =
        |channels| [Axis::Batch, Axis::Size(channels), Axis::Size(input.height), Axis::Size(input.width)];
    let mut graph = Graph::new(weights);
    let x = graph.input("x", ElementType::F32, &axes(input.channels), "what the network sees of a state");
    let t = graph.input("t", ElementType::F32, &[Axis::Batch], "timestep t divided by T, 0 to 1");
    let num_classes = config.num_classes();
    let about = format!("class 0 to {}, or {num_classes} if it is not given", num_classes.saturating_sub(1));
    let classes = (num_classes > 0).then(|| graph.input("classes", ElementType::I64, &[Axis::Batch], &about));
    let y = config.onnx(input, &mut graph, &x, &t, classes.as_ref())?;
    graph.output("y", &y, &axes(outputs), "the network's output");
    Ok(graph.into_file("network", metadata))
}
