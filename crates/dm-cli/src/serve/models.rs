//! `/api/about` and `/api/models`: what a client can choose from.

use std::sync::Arc;

use axum::extract::{Path, State};
use dm_degrade::degradations::Registered;
use dm_degrade::{Model, REGISTRY, SamplerKind};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, json_body};
use super::film::encode;
use super::limits::{IMAGES, NFE, TIMESTEPS, WORK};
use super::site::Site;

/// `GET /api/about`: the version, the degradations, the test images with the names of their classes, and the limits of requests.
pub async fn about(State(site): State<Arc<Site>>) -> Answer {
    let degradations = REGISTRY.iter().map(describe).collect::<serde_json::Result<Vec<_>>>();
    let test = &site.test;
    Ok(json_body(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "degradations": degradations.map_err(Refusal::invalid)?,
        "test_images": { "shape": test.shape, "labels": test.labels, "images": encode(&test.pixels) },
        "classes": site.class_names(),
        "has_classifier": site.classifier.is_some(),
        "limits": { "images": IMAGES, "nfe": NFE, "work": WORK, "timesteps": TIMESTEPS },
    })))
}

/// A registered degradation with its default config, and the other forms that parts of the config can have.
fn describe(registered: &Registered) -> serde_json::Result<Value> {
    let config = (registered.config)();
    let form = |text: &str| serde_json::from_str::<Value>(text);
    let forms = match registered.entry.name {
        "gaussian" => json!({ "schedule": [
            { "kind": "cosine" },
            form(r#"{ "kind": "linear", "beta_1": 0.0001, "beta_t": 0.02 }"#)?,
            form(r#"{ "kind": "sigmoid", "start": -3.0, "end": 3.0, "tau": 1.0 }"#)?,
        ] }),
        "blur" => json!({ "kernel": [
            form(r#"{ "kind": "heat", "sigma_min": 0.2, "sigma_max": 16.0 }"#)?,
            form(r#"{ "kind": "repeated", "size": 11, "std": 7.0 }"#)?,
        ] }),
        _ => json!({}),
    };
    Ok(json!({ "entry": registered.entry, "config": config, "forms": forms }))
}

/// `GET /api/models`: all models.
pub async fn list(State(site): State<Arc<Site>>) -> Answer {
    let shared = site.clone();
    site.short.compute(move |_| Ok(json_body(&shared.catalogue.models()))).await
}

/// `GET /api/models/{id}`: what a model can be asked for.
pub async fn show(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Answer {
    let shared = site.clone();
    site.short.compute(move |_| Ok(json_body(&options(&*shared.catalogue.model(&id)?)?))).await
}

fn options(model: &Model) -> Answer<Value> {
    let samplers = SamplerKind::ALL.map(|kind| (kind, kind.build(model.sampling.variance, 0.0)));
    let samplers = samplers.iter().filter(|(_, sampler)| sampler.check(&*model.degradation).is_ok());
    let samplers: Vec<Value> = samplers
        .map(|(kind, sampler)| {
            json!({
                "name": kind.name(),
                "summary": kind.summary(),
                "every_timestep": sampler.visits_every_timestep(),
            })
        })
        .collect();
    let is_conditional = model.conditional_classes() > 0;
    Ok(json!({
        "name": model.name,
        "shape": model.shape,
        "parameters": model.parameters,
        "timesteps": model.degradation.timesteps(),
        "degradation": serde_json::to_value(&model.config.degradation).map_err(Refusal::invalid)?,
        "sampling": serde_json::to_value(model.sampling).map_err(Refusal::invalid)?,
        "samplers": samplers,
        "classes": if is_conditional { &model.class_names[..] } else { &[] },
    }))
}
