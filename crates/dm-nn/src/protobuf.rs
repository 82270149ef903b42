//! Encoding of protocol buffer messages, field by field.
//!
//! Source: Protocol Buffers Documentation, "Encoding". The formats that are written with it, TensorBoard's event files and
//! ONNX, have few messages, so that their field numbers are written where the messages are built.

/// An encoded message, to which fields are appended.
///
/// ```
/// use dm_nn::protobuf::Message;
///
/// // The example of the documentation: field 1 with the value 150.
/// assert_eq!(Message::default().varint(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// Wire types: a varint, eight bytes, a length with as many bytes, four bytes.
    const VARINT: u64 = 0;
    const EIGHT: u64 = 1;
    const LENGTH: u64 = 2;
    const FOUR: u64 = 5;

    /// The encoded message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Appends a field of type `uint64`, `bool` or an enumeration.
    #[must_use]
    pub fn varint(mut self, field: u64, value: u64) -> Self {
        self.key(field, Self::VARINT);
        self.push_varint(value);
        self
    }

    /// Appends a field of type `int64`.
    #[must_use]
    pub fn int(self, field: u64, value: i64) -> Self {
        self.varint(field, value.cast_unsigned())
    }

    /// Appends a field of type `double`.
    #[must_use]
    pub fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, Self::EIGHT);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Appends a field of type `float`.
    #[must_use]
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, Self::FOUR);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Appends a field of type `bytes`.
    #[must_use]
    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, Self::LENGTH);
        self.push_varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Appends a field of type `string`.
    #[must_use]
    pub fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Appends a field that is a message itself.
    #[must_use]
    pub fn message(self, field: u64, message: Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Appends a packed field of repeated `double`.
    #[must_use]
    pub fn doubles(self, field: u64, values: impl Iterator<Item = f64>) -> Self {
        let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        self.bytes(field, &bytes)
    }

    fn push_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.push_varint(field << 3 | wire_type);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_documentation() {
        assert_eq!(Message::default().text(2, "testing").into_bytes(), b"\x12\x07testing");
        let minus_two = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Message::default().int(1, -2).into_bytes(), minus_two);
    }
}
