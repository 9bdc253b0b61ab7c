//! Signing in and out, links to a first password, and one's own account.

use app::backend::{Caller, Origin, SignedIn};
use app::pages::{AccessPage, OwnForm, Page};
use axum::extract::{Form, Query, Request};
use axum::response::{IntoResponse, Response};
use domain::access::{AccessField, Act, Role, SessionId};
use domain::error::{ApiError, Problem};
use domain::secret::Secret;
use http::{HeaderMap, Method, header};
use serde::{Deserialize, Serialize};

use super::access::{kept_cookie, local, then, with_session, without_session};
use super::forms::{Fields, Posted};
use super::pages::failed;
use super::routes::{Need, Routes};
use super::{Visit, admit, api_error, qr, see_other};
use app::backend::Shown;

/// The most bytes of a browser's name that are passed on.
const MAX_AGENT: usize = 512;

pub(super) fn routes(routes: Routes) -> Routes {
    const OWN: Need = Need::Act(Act::Own);
    routes
        .get("/sign-in", Need::Nobody, sign_in_form)
        .post("/sign-in", Need::Nobody, sign_in)
        .get("/sign-in/code", Need::Nobody, code_form)
        .post("/sign-in/code", Need::Nobody, give_code)
        .get("/signed-in", Need::Nobody, signed_in)
        .get("/sign-out", Need::Nobody, || async { see_other("/") })
        .post("/sign-out", Need::Nobody, sign_out)
        .get("/welcome", Need::Nobody, welcome_form)
        .post("/welcome", Need::Nobody, welcome)
        .get("/confirm", OWN, confirm_form)
        .post("/confirm", OWN, confirmed)
        .get("/account", OWN, account)
        .get("/account/password", OWN, to_account)
        .post("/account/password", OWN, change_password)
        .get("/account/sessions", OWN, to_account)
        .post("/account/sessions", OWN, end_sessions)
        .get("/account/second-factor", OWN, second_factor)
        .post("/account/second-factor", OWN, second_factor_on)
        .get("/account/second-factor/offer", OWN, to_account)
        .post("/account/second-factor/offer", OWN, offer_second_factor)
        .get("/account/second-factor/off", OWN, to_account)
        .post("/account/second-factor/off", OWN, second_factor_off)
        .get("/account/recovery-codes", OWN, to_account)
        .post("/account/recovery-codes", OWN, new_recovery_codes)
}

/// What addresses of these pages say.
#[derive(Default, Deserialize)]
struct Address {
    #[serde(default)]
    next: String,
    #[serde(default)]
    token: Secret,
    #[serde(default)]
    done: String,
}

type Asked = Result<Query<Address>, axum::extract::rejection::QueryRejection>;

fn address(asked: Asked) -> Address {
    asked.map(|query| query.0).unwrap_or_default()
}

/// Whether somebody is signed in, and whether only half.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Out,
    AwaitsCode,
    In,
}

impl Visit {
    fn standing(&self) -> Standing {
        let Caller { permit, session, .. } = self.backend.caller();
        match session {
            Some(session) if session.awaits_code => Standing::AwaitsCode,
            Some(_) if permit.role.is_some() => Standing::In,
            _ => Standing::Out,
        }
    }

    /// Where a request comes from.
    fn origin(&self, headers: &HeaderMap) -> Origin {
        let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
        let agent = agent.unwrap_or_default().chars().take(MAX_AGENT).collect();
        Origin { address: self.backend.caller().address.clone(), agent }
    }

    fn session(&self) -> Option<Secret> {
        if let Shown::Session(session) = &self.shown { Some(session.clone()) } else { None }
    }

    async fn account_page(&self, form: OwnForm, refused: Option<ApiError>, done: Option<&'static str>) -> Page {
        match self.backend.me().await {
            Ok(me) => AccessPage::Account { me: Box::new(me), form, refused, done }.into(),
            Err(problem) => failed(problem),
        }
    }
}

/// Goes on with a session that began, by a page that sees whether the browser kept it.
fn begin(signed_in: &SignedIn, next: &str) -> Response {
    with_session(see_other(&then("/signed-in", next)), &signed_in.session)
}

async fn sign_in_form(visit: Visit, asked: Asked) -> Response {
    let next = address(asked).next;
    match visit.standing() {
        Standing::In => return see_other(local(&next)),
        Standing::AwaitsCode | Standing::Out => {}
    }
    match visit.gate.is_set_up().await {
        Ok(true) => visit.show(AccessPage::SignIn { name: String::new(), next: local(&next).into(), refused: None }.into()).await,
        Ok(false) => visit.show(AccessPage::NotSetUp.into()).await,
        Err(problem) => visit.show(failed(problem)).await,
    }
}

async fn sign_in(visit: Visit, headers: HeaderMap, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let (name, next) = (fields.text(AccessField::Name.key()), fields.text("next"));
    let password = fields.secret(AccessField::Password.key());
    match visit.gate.sign_in(name.clone(), password, visit.origin(&headers)).await {
        Ok(signed_in) => begin(&signed_in, &next),
        Err(problem) => {
            let refused = Some(problem.into());
            visit.show(AccessPage::SignIn { name, next: local(&next).into(), refused }.into()).await
        }
    }
}

async fn code_form(visit: Visit, asked: Asked) -> Response {
    let next = address(asked).next;
    match visit.standing() {
        Standing::In => see_other(local(&next)),
        Standing::Out => see_other(&then("/sign-in", &next)),
        Standing::AwaitsCode => visit.show(AccessPage::Code { next: local(&next).into(), refused: None }.into()).await,
    }
}

async fn give_code(visit: Visit, headers: HeaderMap, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let next = fields.text("next");
    let Some(session) = visit.session() else { return see_other(&then("/sign-in", &next)) };
    match visit.gate.give_code(session, fields.secret(AccessField::Code.key()), visit.origin(&headers)).await {
        Ok(signed_in) => begin(&signed_in, &next),
        // The time for the code is over: the password is asked for again.
        Err(Problem::NotSignedIn) => without_session(see_other(&then("/sign-in", &next))),
        Err(problem) => visit.show(AccessPage::Code { next: local(&next).into(), refused: Some(problem.into()) }.into()).await,
    }
}

/// Where signing in leads: on, if the browser kept the session.
async fn signed_in(visit: Visit, asked: Asked) -> Response {
    let next = address(asked).next;
    match visit.standing() {
        Standing::In => see_other(local(&next)),
        Standing::AwaitsCode => see_other(&then("/sign-in/code", &next)),
        Standing::Out if kept_cookie(&visit) => see_other(&then("/sign-in", &next)),
        Standing::Out => visit.show(AccessPage::NotKept { secure: visit.secure }.into()).await,
    }
}

async fn sign_out(visit: Visit, headers: HeaderMap) -> Response {
    let ended = match visit.session() {
        Some(session) => visit.gate.sign_out(session, visit.origin(&headers)).await,
        None => Ok(()),
    };
    match ended {
        Ok(()) | Err(Problem::NotSignedIn) => without_session(see_other("/sign-in")),
        Err(problem) => visit.show(failed(problem)).await,
    }
}

async fn welcome_form(visit: Visit, headers: HeaderMap, asked: Asked) -> Response {
    let link = address(asked).token;
    let page = welcome_page(&visit, &headers, link, String::new(), None).await;
    visit.show(page).await
}

async fn welcome_page(visit: &Visit, headers: &HeaderMap, link: Secret, name: String, refused: Option<ApiError>) -> Page {
    match visit.gate.welcome(link.clone(), visit.origin(headers)).await {
        Ok(welcome) => AccessPage::Welcome { link, welcome, name, refused }.into(),
        Err(problem) => failed(problem),
    }
}

async fn welcome(visit: Visit, headers: HeaderMap, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let link = fields.secret("token");
    let name = fields.text(AccessField::Name.key());
    let [new, confirm] = [AccessField::NewPassword, AccessField::NewPasswordConfirm].map(|field| fields.secret(field.key()));
    match visit.gate.accept(link.clone(), name.clone(), new, confirm, visit.origin(&headers)).await {
        Ok(signed_in) => begin(&signed_in, "/"),
        Err(problem) => {
            let page = welcome_page(&visit, &headers, link, name, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

/// Asks for the password by itself, for pages that can't be asked again as they are.
async fn confirm_form(visit: Visit, asked: Asked) -> Response {
    let fields = vec![("next".into(), local(&address(asked).next).to_owned())];
    visit.show(AccessPage::Confirm { action: "/confirm".into(), fields, again: false, refused: None }.into()).await
}

/// The password was right: [`super::access::confirm`] saw to that.
async fn confirmed(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let next = fields.text("next");
    if fields.is_set("confirm_password") {
        return see_other(local(&next));
    }
    let fields = vec![("next".into(), local(&next).to_owned())];
    visit.show(AccessPage::Confirm { action: "/confirm".into(), fields, again: false, refused: None }.into()).await
}

async fn to_account() -> Response {
    see_other("/account")
}

async fn account(visit: Visit, asked: Asked) -> Response {
    let done = match address(asked).done.as_str() {
        "password" => Some("Password changed. Every other session of yours has ended."),
        "sessions" => Some("Ended."),
        "second-factor-off" => Some("The second factor is off."),
        _ => None,
    };
    let page = visit.account_page(OwnForm::None, None, done).await;
    visit.show(page).await
}

async fn change_password(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let [current, new, confirm] =
        [AccessField::Password, AccessField::NewPassword, AccessField::NewPasswordConfirm].map(|field| fields.secret(field.key()));
    match visit.backend.change_password(current, new, confirm).await {
        Ok(signed_in) => with_session(see_other("/account?done=password"), &signed_in.session),
        Err(problem) => {
            let page = visit.account_page(OwnForm::Password, Some(problem.into()), None).await;
            visit.show(page).await
        }
    }
}

async fn end_sessions(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let which = match fields.text("id").as_str() {
        "others" => Ok(None),
        id => id.parse().map(|id| Some(SessionId(id))).map_err(|_| Problem::NoSuchAccess),
    };
    let ended = match which {
        Ok(which) => visit.backend.end_sessions(which).await,
        Err(problem) => Err(problem),
    };
    match ended {
        Ok(_) => see_other("/account?done=sessions#sessions"),
        Err(problem) => {
            let page = visit.account_page(OwnForm::None, Some(problem.into()), None).await;
            visit.show(page).await
        }
    }
}

async fn offer_second_factor(visit: Visit) -> Response {
    match visit.backend.offer_second_factor().await {
        Ok(_) => see_other("/account/second-factor"),
        Err(problem) => {
            let page = visit.account_page(OwnForm::None, Some(problem.into()), None).await;
            visit.show(page).await
        }
    }
}

async fn second_factor(visit: Visit) -> Response {
    offered(&visit, None).await
}

/// The offer that is open, with what was refused.
async fn offered(visit: &Visit, refused: Option<ApiError>) -> Response {
    match visit.backend.offered_second_factor().await {
        Ok(Some(offer)) => {
            let qr = qr::squares(offer.uri.expose());
            visit.show(AccessPage::SecondFactor { secret: offer.secret, uri: offer.uri, qr, refused }.into()).await
        }
        Ok(None) => match refused {
            Some(refused) => {
                let page = visit.account_page(OwnForm::None, Some(refused), None).await;
                visit.show(page).await
            }
            None => see_other("/account"),
        },
        Err(problem) => visit.show(failed(problem)).await,
    }
}

async fn second_factor_on(visit: Visit, Form(fields): Posted) -> Response {
    match visit.backend.second_factor_on(Fields(fields).secret(AccessField::Code.key())).await {
        Ok(codes) => visit.show(AccessPage::RecoveryCodes { codes, just_on: true }.into()).await,
        Err(problem) => offered(&visit, Some(problem.into())).await,
    }
}

async fn second_factor_off(visit: Visit) -> Response {
    match visit.backend.second_factor_off().await {
        Ok(()) => see_other("/account?done=second-factor-off"),
        Err(problem) => {
            let page = visit.account_page(OwnForm::None, Some(problem.into()), None).await;
            visit.show(page).await
        }
    }
}

async fn new_recovery_codes(visit: Visit) -> Response {
    match visit.backend.new_recovery_codes().await {
        Ok(codes) => visit.show(AccessPage::RecoveryCodes { codes, just_on: false }.into()).await,
        Err(problem) => {
            let page = visit.account_page(OwnForm::None, Some(problem.into()), None).await;
            visit.show(page).await
        }
    }
}

/// Who asks, as the API says it.
#[derive(Serialize)]
struct Session {
    name: String,
    role: Option<Role>,
    /// Until the session ends unless it is used; missing where a token asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_left_ms: Option<u64>,
}

/// `GET /api/session`: who asks.
pub(super) async fn session_api(visit: Visit, request: Request) -> Response {
    match admit(request, &Method::GET, &[]).await {
        Ok(_) => told(&visit),
        Err(refused) => refused,
    }
}

/// `POST /api/session/stay`: the same; that it was asked for keeps the session going.
pub(super) async fn stay_api(visit: Visit, request: Request) -> Response {
    match admit(request, &Method::POST, &[]).await {
        Ok(_) => told(&visit),
        Err(refused) => refused,
    }
}

fn told(visit: &Visit) -> Response {
    let Caller { who, permit, session, .. } = visit.backend.caller();
    if permit.role.is_none() {
        return api_error(Problem::NotSignedIn);
    }
    let idle_left_ms = session.map(|session| session.idle_left_ms);
    axum::Json(Session { name: who.name().into(), role: permit.role, idle_left_ms }).into_response()
}
