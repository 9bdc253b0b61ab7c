//! The web server: pages, forms, the API, the built assets, and the guards in front of all of them.

mod access;
mod accounts;
mod arrival;
mod assets;
mod certificates;
mod forms;
mod guard;
mod links;
mod live;
mod messages;
mod openapi;
mod pages;
mod patient;
mod qr;
mod range;
mod records;
mod routes;
mod serve;
mod sign_ins;
mod signing;
mod tls;
mod tokens;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;

use app::api::KEYS;
use app::backend::{Backend, Gate, Shown};
use app::pages::{Page, Plain, Visitor};
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Router};
use domain::access::Act;
use domain::error::{ApiError, ErrorKind, Problem};
use domain::words;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::BodyExt;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{ResponseOptions, handle_server_fns_with_context, render_app_async_with_context};
use serde::de::IgnoredAny;

use crate::links::Links;

pub use access::Peer;
pub use arrival::{Encrypted, Proxies};
pub use guard::Hosts;
use links::{Shelf, is_public};
use routes::Routes;
pub use routes::{Need, Route};
pub use serve::serve;
pub use tls::{PageTls, TlsFileError, TlsFiles};

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    gate: Arc<dyn Gate>,
    hosts: Arc<Hosts>,
    proxies: Arc<Proxies>,
    shelf: Shelf,
}

impl Web {
    /// A web server that lets people in by `gate`, and answers under the names in `hosts`.
    pub fn new(gate: Arc<dyn Gate>, hosts: Hosts) -> Self {
        // Leptos spawns on the runtime that this runs in; a second call changes nothing.
        let _ = any_spawner::Executor::init_tokio();
        Self { gate, hosts: Arc::new(hosts), proxies: Arc::default(), shelf: Shelf::default() }
    }

    /// Takes the word of these for where requests come from.
    #[must_use]
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.proxies = Arc::new(proxies);
        self
    }

    /// Lets whoever has one of these links download its file.
    #[must_use]
    pub fn with_links(mut self, links: Arc<Links>) -> Self {
        self.shelf = Shelf(Some(links));
        self
    }
}

/// A request, with the backend of whoever makes it.
#[derive(Clone)]
struct Visit {
    backend: Arc<dyn Backend>,
    gate: Arc<dyn Gate>,
    shown: Shown,
    secure: bool,
}

impl Visit {
    /// The document that shows `page`.
    async fn show(&self, page: Page) -> Response {
        let status = status(page.status());
        let unconfirmed = page.refused().is_some_and(|error| error.error == ErrorKind::ConfirmPassword);
        let visitor = Visitor::of(self.backend.caller());
        let context = move || {
            provide_context(page.clone());
            provide_context(visitor.clone());
            provide_context(assets::urls());
            if let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), leptos::nonce::use_nonce()) {
                response.set_status(status);
                if let Ok(policy) = HeaderValue::from_str(&guard::page_policy(&nonce)) {
                    response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
                }
            }
        };
        let mut response = render_app_async_with_context(context, app::shell)(Request::new(Body::empty())).await;
        if unconfirmed {
            response.extensions_mut().insert(access::Unconfirmed);
        }
        response
    }

    /// Whether whoever asks may do this.
    fn may(&self, act: Act) -> bool {
        self.backend.caller().permit.allows(act)
    }
}

/// Everything that is answered.
pub fn router(web: Web) -> Router {
    all()
        .router()
        .fallback(nothing_here)
        .method_not_allowed_fallback(|uri: Uri| async move { refusal(uri.path(), Problem::WrongMethod { allowed: "GET, POST" }) })
        .layer(from_fn(guard::api_status))
        // Every body is read up to a limit of ours.
        .layer(DefaultBodyLimit::disable())
        .layer(Extension(web.shelf.clone()))
        .layer(from_fn_with_state(web.clone(), access::recognise))
        .layer(guard::cross_origin())
        .layer(from_fn(guard::cookie_needs_origin))
        .layer(from_fn_with_state(Arc::clone(&web.hosts), guard::known_host))
        .layer(from_fn(guard::headers))
        .layer(from_fn_with_state(Arc::clone(&web.proxies), arrival::note))
        .layer(from_fn(guard::log))
}

/// Every route with what it takes.
pub fn routes() -> Vec<Route> {
    all().table()
}

fn all() -> Routes {
    const SEE: Need = Need::Act(Act::See);
    const TEST: Need = Need::Act(Act::Test);
    const CHANGE: Need = Need::Act(Act::Change);
    let routes = Routes::default()
        .get("/assets/{name}", Need::Nobody, assets::asset)
        .get("/", SEE, pages::list)
        .get("/servers/new", CHANGE, pages::new)
        .post("/servers/new", CHANGE, forms::add)
        .get("/servers/trash", CHANGE, pages::trash)
        .post("/servers/trash", CHANGE, forms::trash)
        .get("/servers/undo", SEE, || async { see_other("/") })
        .post("/servers/undo", CHANGE, forms::undo)
        .get("/servers/test-all", SEE, || async { see_other("/") })
        .post("/servers/test-all", TEST, forms::test_all)
        .get("/servers/edit", SEE, pages::edit_chosen)
        .get("/servers/try", SEE, pages::try_chosen)
        .get("/servers/{id}", SEE, pages::entry)
        // What a button changes takes more; its handler says so.
        .post("/servers/{id}", TEST, forms::entry)
        .get("/servers/{id}/client-certificate", CHANGE, certificates::client_certificate)
        .post("/servers/{id}/client-certificate", CHANGE, certificates::keep_client_certificate)
        .post("/servers/{id}/client-certificate/remove", CHANGE, certificates::remove_client_certificate)
        .get("/certificates", SEE, certificates::list)
        .get("/certificates/import", CHANGE, certificates::import)
        .post("/certificates/import", CHANGE, certificates::preview)
        .get("/certificates/export", SEE, certificates::export)
        .get("/certificates/trash", CHANGE, certificates::trash_question)
        .post("/certificates/trash", CHANGE, certificates::trash)
        .get("/certificates/add", SEE, to_certificates)
        .post("/certificates/add", CHANGE, certificates::add)
        .get("/certificates/undo", SEE, to_certificates)
        .post("/certificates/undo", CHANGE, certificates::undo)
        .get("/certificates/outlives", SEE, to_certificates)
        .post("/certificates/outlives", CHANGE, certificates::set_outlives)
        .get("/certificates/system-authorities", SEE, to_certificates)
        .post("/certificates/system-authorities", CHANGE, certificates::set_system)
        .api("/api/servers/test/live", Method::POST, TEST, live::test)
        .api("/api/servers/test-all", Method::POST, TEST, live::test_all)
        .api("/api/certificates/preview", Method::POST, CHANGE, certificates::preview_api)
        .api("/api/certificates/export", Method::GET, SEE, certificates::export_api)
        .api("/api/session", Method::GET, Need::Somebody, signing::session_api)
        .api("/api/session/stay", Method::POST, Need::Somebody, signing::stay_api);
    let routes = links::routes(openapi::routes(messages::routes(records::routes(tokens::routes(accounts::routes(
        signing::routes(sign_ins::routes(routes)),
    ))))));
    // A server function that isn't among the keys isn't answered.
    KEYS.into_iter().fold(routes, |routes, (path, act, _)| match takes(path) {
        Some(method) => routes.api(path, method, Need::Act(act), api),
        None => routes,
    })
}

/// A server function, if there is one of this name and method, and if it knows every key.
async fn api(visit: Visit, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some((_, _, keys)) = KEYS.iter().find(|(known, ..)| *known == path) else {
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

async fn nothing_here(request: Request) -> Response {
    let path = request.uri().path();
    if is_public(path) {
        return links::gone(Problem::NoSuchPage);
    }
    let Some(visit) = request.extensions().get::<Visit>().filter(|_| !is_api(path)) else {
        return api_error(Problem::NoSuchPage);
    };
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
    let wait = if let Problem::WaitBefore { seconds } = problem { Some(seconds) } else { None };
    let error = ApiError::from(problem);
    let mut response = (status(error.error.status()), axum::Json(error)).into_response();
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
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
        let mut named: Vec<&str> = KEYS.iter().map(|(path, ..)| *path).collect();
        paths.sort_unstable();
        named.sort_unstable();
        assert_eq!(paths, named);
        let table = routes();
        for path in paths {
            assert!(table.iter().any(|route| route.path == path), "{path} isn't answered");
        }
    }
}
