//! The floor: the same metrics on real images, at the same n. No model can be expected below it.
//!
//! Disjoint batches of real images that are not in the reference give mean and spread, if the images are in random order.
//! Measures that ask about the training set have unseen real images as their floor, in one batch.

use serde::{Deserialize, Serialize};

use super::{Images, Measure, Sight, Watch, measure};
use crate::cache::Cache;
use crate::error::Result;

/// Batches at most.
pub const MOST_BATCHES: usize = 6;

/// The floor of one score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// Name of the score.
    pub name: String,
    /// Its setting: scores of one name may differ in it.
    pub setting: String,
    /// Images per batch.
    pub n: usize,
    /// The batches' values; their spread is that of real against real.
    pub values: Vec<f64>,
    /// What the real images are.
    pub of: String,
}

/// Real images to make a floor of.
pub struct FloorSets<'a> {
    /// Real images outside the reference set.
    pub real: &'a Images,
    /// Real images that were not trained on, their nearest training images known where a measure asks for them.
    pub unseen: &'a Images,
    /// Hash of judge.
    pub judge_sha256: &'a str,
}

/// The floors of `measures` at `n` images, fewer where there are not so many.
///
/// # Errors
/// As [`measure`].
pub fn floor(
    sets: &FloorSets<'_>,
    sight: &Sight<'_>,
    measures: &[Measure],
    n: usize,
    cache: &Cache,
    watch: &mut Watch<'_>,
) -> Result<Vec<Floor>> {
    let mut floors = Vec::new();
    for &one in measures {
        let images = if one.memorisation { sets.unseen } else { sets.real };
        let size = n.min(images.n());
        let most = if one.memorisation { 1 } else { MOST_BATCHES };
        let batches = (images.n() / size).min(most);
        let compute = || -> Result<Vec<Floor>> {
            let mut found: Vec<Floor> = Vec::new();
            for batch in 0..batches {
                let part = images.part("floor", batch * size, (batch + 1) * size)?;
                watch(&format!("floor: {}", one.name), batch, batches);
                for score in measure(&part, sight, &[one], &mut |_, _, _| {})?.into_iter().flatten().flatten()
                {
                    let same = |f: &&mut Floor| f.name == score.metric.name && f.setting == score.setting;
                    if let Some(floor) = found.iter_mut().find(same) {
                        floor.values.push(score.value);
                    } else {
                        let (name, of) = (score.metric.name.to_owned(), images.name.clone());
                        let values = vec![score.value];
                        found.push(Floor { name, setting: score.setting, n: size, values, of });
                    }
                }
            }
            Ok(found)
        };
        let against = if one.memorisation { &sight.training()?.images } else { sight.reference };
        let size = size.to_string();
        let parts =
            [one.name, sets.judge_sha256, &images.sha256, &against.sha256, size.as_str(), &images.name];
        floors.extend(cache.value("floor", &parts, compute)?);
    }
    Ok(floors)
}
