//! Fréchet distances of several runs that were evaluated with the same settings: one row per setting, one dot per run with its
//! interval, the setting with the lowest mean first.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, line, named_page};
use super::style::{DOT, THIN, colour};
use crate::records::{FRECHET, Scores, Table, distinct};

const GRID: Grid = Grid { columns: 1, width: 620.0, height: 110.0, first_width: None };
/// Height of one row.
const ROW: f64 = 26.0;
/// Distance of the dots of a row, in rows.
const APART: f64 = 0.2;

/// The distance of a run with a setting.
struct Value<'a> {
    run: &'a str,
    setting: &'a str,
    fd: f64,
    interval: [f64; 2],
}

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let values: Vec<Value<'_>> = scores.tables.iter().filter_map(value).collect();
    let runs = distinct(values.iter().map(|value| value.run));
    let of = |setting: &str| values.iter().filter(move |value| value.setting == setting).collect::<Vec<_>>();
    let mut settings = distinct(values.iter().map(|value| value.setting));
    settings.retain(|setting| of(setting).len() > 1);
    let mean = |setting: &str| {
        let of = of(setting);
        of.iter().map(|value| value.fd).sum::<f64>() / of.len() as f64
    };
    settings.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let shown = || settings.iter().flat_map(|setting| of(setting));
    let x = Axis::around(shown().flat_map(|value| value.interval).collect::<Vec<_>>())?;
    let mut plots = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let (mut points, colour) = (Vec::new(), colour(place));
        for (row, setting) in settings.iter().enumerate() {
            for value in of(setting).into_iter().filter(|value| value.run == *run) {
                let y = (row + 1) as f64 + APART * ((runs.len() - 1) as f64 / 2.0 - place as f64);
                plots.push(line(value.interval.map(|end| (end.max(x.low), y)), &colour, THIN).into());
                points.push((value.fd, y));
            }
        }
        plots.push(dots(points, &colour, DOT).with_legend(*run).into());
    }
    let conditions = scores.tables.iter().find(|table| value(table).is_some())?.conditions();
    let chart = Chart {
        title: String::new(),
        y_label: conditions,
        x_label: "Fréchet distance".into(),
        x,
        y: Axis::linear(0.5, settings.len() as f64 + 0.5),
        plots,
    };
    let names: Vec<String> = settings.into_iter().map(str::to_owned).collect();
    named_page(vec![chart], Grid { height: GRID.height + ROW * names.len() as f64, ..GRID }, &names)
}

/// The distance of an evaluation of a study, whose name is RUN/SETTING, by the first classifier.
fn value(table: &Table) -> Option<Value<'_>> {
    table.classes.as_ref()?;
    let (run, setting) = table.name.split_once('/')?;
    let row = table.row(FRECHET)?;
    let fd = row.value?;
    Some(Value { run, setting, fd, interval: row.interval.unwrap_or([fd; 2]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::score_file;

    #[test]
    fn settings_of_two_runs_have_a_row_each_and_others_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut scores = Scores::default();
        for (name, fd) in
            [("a/x", 4.0), ("b/x", 5.0), ("a/y", 2.0), ("b/y", 3.0), ("a/alone", 9.0), ("z", 9.0)]
        {
            let file = dir.path().join("scores.json");
            std::fs::write(&file, score_file("m", 20, fd).to_string()).unwrap();
            scores.add(name, &file).unwrap();
        }
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in [">x<", ">y<", ">a<", ">b<"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains(">alone<") && !svg.contains(">z<"));
        assert!(draw(&Scores::default()).is_none());
    }
}
