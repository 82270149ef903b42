//! The metrics of this crate, by the names that the command line uses.
//!
//! PSNR and SSIM, the likelihood bounds and the classifier accuracy score are not among them: they need original images, a
//! model, or training.

use super::context::{EvalContext, nearest_training};
use super::image_set::ImageSet;
use super::metric::{Metric, not_streamed};
use super::settings::SEED;
use super::streamed::StreamedSet;
use crate::authenticity::{Authenticity, MEMORISED};
use crate::class_balance::{CLASS_KL, TOTAL_VARIATION, class_balance, histogram};
use crate::classifier_score::{CLASSIFIER_SCORE, classifier_score};
use crate::data_copying::{DATA_COPYING, data_copying};
use crate::error::{EvalError, Result};
use crate::fd_infinity::{FD_INFINITY, fd_infinity};
use crate::features::Features;
use crate::frechet::{FRECHET, frechet_of_moments, frechet_to};
use crate::kid::{KID, kid};
use crate::manifold::{COVERAGE, DENSITY, K, PRECISION, RECALL, manifold_with_radii};
use crate::realism::{REALISM, median_realism};
use crate::score::{Quantity, Score};
use crate::sliced_wasserstein::{PROJECTIONS, SLICED_WASSERSTEIN, sliced_wasserstein};
use crate::two_sample::{TWO_SAMPLE, two_sample};

/// All metrics of this crate, in the order of tables.
pub const METRICS: &[&dyn Metric] = &[
    &BuiltIn::new("fd", "Frechet distance between features", &[FRECHET], |generated, context| {
        Ok(vec![frechet_to(features(generated), context.moments()?)?])
    })
    .with_streamed(|generated, context| {
        Ok(vec![frechet_of_moments(&generated.moments().moments()?, context.moments()?)?])
    }),
    &BuiltIn::new(
        "fd-infinity",
        "Frechet distance, extrapolated to infinitely many images",
        &[FD_INFINITY],
        |generated, context| {
            Ok(vec![fd_infinity(features(generated), features(context.reference()?), SEED)?.score()])
        },
    ),
    &BuiltIn::new("kid", "kernel distance between features", &[KID], |generated, context| {
        Ok(vec![kid(features(generated), features(context.reference()?))?])
    }),
    &BuiltIn::new(
        "manifold",
        "precision, recall, density and coverage",
        &[PRECISION, RECALL, DENSITY, COVERAGE],
        |generated, context| {
            let radii = context.knn_radii()?;
            let values = manifold_with_radii(features(generated), features(context.reference()?), radii)?;
            Ok(values.scores().to_vec())
        },
    ),
    &BuiltIn::new("realism", "median realism of single images", &[REALISM], |generated, context| {
        Ok(vec![median_realism(features(generated), features(context.reference()?), K)?])
    }),
    &BuiltIn::new(
        "wasserstein",
        "sliced Wasserstein distance between features",
        &[SLICED_WASSERSTEIN],
        |generated, context| {
            let (generated, reference) = (features(generated), features(context.reference()?));
            Ok(vec![sliced_wasserstein(generated, reference, PROJECTIONS, SEED)?])
        },
    ),
    &BuiltIn::new(
        "two-sample",
        "held-out accuracy of distinguishing generated from real images",
        &[TWO_SAMPLE],
        |generated, context| Ok(vec![two_sample(features(generated), features(context.reference()?), SEED)?]),
    ),
    &BuiltIn::new("score", "classifier score", &[CLASSIFIER_SCORE], |generated, _| {
        Ok(vec![classifier_score(&generated.output.logits)?])
    })
    .with_streamed(|generated, _| Ok(vec![generated.score().score()?])),
    &BuiltIn::new(
        "balance",
        "differences between the classes' shares and those of the reference",
        &[TOTAL_VARIATION, CLASS_KL],
        |generated, context| {
            let counts = histogram(&generated.output.labels(), generated.output.num_classes())?;
            Ok(class_balance(&counts, &context.class_counts()?)?.scores().to_vec())
        },
    )
    .with_streamed(|generated, context| {
        Ok(class_balance(generated.class_counts(), &context.class_counts()?)?.scores().to_vec())
    }),
    &BuiltIn::new(
        "memorised-pixels",
        "near copies of training images, by pixels",
        &[MEMORISED, DATA_COPYING],
        |generated, context| {
            let (found, unseen) = (nearest_training(generated)?, &context.training()?.unseen);
            memorisation(&found.pixels, &unseen.pixels, "pixels")
        },
    )
    .with_training_set(),
    &BuiltIn::new(
        "memorised-features",
        "near copies of training images, by features",
        &[MEMORISED, DATA_COPYING],
        |generated, context| {
            let (found, unseen) = (nearest_training(generated)?, &context.training()?.unseen);
            memorisation(&found.features, &unseen.features, "features")
        },
    )
    .with_training_set(),
];

/// A metric that is computed by a function of this crate.
struct BuiltIn {
    name: &'static str,
    summary: &'static str,
    quantities: &'static [Quantity],
    uses_training_set: bool,
    compute: fn(&ImageSet, &EvalContext<'_>) -> Result<Vec<Score>>,
    compute_streamed: Option<Streamed>,
}

/// The scores of a set of which only sums are known.
type Streamed = fn(&StreamedSet, &EvalContext<'_>) -> Result<Vec<Score>>;

impl BuiltIn {
    const fn new(
        name: &'static str,
        summary: &'static str,
        quantities: &'static [Quantity],
        compute: fn(&ImageSet, &EvalContext<'_>) -> Result<Vec<Score>>,
    ) -> Self {
        Self { name, summary, quantities, uses_training_set: false, compute, compute_streamed: None }
    }

    const fn with_training_set(self) -> Self {
        Self { uses_training_set: true, ..self }
    }

    const fn with_streamed(self, compute: Streamed) -> Self {
        Self { compute_streamed: Some(compute), ..self }
    }
}

impl Metric for BuiltIn {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn quantities(&self) -> &'static [Quantity] {
        self.quantities
    }

    fn uses_training_set(&self) -> bool {
        self.uses_training_set
    }

    fn compute(&self, images: &ImageSet, context: &EvalContext<'_>) -> Result<Vec<Score>> {
        (self.compute)(images, context)
    }

    fn compute_streamed(&self, images: &StreamedSet, context: &EvalContext<'_>) -> Result<Vec<Score>> {
        match self.compute_streamed {
            Some(compute) => compute(images, context),
            None => Err(not_streamed(self.name, images)),
        }
    }
}

fn features(images: &ImageSet) -> &Features {
    &images.output.features
}

/// The share of near copies, and the distance to the training set compared with that of unseen images. `by` names what the
/// distances are measured by.
fn memorisation(found: &Authenticity, unseen: &Authenticity, by: &str) -> Result<Vec<Score>> {
    let copying = data_copying(&found.squared, &unseen.squared, found.n_reference)?;
    let named = |score: Score| {
        let setting =
            if score.setting.is_empty() { by.to_owned() } else { format!("{by}, {}", score.setting) };
        Score { setting, ..score }
    };
    Ok(vec![named(found.score()), named(copying)])
}

/// The metrics of [`METRICS`] with these names; all of them if no name is given.
///
/// # Errors
/// If there is no metric of a name.
pub fn metrics_named(names: &[String]) -> Result<Vec<&'static dyn Metric>> {
    if names.is_empty() {
        return Ok(METRICS.to_vec());
    }
    let find = |name: &String| {
        let known = METRICS.iter().find(|metric| metric.name() == name);
        known.copied().ok_or_else(|| EvalError::Argument {
            metric: "metrics",
            argument: "name",
            expected: format!("one of {}", METRICS.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ")),
            found: name.clone(),
        })
    };
    names.iter().map(find).collect()
}
