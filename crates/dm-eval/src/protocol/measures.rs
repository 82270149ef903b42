//! The measures of the protocol by the names a command line uses, and what each needs to see. One measure may give several
//! scores. The classifier accuracy score is not among them: it needs training, which is the command line's.

use dm_nn::data::CLASSES;

use super::{Images, SEED, Sight, Watch};
use crate::authenticity::Authenticity;
use crate::class_balance::{class_balance, histogram};
use crate::classifier_score::classifier_score;
use crate::data_copying::data_copying;
use crate::error::{EvalError, Result};
use crate::fd_infinity::fd_infinity;
use crate::frechet::frechet;
use crate::kid::kid;
use crate::manifold;
use crate::realism::median_realism;
use crate::score::Score;
use crate::sliced_wasserstein::{PROJECTIONS, sliced_wasserstein};
use crate::two_sample::two_sample;

/// A measure.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it says, in a few words.
    pub summary: &'static str,
    /// Whether it asks about the training set; then its floor is that of unseen real images.
    pub memorisation: bool,
    run: fn(&Images, &Sight<'_>) -> Result<Vec<Score>>,
}

const fn of(
    name: &'static str,
    summary: &'static str,
    memorisation: bool,
    run: fn(&Images, &Sight<'_>) -> Result<Vec<Score>>,
) -> Measure {
    Measure { name, summary, memorisation, run }
}

/// Every measure, in the order of the table.
pub const MEASURES: &[Measure] = &[
    of("fd", "Frechet distance on the judge's features", false, |g, s| {
        Ok(vec![frechet(&g.judged.features, &s.reference.judged.features)?])
    }),
    of("fd-infinity", "the same, extrapolated to infinitely many images", false, |g, s| {
        Ok(vec![fd_infinity(&g.judged.features, &s.reference.judged.features, SEED)?.score()])
    }),
    of("kid", "kernel distance", false, |g, s| {
        Ok(vec![kid(&g.judged.features, &s.reference.judged.features)?])
    }),
    of("manifold", "precision, recall, density, coverage", false, |g, s| {
        let values = s.balls()?.manifold(&g.judged.features, &s.reference.judged.features)?;
        Ok(values.scores().to_vec())
    }),
    of("realism", "median realism of single images", false, |g, s| {
        Ok(vec![median_realism(&g.judged.features, &s.reference.judged.features, manifold::K)?])
    }),
    of("wasserstein", "sliced Wasserstein distance", false, |g, s| {
        let (a, b) = (&g.judged.features, &s.reference.judged.features);
        Ok(vec![sliced_wasserstein(a, b, PROJECTIONS, SEED)?])
    }),
    of("two-sample", "held-out accuracy of telling generated from real", false, |g, s| {
        Ok(vec![two_sample(&g.judged.features, &s.reference.judged.features, SEED)?])
    }),
    of("score", "classifier score", false, |g, _| Ok(vec![classifier_score(&g.judged.logits)?])),
    of("balance", "how far the classes are from the reference's", false, |g, s| {
        let counts = |images: &Images| histogram(&images.judged.labels(), CLASSES);
        Ok(class_balance(&counts(g)?, &counts(s.reference)?)?.scores().to_vec())
    }),
    of("memorised-pixels", "near copies of training images, in pixels", true, |g, s| {
        memorisation(&g.nearest()?.pixels, &s.training()?.unseen.pixels, "pixels")
    }),
    of("memorised-features", "near copies of training images, in features", true, |g, s| {
        memorisation(&g.nearest()?.features, &s.training()?.unseen.features, "features")
    }),
];

fn memorisation(found: &Authenticity, unseen: &Authenticity, of: &str) -> Result<Vec<Score>> {
    let copying = data_copying(&found.squared, &unseen.squared, found.n_reference)?;
    let tell = |score: Score| {
        let setting =
            if score.setting.is_empty() { of.to_owned() } else { format!("{of}, {}", score.setting) };
        Score { setting, ..score }
    };
    Ok(vec![tell(found.score()), tell(copying)])
}

/// What a measure gave, or why it gave nothing.
pub type Outcome = std::result::Result<Vec<Score>, String>;

/// The measures of these names; all of them for no names.
///
/// # Errors
/// A name that none has.
pub fn measures(names: &[String]) -> Result<Vec<Measure>> {
    if names.is_empty() {
        return Ok(MEASURES.to_vec());
    }
    let find = |name: &String| {
        let known = MEASURES.iter().find(|measure| measure.name == name);
        known.copied().ok_or_else(|| EvalError::Argument {
            metric: "metrics",
            argument: "name",
            expected: format!("one of {}", MEASURES.iter().map(|m| m.name).collect::<Vec<_>>().join(", ")),
            found: name.clone(),
        })
    };
    names.iter().map(find).collect()
}

/// Runs `measures` on `images`; a measure that is not defined for them, for example at this n, says why.
///
/// # Errors
/// What is not a matter of too few images or of a class the reference lacks.
pub fn measure(
    images: &Images,
    sight: &Sight<'_>,
    measures: &[Measure],
    watch: &mut Watch<'_>,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(measures.len());
    for (i, measure) in measures.iter().enumerate() {
        watch(&format!("{}: {}", images.name, measure.name), i, measures.len());
        outcomes.push(match (measure.run)(images, sight) {
            Ok(scores) => Ok(scores),
            Err(error @ (EvalError::TooFew { .. } | EvalError::Argument { .. })) => Err(error.to_string()),
            Err(error) => return Err(error),
        });
    }
    watch(&images.name, measures.len(), measures.len());
    Ok(outcomes)
}
