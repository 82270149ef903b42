//! The one look of all figures: colours, type sizes, line widths. Colours are Okabe and Ito's, told apart by every
//! kind of colour vision; a run keeps its colour in all figures.

/// Ink of text and axes, and its quieter shades.
pub const TEXT: &str = "#222222";
pub const QUIET: &str = "#666666";
pub const FAINT: &str = "#b8b8b8";
pub const GRID: &str = "#e8e8e8";
/// A range that lies under the data: the floor, every second group.
pub const BAND: &str = "#efefef";
pub const PAPER: &str = "#ffffff";

pub const TITLE_SIZE: u32 = 14;
pub const LABEL_SIZE: u32 = 12;
pub const TICK_SIZE: u32 = 11;

pub const THICK: f64 = 2.2;
pub const THIN: f64 = 1.0;
/// Radius of the points of a line.
pub const DOT: f64 = 2.8;

/// PNG pixels to a unit of the drawing.
pub const PNG_SCALE: u32 = 2;

/// Font of the PNGs; SVG viewers fall back along the list.
pub const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// Okabe and Ito without yellow and black: they do not read on white, or read as text.
const RUNS: [(u8, u8, u8); 6] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233)];

/// The colour of the run at this place of the sweep.
pub fn run_colour(index: usize) -> String {
    shade(index, 1.0)
}

/// A run's colour mixed with white: 1 is the colour, towards 0 it fades.
pub fn shade(index: usize, strength: f64) -> String {
    let (r, g, b) = RUNS[index % RUNS.len()];
    let mix = |value: u8| (255.0 - (255.0 - f64::from(value)) * strength.clamp(0.0, 1.0)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(r), mix(g), mix(b))
}

/// About how wide a text is; good enough to set things beside each other.
pub fn text_width(text: &str, size: u32) -> f64 {
    let em = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' => 0.32,
        ' ' | 't' | 'f' | 'r' | '(' | ')' | '-' => 0.4,
        'm' | 'w' | 'M' | 'W' => 0.95,
        letter if letter.is_uppercase() => 0.72,
        _ => 0.62,
    };
    text.chars().map(em).sum::<f64>() * f64::from(size)
}
