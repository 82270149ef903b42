//! One judge's view of the images: every measure over all sets, with floors, and what pictures are made of.

use anyhow::Result;
use dm_eval::class_balance::histogram;
use dm_eval::judge::Judge;
use dm_eval::protocol::{
    FloorSets, Images, MOST_BATCHES, Measure, Outcome, Sight, Table, Training, floor, measure, select,
    shuffled, table,
};
use dm_nn::data::{CLASSES, PIXELS};

use super::target::Drawn;
use super::{Args, Room, reference};

/// What one judge says.
pub(super) struct Measured<'a> {
    pub(super) judge: &'a Judge,
    pub(super) reference: Images,
    /// The first set: the pool of pictures.
    pub(super) first: Images,
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
    let unseen = room.images("test images", &room.data.test.pixels, judge)?;
    let training = training(measures, room, &unseen, judge)?;
    let sight = Sight { reference: &reference, training: training.as_ref() };
    let mut watch = |part: &str, done, all| room.watch(&format!("{}: {part}", judge.name), done, all);
    let (mut outcomes, mut labels): (Vec<Vec<Outcome>>, _) = (Vec::new(), Vec::new());
    let first_set = room.images("set 1", &drawn.sets[0], judge)?;
    for (i, pixels) in drawn.sets.iter().enumerate() {
        let images =
            if i == 0 { first_set.clone() } else { room.images(&format!("set {}", i + 1), pixels, judge)? };
        outcomes.push(measure(&images, &sight, measures, &mut watch)?);
        labels.extend(images.judged.labels());
    }
    let n = drawn.sets[0].len() / PIXELS;
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
    let sets = FloorSets { real: &real, unseen: &unseen, judge_sha256: &judge.sha256 };
    // Measures that gave nothing have no floor to ask for.
    let given = |(i, _): &(usize, &Measure)| outcomes.iter().any(|outcome| outcome[*i].is_ok());
    let with_value: Vec<Measure> = measures.iter().enumerate().filter(given).map(|(_, m)| *m).collect();
    let floors = floor(&sets, &sight, &with_value, n, &room.cache, &mut watch)?;
    let table = table(measures, &outcomes, &floors);
    Ok(Measured { judge, reference, first: first_set, table, classes: histogram(&labels, CLASSES)? })
}

/// The training set, if any of `measures` asks about it.
fn training(measures: &[Measure], room: &Room, unseen: &Images, judge: &Judge) -> Result<Option<Training>> {
    if !measures.iter().any(|measure| measure.memorisation) {
        return Ok(None);
    }
    let images = room.images("training images", &room.data.train.pixels, judge)?;
    room.watch("how near test images come to the training set", 0, 1);
    Ok(Some(Training::new(images, unseen, &judge.sha256, &room.cache)?))
}
