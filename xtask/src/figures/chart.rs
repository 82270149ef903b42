//! Charts: a chart has a title, two axes and kuva's plots. A page holds several charts in a grid.

use super::canvas::Canvas;
use super::style::{BAND, FAINT, FONT, GRID, LABEL_SIZE, PAPER, QUIET, TEXT, TICK_SIZE, TITLE_SIZE};
use crate::records::range;
use kuva::plot::band::BandPlot;
use kuva::plot::legend::LegendPosition;
use kuva::plot::line::LinePlot;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::figure::Figure;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::collect_legend_entries;
use kuva::render::theme::Theme;
use std::sync::Arc;

/// A point of a curve: x, a value, and the confidence interval of the value if there is one.
pub type Estimate = (f64, f64, Option<[f64; 2]>);

/// The range of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

impl Axis {
    pub fn linear(low: f64, high: f64) -> Self {
        Self { low, high, log: false }
    }

    /// A linear range around all finite values; `None` without one.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) = range(values)?;
        let spread = if high > low { high - low } else { low.abs().max(1e-6) };
        Some(Self::linear(low - 0.06 * spread, high + 0.06 * spread))
    }

    /// As [`Self::around`], but logarithmic if all values are positive and they span more than a factor of three.
    pub fn log_around(values: impl IntoIterator<Item = f64> + Clone) -> Option<Self> {
        let (low, high) = range(values.clone())?;
        if low > 0.0 && high / low > 3.0 {
            let margin = (high / low).powf(0.06);
            return Some(Self { low: low / margin, high: high * margin, log: true });
        }
        Self::around(values)
    }
}

/// Mean width of a letter of a subtitle, in units of the drawing.
const LETTER: f64 = 6.2;

/// One chart. Its legend is below it.
pub struct Chart {
    pub title: String,
    /// The label of the y axis. It is written horizontally below the title, so that it is easy to read.
    pub y_label: String,
    pub x_label: String,
    pub x: Axis,
    pub y: Axis,
    pub plots: Vec<Plot>,
}

/// How charts are laid out on a page.
#[derive(Clone, Copy)]
pub struct Grid {
    pub columns: usize,
    pub width: f64,
    pub height: f64,
    /// Width of the first column, where it differs from that of the others.
    pub first_width: Option<f64>,
}

/// Small charts, three in a row.
pub const SMALL: Grid = Grid { columns: 3, width: 268.0, height: 264.0, first_width: None };

/// A line through the finite ones of `points`.
pub fn line(points: impl IntoIterator<Item = (f64, f64)>, colour: &str, width: f64) -> LinePlot {
    let points = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    LinePlot::new().with_data(points).with_color(colour).with_stroke_width(width)
}

/// A dot at each of the finite ones of `points`.
pub fn dots(points: impl IntoIterator<Item = (f64, f64)>, colour: &str, radius: f64) -> ScatterPlot {
    let points = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    ScatterPlot::new().with_data(points).with_color(colour).with_size(radius)
}

/// Dots with their intervals. The intervals are cut off at `lowest`, because a logarithmic axis cannot show 0.
pub fn estimates(points: &[Estimate], lowest: f64, colour: &str, radius: f64) -> ScatterPlot {
    let errors = points.iter().map(|&(_, value, interval)| {
        let [low, high] = interval.unwrap_or([value; 2]);
        ((value - low.max(lowest)).max(0.0), (high - value).max(0.0))
    });
    dots(points.iter().map(|&(x, y, _)| (x, y)), colour, radius).with_y_err_asymmetric(errors)
}

/// A range of y over the whole width of a chart.
pub fn band(x: Axis, low: f64, high: f64) -> BandPlot {
    BandPlot::new([x.low, x.high], [low; 2], [high; 2]).with_color(BAND).with_opacity(1.0)
}

/// A page of charts, row by row; `None` without any.
pub fn page(charts: Vec<Chart>, grid: Grid) -> Option<Canvas> {
    named_page(charts, grid, &[])
}

/// As [`page`], with names instead of numbers at the places 1, 2, ... of a y axis that all charts share.
pub fn named_page(charts: Vec<Chart>, grid: Grid, y_names: &[String]) -> Option<Canvas> {
    charts.first()?;
    let columns = grid.columns.min(charts.len());
    let rows = charts.len().div_ceil(columns.max(1));
    let layout = |chart: &Chart| match y_names {
        [] => chart.layout().with_subtitle_wrap((grid.width / LETTER) as usize),
        names => chart.layout().with_y_categories(names.to_vec()),
    };
    let layouts = charts.iter().map(layout).collect();
    let mut figure = Figure::new(rows, columns)
        .with_structure((0..charts.len()).map(|chart| vec![chart]).collect())
        .with_layouts(layouts)
        .with_plots(charts.into_iter().map(|chart| chart.plots).collect())
        .with_cell_size(grid.width, grid.height)
        .with_spacing(0.0)
        .with_padding(4.0);
    if let Some(width) = grid.first_width {
        figure = figure.with_col_width(0, width);
    }
    if !y_names.is_empty() {
        figure = figure.with_shared_y_all().with_shared_legend_bottom();
    }
    Some(Canvas::from(figure.render()))
}

impl Chart {
    fn layout(&self) -> Layout {
        let theme = Theme {
            background: PAPER.into(),
            axis_color: QUIET.into(),
            grid_color: GRID.into(),
            tick_color: FAINT.into(),
            text_color: TEXT.into(),
            ..Theme::light()
        };
        let label =
            |text: &str, axis: Axis| if axis.log { format!("{text}, log scale") } else { text.to_owned() };
        // kuva writes a tenth on a logarithmic axis as 1e-1; its format for linear axes writes 0.1.
        let format = TickFormat::Custom(Arc::new(|value| TickFormat::Auto.format(value)));
        let mut layout = Layout::new((self.x.low, self.x.high), (self.y.low, self.y.high))
            .with_theme(theme)
            .with_font_family(FONT)
            .with_title(&*self.title)
            .with_subtitle(label(&self.y_label, self.y))
            .with_x_label(label(&self.x_label, self.x))
            .with_title_size(TITLE_SIZE)
            .with_subtitle_size(TICK_SIZE)
            .with_label_size(LABEL_SIZE)
            .with_tick_size(TICK_SIZE)
            .with_body_size(TICK_SIZE)
            .with_tick_format(format)
            .with_legend_position(LegendPosition::OutsideBottomColumns)
            .with_legend_box(false)
            .with_x_axis_min(self.x.low)
            .with_x_axis_max(self.x.high)
            .with_y_axis_min(self.y.low)
            .with_y_axis_max(self.y.high);
        if self.x.log {
            layout = layout.with_log_x();
        }
        if self.y.log {
            layout = layout.with_log_y();
        }
        let entries = collect_legend_entries(&self.plots);
        if !entries.is_empty() {
            layout = layout.with_legend_entries(entries);
        }
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_logarithmic_for_values_of_different_magnitude() {
        let axis = Axis::log_around([1.0, 100.0]).unwrap();
        assert!(axis.log && axis.low < 1.0 && axis.high > 100.0);
        assert!(!Axis::log_around([1.0, 2.0]).unwrap().log && !Axis::log_around([-1.0, 100.0]).unwrap().log);
        assert_eq!(Axis::log_around([]), None);
        assert_eq!(Axis::around([f64::NAN, f64::INFINITY]), None);
        assert!(Axis::around([5.0]).is_some_and(|axis| axis.low < 5.0 && axis.high > 5.0));
    }

    #[test]
    fn intervals_end_at_the_lowest_value_of_the_axis() {
        let svg = |lowest: f64| {
            let plot = estimates(&[(1.0, 10.0, Some([-5.0, 20.0]))], lowest, "#000000", 2.0);
            let (x, y) = (Axis::linear(0.0, 2.0), Axis { low: 1.0, high: 100.0, log: true });
            let (title, y_label, x_label) = ("A".to_owned(), "b".to_owned(), "c".to_owned());
            let chart = Chart { title, y_label, x_label, x, y, plots: vec![plot.into()] };
            page(vec![chart], SMALL).unwrap().svg().unwrap()
        };
        assert!(svg(1.0).contains("b, log scale") && !svg(1.0).contains("NaN"));
        assert!(page(Vec::new(), SMALL).is_none());
    }
}
