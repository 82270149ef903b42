//! Similarity of restored and clean images over the timestep of the degraded image, for the degraded image, the network's
//! estimate in one evaluation, and the end of the reverse chain. PSNR is above, SSIM below, with one column per model. These
//! values measure restoration, not generation, and cannot be compared with other scores.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, SMALL, dots, line, page};
use super::style::{DOT, FAINT, QUIET, THICK, colour};
use crate::markdown::thousands;
use crate::records::Scores;
use dm_record::{Restoration, RestorationFile, Similarity};

type Stage = (&'static str, fn(&Restoration) -> Similarity);
const STAGES: [Stage; 3] = [
    ("degraded", |row| row.degraded),
    ("one evaluation", |row| row.estimate),
    ("reverse chain", |row| row.restored),
];

/// Name of a measure of similarity, and its value where it is finite.
type Measure = (&'static str, fn(Similarity) -> Option<f64>);
const MEASURES: [Measure; 2] = [("PSNR in dB", |found| found.psnr), ("SSIM", |found| found.ssim)];

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let shown = &scores.restorations[..scores.restorations.len().min(SMALL.columns)];
    let mut charts = Vec::new();
    for (name, measure) in MEASURES {
        // All models have the same scale, so that charts can be compared.
        let all = shown.iter().flat_map(|file| STAGES.iter().flat_map(|stage| points(file, *stage, measure)));
        let Some(y) = Axis::around(all.map(|point| point.1)) else { continue };
        for (column, file) in shown.iter().enumerate() {
            let colours = [FAINT.into(), QUIET.into(), colour(column)];
            let plots = STAGES.into_iter().zip(colours).flat_map(|(stage, colour): (Stage, String)| {
                let points = points(file, stage, measure);
                let curve = line(points.clone(), &colour, THICK).with_legend(stage.0);
                [curve.into(), dots(points, &colour, DOT).into()]
            });
            charts.push(Chart {
                title: format!("{}, {} evaluations", file.model, file.nfe_from_last_timestep),
                y_label: format!("{name} of {} test images", thousands(file.n)),
                x_label: "timestep t / T".into(),
                x: Axis::linear(0.0, 1.0),
                y,
                plots: plots.collect(),
            });
        }
    }
    page(charts, super::chart::Grid { columns: shown.len(), ..SMALL })
}

fn points(file: &RestorationFile, stage: Stage, measure: fn(Similarity) -> Option<f64>) -> Vec<(f64, f64)> {
    let rows = file.restoration.iter();
    rows.filter_map(|row| Some((row.t as f64 / row.timesteps.max(1) as f64, measure(stage.1(row))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, restoration_file};

    #[test]
    fn every_stage_has_a_line_without_infinite_values() {
        let scores = folder(&[("a.json", restoration_file("ink"))]).unwrap();
        let of_psnr = |stage| points(&scores.restorations[0], STAGES[stage], |found| found.psnr);
        assert_eq!(of_psnr(0), [(300.0 / 900.0, 20.0), (600.0 / 900.0, 12.0), (1.0, 8.0)]);
        assert_eq!((of_psnr(1).len(), of_psnr(2).len()), (3, 0));
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["PSNR in dB of 200 test images", "SSIM of 200", "ink, 100 evaluations", "reverse chain"]
        {
            assert!(svg.contains(text), "{text}");
        }
        assert!(draw(&Scores::default()).is_none());
    }
}
