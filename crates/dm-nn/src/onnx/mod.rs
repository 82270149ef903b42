//! Networks as ONNX files, which other programs and languages can run.
//!
//! A network describes its computation to a [`Graph`], operation by operation, and the graph becomes a file. Operations are
//! those of [`OPSET`], so that they need no extension. The first axis of images, times and outputs is the batch, which may
//! have any size; all other sizes are fixed.
//!
//! Source: ONNX, `onnx/onnx.proto` and the operator schemas of the opset.

mod graph;
mod layers;
mod proto;

pub use graph::{Graph, Value, signed};
pub use proto::{Attribute, Axis, ElementType, OPSET};
