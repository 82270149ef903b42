//! Curves in the terminal, drawn with braille characters: a character holds two columns of four dots.

use crate::units::number;

/// A curve: points (x, y) by rising x. Points that are not finite are left out.
pub struct Curve {
    /// Its name in the legend. A curve with an empty name is not in the legend.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

/// How a curve is drawn. The two styles can be told apart without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line of dots. Where points are dense it shows their means.
    Line,
    /// A mark at each point.
    Marks,
}

impl Style {
    fn legend(self) -> &'static str {
        match self {
            Self::Line => "⠒⠒",
            Self::Marks => "●",
        }
    }

    /// Escape sequence of its colour: cyan or yellow.
    fn color(self) -> &'static str {
        match self {
            Self::Line => "\x1b[36m",
            Self::Marks => "\x1b[33m",
        }
    }
}

/// Ends a colour.
const RESET: &str = "\x1b[0m";
/// The vertical axis is logarithmic if the largest value is at least this many times the smallest.
const LOG_RATIO: f64 = 12.0;
/// Number of characters that the longest label and the axis take.
const LABEL: usize = 10;
/// Smallest number of characters between the axis and the right edge.
const NARROWEST: usize = 16;

/// The lines of a chart of `curves`, which is `width` characters wide and has `height` lines between title and axis; no lines if
/// there are no points.
pub fn lines(
    title: &str,
    x_title: &str,
    curves: &[Curve],
    width: usize,
    height: usize,
    colors: bool,
) -> Vec<String> {
    let points = || curves.iter().flat_map(finite);
    let Some((left, right)) = range(points().map(|(x, _)| x)) else { return Vec::new() };
    // The labels depend on the values drawn, which are means over columns. The number of columns leaves room for the longest label.
    let room = width.saturating_sub(LABEL).max(NARROWEST);
    let columns: Vec<Vec<Option<f64>>> =
        curves.iter().map(|curve| columns(curve, left, right, 2 * room)).collect();
    let Some((low, high)) = range(columns.iter().flatten().copied().flatten()) else { return Vec::new() };
    let scale = Scale::new(low, high);
    let labels: Vec<String> = [0.0, 0.5, 1.0].map(|at| number(Some(scale.value(at)))).into();
    let gutter = labels.iter().map(String::len).max().unwrap_or(0);

    let mut canvas = Canvas::new(room, height);
    for (curve, columns) in curves.iter().zip(&columns) {
        match curve.style {
            Style::Line => canvas.line(columns, &scale),
            Style::Marks => canvas.marks(columns, &scale),
        }
    }
    let log = if scale.is_log { ", logarithmic" } else { "" };
    let legend: Vec<String> = curves
        .iter()
        .filter(|curve| !curve.name.is_empty() && finite(curve).next().is_some())
        .map(|curve| format!("{} {}", paint(curve.style.legend(), curve.style, colors), curve.name))
        .collect();
    let mut lines = vec![format!("{title}{log}   {}", legend.join("   ")).trim_end().to_owned()];
    for row in 0..height {
        let label = match row {
            0 => labels[2].as_str(),
            row if row == height - 1 => labels[0].as_str(),
            row if row == height / 2 => labels[1].as_str(),
            _ => "",
        };
        let tick = if label.is_empty() { '│' } else { '┤' };
        lines.push(format!("{label:>gutter$} {tick}{}", canvas.row(row, colors)).trim_end().to_owned());
    }
    lines.push(format!("{:>gutter$} └{}", "", "─".repeat(room)));
    let (first, last) = (number(Some(left)), number(Some(right)));
    let between = room.saturating_sub(first.len() + last.len());
    lines.push(format!("{:>gutter$}  {first}{x_title:^between$}{last}", ""));
    lines
}

/// `text` in the colour of `style`.
fn paint(text: &str, style: Style, colors: bool) -> String {
    if colors { format!("{}{text}{RESET}", style.color()) } else { text.to_owned() }
}

fn finite(curve: &Curve) -> impl Iterator<Item = (f64, f64)> {
    curve.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// The smallest and the largest of `values`; `None` if there are none.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// The mean of the points of `curve` in each of `n` columns between `left` and `right`.
fn columns(curve: &Curve, left: f64, right: f64, n: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); n];
    for (x, y) in finite(curve) {
        let at = if right > left { (x - left) / (right - left) } else { 0.0 };
        let sum = &mut sums[(at * (n - 1) as f64).round() as usize];
        *sum = (sum.0 + y, sum.1 + 1.0);
    }
    sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count)).collect()
}

/// The vertical axis.
struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

impl Scale {
    fn new(low: f64, high: f64) -> Self {
        let is_log = low > 0.0 && high / low >= LOG_RATIO;
        // A constant curve lies in the middle.
        let margin = if high > low { 0.0 } else { low.abs().max(1.0) / 10.0 };
        Self { low: low - margin, high: high + margin, is_log }
    }

    /// Where `value` lies on the axis, from 0 at the bottom to 1 at the top.
    fn at(&self, value: f64) -> f64 {
        let position = |value: f64| if self.is_log { value.ln() } else { value };
        (position(value) - position(self.low)) / (position(self.high) - position(self.low))
    }

    /// The value at the place `at`.
    fn value(&self, at: f64) -> f64 {
        if self.is_log {
            (self.low.ln() + at * (self.high.ln() - self.low.ln())).exp()
        } else {
            self.low + at * (self.high - self.low)
        }
    }
}

/// A character of the canvas.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Dots as the bits of a braille character.
    Dots(u8),
    Mark,
}

/// What the curves are drawn on.
struct Canvas {
    width: usize,
    height: usize,
    cells: Vec<Cell>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, cells: vec![Cell::Dots(0); width * height] }
    }

    /// The bits of the dots of a braille character, by column and row.
    const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

    fn dot(&mut self, x: usize, y: usize) {
        if let Cell::Dots(dots) = &mut self.cells[y / 4 * self.width + x / 2] {
            *dots |= Self::BITS[x % 2][y % 4];
        }
    }

    /// Connects the values of the columns by dots.
    fn line(&mut self, columns: &[Option<f64>], scale: &Scale) {
        let bottom = 4 * self.height - 1;
        let row = |value: f64| bottom as f64 * (1.0 - scale.at(value));
        let mut last: Option<(usize, f64)> = None;
        for (x, value) in columns.iter().enumerate() {
            let Some(value) = value else { continue };
            let y = row(*value);
            let (from, start) = last.unwrap_or((x, y));
            let mut above = start.round() as usize;
            for column in from..=x {
                let share = if x > from { (column - from) as f64 / (x - from) as f64 } else { 1.0 };
                let here = (start + share * (y - start)).round() as usize;
                // From beside the last dot on, so that the line has no gaps where it is steep.
                let rows = if here > above + 1 {
                    above + 1..=here
                } else {
                    here..=here.max(above.saturating_sub(1))
                };
                rows.for_each(|row| self.dot(column, row.min(bottom)));
                above = here;
            }
            last = Some((x, y));
        }
    }

    /// A mark at the value of each column that has one.
    fn marks(&mut self, columns: &[Option<f64>], scale: &Scale) {
        for (x, value) in columns.iter().enumerate() {
            if let Some(value) = value {
                let row = ((self.height - 1) as f64 * (1.0 - scale.at(*value))).round() as usize;
                self.cells[row.min(self.height - 1) * self.width + x / 2] = Cell::Mark;
            }
        }
    }

    /// The characters of a line.
    fn row(&self, row: usize, colors: bool) -> String {
        let cells = &self.cells[row * self.width..(row + 1) * self.width];
        let runs = cells.chunk_by(|a, b| (*a == Cell::Mark) == (*b == Cell::Mark));
        let run = |cells: &[Cell]| {
            let style = if cells[0] == Cell::Mark { Style::Marks } else { Style::Line };
            let text: String = cells.iter().map(|cell| cell.glyph()).collect();
            if text.trim().is_empty() { text } else { paint(&text, style, colors) }
        };
        runs.map(run).collect()
    }
}

impl Cell {
    fn glyph(self) -> char {
        match self {
            Self::Dots(0) => ' ',
            // Braille characters are in the order of their bits.
            Self::Dots(dots) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
            Self::Mark => '●',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: Vec<(f64, f64)>, style: Style) -> Curve {
        Curve { name: "loss".into(), points, style }
    }

    #[test]
    fn a_falling_line_goes_from_the_upper_left_to_the_lower_right() {
        let falling = curve((0..=100).map(|x| (f64::from(x), f64::from(100 - x))).collect(), Style::Line);
        let drawn = lines("title", "epochs", &[falling], 48, 5, false);
        assert_eq!(drawn.len(), 1 + 5 + 2);
        assert!(drawn[0].starts_with("title   ") && drawn[0].ends_with("loss"), "{}", drawn[0]);
        assert!(drawn[1].starts_with(" 100 ┤⠉"), "{}", drawn[1]);
        assert!(drawn[3].starts_with("50.0 ┤") && drawn[5].starts_with("   0 ┤"));
        // Every character column of the plot has a dot, in order.
        let row_of = |x: usize| (1..6).find(|&row| drawn[row].chars().nth(6 + x).is_some_and(|c| c != ' '));
        let rows: Vec<_> = (0..38).map(|x| row_of(x).unwrap_or(usize::MAX)).collect();
        assert!(rows.is_sorted() && rows[0] == 1 && rows[37] == 5, "{rows:?}");
        assert!(drawn.iter().all(|line| line.chars().count() <= 48));
    }

    #[test]
    fn marks_can_be_told_from_lines_without_colours() {
        let line = curve(vec![(0.0, 1.0), (10.0, 2.0)], Style::Line);
        let marks = curve(vec![(0.0, 1.5), (5.0, f64::NAN), (10.0, 1.5)], Style::Marks);
        let drawn = lines("t", "x", &[line, marks], 60, 4, false).join("\n");
        // Two in the chart and one in the legend; the point that is not a number is left out.
        assert_eq!(drawn.matches('●').count(), 3, "{drawn}");
        assert!(!drawn.contains('\x1b'));
    }

    #[test]
    fn any_points_are_drawn_or_left_out() {
        let far = vec![(0.0, 1e-300), (1.0, 1e300)];
        for points in [vec![(1.0, 0.0)], vec![(1.0, -5.0); 3], vec![(0.0, 0.0), (0.0, 1.0)], far] {
            for style in [Style::Line, Style::Marks] {
                for width in [0, 20, 200] {
                    let drawn = lines("t", "x", &[curve(points.clone(), style)], width, 6, true);
                    assert_eq!(drawn.len(), 9, "{points:?}");
                }
            }
        }
        assert!(lines("t", "x", &[curve(vec![(0.0, f64::NAN)], Style::Line)], 80, 6, true).is_empty());
    }

    #[test]
    fn a_wide_range_is_logarithmic() {
        let scale = Scale::new(0.01, 100.0);
        assert!(scale.is_log && (scale.value(0.5) - 1.0).abs() < 1e-9 && (scale.at(1.0) - 0.5).abs() < 1e-9);
        assert!(!Scale::new(-1.0, 100.0).is_log && !Scale::new(1.0, 2.0).is_log);
    }
}
