//! A small chart: title, legend, two axes with ticks, lines within the frame. Small multiples are several of these
//! on one canvas. It knows nothing of runs.

use super::canvas::{Anchor, Canvas, LABEL, TICK, TITLE, Type};
use super::style::{FAINT, GRID, LABEL_SIZE, QUIET, TEXT, text_width};
use super::ticks::{self, Scale};

/// Space a chart takes, frame and all.
pub const WIDTH: f64 = 256.0;
pub const HEIGHT: f64 = 246.0;
/// Charts beside each other before a new row begins.
pub const COLUMNS: usize = 3;

const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 42.0;

/// One line: its legend entry, if any, and its points in order.
pub struct Line {
    pub legend: Option<String>,
    pub colour: String,
    pub width: f64,
    pub dots: bool,
    pub points: Vec<(f64, f64)>,
}

pub struct Chart<'a> {
    pub title: &'a str,
    /// What the y axis shows; set under the title, where it reads without turning the head.
    pub y_label: &'a str,
    pub x_label: &'a str,
    pub x: Scale,
    /// Whether x counts something.
    pub whole_x: bool,
    pub y: Scale,
    pub lines: Vec<Line>,
}

/// A canvas for this many charts.
pub fn canvas(charts: usize) -> Canvas {
    let columns = charts.min(COLUMNS);
    let rows = charts.div_ceil(COLUMNS);
    Canvas::new(columns as f64 * WIDTH + 8.0, rows as f64 * HEIGHT)
}

impl Chart<'_> {
    /// Draws the chart at its place among the small multiples.
    pub fn draw(&self, canvas: &mut Canvas, place: usize) {
        let origin = ((place % COLUMNS) as f64 * WIDTH, (place / COLUMNS) as f64 * HEIGHT);
        let frame = Frame {
            left: origin.0 + LEFT,
            right: origin.0 + WIDTH - RIGHT,
            top: origin.1 + TOP,
            bottom: origin.1 + HEIGHT - BOTTOM,
        };
        canvas.text(origin.0 + 12.0, origin.1 + 22.0, self.title, TITLE);
        let label = if self.y.log { format!("{}, log scale", self.y_label) } else { self.y_label.to_owned() };
        canvas.text(origin.0 + 12.0, origin.1 + 39.0, &label, LABEL);
        self.draw_legend(canvas, origin.0 + 12.0, origin.1 + 55.0);
        self.draw_axes(canvas, &frame);
        for line in &self.lines {
            self.draw_line(canvas, &frame, line);
        }
    }

    fn draw_legend(&self, canvas: &mut Canvas, mut x: f64, y: f64) {
        for line in &self.lines {
            let Some(text) = &line.legend else { continue };
            canvas.line((x, y - 4.0), (x + 14.0, y - 4.0), &line.colour, line.width.max(1.6));
            let look = Type { colour: TEXT, size: 11, ..LABEL };
            canvas.text(x + 18.0, y, text, look);
            x += 18.0 + text_width(text, 11) + 10.0;
        }
    }

    fn draw_axes(&self, canvas: &mut Canvas, frame: &Frame) {
        for tick in self.y.ticks() {
            let y = frame.y(self.y.place(tick));
            canvas.line((frame.left, y), (frame.right, y), GRID, 1.0);
            let look = Type { anchor: Anchor::End, ..TICK };
            canvas.text(frame.left - 6.0, y + 4.0, &ticks::label(tick), look);
        }
        let x_ticks = if self.whole_x { self.x.whole_ticks() } else { self.x.ticks() };
        for tick in x_ticks {
            let x = frame.x(self.x.place(tick));
            canvas.line((x, frame.bottom), (x, frame.bottom + 4.0), FAINT, 1.0);
            canvas.text(x, frame.bottom + 16.0, &ticks::label(tick), TICK);
        }
        canvas.line((frame.left, frame.bottom), (frame.right, frame.bottom), QUIET, 1.0);
        let look = Type { anchor: Anchor::Middle, size: LABEL_SIZE, ..LABEL };
        canvas.text(f64::midpoint(frame.left, frame.right), frame.bottom + 33.0, self.x_label, look);
    }

    fn draw_line(&self, canvas: &mut Canvas, frame: &Frame, line: &Line) {
        let mapped: Vec<_> = line.points.iter().map(|&(x, y)| (self.x.place(x), self.y.place(y))).collect();
        for piece in clip(&mapped) {
            let points = piece.into_iter().map(|(x, y)| (frame.x(x), frame.y(y))).collect();
            canvas.polyline(points, &line.colour, line.width);
        }
        if line.dots {
            for &(x, y) in mapped.iter().filter(|&&(_, y)| inside(y)) {
                canvas.dot((frame.x(x), frame.y(y)), 2.8, &line.colour);
            }
        }
    }
}

struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, place: f64) -> f64 {
        self.left + place * (self.right - self.left)
    }

    fn y(&self, place: f64) -> f64 {
        self.bottom - place * (self.bottom - self.top)
    }
}

fn inside(y: f64) -> bool {
    (0.0..=1.0).contains(&y)
}

/// Cuts a line at the upper and lower edge of the unit square; points that are not finite break it.
fn clip(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<(f64, f64)> = Vec::new();
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let finite = y0.is_finite() && y1.is_finite();
        let at = |edge: f64| (x0 + (edge - y0) / (y1 - y0) * (x1 - x0), edge);
        let apart = (y0 < 0.0 && y1 < 0.0) || (y0 > 1.0 && y1 > 1.0);
        if !finite || apart {
            pieces.push(std::mem::take(&mut piece));
            continue;
        }
        if piece.is_empty() {
            piece.push(if inside(y0) { (x0, y0) } else { at(y0.clamp(0.0, 1.0)) });
        }
        piece.push(if inside(y1) { (x1, y1) } else { at(y1.clamp(0.0, 1.0)) });
        if !inside(y1) {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn lines_are_cut_at_the_edges_and_at_gaps() {
        assert_eq!(clip(&[(0.0, 0.5), (1.0, 0.7)]), [[(0.0, 0.5), (1.0, 0.7)]]);
        assert_eq!(clip(&[(0.0, 2.0), (1.0, 0.0)]), [[(0.5, 1.0), (1.0, 0.0)]]);
        assert_eq!(
            clip(&[(0.0, 0.5), (1.0, 1.5), (2.0, 0.5)]),
            [[(0.0, 0.5), (0.5, 1.0)], [(1.5, 1.0), (2.0, 0.5)]]
        );
        assert!(clip(&[(0.0, 2.0), (1.0, 3.0)]).is_empty());
        assert!(clip(&[(0.0, 0.1), (1.0, f64::NAN), (2.0, 0.2)]).is_empty());
        assert_eq!(clip(&[(0.0, -1.0), (1.0, 2.0)]).len(), 1);
    }
}
