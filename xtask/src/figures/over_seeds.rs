//! The Fréchet distance of every run of a study that was trained from several seeds: one row per group, one dot per training
//! seed with its interval over generation seeds.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Grid, dots, line, named_page};
use super::style::{FAINT, THIN, colour};
use crate::records::distinct;
use dm_record::SummaryRow;

const GRID: Grid = Grid { columns: 1, width: 620.0, height: 60.0, first_width: None };
/// Height of one row.
const ROW: f64 = 34.0;
/// Distance of the dots of a row, in rows.
const APART: f64 = 0.13;

pub fn draw(rows: &[SummaryRow]) -> Option<Canvas> {
    let names = distinct(rows.iter().filter_map(|row| row.group.as_deref()));
    let ends = |row: &SummaryRow| {
        let (fd, half) = (row.scores.frechet_distance?, row.scores.frechet_half.unwrap_or(0.0));
        Some([fd, fd + half, if half < fd { fd - half } else { fd }])
    };
    let grouped = rows.iter().filter(|row| row.group.is_some());
    let x = Axis::around(grouped.filter_map(ends).flatten().collect::<Vec<_>>())?;
    let mut plots = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let runs: Vec<_> = rows.iter().filter(|row| row.group.as_deref() == Some(*name)).collect();
        let values = |row: &&SummaryRow| row.scores.frechet_distance.map(|fd| (fd, row.scores.frechet_half));
        let scores: Vec<_> = runs.iter().filter_map(values).collect();
        let middle = (names.len() - place) as f64;
        let mean = scores.iter().map(|(fd, _)| fd).sum::<f64>() / scores.len() as f64;
        plots.push(line([(mean, middle - 0.4), (mean, middle + 0.4)], &colour(place), 3.0).into());
        for (run, &(fd, half)) in scores.iter().enumerate() {
            let y = middle + APART * ((scores.len() - 1) as f64 / 2.0 - run as f64);
            let half = half.unwrap_or(0.0);
            plots.push(line([((fd - half).max(x.low), y), (fd + half, y)], FAINT, THIN).into());
            plots.push(dots([(fd, y)], &colour(place), 3.4).into());
        }
    }
    let chart = Chart {
        title: String::new(),
        y_label: String::new(),
        x_label: "Fréchet distance; dots: training seeds with their intervals, bars: means".into(),
        x,
        y: Axis::linear(0.5, names.len() as f64 + 0.5),
        plots,
    };
    let names: Vec<String> = names.into_iter().rev().map(str::to_owned).collect();
    named_page(vec![chart], Grid { height: GRID.height + ROW * names.len() as f64, ..GRID }, &names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dm_record::RunScores;

    #[test]
    fn every_training_seed_has_a_dot_in_the_row_of_its_group() {
        let row = |group: Option<&str>, fd: f64| SummaryRow {
            group: group.map(str::to_owned),
            scores: RunScores {
                frechet_distance: Some(fd),
                frechet_half: Some(fd / 4.0),
                ..RunScores::default()
            },
            ..SummaryRow::default()
        };
        let rows =
            [row(Some("Ink"), 40.0), row(Some("Ink"), 44.0), row(Some("Gaussian"), 20.0), row(None, 9.0)];
        let svg = draw(&rows).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("Ink") && svg.contains("Gaussian"));
        assert!(draw(&rows[3..]).is_none());
    }
}
