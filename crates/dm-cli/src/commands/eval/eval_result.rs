//! One judge's view of the images: every measure over all sets, with floors, and what pictures are made of.

use anyhow::Result;
use dm_eval::class_balance::histogram;
use dm_eval::judge::Judge;
use dm_eval::protocol::{
    FloorSets, Images, MOST_BATCHES, Measure, Outcomes, Sight, Table, Training, Watch, floor, measure,
    select, shuffled, table,
};
use dm_nn::data::CLASSES;

use super::target::Drawn;
use super::{Args, Room, reference};

/// What one judge says.
pub(super) struct Measured<'a> {
    pub(super) judge: &'a Judge,
    pub(super) reference: Images,
    /// The training set, if anything asks about it.
    pub(super) training: Option<Training>,
    /// The pool of pictures: the first set, or all of a pooled one.
    pub(super) pool: Images,
    /// All sets together.
    pub(super) all: Images,
    pub(super) table: Table,
    /// Images of each class, all sets together.
    pub(super) classes: Vec<u64>,
}

pub(super) fn measured<'a>(
    judge: &'a Judge,
    drawn: &Drawn,
    measures: &[Measure],
    args: &Args,
    room: &Room,
) -> Result<Measured<'a>> {
    let reference = reference(args, room, judge)?;
    let mut unseen = room.images("test images", &room.data.test.pixels, judge)?;
    let asked = measures.iter().any(|measure| measure.memorisation) || args.panels.is_some();
    let training = asked.then(|| training(room, &mut unseen, judge)).transpose()?;
    let sight = Sight::new(&reference, training.as_ref());
    let mut watch = |part: &str, done, all| room.watch(&format!("{}: {part}", judge.name), done, all);
    let mut sets = Vec::new();
    for (i, pixels) in drawn.sets.iter().enumerate() {
        let mut images = room.images(&format!("set {}", i + 1), pixels, judge)?;
        if let Some(training) = &training {
            watch(&format!("nearest training images, set {}", i + 1), i, drawn.sets.len());
            training.look(&mut images, &room.cache)?;
        }
        sets.push(images);
    }
    let all = Images::join("all sets", &sets.iter().collect::<Vec<_>>())?;
    let (pool, outcomes) = if drawn.pooled {
        (all.clone(), pooled(&all, &sets, &sight, measures, &mut watch)?)
    } else {
        let outcomes = sets.iter().map(|set| Ok(measure(set, &sight, measures, &mut watch)?));
        let outcomes = outcomes.collect::<Result<Vec<_>>>()?;
        (sets.swap_remove(0), Outcomes::Seeds(outcomes))
    };
    let n = drawn.n();
    let unseen = unseen.select("test images", &shuffled(unseen.n(), unseen.n()))?;
    let real = if args.against == "test" {
        let all = room.data.train.len();
        let rows = shuffled(all, (MOST_BATCHES * n).min(all));
        match &training {
            Some(training) => training.images.select("training images", &rows)?,
            None => room.images("training images", &select(&room.data.train.pixels, &rows), judge)?,
        }
    } else {
        unseen.clone()
    };
    let floor_sets = FloorSets { real: &real, unseen: &unseen, judge_sha256: &judge.sha256 };
    // Measures that gave nothing have no floor to ask for.
    let found = table(measures, &outcomes, &[]);
    let with_value = |measure: &&Measure| found.rows.iter().any(|row| row.measure == measure.name);
    let with_value: Vec<Measure> = measures.iter().filter(with_value).copied().collect();
    let floors = floor(&floor_sets, &sight, &with_value, n, &room.cache, &mut watch)?;
    let table = table(measures, &outcomes, &floors);
    let classes = histogram(&all.judged.labels(), CLASSES)?;
    Ok(Measured { judge, reference, training, pool, all, table, classes })
}

/// The measures of one set, and of it without one of its parts after another.
fn pooled(
    whole: &Images,
    parts: &[Images],
    sight: &Sight<'_>,
    measures: &[Measure],
    watch: &mut Watch<'_>,
) -> Result<Outcomes> {
    let of_whole = measure(whole, sight, measures, watch)?;
    let mut without = Vec::new();
    for left_out in 0..parts.len() {
        let kept = parts.iter().enumerate().filter(|&(i, _)| i != left_out).map(|(_, part)| part);
        let name = format!("without set {}", left_out + 1);
        let rest = Images::join(&name, &kept.collect::<Vec<_>>())?;
        without.push(measure(&rest, sight, measures, watch)?);
    }
    Ok(Outcomes::Pooled(of_whole, without))
}

/// The training set, with how near `unseen` comes to it.
fn training(room: &Room, unseen: &mut Images, judge: &Judge) -> Result<Training> {
    let images = room.images("training images", &room.data.train.pixels, judge)?;
    room.watch("how near test images come to the training set", 0, 1);
    Ok(Training::new(images, unseen, &judge.sha256, &room.cache)?)
}
