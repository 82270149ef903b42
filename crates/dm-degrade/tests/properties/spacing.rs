//! The spacing of the timesteps that a chain visits.

use dm_degrade::degradations::GaussianConfig;
use dm_degrade::samplers::Spacing;
use dm_degrade::schedule::ScheduleConfig;
use dm_degrade::{Degradation, DegradationConfig, SamplerKind, Sampling, Timestep};
use proptest::prelude::*;

use super::MNIST;

fn process(timesteps: usize) -> Box<dyn Degradation> {
    let schedule = ScheduleConfig::Cosine;
    let config = GaussianConfig { timesteps, schedule, range: 1.0, cold: false };
    DegradationConfig::Gaussian(config).build(MNIST, &[]).unwrap()
}

#[test]
fn cosine_spacing_is_closer_in_the_middle() {
    for (process, nfe) in [(process(1000), 100), (process(40), 40)] {
        let sampling = Sampling { spacing: Spacing::Cosine, ..Sampling::new(SamplerKind::Ddim, nfe) };
        let timesteps = sampling.timesteps(process.as_ref()).unwrap();
        let step = |i: usize| timesteps[i].0 - timesteps[i + 1].0;
        let quarter = process.timesteps() / nfe / 4;
        assert!(step(nfe / 2).abs_diff(quarter.max(1)) <= 1);
        assert!(step(0) >= step(nfe / 2) && step(nfe - 1) >= step(nfe / 2));
    }
}

#[test]
fn power_spacing_is_closer_the_nearer_to_t() {
    let sampling = Sampling { spacing: Spacing::Power(1.5), ..Sampling::new(SamplerKind::Ddim, 25) };
    let timesteps = sampling.timesteps(process(1000).as_ref()).unwrap();
    let steps: Vec<usize> = timesteps.windows(2).map(|pair| pair[0].0 - pair[1].0).collect();
    // The first share s of the steps covers s^1.5 of the way: 4 of 25 cover 0.064.
    assert_eq!(timesteps[4], Timestep(936));
    assert!(steps.windows(2).all(|pair| pair[0] <= pair[1] + 1), "{steps:?}");
    let uniform = Sampling { spacing: Spacing::Power(1.0), ..sampling }.timesteps(process(1000).as_ref());
    assert_eq!(
        uniform.unwrap(),
        Sampling::new(SamplerKind::Ddim, 25).timesteps(process(1000).as_ref()).unwrap()
    );
}

proptest! {
    #[test]
    fn timesteps_descend_from_t_to_zero(
        last in 1..1500usize,
        nfe in 0..1600usize,
        spacing in prop_oneof![
            proptest::sample::select(&Spacing::ALL[..]),
            (0.1..10.0f64).prop_map(Spacing::Power),
        ],
    ) {
        let process = process(last);
        let sampling = Sampling { spacing, ..Sampling::new(SamplerKind::Ddim, nfe) };
        match sampling.timesteps(process.as_ref()) {
            Ok(timesteps) => {
                prop_assert_eq!(timesteps.len(), nfe + 1);
                prop_assert!(timesteps[0] == Timestep(last) && timesteps[nfe] == Timestep(0));
                prop_assert!(timesteps.windows(2).all(|pair| pair[0] > pair[1]));
            }
            Err(error) => {
                prop_assert!(!(1..=last).contains(&nfe));
                let expected = format!("sampling.nfe: found {nfe}, expected 1 to {last}");
                prop_assert_eq!(error.to_string(), expected);
            }
        }
    }
}
