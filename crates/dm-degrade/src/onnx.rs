//! The network of a model as an ONNX file.

use dm_nn::nets::to_onnx;
use dm_nn::params::file::TensorFile;

use crate::error::{Error, Result};
use crate::model::Model;

/// The content of an ONNX file of the network of `model`, whose parameters are in `weights`, the model's tensor file.
///
/// Inputs and outputs are those of [`to_onnx`]: `x` is what the codec makes of a state and `t` is the timestep divided by T.
/// The metadata are `name`, `sha256` of the model file, `degradation`, `parameterization`, `timesteps`, and the entries
/// `config`, `fitted` and `class_names` of the model file, from which the meaning of inputs and outputs follows.
///
/// # Errors
/// If ONNX cannot express the network, or `weights` are those of another network.
pub fn network(model: &Model, weights: &TensorFile) -> Result<Vec<u8>> {
    let input = model.shape.with_channels(model.degradation.codec().input_channels());
    let json = |e: serde_json::Error| Error::invalid("metadata", e, "values that JSON can hold");
    let (fitted, class_names) = (
        serde_json::to_string(&model.fitted).map_err(json)?,
        serde_json::to_string(&model.class_names).map_err(json)?,
    );
    let metadata = [
        ("name", model.name.as_str()),
        ("sha256", &model.provenance.sha256),
        ("degradation", model.degradation.name()),
        ("parameterization", model.parameterization.name()),
        ("timesteps", &model.degradation.timesteps().to_string()),
        ("config", &model.provenance.config),
        ("fitted", &fitted),
        ("class_names", &class_names),
    ];
    Ok(to_onnx(&model.config.network, input, model.shape.channels, weights, &metadata)?)
}
