//! Restoration in numbers, over the level an image was degraded to: as it lies there, the network's estimate in one step,
//! and the end of the reverse chain. PSNR above, SSIM below, a column for each model. Restoration is not generation: these
//! values stand beside no other score.

use super::axes::{COLUMNS, Chart, HEIGHT, Line, Place, WIDTH};
use super::canvas::Canvas;
use super::style::{DOT, FAINT, QUIET, THICK, run_colour};
use super::ticks::Scale;
use crate::scores::{Close, Closeness, Restoration, Scores, thousands};

type Stage = (&'static str, fn(&Closeness) -> Close);
const STAGES: [Stage; 3] =
    [("degraded", |row| row.degraded), ("one step", |row| row.estimate), ("whole chain", |row| row.restored)];

/// A value of what was restored, where it is finite.
type Measure = fn(Close) -> Option<f64>;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let shown = &scores.restorations[..scores.restorations.len().min(COLUMNS)];
    let width = shown.len() as f64 * WIDTH + 8.0;
    let mut page = (!shown.is_empty()).then(|| Canvas::new(width, 2.0 * HEIGHT))?;
    let measures: [(&str, Measure); 2] = [("PSNR in dB", |close| close.psnr), ("SSIM", |close| close.ssim)];
    for (row, (name, measure)) in measures.into_iter().enumerate() {
        // One scale for all models, so that charts compare.
        let all = shown.iter().flat_map(|found| lines(found, 0, measure)).flat_map(|line| line.points);
        let Some(y) = linear(all.map(|point| point.1)) else { continue };
        for (column, found) in shown.iter().enumerate() {
            let title = format!("{}, {} evaluations", found.model, found.evaluations_from_last_level);
            let label = format!("{name} of {} test images, restored", thousands(found.n));
            let chart = Chart {
                title: &title,
                y_label: &label,
                x_label: "level t / T",
                x: Scale::linear(0.0, 1.0),
                whole_x: false,
                y,
                band: None,
                lines: lines(found, column, measure),
            };
            let (left, top) = (column as f64 * WIDTH, row as f64 * HEIGHT);
            chart.draw_in(&mut page, &Place { left, top, width: WIDTH, height: HEIGHT });
        }
    }
    Some(page)
}

fn lines(found: &Restoration, place: usize, measure: Measure) -> Vec<Line> {
    let colours = [FAINT.into(), QUIET.into(), run_colour(place)];
    let line = |((name, stage), colour): (Stage, String)| Line {
        legend: Some(name.into()),
        colour,
        width: THICK,
        dot: DOT,
        points: found
            .levels
            .iter()
            .filter_map(|row| Some((row.t as f64 / row.steps.max(1) as f64, measure(stage(row))?)))
            .collect(),
        ..Line::default()
    };
    STAGES.into_iter().zip(colours).map(line).collect()
}

/// Decibels are logarithms already.
fn linear(values: impl Iterator<Item = f64>) -> Option<Scale> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let air = 0.05 * (high - low).max(1e-9);
    (low <= high).then(|| Scale::linear(low - air, high + air))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{folder, restoration_file};

    #[test]
    fn every_stage_is_a_line_and_an_infinite_value_no_point() {
        let scores = folder(&[("a.json", restoration_file("ink"))]).unwrap();
        let of_psnr = lines(&scores.restorations[0], 0, |close| close.psnr);
        assert_eq!(of_psnr[0].points, [(300.0 / 900.0, 20.0), (600.0 / 900.0, 12.0), (1.0, 8.0)]);
        assert_eq!((of_psnr[1].points.len(), of_psnr[2].points.len()), (3, 0));
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["PSNR in dB of 200 test images", "SSIM of 200", "ink, 100 evaluations", "whole chain"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(draw(&Scores::default()).is_none());
    }
}
