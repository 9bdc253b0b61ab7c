//! The built assets: embedded in the program under names with the hash of their content, and compressed beforehand.

use app::backend::Assets;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use domain::error::Problem;
use http::{HeaderMap, HeaderValue, header};

use super::refusal;

/// One file. `name` carries the hash; `logical` says what it is.
struct Asset {
    name: &'static str,
    logical: &'static str,
    content_type: &'static str,
    raw: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

/// What the build embedded; nothing in a build without assets.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the pages find the assets.
pub(super) fn urls() -> Assets {
    let url = |logical: &str| ASSETS.iter().find(|a| a.logical == logical).map(|a| format!("/assets/{}", a.name));
    Assets { script: url("app.js"), wasm: url("app_bg.wasm"), stylesheet: url("main.css"), icon: url("favicon.svg") }
}

/// One asset, in the encoding that the browser likes best. Its name changes with its content, so it is kept for ever.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|a| a.name == name) else {
        return refusal("/assets/", Problem::NoSuchPage);
    };
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let accepts = |coding: &str| {
        accepted.split(',').any(|part| {
            let (name, quality) = part.split_once(';').unwrap_or((part, ""));
            name.trim().eq_ignore_ascii_case(coding) && quality.replace(' ', "") != "q=0"
        })
    };
    let (encoding, body) = match (asset.br.filter(|_| accepts("br")), asset.gz.filter(|_| accepts("gzip"))) {
        (Some(br), _) => (Some("br"), br),
        (None, Some(gz)) => (Some("gzip"), gz),
        (None, None) => (None, asset.raw),
    };
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}
