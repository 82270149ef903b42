//! Classes: what the network is told, guidance, and that an image depends on its seed and number alone.

#![allow(clippy::unwrap_used)]

mod common;

use candle_core::Device;
use dm_degrade::restorer::{Condition, NetworkRestorer, Restorer, inputs};
use dm_degrade::{Level, SamplerKind, Sampling};
use dm_nn::data::PIXELS;
use dm_nn::rng::Seed;
use dm_train::generate::{Class, Request, images};
use dm_train::train::{State, train};

/// A conditional run of a few steps: enough for the network to tell classes apart.
fn trained(degradation: &str, prediction: &str) -> State {
    let data = common::data();
    let config = common::conditional(degradation, prediction, "bridge");
    let mut state = State::new(&config, &data, &Device::Cpu).unwrap();
    assert!(train(&mut state, &data, &mut [], &|| false).unwrap());
    state
}

fn restorer(state: &State) -> NetworkRestorer<'_> {
    NetworkRestorer {
        network: state.evaluation(),
        prediction: state.config.objective.prediction,
        degradation: &*state.degradation,
        device: state.device(),
        condition: None,
    }
}

/// Two states at level 3 and the network's outputs for them: with classes 7 and 2, and without.
fn outputs(state: &State) -> (Vec<f32>, [Vec<f32>; 2]) {
    let process = &*state.degradation;
    let states =
        [1, 2].map(|i| process.prior(&mut Seed(i).stream(dm_nn::rng::Stream::Sample, 0, 0))).concat();
    let (x, t) = inputs(process, &states, &[Level(3); 2], &Device::Cpu).unwrap();
    let network = state.evaluation();
    let outputs = [network.forward_class(&x, &t, &[7, 2]), network.forward(&x, &t)];
    let flat =
        |t: candle_core::Result<candle_core::Tensor>| t.unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (states, outputs.map(flat))
}

#[test]
fn guidance_moves_the_output_from_without_to_with_and_beyond() {
    for (degradation, prediction) in [("gaussian", "eps"), ("ink", "conserving")] {
        let state = trained(degradation, prediction);
        let (states, [with, without]) = outputs(&state);
        assert_ne!(with, without, "the class is heard");
        let guided = |guidance: f32| {
            let condition = Some(Condition { classes: &[7, 2], guidance });
            NetworkRestorer { condition, ..restorer(&state) }.restore(&states, Level(3)).unwrap()
        };
        let expected = |output: &[f32]| -> Vec<f32> {
            let images = states.chunks_exact(PIXELS).zip(output.chunks_exact(PIXELS));
            let restore =
                |(x, out)| restorer(&state).prediction.restore(&*state.degradation, x, Level(3), out);
            images.flat_map(restore).collect()
        };
        assert_eq!(guided(1.0), expected(&with), "1 is conditional, bit for bit");
        let line = |w: f32| with.iter().zip(&without).map(|(c, u)| u + w * (c - u)).collect::<Vec<_>>();
        assert_eq!(guided(3.0), expected(&line(3.0)));
        assert_eq!(guided(0.0), expected(&without));
        assert_eq!(restorer(&state).restore(&states, Level(3)).unwrap(), expected(&without));
    }
}

#[test]
fn a_conditional_image_depends_on_seed_number_and_class_alone() {
    let state = trained("ink", "conserving");
    let draw = |count, batch, class| {
        let sampling = Sampling::new(SamplerKind::Bridge, 5);
        let request = Request { class, guidance: 2.0, ..Request::new(Seed(4), count, batch, sampling) };
        images(&restorer(&state), &request, &mut |_, _, _| {}).unwrap()
    };
    let whole = draw(13, 13, Some(Class::All));
    assert!(whole == draw(13, 3, Some(Class::All)), "batches of 3");
    assert!(whole[..5 * PIXELS] == draw(5, 4, Some(Class::All)), "five of them");
    // Image 12 is of class 2, however that is asked for.
    assert!(whole[12 * PIXELS..] == draw(13, 5, Some(Class::One(2)))[12 * PIXELS..]);
    assert!(whole != draw(13, 13, None));
}

#[test]
fn classes_do_not_change_the_other_parameters_and_strangers_are_refused() {
    let data = common::data();
    let start = |config| State::new(&config, &data, &Device::Cpu).unwrap();
    let plain = start(common::config("gaussian", "eps", "bridge"));
    let told = start(common::conditional("gaussian", "eps", "bridge"));
    let values = |state: &State| -> Vec<(String, Vec<f32>)> {
        let flat = |var: &candle_core::Var| var.flatten_all().unwrap().to_vec1().unwrap();
        state.params.iter().map(|(name, var)| (name.to_owned(), flat(var))).collect()
    };
    let (plain_values, told_values) = (values(&plain), values(&told));
    assert_eq!(plain_values, told_values[..plain_values.len()]);
    assert_eq!(told_values.last().unwrap().0, "class.weight");
    assert_eq!(told_values.last().unwrap().1.len(), 11 * 16);
    let ask = |state: &State, classes: &[u8]| {
        let (x, t) = inputs(&*state.degradation, &[0.0; PIXELS], &[Level(2)], &Device::Cpu).unwrap();
        state.evaluation().forward_class(&x, &t, classes).err().map(|e| e.to_string())
    };
    assert!(ask(&plain, &[3]).unwrap().contains("no classes"));
    assert_eq!(ask(&told, &[10]), None);
    assert!(ask(&told, &[11]).unwrap().contains("at most 10"));
    assert!(ask(&told, &[1, 2]).unwrap().contains("expected 1 numbers"));
}
