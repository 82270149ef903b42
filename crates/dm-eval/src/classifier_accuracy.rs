//! The classifier accuracy score: the accuracy on real images of a classifier that was trained on generated images. It is low
//! if the generated images lack what distinguishes the classes. This crate does not train; the command line does.

use crate::score::{Direction, Quantity, Score};

/// Accuracy on real test images of a classifier trained on generated images.
pub const CLASSIFIER_ACCURACY: Quantity = Quantity {
    name: "classifier accuracy score",
    unit: "share",
    direction: Direction::Higher,
    source: "Ravuri & Vinyals 2019, arXiv:1905.10887",
};

/// The score of an `accuracy` on `n_test` real images after training on `n` generated images in the given setting.
pub fn classifier_accuracy(accuracy: f64, n: usize, n_test: usize, setting: String) -> Score {
    CLASSIFIER_ACCURACY.score(accuracy, n, n_test, setting)
}
