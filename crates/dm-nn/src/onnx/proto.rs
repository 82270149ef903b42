//! The protocol buffer messages of an ONNX file.
//!
//! Source of the field numbers: ONNX, `onnx/onnx.proto`.

use crate::protobuf::Message;

/// The version of ONNX's operators that the files use. It is the first one with `LayerNormalization`.
pub const OPSET: u64 = 17;
/// The version of the file format that came with [`OPSET`].
const IR_VERSION: u64 = 8;

/// The type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit floating-point numbers.
    F32,
    /// 64-bit integers.
    I64,
}

impl ElementType {
    /// `TensorProto.DataType`.
    fn number(self) -> u64 {
        match self {
            Self::F32 => 1,
            Self::I64 => 7,
        }
    }
}

/// The size of an axis of an input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The batch, of any size.
    Batch,
    /// A fixed size.
    Size(usize),
}

/// An attribute of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attribute<'a> {
    /// A number.
    Float(f32),
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(&'a [i64]),
    /// A word.
    Text(&'a str),
}

/// A `TensorProto`, whose elements are the bytes `raw` in little-endian order.
pub(super) fn tensor(name: &str, kind: ElementType, dims: &[usize], raw: &[u8]) -> Message {
    let dims = dims.iter().fold(Message::default(), |tensor, &size| tensor.varint(1, size as u64));
    dims.varint(2, kind.number()).text(8, name).bytes(9, raw)
}

/// A `NodeProto`.
pub(super) fn node(
    operation: &str,
    inputs: &[&str],
    outputs: &[String],
    attributes: &[(&str, Attribute<'_>)],
) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, name| node.text(1, name));
    let node = outputs.iter().fold(node, |node, name| node.text(2, name));
    let node = outputs.first().map_or(node.clone(), |name| node.text(3, name)).text(4, operation);
    attributes.iter().fold(node, |node, (name, value)| node.message(5, attribute(name, *value)))
}

/// An `AttributeProto`.
fn attribute(name: &str, value: Attribute<'_>) -> Message {
    let named = Message::default().text(1, name);
    let (value, kind) = match value {
        Attribute::Float(value) => (named.float(2, value), 1),
        Attribute::Int(value) => (named.int(3, value), 2),
        Attribute::Text(value) => (named.text(4, value), 3),
        Attribute::Ints(values) => (values.iter().fold(named, |named, &value| named.int(8, value)), 7),
    };
    value.varint(20, kind)
}

/// A `ValueInfoProto`: an input or an output, with a sentence about it.
pub(super) fn value_info(name: &str, kind: ElementType, axes: &[Axis], about: &str) -> Message {
    let shape = axes.iter().fold(Message::default(), |shape, axis| {
        let dimension = Message::default();
        shape.message(
            1,
            match axis {
                Axis::Batch => dimension.text(2, "batch"),
                Axis::Size(size) => dimension.varint(1, *size as u64),
            },
        )
    });
    let tensor = Message::default().varint(1, kind.number()).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor)).text(3, about)
}

/// A `GraphProto`.
pub(super) fn graph(
    name: &str,
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
) -> Message {
    let all = |graph: Message, field, parts: Vec<Message>| {
        parts.into_iter().fold(graph, |graph, part| graph.message(field, part))
    };
    let graph = all(Message::default(), 1, nodes).text(2, name);
    all(all(all(graph, 5, initializers), 11, inputs), 12, outputs)
}

/// A `ModelProto` with entries of metadata: the content of a file.
pub(super) fn model(graph: Message, metadata: &[(&str, &str)]) -> Vec<u8> {
    let opset = Message::default().text(1, "").varint(2, OPSET);
    let model = Message::default()
        .varint(1, IR_VERSION)
        .text(2, env!("CARGO_PKG_NAME"))
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, opset);
    let entry = |model: Message, (key, value): &(&str, &str)| {
        model.message(14, Message::default().text(1, key).text(2, value))
    };
    metadata.iter().fold(model, entry).into_bytes()
}
