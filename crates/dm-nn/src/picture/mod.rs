//! Pictures of many images: a grid as PNG, and grids over time as an animation.
//!
//! Images have any height and width, and one channel (grey) or three (red, green, blue).

pub mod film;
pub mod grid;
