//! Batches that are prepared ahead, as on a GPU, do not change a run.

use crate::common::{config, data};
use candle_core::Device;
use dm_nn::data::Dataset;
use dm_train::config::DiffusionConfig;
use dm_train::{DiffusionTask, Event, Observer, Trainer};

/// Collects the loss of every step.
struct Losses<'a>(&'a mut Vec<f64>);

impl Observer<DiffusionTask> for Losses<'_> {
    fn observe(&mut self, event: &Event<'_, DiffusionTask>) -> dm_train::Result<()> {
        if let Event::Step { loss, .. } = event {
            self.0.push(*loss);
        }
        Ok(())
    }
}

/// The losses of all steps of a run, and its weights after the last one.
fn run(config: &DiffusionConfig, data: &Dataset, prepares_ahead: bool) -> (Vec<f64>, Vec<Vec<f32>>) {
    let task = DiffusionTask::from_config(config, data).unwrap().preparing_ahead(prepares_ahead);
    let mut trainer = Trainer::new(task, &config.settings(), data, &Device::Cpu).unwrap();
    let mut losses = Vec::new();
    assert!(trainer.run(&mut [Box::new(Losses(&mut losses))], &|| false).unwrap());
    let weights = trainer.state().params.iter().map(|(_, var)| var.flatten_all().unwrap().to_vec1().unwrap());
    let weights = weights.collect();
    (losses, weights)
}

#[test]
fn prepared_batches_give_the_same_losses_and_weights() {
    let data = data();
    let plain = config("gaussian", "v", "ancestral");
    let mut importance = plain.clone();
    importance.objective.timestep_sampler = serde_json::from_str("\"importance\"").unwrap();
    for config in [&plain, &importance] {
        let expected = run(config, &data, false);
        assert_eq!(expected.0.len(), 10);
        assert_eq!(run(config, &data, true), expected);
    }
}
