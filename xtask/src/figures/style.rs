//! Colours, type sizes and line widths of all figures. The colours are those of Okabe and Ito, which people with any kind
//! of colour vision can tell apart. A run keeps its colour in all figures.

pub const TEXT: &str = "#222222";
pub const QUIET: &str = "#666666";
pub const FAINT: &str = "#b8b8b8";
pub const GRID: &str = "#e8e8e8";
/// The colour of bands below the data: the range of real images, and every second group.
pub const BAND: &str = "#e4e4e4";
pub const PAPER: &str = "#ffffff";

pub const TITLE_SIZE: u32 = 14;
pub const LABEL_SIZE: u32 = 12;
pub const TICK_SIZE: u32 = 11;

pub const THICK: f64 = 2.2;
pub const THIN: f64 = 1.0;
/// Radius of the points of a line.
pub const DOT: f64 = 2.8;

/// PNG pixels per unit of the drawing.
pub const PNG_SCALE: u32 = 2;

/// Fonts in order of preference. PNGs use the first one.
pub const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// Okabe and Ito without yellow, which is faint on white, and black, which looks like text.
/// Violet and brown follow them.
const COLOURS: [(u8, u8, u8); 8] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (120, 94, 240),
    (140, 86, 75),
];

/// The colour of the run at position `index` of a study.
pub fn colour(index: usize) -> String {
    shade(index, 1.0)
}

/// A run's colour mixed with white: strength 1 is the colour, strength 0 is white.
pub fn shade(index: usize, strength: f64) -> String {
    let (r, g, b) = COLOURS[index % COLOURS.len()];
    let mix = |value: u8| (255.0 - (255.0 - f64::from(value)) * strength.clamp(0.0, 1.0)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(r), mix(g), mix(b))
}
