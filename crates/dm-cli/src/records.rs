//! Results of `dm-eval` as the records that are written to files.

#![warn(clippy::indexing_slicing)]

use dm_eval::authenticity::Authenticity;
use dm_eval::percentiles::percentiles;
use dm_eval::protocol::{self, TrainingSet};
use dm_eval::{Classifier, Direction};
use dm_record::{
    ClassifierRecord, Design, DistancePercentiles, FailureGroup, Failures, NearestTraining, OmittedMetric,
    RankedImage, Ranking, RealBaseline, ScoreRow,
};

/// A classifier, with the number of its features if scores are computed from them.
pub fn classifier(classifier: &Classifier, features: Option<usize>) -> ClassifierRecord {
    ClassifierRecord {
        name: classifier.name.clone(),
        sha256: classifier.sha256.clone(),
        test_accuracy: Some(classifier.test_accuracy),
        features,
    }
}

/// The rows and the omitted metrics of a table.
pub fn table(table: &protocol::ScoreTable) -> (Vec<ScoreRow>, Vec<OmittedMetric>) {
    let omitted = |omitted: &protocol::OmittedMetric| OmittedMetric {
        measure: omitted.metric.to_owned(),
        reason: omitted.reason.clone(),
    };
    (table.rows.iter().map(row).collect(), table.omitted.iter().map(omitted).collect())
}

/// `value`, or `None` for infinity and NaN, which JSON cannot represent.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn row(row: &protocol::ScoreRow) -> ScoreRow {
    let values = |values: &[f64]| values.iter().map(|&value| finite(value)).collect();
    let real_baseline = row.real_baseline.as_ref().map(|baseline| RealBaseline {
        name: baseline.name.clone(),
        setting: baseline.setting.clone(),
        n: baseline.n,
        values: values(&baseline.values),
        of: baseline.of.clone(),
    });
    ScoreRow {
        measure: row.metric.to_owned(),
        name: row.quantity.name.to_owned(),
        unit: row.quantity.unit.to_owned(),
        direction: Some(match row.quantity.direction {
            Direction::Lower => dm_record::Direction::Lower,
            Direction::Higher => dm_record::Direction::Higher,
        }),
        source: row.quantity.source.to_owned(),
        setting: row.setting.clone(),
        n: row.n,
        n_reference: row.n_reference,
        value: finite(row.value),
        design: Some(match row.design {
            protocol::Design::Seeds => Design::Seeds,
            protocol::Design::Pooled => Design::Pooled,
        }),
        values: values(&row.values),
        interval: row.interval,
        real_baseline,
    }
}

/// Percentiles of the distances to the nearest training image: from the images of a set, and from unseen real images.
pub fn nearest_training(all: &protocol::ImageSet, training: &TrainingSet) -> Option<NearestTraining> {
    let found = all.nearest.as_ref()?;
    let distances = |found: &Authenticity| {
        percentiles(&found.squared.iter().map(|squared| squared.sqrt()).collect::<Vec<_>>())
    };
    let both = |generated: &Authenticity, unseen: &Authenticity| DistancePercentiles {
        generated: distances(generated),
        unseen: distances(unseen),
    };
    Some(NearestTraining {
        n: all.n(),
        n_training: training.images.n(),
        n_unseen: training.unseen.pixels.squared.len(),
        pixels: both(&found.pixels, &training.unseen.pixels),
        features: both(&found.features, &training.unseen.features),
    })
}

/// Images whose class is uncertain.
pub fn failures(failures: &dm_eval::failures::Failures) -> Failures {
    let group = |group: &dm_eval::failures::FailureGroup| FailureGroup {
        classes: group.classes,
        count: group.count,
        images: group.images.clone(),
    };
    Failures {
        n: failures.n,
        confidence_below: failures.confidence_below,
        count: failures.count,
        groups: failures.groups.iter().map(group).collect(),
    }
}

/// A ranking of images.
pub fn ranking(ranking: &dm_eval::ranking::Ranking) -> Ranking {
    let images = |images: &[dm_eval::ranking::RankedImage]| {
        let image = |image: &dm_eval::ranking::RankedImage| RankedImage {
            index: image.index,
            realism: finite(image.realism),
            class: image.class,
            confidence: image.confidence,
            nearest_distance: image.nearest_distance,
            nearest_training: image.nearest_training,
            near_copy: image.near_copy,
        };
        images.iter().map(image).collect()
    };
    Ranking {
        pool: ranking.pool,
        near_copies: ranking.near_copies,
        seed: ranking.seed,
        best: images(&ranking.best),
        worst: images(&ranking.worst),
        random: images(&ranking.random),
    }
}
