//! Restoration of photon counts: the share of restored images that are classified correctly over the number of photons of a white
//! pixel. One chart per point spread function, and one line per method.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Estimate, Grid, estimates, line, page};
use super::style::{DOT, THIN, colour};
use crate::markdown::thousands;
use crate::records::{Scores, distinct};
use dm_record::{PhotonFile, PhotonScore};

const GRID: Grid = Grid { columns: 2, width: 380.0, height: 280.0, first_width: None };

/// The methods that need no model.
const WITHOUT_MODEL: [&str; 2] = ["counts", "Richardson-Lucy"];
/// The method of a model. Draws are left out: they are not meant to be legible one by one, and their mean is about as legible.
const OF_MODEL: &str = "one evaluation";

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let optics = distinct(scores.photons.iter().map(|file| file.psf));
    let files = |psf| scores.photons.iter().filter(move |file| file.psf == psf).collect::<Vec<_>>();
    page(optics.into_iter().filter_map(|psf| chart(&files(psf))).collect(), GRID)
}

/// The chart of `files`, which have equal optics.
fn chart(files: &[&PhotonFile]) -> Option<Chart> {
    let scored = files.iter().flat_map(|file| file.methods.iter().map(|score| (*file, score)));
    let labels: Vec<String> = scored.filter_map(|(file, score)| label(file, score)).collect();
    let mut lines: Vec<(&str, Vec<Estimate>)> = Vec::new();
    for of in distinct(labels.iter().map(String::as_str)) {
        let mut points = Vec::new();
        for file in files {
            for score in file.methods.iter().filter(|score| label(file, score).as_deref() == Some(of)) {
                points.extend(score.accuracy.map(|value| (file.photons, value, score.accuracy_interval)));
            }
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines.push((of, points));
    }
    let all = || lines.iter().flat_map(|(_, points)| points);
    let (x, y) = (Axis::log_around(all().map(|p| p.0))?, Axis::linear(0.0, 1.05));
    let mut plots = Vec::new();
    for (place, (of, points)) in lines.iter().enumerate().filter(|(_, (_, points))| !points.is_empty()) {
        let curve = points.iter().map(|point| (point.0, point.1));
        plots.push(line(curve, &colour(place), THIN).with_legend(*of).into());
        plots.push(estimates(points, y.low, &colour(place), DOT).into());
    }
    let first = files.first()?;
    let optics = match first.psf {
        [0.0, 0.0] => "Sharp optics".to_owned(),
        [high, _] => format!("Point spread function of {high:.1} pixels"),
    };
    Some(Chart {
        title: optics,
        y_label: format!("share of {} test images classified correctly", thousands(first.n)),
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
        (name == OF_MODEL).then(|| file.model.clone())
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
        for text in ["Sharp optics", "Point spread function of 1.0 pixels", ">ink<", ">gaussian<", ">counts<"]
        {
            assert!(svg.contains(text), "{text}");
        }
        // Restored images and counts of four files.
        assert_eq!(svg.matches("<circle").count(), 8);
        assert!(draw(&Scores::default()).is_none());
    }
}
