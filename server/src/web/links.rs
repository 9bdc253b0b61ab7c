//! Links: the pages that whoever has one sees and the file behind it, without an account; and the page and the API for those who look after
//! them.

use std::sync::Arc;

use app::download::DownloadPage;
use app::pages::{Page, Plain};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use domain::access::Act;
use domain::error::{ApiError, Problem};
use domain::field::{Field, FieldError, FieldErrors};
use domain::link::{LinkId, LinkState, LinksPage, LinksQuery};
use domain::secret::Secret;
use domain::words;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::access::Peer;
use super::forms::{Fields, Posted};
use super::pages::failed;
use super::range::{Asked, asked};
use super::routes::{Need, Routes};
use super::{Visit, admit, api_error, assets, name, see_other, status};
use crate::files::hex;
use crate::links::{Links, Served};

/// The keys of `GET /api/links`.
const LIST_KEYS: &[&str] = &["search", "state", "before"];
/// The keys of `POST /api/links/revoke`.
const REVOKE_KEYS: &[&str] = &["id"];
/// The keys of `POST /api/links/extend`.
const EXTEND_KEYS: &[&str] = &["id", "days"];
/// The policy of a page. It isn't sandboxed: a form on such a page would come from no origin.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The policy of a file: should a browser ever show it, it may do nothing.
const FILE_POLICY: &str = "sandbox";

/// Where links are looked up; nothing where none are made.
#[derive(Clone, Default)]
pub(super) struct Shelf(pub(super) Option<Arc<Links>>);

pub(super) fn routes(routes: Routes) -> Routes {
    const SEE: Need = Need::Act(Act::See);
    const CHANGE: Need = Need::Act(Act::Change);
    routes
        .get("/d/{token}", Need::Nobody, offer)
        .post("/d/{token}", Need::Nobody, begin)
        .get("/d/{token}/{ticket}", Need::Nobody, file)
        .get("/links", SEE, list)
        .get("/links/{id}/revoke", CHANGE, question)
        .post("/links/{id}/revoke", CHANGE, revoke)
        .get("/links/{id}/extend", CHANGE, || async { see_other("/links") })
        .post("/links/{id}/extend", CHANGE, extend)
        .api("/api/links", Method::GET, SEE, list_api)
        .api("/api/links/revoke", Method::POST, CHANGE, revoke_api)
        .api("/api/links/extend", Method::POST, CHANGE, extend_api)
}

/// Whether a path is one of what strangers are given. Whatever follows in it may be what a link is known by.
pub(super) fn is_public(path: &str) -> bool {
    path.starts_with("/d/")
}

/// Shows what a link leads to. Nothing is counted, whoever looks.
async fn offer(Extension(shelf): Extension<Shelf>, Path(token): Path<String>, request: Request) -> Response {
    let Some(links) = shelf.0 else { return gone(Problem::NoSuchPage) };
    match links.offer(Secret::new(token), address(&request)).await {
        Ok(offer) => page(StatusCode::OK, DownloadPage::Offer(offer)),
        Err(problem) => gone(problem),
    }
}

/// Counts a download and leads to the file.
async fn begin(Extension(shelf): Extension<Shelf>, Path(token): Path<String>, request: Request) -> Response {
    let Some(links) = shelf.0 else { return gone(Problem::NoSuchPage) };
    let token = Secret::new(token);
    match links.begin(token.clone(), address(&request)).await {
        Ok(ticket) => {
            let mut response = see_other(&format!("/d/{}/{}", token.expose(), ticket.expose()));
            guarded(response.headers_mut(), PAGE_POLICY);
            response
        }
        Err(problem) => gone(problem),
    }
}

/// The file, or the part of it that is asked for.
async fn file(Extension(shelf): Extension<Shelf>, Path((token, ticket)): Path<(String, String)>, request: Request) -> Response {
    let Some(links) = shelf.0 else { return gone(Problem::NoSuchPage) };
    let served = match links.redeem(Secret::new(token), Secret::new(ticket), address(&request)).await {
        Ok(served) => served,
        Err(problem) => return gone(problem),
    };
    let tag = format!("\"{}\"", hex(&served.sha256));
    let is_get = request.method() == Method::GET;
    let asked = asked(request.headers(), is_get, &tag, served.size);
    let body = match asked {
        Asked::Whole if is_get => bytes(&links, &served, 0, served.size).await,
        Asked::Part { from, to } => bytes(&links, &served, from, to).await,
        Asked::Whole | Asked::OutOfReach | Asked::Known | Asked::Another => Ok(Body::empty()),
    };
    match body {
        Ok(body) => answer(&served, &tag, asked, body),
        Err(problem) => gone(problem),
    }
}

async fn bytes(links: &Links, served: &Served, from: u64, to: u64) -> Result<Body, Problem> {
    links.read(served, from, to).await.map(Body::from_stream)
}

/// An answer about a file: it is never shown, kept or taken for anything but bytes.
fn answer(served: &Served, tag: &str, asked: Asked, body: Body) -> Response {
    let Served { name, size, .. } = served;
    let (status, length, range) = match asked {
        Asked::Whole => (StatusCode::OK, Some(*size), None),
        Asked::Part { from, to } => (StatusCode::PARTIAL_CONTENT, Some(to - from), Some(format!("bytes {from}-{}/{size}", to - 1))),
        Asked::OutOfReach => (StatusCode::RANGE_NOT_SATISFIABLE, Some(0), Some(format!("bytes */{size}"))),
        Asked::Known => (StatusCode::NOT_MODIFIED, None, None),
        Asked::Another => (StatusCode::PRECONDITION_FAILED, Some(0), None),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    guarded(headers, FILE_POLICY);
    let texts = [
        (header::CONTENT_TYPE, Some("application/octet-stream".to_owned())),
        (header::CONTENT_DISPOSITION, Some(disposition(name))),
        (header::ACCEPT_RANGES, Some("bytes".to_owned())),
        (header::ETAG, Some(tag.to_owned())),
        (header::CONTENT_LENGTH, length.map(|length| length.to_string())),
        (header::CONTENT_RANGE, range),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// What keeps an answer to a stranger to himself.
fn guarded(headers: &mut HeaderMap, policy: &'static str) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(name("x-robots-tag"), HeaderValue::from_static("noindex"));
}

/// `attachment` with the name: in ASCII for old programs, and as it is (RFC 6266 section 4.3, RFC 8187 section 3.2).
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%') { c } else { '_' }).collect();
    let encoded = name.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
        out
    });
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// What is answered where a link leads to nothing: the same for whatever reason, so that nobody learns of a link by guessing.
pub(super) fn gone(problem: Problem) -> Response {
    match problem {
        Problem::NoSuchPage => page(StatusCode::NOT_FOUND, DownloadPage::Gone),
        Problem::Corrupt { detail } => {
            tracing::error!(detail, "the file of a link can't be read");
            page(StatusCode::NOT_FOUND, DownloadPage::Gone)
        }
        problem => {
            let wait = if let Problem::WaitBefore { seconds } = problem { Some(seconds) } else { None };
            let mut response = page(status(problem.kind().status()), DownloadPage::Failed(problem));
            if let Some(seconds) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

fn page(status: StatusCode, page: DownloadPage) -> Response {
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (status, html, page.document(assets::urls().stylesheet)).into_response();
    guarded(response.headers_mut(), PAGE_POLICY);
    response
}

fn address(request: &Request) -> String {
    request.extensions().get::<Peer>().map(|peer| peer.0.to_string()).unwrap_or_default()
}

/// What the list's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListAddress {
    search: String,
    state: String,
    before: String,
}

type Address = Result<Query<ListAddress>, QueryRejection>;

/// # Errors
/// [`Problem::Malformed`] for a state or a number that is none.
fn query(address: Address) -> Result<LinksQuery, Problem> {
    let malformed = |detail: &str| Problem::Malformed { detail: detail.into() };
    let ListAddress { search, state, before } = address.map(|query| query.0).map_err(|_| malformed("the address can't be read"))?;
    let state = match state.as_str() {
        "" => None,
        key => Some(LinkState::parse(key).ok_or_else(|| malformed("“state” is live, expired or revoked"))?),
    };
    let before = match before.as_str() {
        "" => None,
        number => Some(number.parse().map(LinkId).map_err(|_| malformed("“before” is a number"))?),
    };
    Ok(LinksQuery { search, state, before })
}

impl Visit {
    async fn links_page(&self, query: LinksQuery, typed: Option<(LinkId, String)>, refused: Option<ApiError>) -> Page {
        match self.backend.links(query.clone()).await {
            Ok(page) => Plain::Links { page: Some(page), query, typed, refused }.into(),
            Err(problem) => failed(problem),
        }
    }

    async fn revoke_link_page(&self, id: &str, refused: Option<ApiError>) -> Page {
        let link = match read_id(id) {
            Ok(id) => self.backend.link(id).await,
            Err(problem) => Err(problem),
        };
        match link {
            Ok(link) if link.state == LinkState::Live => Plain::RevokeLink { link: Box::new(link), refused }.into(),
            Ok(link) => failed(Problem::NoSuchLink(link.id)),
            Err(problem) => failed(problem),
        }
    }
}

fn read_id(id: &str) -> Result<LinkId, Problem> {
    id.parse().map(LinkId).map_err(|_| Problem::NoSuchPage)
}

async fn list(visit: Visit, address: Address) -> Response {
    let page = match query(address) {
        Ok(query) => visit.links_page(query, None, None).await,
        Err(problem) => visit.links_page(LinksQuery::default(), None, Some(problem.into())).await,
    };
    visit.show(page).await
}

async fn question(visit: Visit, Path(id): Path<String>) -> Response {
    let page = visit.revoke_link_page(&id, None).await;
    visit.show(page).await
}

async fn revoke(visit: Visit, Path(id): Path<String>) -> Response {
    let revoked = match read_id(&id) {
        Ok(id) => visit.backend.revoke_link(id).await,
        Err(problem) => Err(problem),
    };
    match revoked {
        Ok(link) => see_other(&format!("/links#link-{}", link.id)),
        Err(problem) => {
            let page = visit.links_page(LinksQuery::default(), None, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

async fn extend(visit: Visit, Path(id): Path<String>, Form(fields): Posted) -> Response {
    let days = Fields(fields).text("days");
    let extended = match (read_id(&id), days.trim().parse()) {
        (Ok(id), Ok(days)) => visit.backend.extend_link(id, days).await,
        (Ok(_), Err(_)) => {
            let error = FieldError::NotANumber { text: words::quote(days.trim()) };
            Err(Problem::Invalid(FieldErrors::one(Field::LinkDays, error)))
        }
        (Err(problem), _) => Err(problem),
    };
    match extended {
        Ok(link) => see_other(&format!("/links#link-{}", link.id)),
        Err(problem) => {
            let typed = read_id(&id).ok().map(|id| (id, days));
            let page = visit.links_page(LinksQuery::default(), typed, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

/// `GET /api/links`: a page of them.
async fn list_api(visit: Visit, address: Address, request: Request) -> Response {
    if let Err(refused) = admit(request, &Method::GET, LIST_KEYS).await {
        return refused;
    }
    let links: Result<LinksPage, Problem> = match query(address) {
        Ok(query) => visit.backend.links(query).await,
        Err(problem) => Err(problem),
    };
    links.map_or_else(api_error, |page| axum::Json(page).into_response())
}

#[derive(Deserialize)]
struct RevokeRequest {
    id: LinkId,
}

#[derive(Deserialize)]
struct ExtendRequest {
    id: LinkId,
    days: u64,
}

/// `POST /api/links/revoke`: ends one at once.
async fn revoke_api(visit: Visit, request: Request) -> Response {
    let body = match admit(request, &Method::POST, REVOKE_KEYS).await {
        Ok((_, body)) => body,
        Err(refused) => return refused,
    };
    let Ok(RevokeRequest { id }) = serde_json::from_slice(&body) else {
        return api_error(Problem::Malformed { detail: r#"expected {"id": number}"#.into() });
    };
    visit.backend.revoke_link(id).await.map_or_else(api_error, |link| axum::Json(link).into_response())
}

/// `POST /api/links/extend`: lets one end so many days from now.
async fn extend_api(visit: Visit, request: Request) -> Response {
    let body = match admit(request, &Method::POST, EXTEND_KEYS).await {
        Ok((_, body)) => body,
        Err(refused) => return refused,
    };
    let Ok(ExtendRequest { id, days }) = serde_json::from_slice(&body) else {
        return api_error(Problem::Malformed { detail: r#"expected {"id": number, "days": number}"#.into() });
    };
    visit.backend.extend_link(id, days).await.map_or_else(api_error, |link| axum::Json(link).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_only_ever_a_name() {
        for (name, expected) in [
            ("report.pdf", "attachment; filename=\"report.pdf\"; filename*=UTF-8''report.pdf"),
            ("Übersicht 1.pdf", "attachment; filename=\"_bersicht 1.pdf\"; filename*=UTF-8''%C3%9Cbersicht%201.pdf"),
            ("a\"; b=\\c%41.pdf", "attachment; filename=\"a_; b=_c_41.pdf\"; filename*=UTF-8''a%22%3B%20b%3D%5Cc%2541.pdf"),
            ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ] {
            assert_eq!(disposition(name), expected);
        }
    }
}
