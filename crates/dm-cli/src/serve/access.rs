//! Who may use the page, and what browsers may do with it.
//!
//! A page of another site can make the browser of this machine send requests to the server. Two checks refuse them:
//!
//! - `Host` must be an IP address or `localhost`. With DNS rebinding the name of another site leads to this machine, and the
//!   browser then sends that name.
//! - `Origin` must be the server's own, and `Sec-Fetch-Site` must not name another site.
//!
//! A server for other machines also asks for a token: in the address at the first visit, afterwards in a cookie, or as
//! `Authorization: Bearer TOKEN`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;
use super::token::{COOKIE, Token};

/// What the checks depend on.
pub struct Access {
    /// Whether only this machine can reach the server.
    pub local: bool,
    /// The token that requests must have.
    pub token: Option<Token>,
}

/// Headers of every answer. They forbid to load or run anything from elsewhere, and forbid other pages to embed or read an answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets a request through if it may use the page, and adds [`HEADERS`] to every answer.
pub async fn guard(State(access): State<Arc<Access>>, request: Request<Body>, next: Next) -> Response {
    let mut response = match access.check(&request) {
        Ok(None) => next.run(request).await,
        Ok(Some(redirect)) => redirect,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Access {
    /// Checks a request. Returns an answer if the token in its address has to be put into a cookie first.
    fn check(&self, request: &Request<Body>) -> Result<Option<Response>, Refusal> {
        let headers = request.headers();
        let host = text(headers, header::HOST).unwrap_or_default();
        if !self.is_own_host(host) {
            let expected =
                if self.local { "localhost or a loopback address" } else { "an IP address or localhost" };
            return Err(Refusal::forbidden(format!("host: found `{host}`, expected {expected}")));
        }
        if let Some(origin) = text(headers, header::ORIGIN)
            && origin != format!("http://{host}")
        {
            return Err(Refusal::forbidden(format!("origin: found `{origin}`, expected http://{host}")));
        }
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let is_link = request.method() == Method::GET
            && request.uri().path() == "/"
            && headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        if !is_link && site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return Err(Refusal::forbidden("sec-fetch-site: found another site, expected same-origin"));
        }
        match &self.token {
            Some(token) => check_token(token, request),
            None => Ok(None),
        }
    }

    /// Whether `host`, with or without a port, cannot be the name of another site.
    fn is_own_host(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let is_own = |ip: IpAddr| !self.local || ip.is_loopback();
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_own)
    }
}

/// Checks that `request` has the token. A browser that brings it in the address gets a cookie and is led to the page.
fn check_token(token: &Token, request: &Request<Body>) -> Result<Option<Response>, Refusal> {
    let headers = request.headers();
    let bearer = text(headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let mut cookies = text(headers, header::COOKIE).unwrap_or_default().split(';');
    let cookie = cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    if bearer.or(cookie).is_some_and(|given| token.is(given)) {
        return Ok(None);
    }
    let query = request.uri().query().unwrap_or_default();
    let given = query.split('&').find_map(|part| part.strip_prefix("token="));
    if request.uri().path() == "/" && given.is_some_and(|given| token.is(given)) {
        let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", token.text());
        let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())];
        return Ok(Some((StatusCode::SEE_OTHER, headers).into_response()));
    }
    let message = "token: found none or a wrong one, expected the address that `dm serve` has printed";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
}

/// The header `name` as text.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(local: bool, names: &[&str]) -> Vec<bool> {
        let access = Access { local, token: None };
        names.iter().map(|name| access.is_own_host(name)).collect()
    }

    #[test]
    fn names_of_other_sites_are_no_hosts_of_this_server() {
        let own = ["localhost", "localhost:8008", "127.0.0.1:8008", "[::1]:8008", "LOCALHOST:1"];
        assert_eq!(hosts(true, &own), [true; 5]);
        let other = [
            "evil.example:8008",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil.example:80",
            "[::1.evil",
            "::2",
        ];
        assert_eq!(hosts(true, &other), [false; 6]);
        assert_eq!(hosts(true, &["192.168.1.7:8008"]), [false]);
        assert_eq!(
            hosts(false, &["192.168.1.7:8008", "[fe80::1]:8008", "localhost", "evil.example"]),
            [true, true, true, false]
        );
    }
}
