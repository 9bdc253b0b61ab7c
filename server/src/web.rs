//! The web server: pages, forms, the API, the built assets, and the guards in front of all of them.

mod assets;
mod forms;
mod guard;
mod pages;
mod serve;

use std::sync::Arc;

use app::backend::Backend;
use app::pages::Page;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use domain::error::{ApiError, Problem};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{ResponseOptions, handle_server_fns_with_context, render_app_async_with_context};

pub use guard::Hosts;
pub use serve::serve;

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    backend: Arc<dyn Backend>,
    hosts: Arc<Hosts>,
}

impl Web {
    /// A web server over `backend` that answers under the names in `hosts`.
    pub fn new(backend: Arc<dyn Backend>, hosts: Hosts) -> Self {
        // Leptos spawns on the runtime that this runs in; a second call changes nothing.
        let _ = any_spawner::Executor::init_tokio();
        Self { backend, hosts: Arc::new(hosts) }
    }

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
        .route("/servers/undo", axum::routing::post(forms::undo))
        .route("/servers/edit", get(pages::edit_chosen))
        .route("/servers/try", get(pages::try_chosen))
        .route("/servers/{id}", get(pages::entry).post(forms::entry))
        .route("/api/{*function}", any(api))
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

/// A server function, if there is one of this name and method.
async fn api(State(web): State<Web>, request: Request) -> Response {
    match takes(request.uri().path(), request.method()) {
        None => return api_error(Problem::NoSuchPage),
        Some(false) => {
            return api_error(Problem::Malformed { detail: "this address takes another HTTP method".into() });
        }
        Some(true) => {}
    }
    let context = move || provide_context(Arc::clone(&web.backend));
    handle_server_fns_with_context(context, request).await.into_response()
}

/// Whether the server function at `path` takes `method`; `None` where there is none.
fn takes(path: &str, method: &Method) -> Option<bool> {
    leptos::server_fn::axum::server_fn_paths()
        .filter_map(|(known, takes)| (known == path).then(|| takes == *method))
        .reduce(|one, other| one || other)
}

async fn nothing_here(State(web): State<Web>, request: Request) -> Response {
    if is_api(request.uri().path()) {
        return api_error(Problem::NoSuchPage);
    }
    web.show(Page::Failed(Problem::NoSuchPage.into())).await
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
