//! A small chart: title, legend, two axes with ticks, lines within the frame. Small multiples are several of these
//! on one canvas. It knows nothing of runs.

use super::canvas::{Anchor, Canvas, LABEL, TICK, TITLE, Type};
use super::style::{BAND, FAINT, GRID, LABEL_SIZE, QUIET, TEXT, text_width};
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
#[derive(Default)]
pub struct Line {
    pub legend: Option<String>,
    /// What stands beside its last point.
    pub label: Option<String>,
    pub colour: String,
    /// 0 leaves the points unconnected.
    pub width: f64,
    /// Radius of the points; 0 leaves them out.
    pub dot: f64,
    /// Width of bars from the axis up to the points; 0 leaves them out.
    pub bar: f64,
    pub points: Vec<(f64, f64)>,
}

/// A range of y across the whole chart, under everything else.
pub struct Band {
    pub legend: String,
    pub range: (f64, f64),
}

/// Where a chart goes.
pub struct Place {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
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
    pub band: Option<Band>,
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
        let (left, top) = ((place % COLUMNS) as f64 * WIDTH, (place / COLUMNS) as f64 * HEIGHT);
        self.draw_in(canvas, &Place { left, top, width: WIDTH, height: HEIGHT });
    }

    /// Draws the chart anywhere, at any size.
    pub fn draw_in(&self, canvas: &mut Canvas, place: &Place) {
        let frame = Frame {
            left: place.left + LEFT,
            right: place.left + place.width - RIGHT,
            top: place.top + TOP,
            bottom: place.top + place.height - BOTTOM,
        };
        canvas.text(place.left + 12.0, place.top + 22.0, self.title, TITLE);
        let label = if self.y.log { format!("{}, log scale", self.y_label) } else { self.y_label.to_owned() };
        canvas.text(place.left + 12.0, place.top + 39.0, &label, LABEL);
        self.draw_legend(canvas, place.left + 12.0, place.top + 55.0);
        if let Some(band) = &self.band {
            let edge = |value| frame.y(self.y.place(value).clamp(0.0, 1.0));
            let (top, bottom) = (edge(band.range.1), edge(band.range.0));
            // A narrow band is still to be seen.
            let height = (bottom - top).max(2.0);
            canvas.rect((frame.left, top), (frame.right - frame.left, height), BAND);
        }
        self.draw_axes(canvas, &frame);
        for line in &self.lines {
            self.draw_line(canvas, &frame, line);
        }
        self.draw_labels(canvas, &frame);
    }

    fn draw_legend(&self, canvas: &mut Canvas, mut x: f64, y: f64) {
        let look = Type { colour: TEXT, size: 11, ..LABEL };
        if let Some(band) = &self.band {
            canvas.rect((x, y - 8.0), (14.0, 8.0), BAND);
            canvas.text(x + 18.0, y, &band.legend, look);
            x += 18.0 + text_width(&band.legend, 11) + 10.0;
        }
        for line in &self.lines {
            let Some(text) = &line.legend else { continue };
            if line.width > 0.0 {
                canvas.line((x, y - 4.0), (x + 14.0, y - 4.0), &line.colour, line.width.clamp(1.6, 8.0));
            } else {
                canvas.dot((x + 7.0, y - 4.0), 3.2, &line.colour);
            }
            canvas.text(x + 18.0, y, text, look);
            x += 18.0 + text_width(text, 11) + 10.0;
        }
    }

    /// Labels stand right of their points, left where there is no room or another point is in the way, and below one another
    /// where they would overlap.
    fn draw_labels(&self, canvas: &mut Canvas, frame: &Frame) {
        let mut labels: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| {
                let (&(x, y), text) = (line.points.last()?, line.label.as_ref()?);
                Some((frame.x(self.x.place(x)), frame.y(self.y.place(y)) + 4.0, text, &line.colour))
            })
            .collect();
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        let points: Vec<_> = labels.iter().map(|label| (label.0, label.1)).collect();
        let mut free = f64::NEG_INFINITY;
        for (x, y, text, colour) in labels {
            let end = x + 8.0 + text_width(text, 11);
            let in_way = |&(other, at): &(f64, f64)| other > x && other < end && (at - y).abs() < 12.0;
            let right = end <= frame.right + RIGHT && !points.iter().any(in_way);
            let (x, anchor) = if right { (x + 8.0, Anchor::Start) } else { (x - 8.0, Anchor::End) };
            let y = y.max(free);
            canvas.text(x, y, text, Type { colour, size: 11, anchor });
            free = y + 13.0;
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
        if line.bar > 0.0 {
            for &(x, y) in mapped.iter().filter(|&&(_, y)| y > 0.0) {
                let top = frame.y(y.min(1.0));
                let corner = (frame.x(x) - line.bar / 2.0, top);
                canvas.rect(corner, (line.bar, frame.bottom - top), &line.colour);
            }
        }
        let pieces = if line.width > 0.0 { clip(&mapped) } else { Vec::new() };
        for piece in pieces {
            let points = piece.into_iter().map(|(x, y)| (frame.x(x), frame.y(y))).collect();
            canvas.polyline(points, &line.colour, line.width);
        }
        if line.dot > 0.0 {
            for &(x, y) in mapped.iter().filter(|&&(_, y)| inside(y)) {
                canvas.dot((frame.x(x), frame.y(y)), line.dot, &line.colour);
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
