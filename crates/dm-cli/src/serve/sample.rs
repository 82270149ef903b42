//! `/api/sample`: the reverse film of new images, streamed while it is computed; and the same film as a file.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, header};
use axum::response::IntoResponse;
use dm_nn::picture::film::{Format, encode};
use dm_nn::picture::grid;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, event, file, read_json};
use super::film::Film;
use super::order::Order;
use super::site::Site;
use crate::commands::sample::sample_set;

/// Columns of a picture and of a film, as `dm sample` writes them.
const COLUMNS: (usize, usize) = (10, 6);

/// A kind of file: its ending, its media type, and its content for a film.
type Kind = (&'static str, &'static str, fn(&Film) -> Result<Vec<u8>>);

/// The kinds of files.
const KINDS: [Kind; 3] = [
    ("png", "image/png", |film| {
        Ok(grid::to_png(film.model.shape, &film.pixels, film.request.count.min(COLUMNS.0), 2)?)
    }),
    ("gif", "image/gif", |film| {
        Ok(encode(Format::Gif, film.model.shape, &film.frames, film.request.count.min(COLUMNS.1))?)
    }),
    ("safetensors", "application/octet-stream", |film| {
        Ok(sample_set(&film.model, &film.request, film.pixels.clone())?.to_bytes()?)
    }),
];

/// `POST /api/sample`: streams the events `frame` and, at the end, `done` or `failed`.
pub async fn stream(State(site): State<Arc<Site>>, request: Request<Body>) -> Answer {
    let order: Order = read_json(request).await?;
    let shared = site.clone();
    let prepared = site.short.compute(move |_| order.prepare(&shared)).await?;
    let shared = site.clone();
    let events = site.films.stream(move |events, stop| {
        let clock = Instant::now();
        // A client that has gone away receives nothing, and `stop` ends the film.
        let send = |name: &str, data: Value| drop(events.send(event(name, &data)));
        match prepared.draw(stop, &mut |frame| send("frame", frame.to_json())) {
            Ok(film) => {
                send("done", film.to_json(clock));
                shared.finished.insert(prepared.name, film);
            }
            Err(refusal) => send("failed", json!({ "error": refusal.message() })),
        }
    })?;
    Ok(events.into_response())
}

/// `POST /api/sample/{kind}`: the film as a file of a kind in [`KINDS`]. The film is computed again if it is not kept.
pub async fn download(
    State(site): State<Arc<Site>>,
    Path(kind): Path<String>,
    request: Request<Body>,
) -> Answer {
    let order: Order = read_json(request).await?;
    let Some((ending, media, content)) = KINDS.into_iter().find(|(ending, ..)| *ending == kind) else {
        return Err(Refusal::not_found(format!("kind: found `{kind}`, expected png, gif or safetensors")));
    };
    let shared = site.clone();
    let work = move |stop: &_| {
        let prepared = order.prepare(&shared)?;
        let film = match shared.finished.get(&prepared.name) {
            Some(film) => film,
            None => shared.finished.insert(prepared.name.clone(), prepared.draw(stop, &mut |_| {})?),
        };
        let bytes = content(&film).map_err(|error| Refusal::invalid(format!("{error:#}")))?;
        Ok((film, bytes))
    };
    let (film, bytes) = site.films.compute(work).await?;
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = film.model.name.chars().map(plain).collect();
    let disposition = format!("attachment; filename=\"{name}-seed-{}.{ending}\"", film.request.seed.0);
    Ok(([(header::CONTENT_DISPOSITION, disposition)], file(media, bytes)).into_response())
}
