//! Restoration of photon counts: the share of restored images that are classified correctly, and PSNR, over the number of photons
//! of a white pixel. One row of charts per point spread function, and one line per method of a model.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Estimate, Grid, estimates, line, page};
use super::style::{DOT, THIN, colour};
use crate::markdown::thousands;
use crate::records::{Scores, distinct};
use dm_record::{PhotonFile, PhotonScore};

const GRID: Grid = Grid { columns: 2, width: 400.0, height: 400.0, first_width: None };

/// A measure: its name, and its value with the interval.
type Measure = (&'static str, fn(&PhotonScore) -> (Option<f64>, Option<[f64; 2]>));
const MEASURES: [Measure; 2] = [
    ("classified correctly", |score| (score.accuracy, score.accuracy_interval)),
    ("PSNR in dB", |score| (score.psnr, score.psnr_interval)),
];

/// The methods that need no model.
const WITHOUT_MODEL: [&str; 2] = ["counts", "Richardson-Lucy"];
/// The methods of a model. Single draws are left out: even those of the exact posterior score worse than their mean.
const OF_MODEL: [&str; 2] = ["one evaluation", "mean of the draws"];

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let optics = distinct(scores.photons.iter().map(|file| file.psf));
    let files = |psf| scores.photons.iter().filter(move |file| file.psf == psf).collect::<Vec<_>>();
    let row = |psf| MEASURES.iter().filter_map(move |measure| chart(&files(psf), *measure));
    page(optics.into_iter().flat_map(row).collect(), GRID)
}

/// The chart of one measure of `files`, which have equal optics.
fn chart(files: &[&PhotonFile], (name, measure): Measure) -> Option<Chart> {
    let scored = files.iter().flat_map(|file| file.methods.iter().map(|score| (*file, score)));
    let labels: Vec<String> = scored.filter_map(|(file, score)| label(file, score)).collect();
    let mut lines: Vec<(&str, Vec<Estimate>)> = Vec::new();
    for of in distinct(labels.iter().map(String::as_str)) {
        let mut points = Vec::new();
        for file in files {
            for score in file.methods.iter().filter(|score| label(file, score).as_deref() == Some(of)) {
                let (value, interval) = measure(score);
                points.extend(value.map(|value| (file.photons, value, interval)));
            }
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines.push((of, points));
    }
    let all = || lines.iter().flat_map(|(_, points)| points);
    let (x, y) = (Axis::log_around(all().map(|p| p.0))?, Axis::around(all().map(|p| p.1))?);
    let mut plots = Vec::new();
    for (place, (of, points)) in lines.iter().enumerate().filter(|(_, (_, points))| !points.is_empty()) {
        let curve = points.iter().map(|point| (point.0, point.1));
        plots.push(line(curve, &colour(place), THIN).with_legend(*of).into());
        plots.push(estimates(points, y.low, &colour(place), DOT).into());
    }
    let first = files.first()?;
    let optics = match first.psf {
        [0.0, 0.0] => "sharp optics".to_owned(),
        [high, _] => format!("point spread function of {high:.1} pixels"),
    };
    Some(Chart {
        title: format!("{name}, {optics}"),
        y_label: format!("{} test images", thousands(first.n)),
        x_label: "photons of a white pixel".into(),
        x,
        y,
        plots,
    })
}

/// The name of a method in the legend; `None` if it is not in the charts. Methods that need no model are the same for all models.
fn label(file: &PhotonFile, score: &PhotonScore) -> Option<String> {
    let name = score.name.as_str();
    if WITHOUT_MODEL.contains(&name) {
        Some(name.to_owned())
    } else {
        OF_MODEL.contains(&name).then(|| format!("{}, {name}", file.model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, photon_file};

    #[test]
    fn every_method_has_a_line_over_the_photons() {
        let mut sharp = photon_file("ink", 4.0, 0.9);
        sharp["psf"] = [0.0, 0.0].into();
        let files = [
            ("a.json", photon_file("ink", 1.0, 0.7)),
            ("b.json", photon_file("ink", 4.0, 0.9)),
            ("c.json", photon_file("gaussian", 4.0, 0.8)),
            ("d.json", sharp),
        ];
        let svg = draw(&folder(&files).unwrap()).unwrap().svg().unwrap();
        for text in [
            "classified correctly, sharp optics",
            "PSNR in dB, point spread function of 1.0 pixels",
            "ink, mean of the draws",
            "gaussian, mean",
            "counts",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        // The draws and the counts of four files in two charts each.
        assert_eq!(svg.matches("<circle").count(), 16);
        assert!(draw(&Scores::default()).is_none());
    }
}
