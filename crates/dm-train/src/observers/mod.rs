//! Observers that write the files of a run folder. Output on a terminal is left to the command line.

mod best;
mod clock;
mod json_lines;
mod metrics;
mod sample_pictures;
mod saver;
mod tensorboard;

pub use clock::{Clock, WallClock};
pub use json_lines::JsonLines;
pub use metrics::Metrics;
pub use sample_pictures::SamplePictures;
pub use saver::Saver;
pub use tensorboard::TensorBoard;
