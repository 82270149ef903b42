//! The measures of the protocol by the names a command line uses, and what each needs to see. One measure may give several
//! scores. The classifier accuracy score is not among them: it needs training, which is the command line's.

use dm_nn::data::CLASSES;

use super::{Images, SEED, Watch};
use crate::authenticity::authenticity;
use crate::cache::Cache;
use crate::class_balance::{class_balance, histogram};
use crate::classifier_score::classifier_score;
use crate::data_copying::{data_copying, nearest_squared};
use crate::distances::{Exclude, nearest};
use crate::error::{EvalError, Result};
use crate::fd_infinity::fd_infinity;
use crate::features::Features;
use crate::frechet::frechet;
use crate::kid::kid;
use crate::manifold::{self, manifold};
use crate::realism::median_realism;
use crate::score::Score;
use crate::sliced_wasserstein::{PROJECTIONS, sliced_wasserstein};
use crate::two_sample::two_sample;

/// What measures compare a set with.
pub struct Sight<'a> {
    /// The reference set.
    pub reference: &'a Images,
    /// The training set, which measures of memorisation need.
    pub training: Option<&'a Training>,
}

/// The training set and how near unseen real images come to it.
pub struct Training {
    /// The set.
    pub images: Images,
    /// Its pixels as ink.
    ink: Features,
    /// For unseen real images, the squared distance to the nearest training image: in pixels, in features.
    unseen: [Vec<f64>; 2],
}

impl Training {
    /// Measures how near `unseen` comes to `images`, or takes it from `cache`; `judge_sha256` is that of both.
    ///
    /// # Errors
    /// As [`nearest`].
    pub fn new(images: Images, unseen: &Images, judge_sha256: &str, cache: &Cache) -> Result<Self> {
        let ink = images.ink()?;
        let keys = [images.sha256.as_str(), unseen.sha256.as_str(), judge_sha256];
        let squared = |of: &Features, to: &Features| {
            nearest(of, to, 1, Exclude::Nothing).map(|neighbours| nearest_squared(&neighbours))
        };
        let pixels = cache.value("unseen-pixels", &keys[..2], || squared(&unseen.ink()?, &ink))?;
        let features = cache
            .value("unseen-features", &keys, || squared(&unseen.judged.features, &images.judged.features))?;
        Ok(Self { images, ink, unseen: [pixels, features] })
    }
}

impl Sight<'_> {
    /// The training set.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn training(&self) -> Result<&Training> {
        self.training.ok_or_else(|| EvalError::Argument {
            metric: "memorisation",
            argument: "training set",
            expected: "one to compare with".into(),
            found: "none".into(),
        })
    }
}

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
        let values = manifold(&g.judged.features, &s.reference.judged.features, manifold::K)?;
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
        let training = s.training()?;
        memorisation(&g.ink()?, &training.ink, &training.unseen[0], "pixels")
    }),
    of("memorised-features", "near copies of training images, in features", true, |g, s| {
        let training = s.training()?;
        memorisation(&g.judged.features, &training.images.judged.features, &training.unseen[1], "features")
    }),
];

fn memorisation(generated: &Features, training: &Features, unseen: &[f64], of: &str) -> Result<Vec<Score>> {
    let found = authenticity(generated, training, 1)?;
    let copying = data_copying(&nearest_squared(&found.neighbours), unseen, training.n())?;
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
