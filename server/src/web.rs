//! The web server: pages, forms, the API, the built assets, and the guards in front of all of them.

mod assets;
mod forms;
mod guard;
mod serve;

use std::sync::Arc;

use app::backend::{Backend, PageStatus};
use app::forms::Submitted;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use domain::error::{ApiError, Problem};
use http::{HeaderName, HeaderValue, StatusCode, header};
use leptos::config::LeptosOptions;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list, render_app_async_with_context};

pub use guard::Hosts;
pub use serve::serve;

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    backend: Arc<dyn Backend>,
    hosts: Arc<Hosts>,
    leptos: LeptosOptions,
}

impl Web {
    /// A web server over `backend` that answers under the names in `hosts`.
    pub fn new(backend: Arc<dyn Backend>, hosts: Hosts) -> Self {
        let leptos = LeptosOptions::builder().output_name("postroom").build();
        Self { backend, hosts: Arc::new(hosts), leptos }
    }

    /// What every page and server function finds in its context.
    fn provide(&self) {
        provide_context(Arc::clone(&self.backend));
        provide_context(assets::urls());
        if let Some(response) = use_context::<ResponseOptions>() {
            if let Some(nonce) = leptos::nonce::use_nonce() {
                let policy = guard::page_policy(&nonce);
                if let Ok(policy) = HeaderValue::from_str(&policy) {
                    response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
                }
            }
            let set = move |status| response.set_status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
            provide_context(PageStatus(Arc::new(set)));
        }
    }

    /// The page at `uri`, as after a GET; with `submitted`, as after the form on it was posted.
    async fn page(&self, uri: &str, submitted: Option<Submitted>) -> Response {
        let Ok(request) = Request::builder().uri(uri).body(Body::empty()) else {
            return api_error(Problem::Internal);
        };
        let web = self.clone();
        let context = move || {
            web.provide();
            if let Some(submitted) = submitted.clone() {
                provide_context(submitted);
            }
        };
        render_app_async_with_context(context, app::shell)(request).await
    }
}

impl FromRef<Web> for LeptosOptions {
    fn from_ref(web: &Web) -> Self {
        web.leptos.clone()
    }
}

/// Everything that is answered.
pub fn router(web: Web) -> Router {
    let context = {
        let web = web.clone();
        move || web.provide()
    };
    let pages = generate_route_list(app::App);
    Router::new()
        .leptos_routes_with_context(&web, pages, context, app::shell)
        .merge(forms::routes())
        .route("/assets/{name}", get(assets::asset))
        .fallback(nothing_here)
        .layer(from_fn(guard::api_status))
        .layer(from_fn(guard::read_body))
        .layer(guard::cross_origin())
        .layer(from_fn(guard::cookie_needs_origin))
        .layer(from_fn_with_state(Arc::clone(&web.hosts), guard::known_host))
        .layer(from_fn(guard::headers))
        .layer(from_fn(guard::log))
        .with_state(web)
}

async fn nothing_here(State(web): State<Web>, request: Request) -> Response {
    if is_api(request.uri().path()) {
        return api_error(Problem::NoSuchPage);
    }
    web.page("/nothing-here", None).await
}

fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/api"
}

/// An error as the API says it.
fn api_error(problem: Problem) -> Response {
    let error = ApiError::from(problem);
    let status = StatusCode::from_u16(error.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(error)).into_response()
}

/// An error before any page is reached, in the form its reader understands.
fn refusal(path: &str, problem: Problem) -> Response {
    if is_api(path) {
        return api_error(problem);
    }
    let error = ApiError::from(problem);
    let status = StatusCode::from_u16(error.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{}\n", error.message)).into_response()
}

/// Leads to another page after a form was posted (RFC 9110 section 15.4.4).
fn see_other(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A header that this file and the guards set.
const fn name(header: &'static str) -> HeaderName {
    HeaderName::from_static(header)
}
