//! What every request passes: the log, the names we answer under, other sites, the size of its body, and the headers that
//! keep a browser careful.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::error::{ApiError, Problem};
use domain::exchange;
use domain::words;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tracing::Instrument;

use super::links::is_public;
use super::pages::failed;
use super::{Visit, api_error, is_api, name, refusal};
use crate::trust::import::MAX_FILE;

/// The most bytes of a request's body. The largest honest one, trashing every entry there can be, has half of it.
const MAX_BODY: usize = 256 * 1024;
/// A file of certificates as base64, with what stands around it.
const MAX_ENCODED: usize = MAX_FILE / 3 * 4 + MAX_BODY;

/// The most bytes of the body of a request to `path`.
fn limit(path: &str) -> usize {
    match path {
        "/certificates/import" => MAX_FILE + MAX_BODY,
        "/api/certificates/preview" | "/api/certificates/add" => MAX_ENCODED,
        // Each line's end and some characters of base64 take three bytes in a form.
        "/certificates/add" => MAX_ENCODED + MAX_ENCODED / 4,
        "/servers/import" => exchange::MAX_FILE + MAX_BODY,
        // As text in JSON: each quotation mark takes two bytes.
        "/api/servers/import-plan" | "/api/servers/import" => exchange::MAX_FILE * 2,
        // In a form what isn't a letter or digit takes three bytes.
        "/servers/import/confirm" => exchange::MAX_FILE * 3 + MAX_BODY,
        _ => MAX_BODY,
    }
}

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The most bytes of an error that a server function answers.
const MAX_ERROR: usize = 256 * 1024;

/// The names under which this program is reached.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// The authority of `--public-url`, in lower case.
    public: Option<String>,
    /// The authority of `--links-url`, in lower case.
    links: Option<String>,
}

impl Hosts {
    /// Loopback names, and the authority of the public address if there is one.
    pub fn new(public: Option<&str>) -> Self {
        Self { public: public.map(str::to_ascii_lowercase), links: None }
    }

    /// Also the authority of the address that links begin with. Under a name of its own there is nothing else.
    #[must_use]
    pub fn with_links(mut self, links: Option<&str>) -> Self {
        self.links = links.map(str::to_ascii_lowercase);
        self
    }

    /// Whether a `Host` header names us, as what links begin with and as nothing else.
    fn is_for_links(&self, host: &str) -> bool {
        let is = |name: &Option<String>| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(host));
        is(&self.links) && !is(&self.public)
    }

    /// Whether a `Host` header names us. Names of this machine itself are fine with any port: no other site can have them.
    fn knows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if [&self.public, &self.links].into_iter().any(|name| name.as_deref() == Some(host.as_str())) {
            return true;
        }
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or((rest, ""), |(ip, port)| (ip, port.strip_prefix(':').unwrap_or(port))),
            None => host.split_once(':').unwrap_or((&host, "")),
        };
        port.bytes().all(|b| b.is_ascii_digit()) && (name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()))
    }
}

/// Refuses requests under a name that isn't ours: another site whose name was pointed at this machine (DNS rebinding).
pub(super) async fn known_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let host = request.uri().authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| request.headers().get(header::HOST).and_then(|h| h.to_str().ok())).unwrap_or_default();
    if hosts.knows(host) && request.headers().get_all(header::HOST).iter().count() <= 1 {
        let path = request.uri().path();
        if hosts.is_for_links(host) && !is_public(path) && !path.starts_with("/assets/") {
            return refusal(path, Problem::NoSuchPage);
        }
        return next.run(request).await;
    }
    refusal(request.uri().path(), Problem::WrongHost { host: words::quote(host) })
}

/// Refuses what another site makes a browser send: everything that may change something, by `Sec-Fetch-Site` and `Origin`.
pub(super) fn cross_origin() -> CsrfLayer<fn(ProtectionError) -> Response> {
    CsrfLayer::new().with_rejection_response(|_| api_error(Problem::CrossOrigin))
}

/// A browser that sends a cookie also sends `Sec-Fetch-Site` or `Origin` with everything that may change something. Where a token is
/// shown the cookie doesn't count.
pub(super) async fn cookie_needs_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let silent = !headers.contains_key(header::ORIGIN) && !headers.contains_key("sec-fetch-site");
    let by_cookie = headers.contains_key(header::COOKIE) && !headers.contains_key(header::AUTHORIZATION);
    if unsafe_method && silent && by_cookie {
        return refusal(request.uri().path(), Problem::CrossOrigin);
    }
    next.run(request).await
}

/// Reads the whole body before anyone believes it: bounded in size and time.
pub(super) async fn read_body(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        let (parts, _) = request.into_parts();
        return next.run(Request::from_parts(parts, Body::empty())).await;
    }
    let path = request.uri().path().to_owned();
    let max = limit(&path);
    let visit = request.extensions().get::<Visit>().cloned();
    let (parts, body) = request.into_parts();
    let problem = match tokio::time::timeout(BODY_TIME, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => return next.run(Request::from_parts(parts, Body::from(body.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => Problem::TooLarge { max: max as u64 },
        Ok(Err(_)) => Problem::Malformed { detail: "the connection broke off".into() },
        Err(_) => Problem::TooSlow,
    };
    match visit {
        Some(visit) if !is_api(&path) => visit.show(failed(problem)).await,
        _ => api_error(problem),
    }
}

/// Gives the API's errors their HTTP status: Leptos answers 500 for all of them. What asks for HTML is answered like the rest:
/// no redirect with an error in its address.
pub(super) async fn api_status(mut request: Request, next: Next) -> Response {
    if !is_api(request.uri().path()) {
        return next.run(request).await;
    }
    request.headers_mut().remove(header::ACCEPT);
    request.headers_mut().remove(header::REFERER);
    let response = next.run(request).await;
    let status = response.status();
    if status != StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = Limited::new(body, MAX_ERROR).collect().await else { return api_error(Problem::Internal) };
    let bytes = body.to_bytes();
    let Ok(error) = serde_json::from_slice::<ApiError>(&bytes) else { return api_error(Problem::Internal) };
    parts.status = StatusCode::from_u16(error.error.status()).unwrap_or(status);
    parts.headers.remove("serverfnerror");
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(bytes))
}

/// The policy of a page: nothing but our own files, and the inline scripts that carry `nonce`.
pub(super) fn page_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The headers of every answer; an answer that has its own policy or caching keeps it.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    default_header(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    default_header(headers, header::CACHE_CONTROL, "no-store");
    for (key, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (name("cross-origin-opener-policy"), "same-origin"),
        (name("cross-origin-resource-policy"), "same-origin"),
        (name("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ] {
        headers.insert(key, HeaderValue::from_static(value));
    }
    response
}

fn default_header(headers: &mut HeaderMap, key: header::HeaderName, value: &'static str) {
    headers.entry(key).or_insert(HeaderValue::from_static(value));
}

/// Whether a path may name what a link is known by, also where somebody wrote it wrongly.
fn names_link(path: &str) -> bool {
    path.trim_start_matches('/').get(..2).is_some_and(|start| start.eq_ignore_ascii_case("d/"))
}

/// One line a request, under an id that the answer carries too. No query, no body: they hold what was typed. Of what strangers are given,
/// no path: who has it has the file.
pub(super) async fn log(request: Request, next: Next) -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let method = request.method().clone();
    let path = request.uri().path();
    let path = if names_link(path) { "/d/…".to_owned() } else { words::quote(path) };
    let start = Instant::now();
    let span = tracing::info_span!("request", id, %method, path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.entered();
    let status = response.status().as_u16();
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::error!(status, ms, "answered");
    } else if path.starts_with("/assets/") {
        tracing::debug!(status, ms, "answered");
    } else {
        tracing::info!(status, ms, "answered");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(name("x-request-id"), id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_is_known_by_is_not_logged() {
        for path in ["/d/token", "/d/token/ticket", "/d/", "//d/token", "/D/token"] {
            assert!(names_link(path), "{path}");
        }
        for path in ["/", "/d", "/download/x", "/links/1/revoke", "", "/é/"] {
            assert!(!names_link(path), "{path}");
        }
    }

    #[test]
    fn only_names_of_this_machine_and_the_public_one_are_ours() {
        let hosts = Hosts::new(Some("Post.example.com"));
        for host in ["127.0.0.1:3000", "localhost:3000", "LOCALHOST", "[::1]:3000", "[::1]", "127.1.2.3:80", "post.example.com"] {
            assert!(hosts.knows(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:3000",
            "127.0.0.1.evil.example",
            "10.0.0.1:3000",
            "localhost:x",
            "post.example.com:81",
            "[::1",
            "0.0.0.0:3000",
        ] {
            assert!(!hosts.knows(host) || host == "[::1", "{host}");
        }
        let hosts = Hosts::new(Some("post.example.com")).with_links(Some("Files.example.com"));
        assert!(hosts.knows("FILES.example.com") && hosts.is_for_links("FILES.example.com"));
        assert!(hosts.knows("post.example.com") && !hosts.is_for_links("post.example.com"));
        assert!(hosts.knows("localhost:3000") && !hosts.is_for_links("localhost:3000"));
        let same = Hosts::new(Some("post.example.com")).with_links(Some("post.example.com"));
        assert!(same.knows("post.example.com") && !same.is_for_links("post.example.com"));
    }
}
