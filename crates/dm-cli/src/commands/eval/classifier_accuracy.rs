//! `dm eval --classifier-accuracy`: a fresh classifier learns from generated images and is tested on real ones. Its floor is the
//! same with real training images, as many, also labelled by the judge.

use anyhow::{Result, ensure};
use dm_eval::classifier_accuracy::classifier_accuracy;
use dm_eval::protocol::{Design, Floor, Images, Row};
use dm_nn::data;
use dm_train::judge::{Config, State, train};

use super::measured::Measured;
use super::{Room, first};

/// The judge's recipe, but this many images seen, whatever n: the set over and over, in two passes of as many.
const PASSES: u64 = 2;
const SEEN_PER_PASS: usize = 60_000;

/// The row of the table, for the first set.
pub(super) fn row(main: &Measured<'_>, room: &Room) -> Result<Row> {
    let n = main.pool.n();
    let real = room.images("training images", first(&room.data.train.pixels, n), main.judge)?;
    let accuracy = reached(&main.pool, main, room)?;
    let floor = reached(&real, main, room)?;
    let setting = format!("judge's recipe and labels, {PASSES} passes of {SEEN_PER_PASS}, seed 1");
    let score = classifier_accuracy(accuracy, n, room.data.test.len(), setting);
    let floor = Floor {
        name: score.metric.name.to_owned(),
        setting: score.setting.clone(),
        n: real.n(),
        values: vec![floor],
        of: real.name.clone(),
    };
    Ok(Row {
        measure: "classifier-accuracy",
        metric: score.metric,
        setting: score.setting,
        n,
        n_reference: score.n_reference,
        value: score.value,
        design: Design::Seeds,
        values: vec![score.value],
        interval: None,
        floor: Some(floor),
    })
}

/// Accuracy on the test images after training on `images`.
fn reached(images: &Images, main: &Measured<'_>, room: &Room) -> Result<f64> {
    let mut config = Config::new("classifier");
    config.training.epochs = PASSES;
    let batch = config.training.batch;
    ensure!(
        images.n() >= batch,
        "--classifier-accuracy: found {} images, expected at least {batch}",
        images.n()
    );
    let labelled = data::Images { pixels: images.pixels.clone(), labels: images.judged.labels() };
    let parts =
        [config.to_toml()?, images.sha256.clone(), main.judge.sha256.clone(), room.data.sha256.clone()];
    let learn = || -> Result<f64> {
        let mut state = State::new(&config, &labelled, &images.sha256, &room.device)?;
        let steps = state.total_steps() as usize;
        let part = format!("classifier on {}", images.name);
        let mut last = 0.0;
        let mut tell = |event: &dm_train::judge::Event, state: &State| {
            room.watch(&part, state.step as usize, steps);
            if let dm_train::judge::Event::Epoch { test_accuracy, .. } = *event {
                last = test_accuracy;
            }
            Ok(())
        };
        train(&mut state, &labelled, &room.data.test, &mut tell, &|| false)?;
        Ok(last)
    };
    room.cache.value("classifier-accuracy", &parts.each_ref().map(String::as_str), learn)
}
