//! Which handler answers which address.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::access::{Access, guard};
use super::answer::{Refusal, file};
use super::assets::ASSETS;
use super::site::Site;
use super::{degrade, models, runs, sample, temperature};

/// The page and its API for `site`, for those whom `access` lets in.
pub fn routes(site: Arc<Site>, access: Access) -> Router {
    let mut router = Router::new();
    for asset in ASSETS {
        router = router.route(asset.path, get(|| async { file(asset.media, asset.bytes) }));
    }
    let missing = |uri: Uri| async move { Refusal::not_found(format!("{}: found no such page", uri.path())) };
    let wrong_method =
        || async { Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method: expected another one here") };
    router
        .route("/api/about", get(models::about))
        .route("/api/models", get(models::list))
        .route("/api/models/{id}", get(models::show))
        .route("/api/degrade", post(degrade::degrade))
        .route("/api/sample", post(sample::stream))
        .route("/api/sample/{kind}", post(sample::download))
        .route("/api/temperature", get(temperature::study).post(temperature::stream))
        .route("/api/runs", get(runs::list))
        .route("/api/runs/{id}", get(runs::show))
        .route("/api/runs/{id}/pictures/{name}", get(runs::picture))
        .route("/api/runs/{id}/compare/{other}", get(runs::compare))
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(site)
        .layer(from_fn_with_state(Arc::new(access), guard))
}
