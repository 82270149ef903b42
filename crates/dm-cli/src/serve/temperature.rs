//! `/api/temperature`: Ink at several temperatures. The recorded samples come from models that were each trained at one
//! temperature, in the study `xtask/sweeps/ink.toml`. The live samples come from the shipped model, in a process whose temperature
//! may differ from the one that the model was trained with.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request as HttpRequest;
use axum::response::IntoResponse;
use dm_degrade::degradations::ink::Ink;
use dm_degrade::generate::Request;
use dm_degrade::{DegradationConfig, SamplerKind, Sampling};
use dm_nn::rng::Seed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, event, file, read_json};
use super::film;
use super::order::check_seed;
use super::site::Site;
use crate::locate;

/// What the study has measured, as JSON.
const STUDY: &str = include_str!("assets/temperature/study.json");
/// Images of a live film, and network evaluations per image.
const LIVE: (usize, usize) = (16, 20);

/// `GET /api/temperature`: the temperatures of the study, with the scores of their samples.
pub async fn study() -> Answer {
    Ok(file("application/json", STUDY))
}

/// The body of a request for live samples.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Grains per full pixel at T: the inverse temperature.
    density: f32,
    seed: u64,
}

/// `POST /api/temperature`: streams the events `frame` and, at the end, `done` or `failed`.
pub async fn stream(State(site): State<Arc<Site>>, request: HttpRequest<Body>) -> Answer {
    let order: Order = read_json(request).await?;
    check_seed(order.seed)?;
    let model = {
        let shared = site.clone();
        site.short.compute(move |_| shared.catalogue.model(locate::DEFAULT_MODEL)).await?
    };
    let DegradationConfig::Ink(mut config) = model.config.degradation.clone() else {
        return Err(Refusal::not_found("the shipped model: found another degradation, expected ink"));
    };
    config.density = config.density.max(order.density);
    config.density_end = order.density;
    let ink = Ink::new(&config, model.shape, &model.fitted).map_err(Refusal::invalid)?;
    let sampling = Sampling::new(SamplerKind::Ancestral2m, LIVE.1);
    let request = Request::new(Seed(order.seed), LIVE.0, LIVE.0, sampling);
    let events = site.films.stream(move |events, stop| {
        let clock = Instant::now();
        // A client that has gone away receives nothing, and `stop` ends the film.
        let send = |name: &str, data: Value| drop(events.send(event(name, &data)));
        match film::draw(&model, &ink, request, stop, &mut |frame| send("frame", frame.to_json())) {
            Ok(film) => send("done", film.to_json(clock)),
            Err(refusal) => send("failed", json!({ "error": refusal.message() })),
        }
    })?;
    Ok(events.into_response())
}
