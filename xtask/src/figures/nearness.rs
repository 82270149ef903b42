//! Memorisation as a distribution: how far images are from the nearest training image, in pixels and in the judge's
//! features, generated ones beside real ones that were not trained on. A model that copies lies left of them. Of a model
//! measured at several numbers of evaluations the most is shown.

use super::axes::{Chart, Line, Place};
use super::canvas::Canvas;
use super::style::{FAINT, THICK, run_colour};
use super::ticks::Scale;
use crate::scores::{Distances, Nearness, Scores, Table, thousands};

const WIDTH: f64 = 388.0;
const HEIGHT: f64 = 300.0;

/// The title of a way of seeing, and what was seen.
type Way = (&'static str, fn(&Nearness) -> &Distances);

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let shown = shown(scores);
    let first = shown.first()?.1;
    let mut page = Canvas::new(2.0 * WIDTH, HEIGHT);
    let ways: [Way; 2] = [
        ("Memorisation: distances in pixels", |found| &found.pixels),
        ("Distances in features of the judge", |found| &found.features),
    ];
    let label = format!(
        "share of images no farther from their nearest of {} training images",
        thousands(first.n_training)
    );
    for (place, (title, way)) in ways.into_iter().enumerate() {
        let mut lines = vec![line(
            (place == 0).then(|| format!("{} test images", thousands(first.n_unseen))),
            FAINT.into(),
            5.0,
            &way(first).unseen,
        )];
        lines.extend(shown.iter().enumerate().map(|(model, (name, found))| {
            let legend = (place == 0).then(|| format!("{name}, {} samples", thousands(found.n)));
            line(legend, run_colour(model), THICK, &way(found).generated)
        }));
        let distances = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.0));
        let chart = Chart {
            title,
            // One legend above both charts, so the second has only its title.
            y_label: if place == 0 { &label } else { "" },
            x_label: if place == 0 { "Euclidean distance, ink in [0, 1]" } else { "Euclidean distance" },
            x: Scale::linear(0.0, 1.03 * distances().fold(0.0, f64::max)),
            whole_x: false,
            y: Scale::linear(0.0, 1.0),
            band: None,
            lines,
        };
        let left = place as f64 * WIDTH;
        chart.draw_in(&mut page, &Place { left, top: 0.0, width: WIDTH, height: HEIGHT });
    }
    Some(page)
}

/// Every model of the first of the tables that compare, by name.
fn shown(scores: &Scores) -> Vec<(&str, &Nearness)> {
    let mut shown: Vec<(&Table, &str, &Nearness)> = Vec::new();
    let with_nearness = |group: &Vec<&Table>| group.iter().any(|table| table.nearness.is_some());
    let groups = scores.comparable();
    let Some(group) = groups.iter().filter(|group| with_nearness(group)).max_by_key(|g| g[0].target.n) else {
        return Vec::new();
    };
    for table in group {
        let (Some(model), Some(found)) = (&table.target.model, &table.nearness) else { continue };
        match shown.iter_mut().find(|(_, name, _)| *name == model) {
            Some(old) if old.0.target.steps < table.target.steps => *old = (table, model, found),
            Some(_) => {}
            None => shown.push((table, model, found)),
        }
    }
    shown.into_iter().map(|(_, name, found)| (name, found)).collect()
}

fn line(legend: Option<String>, colour: String, width: f64, distances: &[f64]) -> Line {
    let last = distances.len().saturating_sub(1).max(1) as f64;
    let points =
        distances.iter().enumerate().map(|(place, &distance)| (distance, place as f64 / last)).collect();
    Line { legend, colour, width, points, ..Line::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::tests::{folder, score_file};

    #[test]
    fn a_model_is_shown_once_beside_the_test_images() {
        let files = [
            ("a.json", score_file("ink", 20, 2.0)),
            ("b.json", score_file("ink", 100, 4.0)),
            ("c.json", score_file("ddpm", 100, 3.0)),
        ];
        let scores = folder(&files).unwrap();
        let found = shown(&scores);
        assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["ink", "ddpm"]);
        let curve = line(None, String::new(), 1.0, &found[0].1.pixels.generated);
        assert_eq!((curve.points[0], curve.points[100]), ((4.0, 0.0), (6.0, 1.0)));
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in
            ["10,000 test images", "ink, 1,000 samples", "nearest of 60,000", "in features of the judge"]
        {
            assert!(svg.contains(text), "{text}");
        }
        assert!(draw(&Scores::default()).is_none());
    }
}
