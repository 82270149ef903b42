//! Answers: JSON, events that are streamed while they are computed, and refusals; and the JSON of requests.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;

use super::limits;

/// Why a request is refused: a status and one line. The client receives the line as JSON `{ "error": ... }`.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    message: String,
}

/// The answer of a handler.
pub type Answer<T = Response> = Result<T, Refusal>;

/// Seconds after which a client may try again where the server is busy.
const RETRY_AFTER: &str = "2";

impl Refusal {
    /// A value of the request is outside its range; the message names the field, what was found and what is expected.
    pub fn invalid(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The request comes from a site that may not use the page.
    pub fn forbidden(message: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// There is nothing at the address, or with the identifier, of the request.
    pub fn not_found(message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// The server computes as much as it can, and enough requests wait already.
    pub fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is busy: too many requests wait already; try again soon",
        )
    }

    /// A refusal with another status.
    pub fn new(status: StatusCode, message: impl ToString) -> Self {
        Self { status, message: dm_nn::one_line(&message.to_string()) }
    }

    /// The reason in one line.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, json_body(&json!({ "error": self.message }))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

/// `value` as JSON.
pub fn json_body(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => file("application/json", bytes),
        Err(error) => {
            // A value that JSON cannot hold would be an error of this program.
            let text = json!({ "error": error.to_string() }).to_string();
            (StatusCode::INTERNAL_SERVER_ERROR, file("application/json", text.into_bytes())).into_response()
        }
    }
}

/// `bytes` as a file of the media type `kind`.
pub fn file(kind: &'static str, bytes: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, kind)], Body::from(bytes.into())).into_response()
}

/// The JSON in the body of `request`. For a page of another site, a browser sends JSON only after a preflight request, which this
/// server does not allow.
///
/// # Errors
/// If the body is not called JSON, is too large, does not arrive in time, or is not what is expected.
pub async fn read_json<T: DeserializeOwned>(request: Request<Body>) -> Answer<T> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_none_or(|kind| kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json")) {
        let found = kind.unwrap_or("none");
        let message = format!("content-type: found {found}, expected application/json");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = axum::body::to_bytes(request.into_body(), limits::BODY);
    let Ok(body) = tokio::time::timeout(limits::BODY_TIME, body).await else {
        let message = format!("body: found none after {} s", limits::BODY_TIME.as_secs());
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message));
    };
    let body = body.map_err(|_| {
        let message = format!("body: found more, expected at most {} bytes", limits::BODY);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    serde_json::from_slice(&body).map_err(|error| Refusal::invalid(format!("body: {error}")))
}

/// Messages that a handler sends to its client one after another: server-sent events. The place in the queue is free again when
/// the client has read all of them or has gone away.
pub struct Events {
    pub messages: UnboundedReceiver<Bytes>,
    /// The place in the queue. It is held until the stream ends, and never read.
    pub _place: OwnedSemaphorePermit,
}

impl Stream for Events {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(context).map(|message| message.map(Ok))
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(self)).into_response()
    }
}

/// An event `name` with `data` as JSON, in the format of server-sent events.
pub fn event(name: &str, data: &serde_json::Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
