//! A computation under construction: operations, parameters, inputs and outputs.

use std::collections::BTreeSet;

use super::proto::{self, Attribute, Axis, ElementType};
use crate::error::{Error, Result};
use crate::params::file::TensorFile;
use crate::protobuf::Message;

/// A value in a [`Graph`]: an input, a constant, or the result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

/// A computation under construction, with its parameters from a tensor file.
pub struct Graph<'w> {
    weights: &'w TensorFile,
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    /// The parameters that are in `initializers`.
    parameters: BTreeSet<String>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    /// Number of names that have been given.
    named: usize,
}

impl<'w> Graph<'w> {
    /// An empty computation whose parameters are in `weights`.
    pub fn new(weights: &'w TensorFile) -> Self {
        Self {
            weights,
            nodes: Vec::new(),
            initializers: Vec::new(),
            parameters: BTreeSet::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            named: 0,
        }
    }

    /// Adds an input. The sentence `about` becomes a part of the file.
    pub fn input(&mut self, name: &str, kind: ElementType, axes: &[Axis], about: &str) -> Value {
        self.inputs.push(proto::value_info(name, kind, axes, about));
        Value(name.to_owned())
    }

    /// Makes `value` an output of 32-bit floating-point numbers with the name `name`.
    pub fn output(&mut self, name: &str, value: &Value, axes: &[Axis], about: &str) {
        self.outputs.push(proto::value_info(name, ElementType::F32, axes, about));
        self.nodes.push(proto::node("Identity", &[&value.0], &[name.to_owned()], &[]));
    }

    /// The shape of the parameter `name`.
    ///
    /// # Errors
    /// If the tensor file has no such parameter.
    pub fn shape(&self, name: &str) -> Result<&'w [usize]> {
        let missing = || Error::format(self.weights.path(), name, "none", "a parameter of the network");
        self.weights.get(name).map(|(shape, _)| shape).ok_or_else(missing)
    }

    /// The parameter `name` with its own shape.
    ///
    /// # Errors
    /// If the tensor file has no such parameter.
    pub fn parameter(&mut self, name: &str) -> Result<Value> {
        self.parameter_as(name, self.shape(name)?)
    }

    /// The parameter `name` with its values in the shape `dims`. Every use of a parameter must state the same shape.
    ///
    /// # Errors
    /// If the tensor file has no such parameter, or its number of values does not fit the shape.
    pub fn parameter_as(&mut self, name: &str, dims: &[usize]) -> Result<Value> {
        let shape = self.shape(name)?;
        let values = self.weights.get(name).map_or(&[][..], |(_, values)| values);
        if dims.iter().product::<usize>() != values.len() {
            let found = format!("shape {shape:?}");
            return Err(Error::format(self.weights.path(), name, found, format!("values of shape {dims:?}")));
        }
        if self.parameters.insert(name.to_owned()) {
            self.initializers.push(floats(name, dims, values));
        }
        Ok(Value(name.to_owned()))
    }

    /// A constant tensor of the shape `dims` with these values.
    pub fn constant(&mut self, dims: &[usize], values: &[f32]) -> Value {
        let name = self.name("constant");
        self.initializers.push(floats(&name, dims, values));
        Value(name)
    }

    /// A constant list of integers, such as a shape.
    pub fn integers(&mut self, values: &[i64]) -> Value {
        let name = self.name("integers");
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializers.push(proto::tensor(&name, ElementType::I64, &[values.len()], &raw));
        Value(name)
    }

    /// The result of an ONNX operation with one output.
    pub fn apply(
        &mut self,
        operation: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        let output = Value(self.name(operation));
        self.push(operation, inputs, std::slice::from_ref(&output.0), attributes);
        output
    }

    /// `value` [B, ..] divided along axis `axis` into parts of the given sizes.
    pub fn split<const N: usize>(&mut self, value: &Value, axis: i64, sizes: [i64; N]) -> [Value; N] {
        let sizes = self.integers(&sizes);
        let parts = [(); N].map(|()| Value(self.name("Split")));
        let names = parts.each_ref().map(|part| part.0.clone());
        self.push("Split", &[value, &sizes], &names, &[("axis", Attribute::Int(axis))]);
        parts
    }

    /// An input that an operation leaves out.
    pub fn absent() -> Value {
        Value(String::new())
    }

    /// The content of an ONNX file of this computation with entries of metadata.
    pub fn into_file(self, name: &str, metadata: &[(&str, &str)]) -> Vec<u8> {
        let graph = proto::graph(name, self.nodes, self.initializers, self.inputs, self.outputs);
        proto::model(graph, metadata)
    }

    fn push(
        &mut self,
        operation: &str,
        inputs: &[&Value],
        outputs: &[String],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let inputs: Vec<&str> = inputs.iter().map(|value| value.0.as_str()).collect();
        self.nodes.push(proto::node(operation, &inputs, outputs, attributes));
    }

    fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}_{}", self.named)
    }
}

/// A size as ONNX writes it.
pub fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A tensor of 32-bit floating-point numbers.
fn floats(name: &str, dims: &[usize], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    proto::tensor(name, ElementType::F32, dims, &raw)
}
