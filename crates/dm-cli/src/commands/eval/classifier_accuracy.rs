//! `dm eval --classifier-accuracy`: a new classifier is trained on generated images and tested on real ones. The baseline is the
//! accuracy of a classifier trained on as many real images. The evaluating classifier labels both training sets.

use anyhow::{Context, Result, ensure};
use dm_eval::Classifier;
use dm_eval::classifier_accuracy::classifier_accuracy;
use dm_eval::protocol::{Design, ImageSet, RealBaseline, ScoreRow};
use dm_nn::data::{Dataset, Images};
use dm_train::config::ClassifierConfig;
use dm_train::{ClassifierTask, Event, Observer, RunConfig, Trainer};

use super::eval_result::EvalResult;
use crate::eval_session::EvalSession;

/// Number of epochs of the new classifier.
const EPOCHS: u64 = 2;

/// The row of the score table, for the first set or the pooled set.
///
/// # Errors
/// If there are too few images, or training fails.
pub(super) fn row(main: &EvalResult<'_>, session: &EvalSession<'_>) -> Result<ScoreRow> {
    let n = main.pool.n();
    let real = session.image_set("training images", session.training_pixels(n)?, main.classifier)?;
    let accuracy = accuracy_after(&main.pool, main.classifier, session)?;
    let baseline = accuracy_after(&real, main.classifier, session)?;
    let setting = format!("default config, labels of the classifier, {EPOCHS} epochs, seed 1");
    let score = classifier_accuracy(accuracy, n, session.data()?.test.len(), setting);
    let baseline = RealBaseline {
        name: score.quantity.name.to_owned(),
        setting: score.setting.clone(),
        n: real.n(),
        values: vec![baseline],
        of: real.name.clone(),
    };
    Ok(ScoreRow {
        metric: "classifier-accuracy",
        quantity: score.quantity,
        setting: score.setting,
        n,
        n_reference: score.n_reference,
        value: score.value,
        design: Design::Seeds,
        values: vec![score.value],
        interval: None,
        real_baseline: Some(baseline),
    })
}

/// The accuracy on the test images of a new classifier that was trained on `images` with the labels of `classifier`.
fn accuracy_after(images: &ImageSet, classifier: &Classifier, session: &EvalSession<'_>) -> Result<f64> {
    let mut config = ClassifierConfig::new("new-classifier");
    config.training.epochs = EPOCHS;
    let (n, batch_size) = (images.n(), config.training.batch_size);
    ensure!(n >= batch_size, "--classifier-accuracy: found {n} images, expected at least {batch_size}");
    let real = session.data()?;
    let (found, expected) = (real.num_classes(), classifier.num_classes);
    ensure!(
        found == expected,
        "--classifier-accuracy: found {found} classes in the data, expected {expected} as in the classifier"
    );
    let (name, num_classes) = (images.name.clone(), classifier.num_classes);
    let text = RunConfig::Classifier(config.clone()).to_toml()?;
    let parts = [&text, &images.sha256, &classifier.sha256, &real.sha256].map(String::as_str);
    session.cache.value("classifier-accuracy", &parts, || {
        let (pixels, labels) = (images.pixels.clone(), images.output.labels());
        let labelled = Images { shape: session.shape(), num_classes, pixels, labels };
        let data = Dataset::in_memory(labelled, real.test.clone())?;
        let task = ClassifierTask::from_config(&config, &data)?;
        let mut trainer = Trainer::new(task, &config.settings(), &data, &session.device)?;
        let bar = Bar { part: format!("classifier on {name}"), session };
        trainer.run(&mut [Box::new(bar)], &|| false)?;
        trainer.state().task.test_accuracy().context("--classifier-accuracy: found no complete epoch")
    })
}

/// Shows the steps of the training on the session's progress bar.
struct Bar<'a> {
    part: String,
    session: &'a EvalSession<'a>,
}

impl Observer<ClassifierTask> for Bar<'_> {
    fn observe(&mut self, event: &Event<'_, ClassifierTask>) -> dm_train::Result<()> {
        if let Event::Step { step, state, .. } = event {
            self.session.watch(&self.part, *step as usize, state.total_steps() as usize);
        }
        Ok(())
    }
}
