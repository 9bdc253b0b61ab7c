//! Who makes a request: found out before anything of it is read, with what he may do, and whether his password was typed lately
//! enough.

use std::net::IpAddr;

use app::backend::Shown;
use app::pages::{AccessPage, encode_query};
use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::access::Act;
use domain::error::{ApiError, Problem};
use domain::secret::Secret;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use http_body_util::BodyExt;

use super::forms::Fields;
use super::links::is_public;
use super::pages::failed;
use super::routes::Need;
use super::{Encrypted, Visit, Web, api_error, is_api, refusal, see_other};

/// The cookie of a session. Browsers take this name only from us ourselves: over a connection that nobody reads, for the whole of
/// this host and no other one.
const COOKIE: &str = "__Host-postroom";
/// The most bytes of what a cookie or a header shows; ours are far shorter.
const MAX_SHOWN: usize = 512;
/// The most bytes of an address to go on at.
const MAX_NEXT: usize = 2_000;
/// The field in which the password is typed again.
const CONFIRM: &str = "confirm_password";

/// The address that a connection came from, as [`super::serve`] saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Put beside an answer that says that the password has to be typed again.
#[derive(Clone, Copy)]
pub(super) struct Unconfirmed;

/// Lets in whoever makes the request: what comes after this finds a [`Visit`]. The assets and what
/// strangers are given are the same for everybody.
pub(super) async fn recognise(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/assets/") || is_public(request.uri().path()) {
        return next.run(request).await;
    }
    let address = request.extensions().get::<Peer>().map(|peer| peer.0.to_string()).unwrap_or_default();
    let shown = shown(request.headers());
    match web.gate.enter(shown.clone(), address).await {
        Ok(backend) => {
            let secure = request.extensions().get::<Encrypted>().is_some_and(|encrypted| encrypted.0);
            request.extensions_mut().insert(Visit { backend, gate: web.gate, shown, secure });
            next.run(request).await
        }
        Err(problem) => refusal(request.uri().path(), problem),
    }
}

/// What a request shows. A token counts before a cookie, which a browser sends by itself.
fn shown(headers: &HeaderMap) -> Shown {
    if let Some(token) = bearer(headers) {
        return Shown::Token(token);
    }
    session(headers).map_or(Shown::Nothing, Shown::Session)
}

/// An API token (RFC 6750 section 2.1). One that can't be read is a wrong one, and not none.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next()?.as_bytes();
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") && token.len() <= MAX_SHOWN && all.next().is_none() => {
            std::str::from_utf8(token).unwrap_or_default().trim()
        }
        _ => "",
    };
    Some(Secret::new(token.to_owned()))
}

/// The session's cookie.
fn session(headers: &HeaderMap) -> Option<Secret> {
    cookie_of(headers, COOKIE)
}

/// The cookie of this name. Two of the name are none: one of them isn't ours.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut ours = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(its, _)| *its == name).map(|(_, value)| value);
    match (ours.next(), ours.next()) {
        (Some(value), None) if !value.is_empty() && value.len() <= MAX_SHOWN => Some(Secret::new(value.to_owned())),
        _ => None,
    }
}

/// Whether a browser showed a cookie of ours at all.
pub(super) fn kept_cookie(visit: &Visit) -> bool {
    matches!(visit.shown, Shown::Session(_))
}

/// `response` with the cookie of a session that began.
pub(super) fn with_session(mut response: Response, session: &Secret) -> Response {
    set_cookie(&mut response, session.expose(), "");
    response
}

/// `response` that makes a browser forget the session.
pub(super) fn without_session(mut response: Response) -> Response {
    set_cookie(&mut response, "", "; Max-Age=0");
    response
}

fn set_cookie(response: &mut Response, value: &str, more: &str) {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{more}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Whether an answer says what becomes of the session's cookie. Others are no word about it.
fn sets_session(headers: &HeaderMap) -> bool {
    let ours = |cookie: &HeaderValue| cookie.as_bytes().strip_prefix(COOKIE.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    headers.get_all(header::SET_COOKIE).iter().any(ours)
}

/// Sends away whoever may not.
pub(super) async fn allow(State(need): State<Need>, request: Request, next: Next) -> Response {
    if need == Need::Nobody {
        return next.run(request).await;
    }
    let Some(visit) = request.extensions().get::<Visit>().cloned() else { return api_error(Problem::Internal) };
    let caller = visit.backend.caller();
    let half = caller.session.is_some_and(|session| session.awaits_code);
    if caller.permit.role.is_none() || half {
        let from_elsewhere = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        return stranger(&visit, half, from_elsewhere, request.method().clone(), request.uri().clone()).await;
    }
    match need {
        Need::Act(act) if !caller.permit.allows(act) => not_allowed(&visit, request.uri().path(), act).await,
        _ => next.run(request).await,
    }
}

/// Says that this takes another role.
pub(super) async fn not_allowed(visit: &Visit, path: &str, act: Act) -> Response {
    let problem = visit.backend.refuse(act);
    if is_api(path) { api_error(problem) } else { visit.show(failed(problem)).await }
}

/// Leads whoever isn't signed in to where he can.
async fn stranger(visit: &Visit, half: bool, from_elsewhere: bool, method: Method, uri: Uri) -> Response {
    if is_api(uri.path()) {
        return api_error(Problem::NotSignedIn);
    }
    match visit.gate.is_set_up().await {
        Ok(true) => {}
        Ok(false) => return visit.show(AccessPage::NotSetUp.into()).await,
        Err(problem) => return visit.show(failed(problem)).await,
    }
    if method == Method::GET && from_elsewhere {
        return once_more();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return visit.show(AccessPage::SignInFirst(Problem::NotSignedIn.into()).into()).await;
    }
    let there = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    see_other(&then(if half { "/sign-in/code" } else { "/sign-in" }, there))
}

/// Asks for the same page once more, from here. A link on another site brings no cookie of ours along (SameSite=Strict); whoever follows one
/// may be signed in all the same.
fn once_more() -> Response {
    const PAGE: &str = "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0\"><title>Postroom</title>\
        <p><a href=\"\">Go on to Postroom</a></p></html>";
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
}

/// The address of a page that knows where to go on.
pub(super) fn then(path: &str, next: &str) -> String {
    match local(next) {
        "/" => path.to_owned(),
        next => format!("{path}?next={}", encode_query(next)),
    }
}

/// An address to go on at, if it is one of ours; the list otherwise.
pub(super) fn local(next: &str) -> &str {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= MAX_NEXT
        && !next.contains(|c: char| c.is_control() || c == '\\');
    if ours { next } else { "/" }
}

/// The address under which this is reached, as far as the request tells.
pub(super) fn base(visit: &Visit, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if visit.secure { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Asks for the password where a form is refused for want of it, and goes on with the form once it is there. So no form has to
/// know that it may be asked.
pub(super) async fn confirm(request: Request, next: Next) -> Response {
    let posts = request.method() == Method::POST && !is_api(request.uri().path());
    let Some(mut visit) = request.extensions().get::<Visit>().filter(|_| posts).cloned() else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    // It was read already, up to its limit.
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else { return api_error(Problem::Internal) };
    let is_form =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    let names_it = body.windows(CONFIRM.len()).any(|part| part == CONFIRM.as_bytes());
    let mut renewed = None;
    if is_form && names_it && visit.backend.caller().session.is_some() {
        let fields = fields(&parts, &body).await;
        let entered = match visit.backend.confirm(fields.secret(CONFIRM)).await {
            Ok(confirmed) => {
                visit.shown = Shown::Session(confirmed.session.clone());
                renewed = Some(confirmed.session);
                visit.gate.enter(visit.shown.clone(), visit.backend.caller().address.clone()).await
            }
            Err(problem) => Err(problem),
        };
        match entered {
            Ok(backend) => visit.backend = backend,
            Err(problem) => return ask(&visit, &parts, Some(fields), Some(problem.into())).await,
        }
        parts.extensions.insert(visit.clone());
    }
    let kept = parts.clone();
    let mut response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    // The session goes on under another cookie, unless it has ended, or got yet another one.
    if let Some(session) = renewed.filter(|_| !sets_session(response.headers())) {
        response = with_session(response, &session);
    }
    if response.extensions().get::<Unconfirmed>().is_none() {
        return response;
    }
    let fields = if is_form { Some(fields(&kept, &body).await) } else { None };
    ask(&visit, &kept, fields, None).await
}

/// The page that asks for the password. It holds the form as it was, but for what a page is never given back.
async fn ask(visit: &Visit, parts: &Parts, fields: Option<Fields>, refused: Option<ApiError>) -> Response {
    let secret = |name: &str| name.contains("password") || name.contains("code");
    let path = parts.uri.path();
    let whole =
        fields.as_ref().filter(|fields| fields.0.iter().all(|(name, value)| name == CONFIRM || !secret(name) || value.is_empty()));
    let page = match whole {
        Some(fields) => {
            let fields = fields.0.iter().filter(|(name, _)| !secret(name)).cloned().collect();
            AccessPage::Confirm { action: path.to_owned(), fields, again: false, refused }
        }
        None => {
            AccessPage::Confirm { action: "/confirm".into(), fields: vec![("next".into(), path.to_owned())], again: true, refused }
        }
    };
    visit.show(page.into()).await
}

/// What a form brought; nothing where it can't be read, which is the handler's to refuse.
async fn fields(parts: &Parts, body: &Bytes) -> Fields {
    let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
    Fields(Form::from_request(request, &()).await.map(|Form(fields)| fields).unwrap_or_default())
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get().cloned().ok_or_else(|| api_error(Problem::Internal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn told(pairs: &[(header::HeaderName, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        match shown(&map) {
            Shown::Nothing => "nothing".into(),
            Shown::Session(secret) => format!("session {}", secret.expose()),
            Shown::Token(secret) => format!("token {}", secret.expose()),
        }
    }

    #[test]
    fn a_request_shows_one_cookie_or_one_token() {
        use header::{AUTHORIZATION, COOKIE};
        for (pairs, expected) in [
            (vec![], "nothing"),
            (vec![(COOKIE, "__Host-postroom=abc")], "session abc"),
            (vec![(COOKIE, "a=b; __Host-postroom=abc; c=d")], "session abc"),
            (vec![(COOKIE, "__Host-postroom=abc; __Host-postroom=def")], "nothing"),
            (vec![(COOKIE, "__Host-postroom=abc"), (COOKIE, "__Host-postroom=def")], "nothing"),
            (vec![(COOKIE, "__Host-postroom=")], "nothing"),
            (vec![(COOKIE, "postroom=abc; __host-postroom=abc; x__Host-postroom=abc")], "nothing"),
            (vec![(AUTHORIZATION, "Bearer xyz")], "token xyz"),
            (vec![(AUTHORIZATION, "bearer  xyz ")], "token xyz"),
            (vec![(AUTHORIZATION, "Bearer xyz"), (COOKIE, "__Host-postroom=abc")], "token xyz"),
            // What can't be read is wrong: it must not fall back to the cookie.
            (vec![(AUTHORIZATION, "Basic xyz"), (COOKIE, "__Host-postroom=abc")], "token "),
            (vec![(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer b")], "token "),
        ] {
            assert_eq!(told(&pairs), expected, "{pairs:?}");
        }
        let long = format!("__Host-postroom={}", "a".repeat(MAX_SHOWN + 1));
        assert!(session(&headers(&[(COOKIE, &long)])).is_none());
    }

    #[test]
    fn the_way_on_never_leaves_the_site() {
        for next in ["/", "/servers/1?run=2", "/?search=a%20b&page=2", "/a//b"] {
            assert_eq!(local(next), next);
        }
        let long = format!("/{}", "a".repeat(MAX_NEXT));
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "evil",
            "/a\r\nb",
            "/\u{1}",
            "/a\\b",
            "javascript:x",
            &long,
        ] {
            assert_eq!(local(next), "/", "{next:?}");
        }
        assert_eq!(then("/sign-in", "/servers/1?run=2"), "/sign-in?next=%2Fservers%2F1%3Frun%3D2");
        assert_eq!(then("/sign-in", "//evil.example"), "/sign-in");
    }
}
