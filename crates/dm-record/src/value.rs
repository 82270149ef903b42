//! Values of a config, whatever their type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A value of a config or of a sample set's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list of values.
    List(Vec<Value>),
    /// Named values.
    Table(BTreeMap<String, Value>),
    /// No value, in JSON null.
    Null,
}

impl Value {
    /// The text, if the value is a text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if the value is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Integer(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }
}
