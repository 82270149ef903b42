//! Class-conditional models: which classes a network accepts, guidance, and the dependence of an image on its seed, index and
//! class alone.

use candle_core::Device;
use dm_degrade::denoiser::{Condition, Denoiser, NetworkDenoiser, inputs};
use dm_degrade::generate::{Class, Request, images};
use dm_degrade::{SamplerKind, Sampling, Timestep};
use dm_nn::rng::{Purpose, Seed};
use dm_train::config::DiffusionConfig;
use dm_train::{DiffusionTask, Trainer, TrainingState};

const LEN: usize = 784;

/// Trains a conditional network for a few steps, enough for its output to depend on the class.
fn with_trained(degradation: &str, parameterization: &str, test: impl Fn(&TrainingState<DiffusionTask>)) {
    let data = crate::common::data();
    let config = crate::common::conditional(degradation, parameterization, "ancestral");
    let task = DiffusionTask::from_config(&config, &data).unwrap();
    let mut trainer = Trainer::new(task, &config.settings(), &data, &Device::Cpu).unwrap();
    assert!(trainer.run(&mut [], &|| false).unwrap());
    test(trainer.state());
}

/// Two states at timestep 3 and the network's outputs for them: with the classes 7 and 2, and without classes.
fn outputs(state: &TrainingState<DiffusionTask>) -> (Vec<f32>, [Vec<f32>; 2]) {
    let degradation = state.task.degradation();
    let mut states = vec![0.0; 2 * LEN];
    for (i, state) in states.chunks_exact_mut(LEN).enumerate() {
        degradation.sample_prior(&mut Seed(i as u64 + 1).stream(Purpose(100), 0, 0), state);
    }
    let (x, t) = inputs(degradation, &states, &[Timestep(3); 2], &Device::Cpu).unwrap();
    let network = state.evaluated_network();
    let outputs = [network.forward_class(&x, &t, &[7, 2]), network.forward(&x, &t)];
    let flat =
        |t: candle_core::Result<candle_core::Tensor>| t.unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (states, outputs.map(flat))
}

#[test]
fn guidance_extrapolates_from_the_unconditional_through_the_conditional_output() {
    for (degradation, parameterization) in [("gaussian", "eps"), ("ink", "softmax")] {
        with_trained(degradation, parameterization, |state| {
            let (states, [with, without]) = outputs(state);
            assert_ne!(with, without, "the class changes the output");
            let guided = |guidance: f32| {
                let condition = Some(Condition { classes: &[7, 2], guidance });
                let denoiser = NetworkDenoiser { condition, ..state.denoiser() };
                denoiser.denoise(&states, Timestep(3)).unwrap()
            };
            let expected = |output: &[f32]| -> Vec<f32> {
                let mut estimates = vec![0.0; states.len()];
                let images = states.chunks_exact(LEN).zip(output.chunks_exact(LEN));
                for (x0, (x_t, output)) in estimates.chunks_exact_mut(LEN).zip(images) {
                    let (p, d) = (state.task.parameterization(), state.task.degradation());
                    p.estimate(d, x_t, Timestep(3), output, x0).unwrap();
                }
                estimates
            };
            assert_eq!(guided(1.0), expected(&with), "1 is conditional, bit for bit");
            let line = |w: f32| with.iter().zip(&without).map(|(c, u)| u + w * (c - u)).collect::<Vec<_>>();
            assert_eq!(guided(3.0), expected(&line(3.0)));
            assert_eq!(guided(0.0), expected(&without));
            assert_eq!(state.denoiser().denoise(&states, Timestep(3)).unwrap(), expected(&without));
        });
    }
}

#[test]
fn a_conditional_image_depends_on_seed_number_and_class_alone() {
    with_trained("ink", "softmax", |state| {
        let draw = |count, batch, class| {
            let sampling = Sampling::new(SamplerKind::Ancestral, 5);
            let request = Request { class, guidance: 2.0, ..Request::new(Seed(4), count, batch, sampling) };
            images(&state.denoiser(), &request, &mut |_, _, _| {}).unwrap()
        };
        let all = Some(Class::All { num_classes: 10 });
        let whole = draw(13, 13, all);
        assert!(whole == draw(13, 3, all), "batches of 3");
        assert!(whole[..5 * LEN] == draw(5, 4, all), "five of them");
        // Image 12 is of class 2, however that is asked for.
        assert!(whole[12 * LEN..] == draw(13, 5, Some(Class::One(2)))[12 * LEN..]);
        assert!(whole != draw(13, 13, None));
    });
}

#[test]
fn classes_do_not_change_the_other_parameters_and_unknown_classes_are_refused() {
    let data = crate::common::data();
    let start = |config: DiffusionConfig| {
        let task = DiffusionTask::from_config(&config, &data).unwrap();
        TrainingState::new(task, &config.settings(), &data, &Device::Cpu).unwrap()
    };
    let plain = start(crate::common::config("gaussian", "eps", "ancestral"));
    let conditional = start(crate::common::conditional("gaussian", "eps", "ancestral"));
    let values = |state: &TrainingState<DiffusionTask>| -> Vec<(String, Vec<f32>)> {
        let flat = |var: &candle_core::Var| var.flatten_all().unwrap().to_vec1().unwrap();
        state.params.iter().map(|(name, var)| (name.to_owned(), flat(var))).collect()
    };
    let (plain_values, conditional_values) = (values(&plain), values(&conditional));
    assert_eq!(plain_values, conditional_values[..plain_values.len()]);
    assert_eq!(conditional_values.last().unwrap().0, "class.weight");
    assert_eq!(conditional_values.last().unwrap().1.len(), 11 * 16);
    let ask = |state: &TrainingState<DiffusionTask>, classes: &[u8]| {
        let states = [0.0; LEN];
        let (x, t) = inputs(state.task.degradation(), &states, &[Timestep(2)], &Device::Cpu).unwrap();
        state.evaluated_network().forward_class(&x, &t, classes).err().map(|e| e.to_string())
    };
    assert!(ask(&plain, &[3]).unwrap().contains("no classes"));
    assert_eq!(ask(&conditional, &[10]), None);
    assert!(ask(&conditional, &[11]).unwrap().contains("at most 10"));
    assert!(ask(&conditional, &[1, 2]).unwrap().contains("expected 1 numbers"));
}

/// A network for ten classes cannot be trained on data of three.
#[test]
fn a_network_for_other_classes_than_the_data_is_refused() {
    let data = crate::common::random_data(dm_nn::image::ImageShape::new(1, 28, 28), 16, 4);
    let config = crate::common::conditional("gaussian", "eps", "ancestral");
    let task = DiffusionTask::from_config(&config, &data).unwrap();
    let message = Trainer::new(task, &config.settings(), &data, &Device::Cpu).err().unwrap().to_string();
    assert!(message.contains("network.num_classes") && message.contains("3 classes"), "{message}");
}
