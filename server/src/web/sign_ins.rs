//! Signing mailboxes in: the page of an entry's sign-in, its buttons, and the way to the sign-in service and back.
//!
//! Whoever comes back comes from another site, so no session's cookie is with him yet, and `GET /oauth/callback` changes nothing: it shows a page
//! of ours whose form posts what stood in the address. What binds that to the browser that left is a cookie of its own, which does come along.

use app::backend::{Arriving, Leaving};
use app::pages::{ARRIVED, Arrived, Page, Plain};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Path, Query, RawQuery};
use axum::response::Response;
use domain::access::Act;
use domain::entry::EntryId;
use domain::error::{ApiError, ErrorKind, Problem};
use domain::secret::Secret;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

use super::access::{base, cookie_of};
use super::forms::{Fields, Posted};
use super::pages::failed;
use super::routes::{Need, Routes};
use super::{Visit, see_other};

/// The path that sign-in services lead back to.
const CALLBACK: &str = "/oauth/callback";
/// The cookie that binds what comes back to the browser that left: the entry's number, a dot, and what the backend knows it by. Unlike a session's
/// it comes along from other sites (Lax), since they lead back.
const COOKIE: &str = "__Host-postroom-sign-in";
/// How long somebody may take to sign in elsewhere: seconds.
const MAX_AGE: u32 = 600;
/// The most bytes of what the address of somebody who comes back holds: state, code, error, and its words.
const MAX_ARRIVED: [usize; 4] = [512, 8192, 200, 2000];

pub(super) fn routes(routes: Routes) -> Routes {
    const SEE: Need = Need::Act(Act::See);
    const TEST: Need = Need::Act(Act::Test);
    const CHANGE: Need = Need::Act(Act::Change);
    routes
        .get("/servers/{id}/azure", SEE, azure)
        .get("/servers/{id}/azure/sign-in", SEE, to_azure)
        .post("/servers/{id}/azure/sign-in", CHANGE, leave)
        .get("/servers/{id}/azure/device-code", SEE, to_azure)
        .post("/servers/{id}/azure/device-code", CHANGE, device_code)
        .get("/servers/{id}/azure/device-code/cancel", SEE, to_azure)
        .post("/servers/{id}/azure/device-code/cancel", CHANGE, cancel_device_code)
        .get("/servers/{id}/azure/renew", SEE, to_azure)
        .post("/servers/{id}/azure/renew", TEST, renew)
        .get("/servers/{id}/azure/sign-out", SEE, to_azure)
        .post("/servers/{id}/azure/sign-out", CHANGE, sign_out)
        .get(CALLBACK, Need::Nobody, arrive)
        .post(CALLBACK, CHANGE, finish)
}

impl Visit {
    async fn azure_page(&self, id: EntryId, over: bool, refused: Option<ApiError>) -> Page {
        match self.backend.sign_in_page(id).await {
            Ok(page) => Plain::Azure { page: Box::new(page), over, refused }.into(),
            Err(problem) => failed(problem),
        }
    }

    /// Leads back to the page of the sign-in, or shows it with what was refused.
    async fn told<T>(&self, id: EntryId, result: Result<T, Problem>, place: &str) -> Response {
        match result {
            Ok(_) => see_other(&format!("/servers/{id}/azure{place}")),
            Err(problem) => {
                let page = self.azure_page(id, false, Some(problem.into())).await;
                self.show(page).await
            }
        }
    }
}

/// The number in an address; the page that says that there is none.
async fn entry(visit: &Visit, id: &str) -> Result<EntryId, Response> {
    match id.parse() {
        Ok(id) => Ok(EntryId(id)),
        Err(_) => Err(visit.show(failed(Problem::NoSuchPage)).await),
    }
}

async fn azure(visit: Visit, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let over = query.is_some_and(|query| query == "device");
    match entry(&visit, &id).await {
        Ok(id) => {
            let page = visit.azure_page(id, over, None).await;
            visit.show(page).await
        }
        Err(response) => response,
    }
}

/// Where a page leads that is only posted to.
async fn to_azure(visit: Visit, Path(id): Path<String>) -> Response {
    match entry(&visit, &id).await {
        Ok(id) => see_other(&format!("/servers/{id}/azure")),
        Err(response) => response,
    }
}

/// Begins a sign-in in the browser, and shows the way.
async fn leave(visit: Visit, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let id = match entry(&visit, &id).await {
        Ok(id) => id,
        Err(response) => return response,
    };
    match visit.backend.begin_sign_in(id, base(&visit, &headers)).await {
        Ok(Leaving { url, binding }) => {
            let response = visit.show(Plain::Leave { id, url }.into()).await;
            with_cookie(response, &format!("{id}.{}", binding.expose()), MAX_AGE)
        }
        Err(problem) => visit.told(id, Err::<(), _>(problem), "").await,
    }
}

/// `response` with the cookie of a sign-in.
fn with_cookie(mut response: Response, value: &str, max_age: u32) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What the cookie holds: the entry, and what the backend knows the sign-in by.
fn begun(headers: &HeaderMap) -> Option<(EntryId, Secret)> {
    let cookie = cookie_of(headers, COOKIE)?;
    let (id, binding) = cookie.expose().split_once('.')?;
    Some((EntryId(id.parse().ok()?), Secret::new(binding.to_owned())))
}

async fn not_arrived(visit: &Visit, id: Option<EntryId>, problem: Problem) -> Response {
    visit.show(Plain::NotArrived { id, error: problem.into() }.into()).await
}

/// What stands in the address of somebody who comes back. Anything else there is of no use to us.
#[derive(Default, Deserialize)]
struct Address {
    #[serde(default)]
    state: Secret,
    #[serde(default)]
    code: Secret,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Address {
    /// What came back, if it can be an answer to something.
    fn arrived(self) -> Option<Arrived> {
        let Self { state, code, error, mut error_description } = self;
        let [max_state, max_code, max_error, max_words] = MAX_ARRIVED;
        let fits = state.expose().len() <= max_state && code.expose().len() <= max_code && error.len() <= max_error;
        let answers = !state.is_empty() && code.is_empty() != error.is_empty();
        error_description.truncate(error_description.floor_char_boundary(max_words));
        (fits && answers).then_some(Arrived { state, code, error, error_description })
    }
}

/// The page that somebody comes back to.
async fn arrive(
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    address: Result<Query<Address>, QueryRejection>,
) -> Response {
    let arrived = address.ok().and_then(|Query(address)| address.arrived());
    match (arrived, begun(&headers)) {
        (Some(arrived), Some(_)) => visit.show(Plain::Arrive(Box::new(arrived)).into()).await,
        (Some(arrived), None) => match visit.backend.sign_in_host(&arrived.state) {
            // The cookie is where it was begun. Cookies of the same machine don't follow from one of its names to another.
            Some(there) if there != base(&visit, &headers) => led_to(&there, &query.unwrap_or_default()),
            _ => not_arrived(&visit, None, Problem::SignInGone).await,
        },
        (None, begun) => not_arrived(&visit, begun.map(|(id, _)| id), Problem::SignInGone).await,
    }
}

/// Leads to the same page under another name of ours.
fn led_to(there: &str, query: &str) -> Response {
    let mut response = see_other("/");
    if let Ok(mut to) = HeaderValue::from_str(&format!("{there}{CALLBACK}?{query}")) {
        to.set_sensitive(true);
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// Ends a sign-in: this comes from our own page.
async fn finish(visit: Visit, headers: HeaderMap, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let [state, code, error, error_description] = ARRIVED;
    let address = Address {
        state: fields.secret(state),
        code: fields.secret(code),
        error: fields.text(error),
        error_description: fields.text(error_description),
    };
    let (Some((id, binding)), Some(arrived)) = (begun(&headers), address.arrived()) else {
        return not_arrived(&visit, None, Problem::SignInGone).await;
    };
    let Arrived { state, code, error, error_description } = arrived;
    let finished = visit.backend.finish_sign_in(Arriving { state, code, error, error_description, binding }).await;
    match finished {
        Ok(id) => with_cookie(see_other(&format!("/servers/{id}/azure")), "", 0),
        // Another sign-in may be under way in this browser, and the cookie is that one's.
        Err(Problem::SignInGone) => not_arrived(&visit, None, Problem::SignInGone).await,
        Err(problem) => {
            // After the password it goes on, by the same cookie.
            let goes_on = problem.kind() == ErrorKind::ConfirmPassword;
            let response = not_arrived(&visit, Some(id), problem).await;
            if goes_on { response } else { with_cookie(response, "", 0) }
        }
    }
}

async fn device_code(visit: Visit, Path(id): Path<String>) -> Response {
    match entry(&visit, &id).await {
        Ok(id) => visit.told(id, visit.backend.begin_device(id).await, "#device").await,
        Err(response) => response,
    }
}

async fn cancel_device_code(visit: Visit, Path(id): Path<String>) -> Response {
    match entry(&visit, &id).await {
        Ok(id) => visit.told(id, visit.backend.cancel_device(id).await, "").await,
        Err(response) => response,
    }
}

async fn renew(visit: Visit, Path(id): Path<String>) -> Response {
    match entry(&visit, &id).await {
        Ok(id) => visit.told(id, visit.backend.renew_sign_in(id).await, "").await,
        Err(response) => response,
    }
}

async fn sign_out(visit: Visit, Path(id): Path<String>) -> Response {
    match entry(&visit, &id).await {
        Ok(id) => visit.told(id, visit.backend.end_sign_in(id).await, "").await,
        Err(response) => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(state: &str, code: &str, error: &str) -> Address {
        let secret = |text: &str| Secret::new(text.to_owned());
        Address { state: secret(state), code: secret(code), error: error.into(), error_description: "é".repeat(2000) }
    }

    #[test]
    fn what_comes_back_answers_something_and_is_bounded() {
        let granted = address("s", "c", "").arrived().unwrap();
        assert_eq!((granted.state.expose(), granted.code.expose()), ("s", "c"));
        assert!(granted.error_description.len() <= 2000);
        assert_eq!(address("s", "", "access_denied").arrived().unwrap().error, "access_denied");
        let long = "a".repeat(10_000);
        for (state, code, error) in
            [("", "c", ""), ("s", "", ""), ("s", "c", "access_denied"), ("s", &long, ""), (&long, "c", ""), ("s", "", &long)]
        {
            assert_eq!(address(state, code, error).arrived(), None, "{} {} {}", state.len(), code.len(), error.len());
        }
    }
}
