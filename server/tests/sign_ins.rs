//! Sign-ins over a real database and a sign-in service that this file plays: what is asked for how often, what is kept when, what is
//! forgotten, and how somebody signs in by browser and by code.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::backend::{Arriving, Caller};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Form, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access::{AccountId, Who};
use domain::activity::{ActivityQuery, Deed};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::{DeviceState, SignInNote, SignInState, SignInView};
use domain::secret::Secret;
use domain::smtp_server::{Checked, ServerDraft};
use domain::transcript::Cause;
use domain::trust::Needed;
use futures::future::join_all;
use serde_json::json;
use server::entries::{Entries, GrantedNote, Kept, Secrets};
use server::mailer::{Granted, Mailer, TokenSource, Trouble};
use server::ports::SystemRandom;
use server::sign_ins::SignIns;
use server::store::{Read, RedbStore, SecretField, Store, Write};
use store_support::memory::Memory;
use store_support::*;
use tokio::net::TcpListener;
use tokio::time::Instant;

const USER: &str = "scan@example.com";
const SECRET: &str = "canary-client-secret-2f6b";
const FIRST: &str = "canary-refresh-0";
const HOST: &str = "127.0.0.1:3000";

/// A sign-in service. Each token that renews is good for once, as the strictest of them have it.
struct Service {
    authority: String,
    state: Arc<Played>,
}

#[derive(Default)]
struct Played {
    requests: Mutex<Vec<HashMap<String, String>>>,
    /// What renews next.
    current: Mutex<String>,
    /// The one before counts, too.
    lenient: AtomicBool,
    /// Answers every question with this refusal.
    refusal: Mutex<Option<(u16, serde_json::Value)>>,
    /// Answers to who asks whether a code was typed, one after the other; then a token is granted.
    polls: Mutex<Vec<&'static str>>,
    seconds: Mutex<Option<u64>>,
    nonce: Mutex<Option<String>>,
    lasts: Mutex<Option<u64>>,
}

impl Service {
    async fn start() -> Self {
        let state = Arc::new(Played::default());
        *state.current.lock().unwrap() = FIRST.into();
        let app = Router::new()
            .route("/example.com/oauth2/v2.0/token", axum::routing::post(token))
            .route("/example.com/oauth2/v2.0/devicecode", axum::routing::post(device))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { authority, state }
    }

    fn refuse(&self, status: u16, body: serde_json::Value) {
        *self.refusal.lock().unwrap() = Some((status, body));
    }
}

impl Deref for Service {
    type Target = Played;

    fn deref(&self) -> &Played {
        &self.state
    }
}

impl Played {
    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn last(&self) -> HashMap<String, String> {
        self.requests.lock().unwrap().last().cloned().unwrap()
    }

    fn grant(&self, renewable: bool) -> serde_json::Value {
        let number = self.asked();
        let seconds = self.seconds.lock().unwrap().unwrap_or(3600);
        let mut body = json!({"token_type": "Bearer", "access_token": format!("canary-access-{number}"), "expires_in": seconds});
        if renewable {
            let next = format!("canary-refresh-{number}");
            self.current.lock().unwrap().clone_from(&next);
            body["refresh_token"] = next.into();
        }
        body
    }
}

async fn token(State(played): State<Arc<Played>>, Form(form): Form<HashMap<String, String>>) -> Response {
    played.requests.lock().unwrap().push(form.clone());
    if let Some((status, body)) = played.refusal.lock().unwrap().clone() {
        return (axum::http::StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
    }
    let refuse = |error: &str| (axum::http::StatusCode::BAD_REQUEST, axum::Json(json!({ "error": error }))).into_response();
    let text = |key: &str| form.get(key).cloned().unwrap_or_default();
    match text("grant_type").as_str() {
        "refresh_token" => {
            let given = text("refresh_token");
            if given != *played.current.lock().unwrap() && !played.lenient.load(Ordering::Relaxed) {
                return refuse("invalid_grant");
            }
            axum::Json(played.grant(true)).into_response()
        }
        "authorization_code" => {
            let mut body = played.grant(true);
            let nonce = played.nonce.lock().unwrap().clone().unwrap_or_default();
            let claims = json!({"aud": form["client_id"], "nonce": nonce, "preferred_username": USER});
            body["id_token"] = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string())).into();
            axum::Json(body).into_response()
        }
        "client_credentials" | "password" => axum::Json(played.grant(false)).into_response(),
        _ => {
            let mut polls = played.polls.lock().unwrap();
            if polls.is_empty() { axum::Json(played.grant(true)).into_response() } else { refuse(polls.remove(0)) }
        }
    }
}

async fn device(State(played): State<Arc<Played>>, Form(form): Form<HashMap<String, String>>) -> Response {
    played.requests.lock().unwrap().push(form);
    let lasts = played.lasts.lock().unwrap().unwrap_or(900);
    axum::Json(json!({
        "device_code": "canary-device-code", "user_code": "ABCD-EFGH", "verification_uri": "https://login.example/device",
        "expires_in": lasts, "interval": 1,
    }))
    .into_response()
}

/// A store that can be made to refuse what is written.
struct Moody {
    store: RedbStore,
    full: AtomicBool,
}

impl Store for Moody {
    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<(), Problem>) -> Result<(), Problem> {
        self.store.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<(), Problem>) -> Result<(), Problem> {
        if self.full.load(Ordering::Relaxed) { Err(Problem::DiskFull) } else { self.store.write(work) }
    }
}

/// Entries, the sign-ins over them, and a service.
struct Bench {
    file: Memory,
    clock: Arc<TestClock>,
    service: Service,
    store: Arc<Moody>,
    entries: Arc<Entries>,
    sign_ins: Arc<SignIns>,
}

impl Bench {
    async fn new() -> Self {
        let file = Memory::default();
        let store = RedbStore::create(Box::new(file.clone())).unwrap();
        Self::over(file, store, TestClock::new(), Service::start().await)
    }

    fn over(file: Memory, store: RedbStore, clock: Arc<TestClock>, service: Service) -> Self {
        let vault = Arc::new(vault(&store));
        let store = Arc::new(Moody { store, full: AtomicBool::new(false) });
        let entries = Entries::new(store.clone(), vault, clock.clone()).on_behalf_of(&anna());
        let entries = Arc::new(entries);
        let mailer = Arc::new(Mailer::system(None).unwrap().with_authority(service.authority.as_str()));
        let sign_ins = Arc::new(SignIns::new(Arc::clone(&entries), mailer, Arc::new(SystemRandom)));
        sign_ins.serve_at("http://localhost:3000");
        Self { file, clock, service, store, entries, sign_ins }
    }

    /// The program was killed and starts again, on what the disk holds.
    fn again(self) -> Self {
        let Self { file, clock, service, .. } = self;
        let file = Memory::of(file.bytes());
        let store = RedbStore::open(Box::new(file.clone())).unwrap();
        Self::over(file, store, clock, service)
    }

    fn full(&self, full: bool) {
        self.store.full.store(full, Ordering::Relaxed);
    }

    /// Whether anything is kept that renews the sign-in of `id`.
    fn keeps(&self, id: EntryId) -> bool {
        let store: &dyn Store = &*self.store;
        store.reading(|tx| Ok(tx.secret(id, SecretField::SignIn)?.is_some())).unwrap()
    }

    fn add(&self, draft: &ServerDraft) -> EntryId {
        self.entries.create(&with_password(draft, SECRET)).unwrap().0
    }

    /// An entry for which somebody signed in, which is renewed with [`FIRST`].
    fn signed_in(&self) -> EntryId {
        let id = self.add(&azure("device_code"));
        let server = checked(&azure("device_code")).server;
        let note = GrantedNote { account: Some(USER.into()), valid_until_ms: None };
        self.entries.keep_sign_in(id, &server, &Secret::new(FIRST.into()), &note).unwrap();
        id
    }

    /// Asks as a run does; `since` as one that tests.
    async fn token(&self, id: EntryId, since: Option<Instant>, refused: Option<&Secret>) -> Result<Granted, Trouble> {
        let (_, content) = self.entries.content(id).unwrap();
        let server = content.server().unwrap().clone();
        let secret = Secret::new(SECRET.into());
        let key = self.entries.fingerprint(&server, Secrets { password: Some(&secret), client_certificate: None }).unwrap();
        let mailer = Mailer::system(None).unwrap().with_authority(self.service.authority.as_str());
        let time = (Duration::from_secs(10), Instant::now() + Duration::from_secs(30));
        let client = mailer.token_client(&server, Some(&secret), None, None, time).unwrap();
        self.sign_ins.source(id, &server, key, since).token(&client, refused).await
    }

    fn view(&self, id: EntryId) -> SignInView {
        self.entries.entry(id).unwrap().sign_in.unwrap()
    }

    fn note(&self, id: EntryId) -> SignInNote {
        self.view(id).note.unwrap()
    }

    /// What the sign-in is renewed with, as it is stored.
    fn stored(&self, id: EntryId) -> Option<String> {
        let (_, content) = self.entries.content(id).unwrap();
        let stored = self.entries.sign_in_for(id, content.server().unwrap()).unwrap();
        stored.map(|secret| secret.expose().to_owned())
    }

    fn deeds(&self) -> Vec<Deed> {
        self.entries.activity().page(&ActivityQuery::default()).unwrap().lines.into_iter().map(|line| line.what.deed).collect()
    }
}

fn anna() -> Caller {
    Caller { who: who(), address: "192.0.2.7".into(), ..Caller::default() }
}

fn who() -> Who {
    Who::Account { id: AccountId(7), name: "anna".into() }
}

fn azure(strategy: &str) -> ServerDraft {
    let mut draft = draft("mail");
    draft.azure_oauth = true;
    draft.azure_application_id = "11111111-2222-3333-4444-555555555555".into();
    draft.azure_strategy = strategy.into();
    draft
}

fn text(secret: &Secret) -> &str {
    secret.expose()
}

#[tokio::test]
async fn fifty_sends_at_once_ask_once_and_so_do_fifty_tests() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    let tokens = join_all((0..50).map(|_| bench.token(id, None, None))).await;
    let first = tokens[0].as_ref().unwrap().token.clone();
    assert!(tokens.iter().all(|token| token.as_ref().unwrap().token == first));
    assert_eq!(bench.service.asked(), 1);

    let since = Some(Instant::now());
    let tokens = join_all((0..50).map(|_| bench.token(id, since, None))).await;
    let second = &tokens[0].as_ref().unwrap().token;
    assert!(*second != first && tokens.iter().all(|token| token.as_ref().unwrap().token == *second));
    assert_eq!(bench.service.asked(), 2, "a test doesn't believe what is from before, but shares what is new");
    assert_eq!(bench.token(id, None, None).await.unwrap().token, *second, "and what it got is used");
}

#[tokio::test]
async fn what_renews_next_is_stored_before_the_token_is_used() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    let token = bench.token(id, None, None).await.unwrap();
    assert_eq!((text(&token.token), bench.stored(id).as_deref()), ("canary-access-1", Some("canary-refresh-1")));
    assert_eq!(bench.service.last()["refresh_token"], FIRST);
    let bench = bench.again();
    bench.token(id, None, None).await.unwrap();
    assert_eq!(bench.service.last()["refresh_token"], "canary-refresh-1", "as it was rotated");
    assert_eq!(bench.stored(id).as_deref(), Some("canary-refresh-2"));
}

#[tokio::test]
async fn a_token_whose_successor_cant_be_stored_isnt_used_and_the_sign_in_isnt_lost() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    bench.full(true);
    let trouble = bench.token(id, None, None).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::TokenNotKept);
    assert_eq!(bench.stored(id).as_deref(), Some(FIRST));
    bench.full(false);
    // The service takes the old one no more; what couldn't be stored is still known.
    let token = bench.token(id, Some(Instant::now()), None).await.unwrap();
    assert_eq!(bench.service.last()["refresh_token"], "canary-refresh-1");
    assert_eq!((text(&token.token), bench.stored(id).as_deref()), ("canary-access-2", Some("canary-refresh-2")));
    assert_eq!(bench.view(id).state(), SignInState::Works);
}

#[tokio::test]
async fn killed_between_answer_and_store_the_old_one_still_counts_where_the_service_lets_it() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    bench.service.lenient.store(true, Ordering::Relaxed);
    bench.full(true);
    assert!(bench.token(id, None, None).await.is_err());
    let bench = bench.again();
    assert_eq!(bench.stored(id).as_deref(), Some(FIRST));
    bench.token(id, None, None).await.unwrap();
    assert_eq!(bench.stored(id).as_deref(), Some("canary-refresh-2"));

    // Where it doesn't, that is told, and nothing else is lost.
    bench.service.lenient.store(false, Ordering::Relaxed);
    *bench.service.current.lock().unwrap() = "another".into();
    let trouble = bench.token(id, Some(Instant::now()), None).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::TokenSignInOver);
    assert_eq!(bench.view(id).state(), SignInState::Failing);
    assert_eq!(bench.stored(id).as_deref(), Some("canary-refresh-2"));
}

#[tokio::test]
async fn whoever_goes_while_a_token_is_asked_for_spoils_nothing() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    {
        let asking = bench.token(id, None, None);
        tokio::pin!(asking);
        // It is begun, and then dropped before it can be over.
        assert!(futures::poll!(&mut asking).is_pending());
    }
    let token = bench.token(id, None, None).await.unwrap();
    assert_eq!((bench.service.asked(), text(&token.token)), (1, "canary-access-1"));
    assert_eq!(bench.stored(id).as_deref(), Some("canary-refresh-1"));
}

#[tokio::test]
async fn the_end_of_the_program_waits_for_what_was_asked_for() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    {
        let asking = bench.token(id, None, None);
        tokio::pin!(asking);
        assert!(futures::poll!(&mut asking).is_pending());
        // The task that asks has its turn.
        tokio::task::yield_now().await;
    }
    bench.sign_ins.settle().await;
    assert_eq!((bench.service.asked(), bench.stored(id).as_deref()), (1, Some("canary-refresh-1")));
}

#[tokio::test]
async fn a_token_is_replaced_a_minute_before_its_end_and_when_it_was_refused() {
    let bench = Bench::new().await;
    let id = bench.add(&azure("client_credentials"));
    let first = bench.token(id, None, None).await.unwrap();
    bench.sign_ins.pass(Duration::from_secs(3600 - 65));
    assert_eq!(bench.token(id, None, None).await.unwrap().token, first.token);
    bench.sign_ins.pass(Duration::from_secs(10));
    let second = bench.token(id, None, None).await.unwrap();
    assert_ne!(second.token, first.token);
    let third = bench.token(id, None, Some(&second.token)).await.unwrap();
    assert_ne!(third.token, second.token);
    assert_eq!(bench.token(id, None, Some(&second.token)).await.unwrap().token, third.token, "it has been replaced already");
    assert_eq!(bench.service.asked(), 3);
    // What is short is used for half of what it lasts.
    *bench.service.seconds.lock().unwrap() = Some(20);
    let short = bench.token(id, Some(Instant::now()), None).await.unwrap();
    assert_eq!(bench.token(id, None, None).await.unwrap().token, short.token);
    bench.sign_ins.pass(Duration::from_secs(11));
    assert_ne!(bench.token(id, None, None).await.unwrap().token, short.token);
}

#[tokio::test]
async fn after_a_failure_sends_wait_longer_and_longer_but_whoever_tests_asks() {
    let bench = Bench::new().await;
    let id = bench.add(&azure("client_credentials"));
    bench.service.refuse(503, json!({"error": "temporarily_unavailable"}));
    for _ in 0..3 {
        assert_eq!(bench.token(id, None, None).await.unwrap_err().cause, Cause::TokenServiceBusy);
    }
    assert_eq!(bench.service.asked(), 1);
    bench.sign_ins.pass(Duration::from_secs(6));
    assert!(bench.token(id, None, None).await.is_err());
    bench.sign_ins.pass(Duration::from_secs(6));
    assert!(bench.token(id, None, None).await.is_err());
    assert_eq!(bench.service.asked(), 2, "the second wait is longer");
    let since = Some(Instant::now());
    let all = join_all((0..5).map(|_| bench.token(id, since, None))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(bench.service.asked(), 3, "many who test at once ask once");
    *bench.service.refusal.lock().unwrap() = None;
    assert!(bench.token(id, Some(Instant::now()), None).await.is_ok());
    assert!(bench.token(id, None, None).await.is_ok(), "nothing is left of it");
    assert_eq!(bench.service.asked(), 4);
}

#[tokio::test]
async fn a_failure_is_told_since_when_and_is_over_with_the_next_token() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    assert_eq!(bench.view(id).state(), SignInState::Works);
    bench.service.refuse(400, json!({"error": "invalid_grant", "error_codes": [700_082], "trace_id": "trace-1"}));
    bench.clock.set(1_000);
    assert!(bench.token(id, None, None).await.is_err());
    bench.clock.set(9_000);
    assert!(bench.token(id, Some(Instant::now()), None).await.is_err());
    let failing = bench.note(id).failing.unwrap();
    assert_eq!((failing.since_ms, failing.diagnosis.kind.as_str()), (START + 1_000, "oauth_sign_in_over"));
    assert!(failing.diagnosis.evidence.unwrap().contains("Trace id: trace-1"));
    let row = all(&bench.entries).rows.remove(0);
    assert_eq!(row.sign_in.unwrap().state(), SignInState::Failing, "it is seen on the list");
    *bench.service.refusal.lock().unwrap() = None;
    bench.token(id, Some(Instant::now()), None).await.unwrap();
    let note = bench.note(id);
    assert_eq!((note.failing, note.renewed_ms, note.account.as_deref()), (None, Some(START + 9_000), Some(USER)));
    assert_eq!(note.valid_until_ms.map(|until| (until - START - 9_000).div_ceil(60_000)), Some(60));
}

#[tokio::test]
async fn a_sign_in_is_renewed_daily_and_what_fails_is_tried_again() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    let never = bench.entries.create(&with_password(&ServerDraft { name: "never".into(), ..azure("password") }, SECRET)).unwrap().0;
    assert_eq!(bench.sign_ins.renew_due().await, Ok(0), "it is from today");
    bench.clock.forward(25 * 3_600_000);
    assert_eq!(bench.sign_ins.renew_due().await, Ok(1));
    assert_eq!((bench.service.asked(), bench.stored(id).as_deref()), (1, Some("canary-refresh-1")));
    assert_eq!(bench.sign_ins.renew_due().await, Ok(0));
    bench.clock.forward(25 * 3_600_000);
    bench.service.refuse(503, json!({"error": "server_error"}));
    assert_eq!(bench.sign_ins.renew_due().await, Ok(0));
    assert_eq!(bench.view(id).state(), SignInState::Failing, "before the first mail fails");
    assert_eq!(bench.sign_ins.renew_due().await, Ok(0));
    assert_eq!(bench.service.asked(), 2, "not at once again");
    *bench.service.refusal.lock().unwrap() = None;
    bench.sign_ins.pass(Duration::from_mins(1));
    assert_eq!(bench.sign_ins.renew_due().await, Ok(1));
    assert_eq!(bench.view(id).state(), SignInState::Works);
    assert_eq!(bench.view(never).state(), SignInState::Untried, "nobody asks for an entry that was never used");
}

#[tokio::test]
async fn turning_it_off_or_elsewhere_keeps_nothing() {
    let other = |change: fn(&mut ServerDraft)| {
        let mut draft = azure("device_code");
        change(&mut draft);
        draft
    };
    for (draft, stays) in [
        (other(|d| d.azure_oauth = false), false),
        (other(|d| d.azure_application_id = "21111111-2222-3333-4444-555555555555".into()), false),
        (other(|d| d.azure_tenant = "other.example.com".into()), false),
        (other(|d| d.azure_authority = "https://evil.example".into()), false),
        (other(|d| d.host = "evil.example".into()), false),
        (other(|d| d.username = "other@example.com".into()), false),
        (other(|d| d.azure_scope = "mail".into()), false),
        (other(|d| d.azure_strategy = "password".into()), false),
        (other(|d| d.azure_strategy = "authorization_code".into()), true),
        (other(|d| d.timeout_ms = "20000".into()), true),
        (other(|d| d.name = "renamed".into()), true),
        (other(|d| d.azure_mailbox = "team@example.com".into()), true),
    ] {
        let bench = Bench::new().await;
        let id = bench.signed_in();
        let base = bench.entries.entry(id).unwrap().version;
        let checked = Checked { default: true, ..with_password(&draft, SECRET) };
        bench.entries.save(id, base, &checked).unwrap();
        assert_eq!(bench.keeps(id), stays, "{draft:?}");
        if let Some(view) = bench.entries.entry(id).unwrap().sign_in {
            assert_eq!(view.note.is_some(), stays, "{draft:?}");
        }
    }
}

#[tokio::test]
async fn signing_out_forgets_everything_and_a_renewal_under_way_brings_nothing_back() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    bench.token(id, None, None).await.unwrap();
    let server = checked(&azure("device_code")).server;
    assert!(bench.entries.end_sign_in(id).unwrap());
    bench.sign_ins.forget(id);
    assert!(!bench.entries.end_sign_in(id).unwrap(), "there is none any more");
    let late = Secret::new("late".into());
    let of = Secret::new("canary-refresh-1".into());
    let kept = bench.entries.keep_granted(id, &server, Some(&of), Some(&late), &GrantedNote::default());
    assert_eq!(kept.unwrap(), Kept::OtherSettings);
    assert_eq!((bench.view(id).state(), bench.keeps(id)), (SignInState::Missing, false));
    assert_eq!(bench.token(id, None, None).await.unwrap_err().cause, Cause::NotSignedIn);
    assert_eq!(bench.service.asked(), 1, "nobody was asked");
    assert_eq!(bench.deeds()[..2], [Deed::MailboxSignedOut, Deed::MailboxSignedIn]);
}

#[tokio::test]
async fn a_renewal_of_before_neither_overwrites_who_signed_in_meanwhile_nor_calls_him_failing() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    let server = checked(&azure("device_code")).server;
    let (old, new) = (Secret::new(FIRST.into()), Secret::new("of-bert".into()));
    let bert = GrantedNote { account: Some("bert@example.com".into()), valid_until_ms: None };
    bench.entries.keep_sign_in(id, &server, &new, &bert).unwrap();
    let kept = bench.entries.keep_granted(id, &server, Some(&old), Some(&Secret::new("late".into())), &GrantedNote::default());
    assert_eq!(kept.unwrap(), Kept::OtherSettings);
    let settings =
        bench.entries.fingerprint(&server, Secrets { password: Some(&Secret::new(SECRET.into())), client_certificate: None });
    let diagnosis = domain::diagnosis::Diagnosis::default();
    bench.entries.note_sign_in_failing(id, (&server, settings.unwrap()), Some(&old), &diagnosis).unwrap();
    assert_eq!((bench.view(id).state(), bench.stored(id).as_deref()), (SignInState::Works, Some("of-bert")));
    assert_eq!(bench.note(id).account.as_deref(), Some("bert@example.com"));
    // With what lies there it is noted.
    bench.entries.note_sign_in_failing(id, (&server, settings.unwrap()), Some(&new), &diagnosis).unwrap();
    assert_eq!(bench.view(id).state(), SignInState::Failing);
}

#[tokio::test]
async fn what_is_only_typed_says_nothing_of_what_is_saved() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    bench.token(id, None, None).await.unwrap();
    let server = checked(&azure("device_code")).server;
    let typed = Secret::new("another secret".into());
    let key = bench.entries.fingerprint(&server, Secrets { password: Some(&typed), client_certificate: None }).unwrap();
    let mailer = Mailer::system(None).unwrap().with_authority(bench.service.authority.as_str());
    let time = (Duration::from_secs(10), Instant::now() + Duration::from_secs(30));
    let client = mailer.token_client(&server, Some(&typed), None, None, time).unwrap();
    bench.service.refuse(401, json!({"error": "invalid_client"}));
    let source = bench.sign_ins.source(id, &server, key, Some(Instant::now()));
    assert!(source.token(&client, None).await.is_err());
    assert_eq!(bench.view(id).state(), SignInState::Works);
    assert_eq!(text(&bench.token(id, None, None).await.unwrap().token), "canary-access-1", "and its token is still there");
}

#[tokio::test]
async fn a_save_in_between_loses_nothing_that_couldnt_be_stored() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    bench.full(true);
    assert!(bench.token(id, None, None).await.is_err());
    bench.full(false);
    bench.sign_ins.changed(id);
    bench.token(id, Some(Instant::now()), None).await.unwrap();
    assert_eq!(bench.service.last()["refresh_token"], "canary-refresh-1");
    assert_eq!(bench.stored(id).as_deref(), Some("canary-refresh-2"));
}

#[tokio::test]
async fn somebody_signs_in_in_the_browser() {
    let bench = Bench::new().await;
    let id = bench.add(&azure("authorization_code"));
    assert_eq!(bench.view(id).state(), SignInState::Missing);
    let leaving = bench.sign_ins.begin(id, who(), HOST.into()).await.unwrap();
    let (address, query) = leaving.url.split_once('?').unwrap();
    assert_eq!(address, format!("{}/example.com/oauth2/v2.0/authorize", bench.service.authority));
    let query: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    assert_eq!((query["response_type"], query["code_challenge_method"]), ("code", "S256"));
    assert_eq!(query["redirect_uri"], "http%3A%2F%2Flocalhost%3A3000%2Foauth%2Fcallback");
    assert!(query["scope"].contains("SMTP.Send") && query["scope"].contains("offline_access"));
    *bench.service.nonce.lock().unwrap() = Some(query["nonce"].into());
    let arriving = || Arriving {
        state: Secret::new(query["state"].into()),
        code: Secret::new("canary-code".into()),
        binding: leaving.binding.clone(),
        ..Arriving::default()
    };
    assert_eq!(bench.sign_ins.began_at(&arriving().state).as_deref(), Some(HOST));

    // Others don't finish it, and don't spoil it.
    let entries = || Arc::clone(&bench.entries);
    let other = Who::Account { id: AccountId(8), name: "bert".into() };
    for (who, arriving) in [
        (who(), Arriving { binding: Secret::new("other".into()), ..arriving() }),
        (who(), Arriving { state: Secret::new("other".into()), ..arriving() }),
        (other, arriving()),
    ] {
        assert_eq!(bench.sign_ins.finish(&who, arriving, entries()).await, Err(Problem::SignInGone));
    }
    assert_eq!((bench.service.asked(), bench.view(id).state()), (0, SignInState::Missing));

    assert_eq!(bench.sign_ins.finish(&who(), arriving(), entries()).await, Ok(id));
    let request = bench.service.last();
    let challenge = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, request["code_verifier"].as_bytes()));
    assert_eq!(query["code_challenge"], challenge);
    assert_eq!((request["code"].as_str(), request["client_secret"].as_str()), ("canary-code", SECRET));
    let note = bench.note(id);
    assert_eq!((note.account.as_deref(), note.since_ms), (Some(USER), Some(START)));
    assert_eq!(bench.stored(id).as_deref(), Some("canary-refresh-1"));
    assert_eq!(bench.deeds()[0], Deed::MailboxSignedIn);
    // Once is enough.
    assert_eq!(bench.sign_ins.finish(&who(), arriving(), entries()).await, Err(Problem::SignInGone));
    assert_eq!(bench.service.asked(), 1);
}

/// Somebody who comes back from a sign-in that was begun just now.
async fn comes_back(bench: &Bench, id: EntryId) -> Arriving {
    let leaving = bench.sign_ins.begin(id, who(), HOST.into()).await.unwrap();
    let part =
        |key: &str| leaving.url.split(['?', '&']).find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned();
    *bench.service.nonce.lock().unwrap() = Some(part("nonce"));
    Arriving {
        state: Secret::new(part("state")),
        code: Secret::new("canary-code".into()),
        binding: leaving.binding,
        ..Arriving::default()
    }
}

#[tokio::test]
async fn what_comes_to_nothing_in_the_browser_keeps_nothing() {
    let bench = Bench::new().await;
    let id = bench.add(&azure("authorization_code"));
    let finish = |arriving| bench.sign_ins.finish(&BY, arriving, Arc::clone(&bench.entries));
    let declined = Arriving { error: "access_denied".into(), ..comes_back(&bench, id).await };
    let Err(Problem::SignInFailed(diagnosis)) = finish(declined).await else { panic!("it was declined") };
    assert_eq!(diagnosis.kind, "oauth_declined");
    assert_eq!(bench.service.asked(), 0);

    let late = comes_back(&bench, id).await;
    bench.sign_ins.pass(Duration::from_secs(601));
    assert_eq!(finish(late).await, Err(Problem::SignInGone));
    assert_eq!(bench.service.asked(), 0);

    let of_another = comes_back(&bench, id).await;
    *bench.service.nonce.lock().unwrap() = Some("of another sign-in".into());
    assert!(matches!(finish(of_another).await, Err(Problem::SignInFailed(_))));

    let changed = comes_back(&bench, id).await;
    let base = bench.entries.entry(id).unwrap().version;
    let mut draft = azure("authorization_code");
    draft.azure_tenant = "example.com".into();
    draft.azure_application_id = "21111111-2222-3333-4444-555555555555".into();
    bench.entries.save(id, base, &Checked { default: true, ..with_password(&draft, SECRET) }).unwrap();
    assert_eq!(finish(changed).await, Err(Problem::SignInGone), "it is for another application now");

    bench
        .service
        .refuse(400, json!({"error": "invalid_grant", "error_description": format!("{SECRET} canary-code"), "trace_id": "t-9"}));
    let Err(Problem::SignInFailed(diagnosis)) = finish(comes_back(&bench, id).await).await else { panic!("it was refused") };
    let evidence = diagnosis.evidence.unwrap();
    assert!(evidence.contains("t-9") && !evidence.contains(SECRET) && !evidence.contains("canary"), "{evidence}");
    assert_eq!((bench.view(id).state(), bench.keeps(id)), (SignInState::Missing, false));
    assert!(!bench.deeds().contains(&Deed::MailboxSignedIn));
}

/// Who begins in [`comes_back`].
static BY: std::sync::LazyLock<Who> = std::sync::LazyLock::new(who);

/// Waits until the code of `id` isn't waited for any more.
async fn decided(bench: &Bench, id: EntryId) -> DeviceState {
    for _ in 0..600 {
        match bench.sign_ins.device(id).unwrap().state {
            DeviceState::Waiting => tokio::time::sleep(Duration::from_millis(50)).await,
            state => return state,
        }
    }
    panic!("it is still waited for")
}

#[tokio::test]
async fn somebody_signs_in_with_a_code() {
    let bench = Bench::new().await;
    let id = bench.add(&azure("device_code"));
    *bench.service.polls.lock().unwrap() = vec!["authorization_pending"];
    let code = bench.sign_ins.begin_device(id, Arc::clone(&bench.entries)).await.unwrap();
    assert_eq!((code.user_code.as_str(), code.verification_url.as_str()), ("ABCD-EFGH", "https://login.example/device"));
    assert_eq!((code.expires_ms, &code.state), (START + 900_000, &DeviceState::Waiting));
    assert_eq!(bench.view(id).state(), SignInState::Missing);
    assert_eq!(decided(&bench, id).await, DeviceState::Done);
    assert_eq!((bench.view(id).state(), bench.stored(id).as_deref()), (SignInState::Works, Some("canary-refresh-3")));
    let request = bench.service.last();
    assert_eq!((request["device_code"].as_str(), bench.service.asked()), ("canary-device-code", 3));
    assert_eq!(bench.deeds()[0], Deed::MailboxSignedIn);
}

#[tokio::test]
async fn a_code_that_comes_to_nothing_says_why() {
    for (poll, lasts, kind) in [
        (Some("authorization_declined"), 900, "oauth_declined"),
        (Some("expired_token"), 900, "oauth_code_expired"),
        (Some("authorization_pending"), 1, "oauth_code_expired"),
    ] {
        let bench = Bench::new().await;
        let id = bench.add(&azure("device_code"));
        *bench.service.polls.lock().unwrap() = poll.into_iter().collect();
        *bench.service.lasts.lock().unwrap() = Some(lasts);
        bench.sign_ins.begin_device(id, Arc::clone(&bench.entries)).await.unwrap();
        let DeviceState::Failed(diagnosis) = decided(&bench, id).await else { panic!("{kind}") };
        assert_eq!(diagnosis.kind, kind);
        assert_eq!((bench.view(id).state(), bench.keeps(id)), (SignInState::Missing, false));
    }
}

#[tokio::test]
async fn a_code_is_given_up_by_the_next_one_and_by_whoever_wants_that() {
    let bench = Bench::new().await;
    let id = bench.add(&azure("device_code"));
    bench.sign_ins.begin_device(id, Arc::clone(&bench.entries)).await.unwrap();
    assert!(bench.sign_ins.cancel_device(id));
    assert!(!bench.sign_ins.cancel_device(id));
    assert!(bench.sign_ins.device(id).is_none());
    let asked = bench.service.asked();
    // As long as the first question would take.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!((bench.service.asked(), bench.keeps(id)), (asked, false), "nobody asks any more");
}

#[tokio::test]
async fn nothing_secret_lies_anywhere_but_sealed() {
    let bench = Bench::new().await;
    let id = bench.signed_in();
    bench.token(id, None, None).await.unwrap();
    bench.service.refuse(400, json!({"error": "invalid_grant", "error_description": "it says canary-refresh-1"}));
    assert!(bench.token(id, Some(Instant::now()), None).await.is_err());
    let page = serde_json::to_string(&bench.entries.entry(id).unwrap()).unwrap();
    assert!(page.contains("invalid_grant") && !page.contains("canary-refresh"), "{page}");
    let bytes = bench.file.bytes();
    assert!(bytes.windows(USER.len()).any(|part| part == USER.as_bytes()), "it is the right file");
    for canary in [&b"canary-refresh"[..], b"canary-access", b"canary-client"] {
        assert!(!bytes.windows(canary.len()).any(|part| part == canary), "{}", String::from_utf8_lossy(canary));
    }
}

#[tokio::test]
async fn a_client_secret_is_reminded_of_from_thirty_days_before_its_end() {
    let bench = Bench::new().await;
    // The clock starts on 15 January 2027.
    let mut draft = azure("client_credentials");
    draft.azure_secret_expires = "2027-02-20".into();
    let id = bench.add(&draft);
    let told = |bench: &Bench| bench.entries.entry(id).unwrap().expiring.into_iter().map(|ending| ending.role).collect::<Vec<_>>();
    assert_eq!(told(&bench), []);
    bench.clock.forward(8 * 86_400_000);
    assert_eq!(told(&bench), [Needed::ClientSecret]);
    bench.clock.forward(60 * 86_400_000);
    assert_eq!(told(&bench), [Needed::ClientSecret], "also when it has ended");
    assert_eq!(all(&bench.entries).rows[0].expiring.len(), 1);
}
