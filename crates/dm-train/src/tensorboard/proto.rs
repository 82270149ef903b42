//! The protocol buffer messages of an event file.
//!
//! Source of the field numbers: TensorBoard, `tensorboard/compat/proto/{event,summary,tensor,tensor_shape}.proto`.

#![warn(clippy::indexing_slicing)]

use std::time::Duration;

use dm_nn::protobuf::Message;

/// Version of the format, which the first event of a file states.
const FILE_VERSION: &str = "brain.Event:2";
/// `SessionLog.SessionStatus.START`.
const SESSION_START: u64 = 1;
/// `DataType.DT_STRING`.
const STRING: u64 = 7;
/// `DataClass.DATA_CLASS_TENSOR`.
const TENSOR_CLASS: u64 = 2;

/// One of the numbers, pictures and texts of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// A number. TensorBoard stores 32 bits of it.
    Scalar(f64),
    /// A picture.
    Image(&'a Png),
    /// Heights of bars.
    Histogram(Histogram),
    /// A text in Markdown.
    Text(&'a str),
}

/// The bytes of a PNG file, with what their header says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Png {
    bytes: Vec<u8>,
    width: u32,
    height: u32,
    channels: u64,
}

impl Png {
    /// The picture in `bytes`; `None` if they are not a PNG file.
    pub(crate) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let header = bytes.get(..26).filter(|header| header.starts_with(b"\x89PNG\r\n\x1a\n"))?;
        let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let (width, height) = (number(16)?, number(20)?);
        // Colour types of PNG: grey, RGB, palette, grey with alpha, RGB with alpha.
        let channels = match header.get(25)? {
            0 => 1,
            2 | 3 => 3,
            4 => 2,
            6 => 4,
            _ => return None,
        };
        Some(Self { bytes, width, height, channels })
    }
}

/// Bars of equal width over the interval from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    heights: Vec<f64>,
}

impl Histogram {
    /// Bars of the given heights; a missing one has no height.
    pub(crate) fn new(heights: impl Iterator<Item = Option<f64>>) -> Self {
        Self { heights: heights.map(|height| height.unwrap_or(0.0).max(0.0)).collect() }
    }

    /// `HistogramProto`. TensorBoard takes the outermost limits of the bars that are not empty from `min` and `max`.
    fn encode(&self) -> Message {
        let n = self.heights.len();
        let edge = |i: usize| i as f64 / n as f64;
        let is_bar = |height: &f64| *height > 0.0;
        let first = self.heights.iter().position(is_bar).unwrap_or(0);
        let last = self.heights.iter().rposition(is_bar).map_or(n, |i| i + 1);
        let moment = |power: i32| -> f64 {
            let terms = self.heights.iter().enumerate();
            terms.map(|(i, height)| height * f64::midpoint(edge(i), edge(i + 1)).powi(power)).sum()
        };
        Message::default()
            .double(1, edge(first))
            .double(2, edge(last))
            .double(3, moment(0))
            .double(4, moment(1))
            .double(5, moment(2))
            .doubles(6, (1..=n).map(edge))
            .doubles(7, self.heights.iter().copied())
    }
}

/// The first event of a file.
pub(super) fn file_version(time: Duration) -> Vec<u8> {
    event(time, 0).text(3, FILE_VERSION).into_bytes()
}

/// The event that tells TensorBoard to forget all earlier events of step `step` and of later steps.
pub(super) fn session_start(time: Duration, step: u64) -> Vec<u8> {
    event(time, step).message(7, Message::default().varint(1, SESSION_START)).into_bytes()
}

/// The event that holds the values of step `step`, each with its tag.
pub(super) fn summary(time: Duration, step: u64, values: &[(String, Value<'_>)]) -> Vec<u8> {
    let values = values.iter().fold(Message::default(), |summary, (tag, value)| {
        let message = Message::default().text(1, tag);
        let message = match value {
            Value::Scalar(number) => message.float(2, *number as f32),
            Value::Image(png) => message.message(4, image(png)),
            Value::Histogram(histogram) => message.message(5, histogram.encode()),
            Value::Text(text) => {
                let plugin = Message::default().text(1, "text");
                let metadata = Message::default().message(1, plugin).varint(4, TENSOR_CLASS);
                message.message(9, metadata).message(8, text_tensor(text))
            }
        };
        summary.message(1, message)
    });
    event(time, step).message(5, values).into_bytes()
}

/// An `Event` without its content. `time` is the time since the Unix epoch.
fn event(time: Duration, step: u64) -> Message {
    Message::default().double(1, time.as_secs_f64()).varint(2, step)
}

/// A `Summary.Image`.
fn image(png: &Png) -> Message {
    Message::default()
        .varint(1, png.height.into())
        .varint(2, png.width.into())
        .varint(3, png.channels)
        .bytes(4, &png.bytes)
}

/// A `TensorProto` that holds one text.
fn text_tensor(text: &str) -> Message {
    let shape = Message::default().message(2, Message::default().varint(1, 1));
    Message::default().varint(1, STRING).message(2, shape).text(8, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_are_pictures() {
        assert_eq!(Png::parse(b"not a picture, but long enough to be one".to_vec()), None);
        assert_eq!(Png::parse(b"\x89PNG\r\n\x1a\n".to_vec()), None);
    }
}
