//! `/api/degrade`: one image at timesteps from 0 to T, a model's estimates of the image, and the classifier's opinions: the
//! probabilities that it gives to the classes.
//!
//! All timesteps are computed at once, which takes about a tenth of a second. The page can then follow a slider without another
//! request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use dm_degrade::denoiser::inputs;
use dm_degrade::{Degradation, Model, Timestep, streams};
use dm_eval::Classifier;
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::rng::Seed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, json_body, read_json};
use super::film::{decode, encode};
use super::limits::SHOWN;
use super::order::check_seed;
use super::process::Process;
use super::site::Site;

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// The pixels of the image, `[C, H, W]` as base64.
    image: String,
    /// The config of the degradation.
    degradation: Value,
    /// The model that estimates the image, which must have been trained with the degradation.
    model: Option<String>,
    seed: u64,
}

/// `POST /api/degrade`.
pub async fn degrade(State(site): State<Arc<Site>>, request: Request<Body>) -> Answer {
    let order: Order = read_json(request).await?;
    let shared = site.clone();
    site.short.compute(move |_| Ok(json_body(&order.answer(&shared)?))).await
}

impl Order {
    fn answer(&self, site: &Site) -> Answer<Value> {
        check_seed(self.seed)?;
        let shape = site.test.shape;
        let image = decode("image", &self.image, shape.len())?;
        let process = Process::of(&site.processes, &site.test, &self.degradation)?;
        let model = self.model.as_deref().map(|id| site.catalogue.model(id)).transpose()?;
        if let Some(model) = &model {
            model.check_shape(shape, "test images").map_err(Refusal::invalid)?;
            if model.config.degradation != process.config {
                let message =
                    format!("model: found {}, expected one trained with this degradation", model.name);
                return Err(Refusal::invalid(message));
            }
        }
        // A model's own degradation is fitted to the images that it was trained on.
        let degradation = model.as_ref().map_or(&*process.degradation, |model| &*model.degradation);
        let last = degradation.timesteps();
        let shown = SHOWN.min(last + 1);
        let timesteps: Vec<Timestep> = (0..shown).map(|i| Timestep(i * last / (shown - 1))).collect();
        let states = states(degradation, &image, &timesteps, Seed(self.seed));
        let pictures = pictures(degradation, &states, &timesteps);
        let estimates = match &model {
            Some(model) => Some(estimates(model, &states, &timesteps).map_err(Refusal::invalid)?),
            None => None,
        };
        let opinions = |pixels: &[u8]| {
            site.classifier.as_ref().map(|classifier| opinions(classifier, pixels)).transpose()
        };
        Ok(json!({
            "shape": shape,
            "timesteps": timesteps.iter().map(|t| t.0).collect::<Vec<_>>(),
            "states": encode(&pictures),
            "opinions": opinions(&pictures)?,
            "estimates": estimates.as_deref().map(encode),
            "estimate_opinions": estimates.as_deref().map(opinions).transpose()?,
        }))
    }
}

/// The states of `image` at `timesteps`, [n, C, H, W], all with the same noise.
fn states(degradation: &dyn Degradation, image: &[u8], timesteps: &[Timestep], seed: Seed) -> Vec<f32> {
    let len = degradation.shape().len();
    let (mut unit, mut x0) = (vec![0.0; len], vec![0.0; len]);
    to_unit(image, &mut unit);
    degradation.codec().encode_image(&unit, &mut x0);
    let noise = degradation.sample_noise(&mut seed.stream(streams::DEGRADE, 0, 0));
    let mut states = vec![0.0; timesteps.len() * len];
    let each = states.chunks_exact_mut(len).zip(timesteps);
    each.for_each(|(x_t, &t)| degradation.degrade(&x0, t, &noise, x_t));
    states
}

/// The states [n, C, H, W] as images.
fn pictures(degradation: &dyn Degradation, states: &[f32], timesteps: &[Timestep]) -> Vec<u8> {
    let len = degradation.shape().len();
    let mut image = vec![0.0; len];
    let picture = |(x_t, &t): (&[f32], &Timestep)| {
        degradation.codec().display(x_t, t, &mut image);
        to_bytes(&image).collect::<Vec<u8>>()
    };
    states.chunks_exact(len).zip(timesteps).flat_map(picture).collect()
}

/// The model's estimates of the image for the states [n, C, H, W], as images. At t = 0 the state is the image.
fn estimates(model: &Model, states: &[f32], timesteps: &[Timestep]) -> dm_degrade::Result<Vec<u8>> {
    let (degradation, denoiser, len) = (&*model.degradation, model.denoiser(), model.shape.len());
    let (x, times) = inputs(degradation, states, timesteps, model.device())?;
    let outputs = denoiser.network.forward(&x, &times)?.flatten_all()?.to_vec1::<f32>()?;
    let (mut x0, mut image, mut images) = (vec![0.0; len], vec![0.0; len], Vec::with_capacity(states.len()));
    for ((x_t, output), &t) in states.chunks_exact(len).zip(outputs.chunks_exact(len)).zip(timesteps) {
        if t.0 == 0 {
            x0.copy_from_slice(x_t);
        } else {
            denoiser.parameterization.estimate(degradation, x_t, t, output, &mut x0)?;
            degradation.codec().clip(&mut x0);
        }
        degradation.codec().decode_image(&x0, &mut image);
        images.extend(to_bytes(&image));
    }
    Ok(images)
}

/// The probability of every class for each of the images `pixels`, by the classifier.
fn opinions(classifier: &Classifier, pixels: &[u8]) -> Answer<Vec<Vec<f32>>> {
    let output = classifier.extract_features(pixels, &mut |_| {}).map_err(Refusal::invalid)?;
    let softmax = |row: &[f64]| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = row.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| (weight / sum) as f32).collect()
    };
    Ok(output.logits.rows().map(softmax).collect())
}
