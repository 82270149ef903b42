//! The classifier accuracy score: train a classifier on generated images, test it on real ones. What the samples lack, it
//! cannot learn. The training is left out: this crate does not train; labels are those the judge gives.

use crate::score::{Direction, Metric, Score};

/// Accuracy on real test images of a classifier trained on generated ones.
pub const CLASSIFIER_ACCURACY: Metric = Metric {
    name: "classifier accuracy score",
    unit: "share",
    direction: Direction::Higher,
    source: "Ravuri & Vinyals 2019, arXiv:1905.10887",
};

/// The score of an `accuracy` on `n_test` real images, reached from `n` generated ones in the given setting.
pub fn classifier_accuracy(accuracy: f64, n: usize, n_test: usize, setting: String) -> Score {
    CLASSIFIER_ACCURACY.score(accuracy, n, n_test, setting)
}
