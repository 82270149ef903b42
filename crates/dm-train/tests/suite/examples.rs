//! Every example runs.

#[path = "../../examples/own_data.rs"]
mod own_data;
#[path = "../../examples/own_degradation.rs"]
mod own_degradation;
#[path = "../../examples/sample.rs"]
mod sample;
#[path = "../../examples/train.rs"]
mod train;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

#[test]
fn own_data_runs() -> Result {
    own_data::main()
}

#[test]
fn own_degradation_runs() -> Result {
    own_degradation::main()
}

/// The example shows how little a degradation of your own takes.
#[test]
fn own_degradation_is_short() {
    assert!(include_str!("../../examples/own_degradation.rs").lines().count() <= 60);
}

#[test]
fn sample_runs() -> Result {
    sample::main()
}

#[test]
fn train_runs() -> Result {
    train::main()
}
