//! A loss, a gradient or a weight that is infinite or not a number stops a run within a step, before the weights are updated. The
//! error names the step and the tensor, and the last checkpoint stays as it was.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use dm_nn::data::{Dataset, Images};
use dm_nn::nets::Network;
use dm_nn::params::file::TensorFile;
use dm_nn::storage::Disk;
use dm_train::observers::Saver;
use dm_train::task::{BatchGradients, EpochSummary, ModelContents, Task, TrainingBatch};
use dm_train::{DiffusionTask, Error, Event, Observer, OpenOptions, Result, RunConfig, RunFolder, Trainer};

/// Where a bad number enters.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Loss,
    Gradient,
    Weight,
}

/// The step before which the bad number enters; there is a checkpoint of step 2.
const STEP: u64 = 3;
/// The parameter whose gradient or value is bad.
const PARAMETER: &str = "input.bias";

/// A diffusion task in which one number goes wrong.
struct Faulty {
    task: DiffusionTask,
    place: Place,
    value: f32,
    variable: Rc<OnceCell<Var>>,
}

impl Task for Faulty {
    type Network = Box<dyn Network>;

    fn prepare(&mut self, data: &Dataset) -> Result<()> {
        self.task.prepare(data)
    }

    fn build_network(&self, path: dm_nn::params::Path<'_>) -> Result<Self::Network> {
        self.task.build_network(path)
    }

    fn gradients(&mut self, network: &Self::Network, batch: &TrainingBatch<'_>) -> Result<BatchGradients> {
        let mut gradients = self.task.gradients(network, batch)?;
        if batch.step == STEP {
            match (self.place, self.variable.get()) {
                (Place::Loss, _) => gradients.objective = f64::from(self.value),
                (Place::Gradient, Some(variable)) => {
                    let bad = Tensor::full(self.value, variable.dims(), &Device::Cpu)?;
                    gradients.store.insert(variable, bad);
                }
                _ => {}
            }
        }
        Ok(gradients)
    }

    fn end_epoch(
        &mut self,
        network: &Self::Network,
        test: &Images,
        device: &Device,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<EpochSummary>> {
        self.task.end_epoch(network, test, device, stop)
    }

    fn save(&self, checkpoint: &mut TensorFile) -> Result<()> {
        self.task.save(checkpoint)
    }

    fn restore(&mut self, checkpoint: &TensorFile) -> Result<()> {
        self.task.restore(checkpoint)
    }

    fn write_model(&self, model: &ModelContents<'_>) -> Result<()> {
        self.task.write_model(model)
    }
}

/// Sets a weight to a bad number.
struct Poison(Place, f32);
impl Observer<Faulty> for Poison {
    fn observe(&mut self, event: &Event<'_, Faulty>) -> Result<()> {
        if let Event::Step { step: STEP, state, .. } = event
            && self.0 == Place::Weight
        {
            let (_, variable) = state.params.iter().find(|(name, _)| *name == PARAMETER).unwrap();
            variable.set(&Tensor::full(self.1, variable.dims(), &Device::Cpu)?)?;
        }
        Ok(())
    }
}

/// The values of every parameter.
fn weights(trainer: &Trainer<'_, Faulty>) -> Vec<Vec<f32>> {
    let values = |var: &Var| var.flatten_all().unwrap().to_vec1().unwrap();
    trainer.state().params.iter().map(|(_, var)| values(var)).collect()
}

#[test]
fn a_bad_number_stops_the_run_before_the_update() {
    let data = crate::common::data();
    let config = crate::common::config("ink", "sigmoid", "ancestral").resolve(&data).unwrap();
    for place in [Place::Loss, Place::Gradient, Place::Weight] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("run");
            let run = RunConfig::Diffusion(config.clone());
            let folder = RunFolder::open(&path, &run, OpenOptions::default()).unwrap();
            let task = DiffusionTask::from_config(&config, &data).unwrap();
            let variable = Rc::new(OnceCell::new());
            let faulty = Faulty { task, place, value, variable: variable.clone() };
            let mut trainer =
                Trainer::open(&folder, faulty, &config.settings(), &data, &Device::Cpu).unwrap();
            let (_, var) = trainer.state().params.iter().find(|(name, _)| *name == PARAMETER).unwrap();
            variable.set(var.clone()).unwrap();
            let clock = || Duration::ZERO;
            // The saver comes first, so that its checkpoints are written before the weight is changed.
            let mut observers: Vec<Box<dyn Observer<Faulty> + '_>> =
                vec![Box::new(Saver::new(&folder, &clock)), Box::new(Poison(place, value))];
            let error = trainer.run(&mut observers, &|| false).unwrap_err();
            drop(observers);
            let Error::Diverged { step, tensor, found, .. } = &error else { panic!("{error}") };
            let expected = match place {
                Place::Loss => "loss".to_owned(),
                Place::Gradient => format!("gradient of {PARAMETER}"),
                Place::Weight => format!("weight {PARAMETER}"),
            };
            assert_eq!((*step, tensor, found), (STEP + 1, &expected, &value.to_string()), "{error}");
            assert!(error.to_string().starts_with(&format!("step {}: {expected}: found ", STEP + 1)));
            assert_eq!(trainer.state().step, STEP);
            if place != Place::Weight {
                assert!(weights(&trainer).iter().flatten().all(|weight| weight.is_finite()));
            }
            let checkpoint = TensorFile::read(&path.join("checkpoint.safetensors")).unwrap();
            assert_eq!(checkpoint.metadata("step").unwrap(), "2");
            drop(folder);
            if value.is_nan() {
                assert!(
                    crate::common::train(&path, &run, &data, true, u64::MAX),
                    "the checkpoint can be continued"
                );
            }
        }
    }
}

/// An update that would overflow, and a loss that explodes without overflowing.
#[test]
fn a_run_that_explodes_stops_with_a_hint() {
    let data = crate::common::data();
    for rate in [1e10, 1e38] {
        for (kind, parameterization) in [("gaussian", "v"), ("ink", "sigmoid")] {
            let mut config = crate::common::config(kind, parameterization, "ancestral");
            (config.optimizer.learning_rate, config.training.epochs) = (rate, 20);
            config.training.checkpoint_every = 1;
            let dir = tempfile::tempdir().unwrap();
            let run = RunConfig::Diffusion(config);
            let path = dir.path().join("run");
            let trained = crate::common::try_train(&path, &run, &data, false, u64::MAX, Arc::new(Disk));
            let error = trained.unwrap_err().to_string();
            assert!(
                error.starts_with("step ") && error.contains("optimizer.learning_rate"),
                "{rate}: {error}"
            );
            for file in dm_train::checkpoint_files::all(&path).unwrap() {
                TensorFile::read(&file).unwrap();
            }
        }
    }
}
