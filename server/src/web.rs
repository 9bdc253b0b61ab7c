//! The web server: pages, forms, the API, the built assets, and the guards in front of all of them.

mod access;
mod assets;
mod certificates;
mod forms;
mod guard;
mod live;
mod pages;
mod patient;
mod records;
mod serve;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;

use app::api::KEYS;
use app::backend::{Backend, Gate};
use app::pages::{Page, Plain};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use domain::error::{ApiError, Problem};
use domain::words;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{ResponseOptions, handle_server_fns_with_context, render_app_async_with_context};
use serde::de::IgnoredAny;

pub use access::Peer;
pub use guard::Hosts;
pub use serve::serve;

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    gate: Arc<dyn Gate>,
    hosts: Arc<Hosts>,
}

impl Web {
    /// A web server that lets people in by `gate`, and answers under the names in `hosts`.
    pub fn new(gate: Arc<dyn Gate>, hosts: Hosts) -> Self {
        // Leptos spawns on the runtime that this runs in; a second call changes nothing.
        let _ = any_spawner::Executor::init_tokio();
        Self { gate, hosts: Arc::new(hosts) }
    }
}

/// A request, with the backend of whoever makes it.
#[derive(Clone)]
struct Visit {
    backend: Arc<dyn Backend>,
}

impl Visit {
    /// The document that shows `page`.
    async fn show(&self, page: Page) -> Response {
        let status = status(page.status());
        let context = move || {
            provide_context(page.clone());
            provide_context(assets::urls());
            if let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), leptos::nonce::use_nonce()) {
                response.set_status(status);
                if let Ok(policy) = HeaderValue::from_str(&guard::page_policy(&nonce)) {
                    response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
                }
            }
        };
        render_app_async_with_context(context, app::shell)(Request::new(Body::empty())).await
    }
}

/// Everything that is answered.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/", get(pages::list))
        .route("/servers/new", get(pages::new).post(forms::add))
        .route("/servers/trash", get(pages::trash).post(forms::trash))
        .route("/servers/undo", get(|| async { see_other("/") }).post(forms::undo))
        .route("/servers/test-all", get(|| async { see_other("/") }).post(forms::test_all))
        .route("/servers/edit", get(pages::edit_chosen))
        .route("/servers/try", get(pages::try_chosen))
        .route("/servers/{id}", get(pages::entry).post(forms::entry))
        .route(
            "/servers/{id}/client-certificate",
            get(certificates::client_certificate).post(certificates::keep_client_certificate),
        )
        .route("/servers/{id}/client-certificate/remove", post(certificates::remove_client_certificate))
        .route("/certificates", get(certificates::list))
        .route("/certificates/import", get(certificates::import).post(certificates::preview))
        .route("/certificates/export", get(certificates::export))
        .route("/certificates/trash", get(certificates::trash_question).post(certificates::trash))
        .route("/certificates/add", get(to_certificates).post(certificates::add))
        .route("/certificates/undo", get(to_certificates).post(certificates::undo))
        .route("/certificates/outlives", get(to_certificates).post(certificates::set_outlives))
        .route("/certificates/system-authorities", get(to_certificates).post(certificates::set_system))
        .route("/api/servers/test/live", any(live::test))
        .route("/api/servers/test-all", any(live::test_all))
        .route("/api/certificates/preview", any(certificates::preview_api))
        .route("/api/certificates/export", any(certificates::export_api))
        .route("/activity", get(records::activity))
        .route("/activity/export", get(records::export_activity))
        .route("/servers/export", get(records::export))
        .route("/servers/import", get(records::import).post(records::preview))
        .route("/servers/import/confirm", get(|| async { see_other("/servers/import") }).post(records::confirm))
        .route("/api/activity", any(records::activity_api))
        .route("/api/activity/export", any(records::export_activity_api))
        .route("/api/servers/export", any(records::export_api))
        .route("/api/servers/import-plan", any(records::plan_api))
        .route("/api/servers/import", any(records::import_api))
        .route("/api/{*function}", any(api))
        .route("/assets/{name}", get(assets::asset))
        .fallback(nothing_here)
        .method_not_allowed_fallback(|| async { refusal("", Problem::WrongMethod { allowed: "GET, POST" }) })
        .layer(from_fn(guard::api_status))
        // Every body has been read by then, up to a limit of ours.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(guard::read_body))
        .layer(from_fn_with_state(web.clone(), access::recognise))
        .layer(guard::cross_origin())
        .layer(from_fn(guard::cookie_needs_origin))
        .layer(from_fn_with_state(Arc::clone(&web.hosts), guard::known_host))
        .layer(from_fn(guard::headers))
        .layer(from_fn(guard::log))
        .with_state(web)
}

/// A server function, if there is one of this name and method, and if it knows every key.
async fn api(visit: Visit, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some((_, keys)) = KEYS.iter().find(|(known, _)| *known == path) else {
        return api_error(Problem::NoSuchPage);
    };
    let Some(method) = takes(&path) else { return api_error(Problem::NoSuchPage) };
    let (parts, body) = match admit(request, &method, keys).await {
        Ok(admitted) => admitted,
        Err(refused) => return refused,
    };
    let context = move || provide_context(Arc::clone(&visit.backend));
    let request = Request::from_parts(parts, Body::from(body));
    handle_server_fns_with_context(context, request).await.into_response()
}

/// A request of the API with its body, if it has this method and no key but these.
async fn admit(request: Request, method: &Method, keys: &[&str]) -> Result<(Parts, Bytes), Response> {
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::HEAD {
        parts.method = Method::GET;
    }
    if parts.method != method {
        let mut response = api_error(Problem::WrongMethod { allowed: if method == Method::GET { "GET" } else { "POST" } });
        if let Ok(allowed) = HeaderValue::from_str(method.as_str()) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        return Err(response);
    }
    // It was read already, up to its limit.
    let body = body.collect().await.map_err(|_| api_error(Problem::Internal))?.to_bytes();
    if method != Method::GET && !is_object(&body) {
        return Err(api_error(Problem::Malformed { detail: "expected a JSON object".into() }));
    }
    if let Some(unknown) = unknown_key(parts.uri.query().unwrap_or_default(), &body, keys) {
        let detail = format!("unknown key `{}`, expected one of {}", words::quote(&unknown), keys.join(", "));
        return Err(api_error(Problem::Malformed { detail }));
    }
    Ok((parts, body))
}

/// Whether it begins like an object; the rest is the reader's to refuse. An array would be taken for members in their order.
fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// The first key of the query or of the JSON object that is none of `keys`. What can't be read is the reader's to refuse.
fn unknown_key(query: &str, body: &[u8], keys: &[&str]) -> Option<String> {
    let in_query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or(pair).to_owned());
    // The values may be large, or secret: nobody needs a copy of them.
    #[expect(clippy::zero_sized_map_values, reason = "what can be read as a map with values, and no set, is an object")]
    let in_body: BTreeMap<String, IgnoredAny> = serde_json::from_slice(body).unwrap_or_default();
    in_query.chain(in_body.into_keys()).find(|key| !keys.contains(&key.as_str()))
}

/// The method of the server function at `path`.
fn takes(path: &str) -> Option<Method> {
    leptos::server_fn::axum::server_fn_paths().find_map(|(known, method)| (known == path).then_some(method))
}

/// Where a page leads that is only posted to.
async fn to_certificates() -> Response {
    see_other("/certificates")
}

async fn nothing_here(visit: Visit, request: Request) -> Response {
    if is_api(request.uri().path()) {
        return api_error(Problem::NoSuchPage);
    }
    visit.show(Plain::Failed(Problem::NoSuchPage.into()).into()).await
}

fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/api"
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An error as the API says it.
fn api_error(problem: Problem) -> Response {
    let error = ApiError::from(problem);
    (status(error.error.status()), axum::Json(error)).into_response()
}

/// An error before any page is reached, in the form its reader understands.
fn refusal(path: &str, problem: Problem) -> Response {
    if is_api(path) {
        return api_error(problem);
    }
    let error = ApiError::from(problem);
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status(error.error.status()), text, format!("{}\n", error.message)).into_response()
}

/// Leads to another page after a form was posted (RFC 9110 section 15.4.4).
fn see_other(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A header that `http` has no name for.
const fn name(header: &'static str) -> HeaderName {
    HeaderName::from_static(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_function_says_which_keys_it_takes() {
        let mut paths: Vec<&str> = leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path).collect();
        let mut named: Vec<&str> = KEYS.iter().map(|(path, _)| *path).collect();
        paths.sort_unstable();
        named.sort_unstable();
        assert_eq!(paths, named);
    }
}
