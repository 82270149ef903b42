//! The share of each class among a model's samples, with its interval, and the share among real images. The classifier assigns
//! the classes. One chart per model.

use super::canvas::Canvas;
use super::chart::{Axis, Chart, Estimate, SMALL, dots, estimates, page};
use super::style::{QUIET, colour};
use crate::markdown::thousands;
use crate::records::Scores;
use dm_record::Classes;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let models = scores.tables.iter().filter(|table| table.target.model.is_some());
    let models = models.filter_map(|table| Some((&table.name, table.classes.as_ref()?)));
    let models: Vec<_> = models.filter(|(_, classes)| !classes.counts.is_empty()).collect();
    // All charts have the same scale, so that they can be compared.
    let highest = models.iter().flat_map(|(_, classes)| ends(classes)).fold(0.0, f64::max);
    let charts =
        models.iter().enumerate().map(|(place, (name, classes))| chart(name, classes, place, highest));
    page(charts.collect(), SMALL)
}

fn share(counts: &[u64], class: usize) -> f64 {
    let all: u64 = counts.iter().sum();
    counts.get(class).map_or(0.0, |&count| count as f64 / all.max(1) as f64)
}

/// The upper ends of all intervals and the shares of real images.
fn ends(classes: &Classes) -> impl Iterator<Item = f64> + '_ {
    let reference = (0..classes.counts.len()).map(|class| share(&classes.reference_counts, class));
    classes.share_intervals.iter().map(|interval| interval[1]).chain(reference)
}

/// Share and interval of each class.
fn shares(classes: &Classes) -> Vec<Estimate> {
    let interval = |class: usize| classes.share_intervals.get(class).copied();
    (0..classes.counts.len())
        .map(|class| (class as f64, share(&classes.counts, class), interval(class)))
        .collect()
}

fn chart(name: &str, classes: &Classes, place: usize, highest: f64) -> Chart {
    let n: u64 = classes.counts.iter().sum();
    let real = (0..classes.counts.len()).map(|class| (class as f64, share(&classes.reference_counts, class)));
    Chart {
        title: name.to_owned(),
        y_label: format!("share of {} images", thousands(n)),
        x_label: "class that the classifier assigns".into(),
        x: Axis::linear(-0.7, classes.counts.len() as f64 - 0.3),
        y: Axis::linear(0.0, 1.05 * highest),
        plots: vec![
            dots(real, QUIET, 3.4).with_legend("real images").into(),
            estimates(&shares(classes), 0.0, &colour(place), 3.4).with_legend("samples").into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fixtures::{folder, score_file};

    #[test]
    fn every_class_has_its_share_its_interval_and_the_share_of_real_images() {
        let scores = folder(&[("ink.json", score_file("ink", 20, 4.0))]).unwrap();
        let classes = scores.tables[0].classes.as_ref().unwrap();
        assert_eq!(shares(classes)[0], (0.0, 0.45, Some([0.4, 0.5])));
        assert_eq!(share(&classes.reference_counts, 0), 0.49);
        assert_eq!(ends(classes).fold(0.0, f64::max), 0.6);
        // Only the first classifier has classes: one chart, not two.
        let svg = draw(&scores).unwrap().svg().unwrap();
        assert_eq!(svg.matches("class that the classifier").count(), 1);
        assert!(svg.contains("share of 200 images"), "{svg}");
    }
}
