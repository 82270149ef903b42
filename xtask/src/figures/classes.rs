//! Class histogram of every model: share of each class as the judge sees it, with its interval, against the reference's.

use super::axes::{Chart, Line, canvas};
use super::canvas::Canvas;
use super::style::{TEXT, THIN, shade};
use super::ticks::Scale;
use crate::scores::{Classes, Scores, Table, thousands};

/// Width of a bar on the page, and of the mark of the reference in classes.
const BAR: f64 = 12.0;
const MARK: f64 = 0.38;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let models = scores.tables.iter().filter(|table| table.target.model.is_some());
    let tables = models.filter_map(|table| Some((table, table.classes.as_ref()?)));
    let tables: Vec<_> = tables.filter(|(_, classes)| !classes.counts.is_empty()).collect();
    let highest = tables.iter().flat_map(|(_, classes)| highest(classes)).fold(0.0, f64::max);
    let mut page = (!tables.is_empty()).then(|| canvas(tables.len()))?;
    for (place, (table, classes)) in tables.iter().enumerate() {
        let n = thousands(classes.counts.iter().sum());
        let label = format!("share of {n} images; line: real");
        // One scale for all, so that charts compare.
        Chart { y_label: &label, ..chart(table, classes, place, highest) }.draw(&mut page, place);
    }
    Some(page)
}

fn share(counts: &[u64], class: usize) -> f64 {
    let all: u64 = counts.iter().sum();
    counts.get(class).map_or(0.0, |&count| count as f64 / all.max(1) as f64)
}

/// The ends of all bars and marks.
fn highest(classes: &Classes) -> impl Iterator<Item = f64> + '_ {
    let reference = (0..classes.counts.len()).map(|class| share(&classes.reference_counts, class));
    classes.share_intervals.iter().map(|interval| interval[1]).chain(reference)
}

fn chart<'a>(table: &'a Table, classes: &Classes, place: usize, highest: f64) -> Chart<'a> {
    let line = |colour: &str, width, points| Line { colour: colour.into(), width, points, ..Line::default() };
    let mut lines = Vec::new();
    for class in 0..classes.counts.len() {
        let x = class as f64;
        let points = vec![(x, share(&classes.counts, class))];
        lines.push(Line { colour: shade(place, 0.55), bar: BAR, points, ..Line::default() });
        if let Some([low, high]) = classes.share_intervals.get(class) {
            lines.push(line(TEXT, THIN, vec![(x, *low), (x, *high)]));
        }
        let real = share(&classes.reference_counts, class);
        lines.push(line(TEXT, 1.8, vec![(x - MARK, real), (x + MARK, real)]));
    }
    Chart {
        title: &table.name,
        y_label: "",
        x_label: "class, as the judge sees it",
        x: Scale::linear(-0.7, classes.counts.len() as f64 - 0.3),
        whole_x: true,
        y: Scale::linear(0.0, 1.05 * highest),
        band: None,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{folder, score_file};

    #[test]
    fn a_bar_an_interval_and_a_mark_for_each_class() {
        let scores = folder(&[("ink.json", score_file("ink", 20, 4.0))]).unwrap();
        let table = &scores.tables[0];
        let chart = chart(table, table.classes.as_ref().unwrap(), 0, 0.6);
        assert_eq!(chart.lines.len(), 6);
        assert_eq!(chart.lines[0].points, [(0.0, 0.45)]);
        assert_eq!(chart.lines[1].points, [(0.0, 0.4), (0.0, 0.5)]);
        assert_eq!(chart.lines[2].points[0].1, 0.49);
        // Only the first judge has classes: one chart, not two.
        let svg = draw(&scores).unwrap().svg().unwrap();
        assert_eq!(svg.matches("as the judge sees it").count(), 1);
        assert!(svg.contains("share of 200 images"), "{svg}");
    }
}
