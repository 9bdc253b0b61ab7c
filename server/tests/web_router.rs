//! The router over a backend that remembers: what is answered, what is refused, and what then did not happen.

#![expect(clippy::unwrap_used, reason = "what can't be read fails the test")]

use std::sync::{Arc, Mutex};

use app::api::{Saved, Trashed};
use app::backend::{Backend, Caller, Certificates, Edit, Events, LiveRun, Typed};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use domain::entry::{EntryId, EntryPage, EntryView, ListPage, ListQuery, TrashPlan, UndoOffer, Version};
use domain::error::{Problem, Stale};
use domain::field::{Field, FieldError, FieldErrors};
use domain::run::{BatchEvent, History, Run, RunId, RunMode, RunSummary, Standing};
use domain::secret::Secret;
use domain::smtp_server::{ServerPatch, TestDraft};
use domain::transcript::{Event, Finished, Outcome, Stage, What};
use domain::trust::{Inspection, NewPin, Preview, TrustId, TrustPage, TrustTrashPlan, TrustUndo};
use futures::stream;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use server::web::{Hosts, Web, router};
use tower::ServiceExt;

/// Remembers the calls that change or try something, and answers from a short script.
#[derive(Default)]
struct Fake {
    calls: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

const PASSWORD: &str = "canary-horse-battery";

#[async_trait]
impl Certificates for Fake {
    async fn trusted(&self) -> Result<TrustPage, Problem> {
        Err(Problem::Internal)
    }

    async fn preview(&self, _: Vec<u8>, _: Secret) -> Result<Preview, Problem> {
        Err(Problem::Internal)
    }

    async fn add_authorities(&self, _: String, _: Option<Vec<String>>, _: Caller) -> Result<Vec<TrustId>, Problem> {
        Err(Problem::Internal)
    }

    async fn pin(&self, _: NewPin, _: Caller) -> Result<TrustId, Problem> {
        Err(Problem::Internal)
    }

    async fn set_outlives(&self, _: TrustId, _: bool) -> Result<(), Problem> {
        Err(Problem::Internal)
    }

    async fn set_system_roots(&self, _: bool) -> Result<(), Problem> {
        Err(Problem::Internal)
    }

    async fn trust_trash_plan(&self, _: Vec<TrustId>) -> Result<TrustTrashPlan, Problem> {
        Err(Problem::Internal)
    }

    async fn trash_trusted(&self, _: Vec<TrustId>) -> Result<TrustUndo, Problem> {
        Err(Problem::Internal)
    }

    async fn undo_trusted(&self, _: u64) -> Result<Vec<TrustId>, Problem> {
        Err(Problem::Internal)
    }

    async fn export_trusted(&self, _: Vec<TrustId>) -> Result<String, Problem> {
        Err(Problem::Internal)
    }

    async fn inspect(&self, _: Option<EntryId>, _: Edit, _: Caller) -> Result<Inspection, Problem> {
        Err(Problem::Internal)
    }

    async fn set_client_certificate(&self, _: EntryId, _: Version, _: Option<(Vec<u8>, Secret)>) -> Result<Saved, Problem> {
        Err(Problem::Internal)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn list(&self, query: ListQuery) -> Result<ListPage, Problem> {
        if query.search == "broken" {
            return Err(Problem::Disk { detail: "I/O error".into() });
        }
        Ok(ListPage { page: 1, pages: 1, ..ListPage::default() })
    }

    async fn suggest_name(&self) -> Result<String, Problem> {
        Ok("mail".into())
    }

    async fn entry(&self, id: EntryId) -> Result<EntryView, Problem> {
        if id.0 != 1 {
            return Err(Problem::NoSuchEntry(id));
        }
        Ok(EntryView {
            id,
            version: Version(3),
            name: "mail".into(),
            server: None,
            any_default: false,
            standing: Standing::Never,
            client_certificate: None,
            expiring: Vec::new(),
        })
    }

    async fn create(&self, patch: ServerPatch) -> Result<Saved, Problem> {
        let name = patch.name.unwrap_or_default();
        if name == "taken" {
            return Err(Problem::Invalid(FieldErrors::one(Field::Name, FieldError::NameTaken { name })));
        }
        self.note(format!("create {name}"));
        Ok(Saved { id: EntryId(1), version: Version(1) })
    }

    async fn save(&self, id: EntryId, base: Version, edit: Edit) -> Result<Saved, Problem> {
        if base.0 != 3 {
            return Err(Problem::Stale(Box::new(Stale { version: Version(3), current: None })));
        }
        let Edit::Form(typed) = edit else {
            self.note(format!("save {id}"));
            return Ok(Saved { id, version: Version(4) });
        };
        let Typed { draft, password, .. } = *typed;
        draft.check(&password).map_err(Problem::Invalid)?;
        self.note(format!("save {id} {} password:{}", draft.host, password.password.expose() == PASSWORD));
        Ok(Saved { id, version: Version(4) })
    }

    async fn trash_plan(&self, ids: Vec<EntryId>) -> Result<TrashPlan, Problem> {
        if ids.is_empty() {
            return Err(Problem::NothingChosen);
        }
        Ok(TrashPlan { going: ids.into_iter().map(|id| (id, "mail".into())).collect(), heirs: vec![] })
    }

    async fn trash(&self, ids: Vec<EntryId>, _new_default: Option<EntryId>) -> Result<Trashed, Problem> {
        self.note(format!("trash {}", ids.len()));
        Ok(Trashed { undo: UndoOffer { batch: 7, names: vec!["mail".into()], left_ms: 10_000 }, next: Some(EntryId(2)) })
    }

    async fn undo(&self, batch: u64) -> Result<Vec<EntryId>, Problem> {
        if batch != 7 {
            return Err(Problem::UndoGone);
        }
        self.note("undo");
        Ok(vec![EntryId(1)])
    }

    async fn entry_page(&self, id: EntryId, run: Option<RunId>) -> Result<EntryPage, Problem> {
        let shown = run.and_then(recorded);
        Ok(EntryPage {
            view: self.entry(id).await?,
            runs: recorded(RunId(7)).map(|run| run.summary).into_iter().collect(),
            shown,
            now_ms: 0,
        })
    }

    async fn start_test(&self, id: Option<EntryId>, _edit: Edit, test: TestDraft, caller: Caller) -> Result<LiveRun, Problem> {
        if id == Some(EntryId(99)) {
            return Err(Problem::NoSuchEntry(EntryId(99)));
        }
        self.note(format!("test {} {}{}", test.to, test.check_only, caller.address));
        Ok(LiveRun { run: RunId(7), host: "mail.test".into(), events: Box::pin(stream::iter(events())) })
    }

    async fn cancel(&self, run: RunId) -> Result<bool, Problem> {
        self.note(format!("cancel {run}"));
        Ok(run == RunId(7))
    }

    async fn history(&self, id: EntryId) -> Result<History, Problem> {
        self.entry(id).await?;
        Ok(History { standing: Standing::Changed, runs: vec![], now_ms: 5 })
    }

    async fn run(&self, run: RunId) -> Result<Run, Problem> {
        recorded(run).ok_or(Problem::NoSuchRun(run))
    }

    async fn test_all(&self, ids: Option<Vec<EntryId>>, _caller: Caller) -> Result<Events<BatchEvent>, Problem> {
        if ids.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::NothingChosen);
        }
        self.note(format!("test-all {}", ids.map_or("all".into(), |ids| ids.len().to_string())));
        let id = EntryId(1);
        Ok(Box::pin(stream::iter([
            BatchEvent::Begun { id, name: "mail".into(), run: RunId(7) },
            BatchEvent::Finished { id, outcome: Outcome::Checked, headline: "Checked.".into(), standing: Standing::Never },
            BatchEvent::Summary { checked: 1, failed: 0, skipped: 0 },
        ])))
    }
}

fn events() -> Vec<Event> {
    vec![
        Event { what: What::Begun { stage: Stage::Resolve }, elapsed_ms: 0 },
        Event { what: What::Finished(Finished::new(Outcome::Sent, Stage::Accepted)), elapsed_ms: 9 },
    ]
}

/// The only run there is.
fn recorded(run: RunId) -> Option<Run> {
    let finished = Finished::new(Outcome::Sent, Stage::Accepted);
    let summary = RunSummary::of(run, 1_800_000_000_000, "192.0.2.7".into(), RunMode::Send, "mail.test", &finished, 9);
    (run == RunId(7)).then(|| Run { summary, events: events() })
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

struct Site {
    fake: Arc<Fake>,
    router: Router,
}

impl Site {
    fn new() -> Self {
        let fake = Arc::new(Fake::default());
        let router = router(Web::new(Arc::clone(&fake) as Arc<dyn Backend>, Hosts::new(Some("post.example.com"))));
        Self { fake, router }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header(header::HOST, "127.0.0.1:3000").body(Body::empty()).unwrap()).await
    }

    async fn form(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "127.0.0.1:3000")
            .header(header::ORIGIN, "http://127.0.0.1:3000")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    async fn json(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "localhost:3000")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    fn calls(&self) -> Vec<String> {
        self.fake.calls.lock().unwrap().clone()
    }
}

fn error_of(answer: &Answer) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))["error"].clone()
}

#[tokio::test]
async fn every_page_answers_with_careful_headers_and_is_not_kept() {
    let site = Site::new();
    for path in ["/", "/servers/new", "/servers/1", "/servers/trash?id=1"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("'nonce-"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert!(answer.body.contains("<h1"), "{path}");
        assert!(!answer.body.contains(" style="), "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_there_says_so_to_people_and_programs() {
    let site = Site::new();
    for path in ["/nothing", "/servers/99", "/servers/abc", "/servers/1/2", "/servers/18446744073709551616"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.contains("Mail SMTP servers"), "{path} has no way back");
    }
    for path in ["/api/nothing", "/api/servers/get?id=99"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, error_of(&answer)), (StatusCode::NOT_FOUND, "not_found".into()), "{path}");
    }
    let answer = site.get("/assets/nothing.js").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_answers_json_with_the_status_that_fits() {
    let site = Site::new();
    let answer = site.json("/api/servers/create", r#"{"server": {"name": "mail"}}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"id":1,"version":1}"#));
    for (path, body, status, kind) in [
        ("/api/servers/create", r#"{"server": {"name": "taken"}}"#, 422, "invalid"),
        ("/api/servers/create", r#"{"server": {"nonsense": 1}}"#, 400, "malformed"),
        ("/api/servers/create", "{", 400, "malformed"),
        ("/api/servers/create", "", 400, "malformed"),
        ("/api/servers/save", r#"{"id": 1, "version": 2, "server": {}}"#, 409, "stale"),
        ("/api/servers/save", r#"{"id": -1, "version": 2, "server": {}}"#, 400, "malformed"),
        ("/api/servers/undo", r#"{"batch": 8}"#, 410, "undo_gone"),
    ] {
        let answer = site.json(path, body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (status, kind.into()), "{path} {body}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{path} {body}");
    }
    let answer = site.get("/api/servers?search=broken").await;
    assert_eq!((answer.status.as_u16(), error_of(&answer)), (500, "storage".into()));
    assert_eq!(site.calls(), ["create mail"]);
}

#[tokio::test]
async fn an_unknown_key_is_refused_before_anything_is_done() {
    let site = Site::new();
    for (path, body) in [
        ("/api/servers/test", r#"{"id": 1, "check_onyl": true, "to": "a@example.com"}"#),
        ("/api/servers/test/live", r#"{"id": 1, "check_onyl": true, "to": "a@example.com"}"#),
        ("/api/servers/test/live?force=1", r#"{"id": 1}"#),
        ("/api/servers/test-all", r#"{"id": 1}"#),
        ("/api/runs/cancel", r#"{"run": 7, "all": true}"#),
        ("/api/servers/create", r#"{"server": {"name": "mail"}, "extra": 1}"#),
        ("/api/servers/save?force=1", r#"{"id": 1, "version": 3, "server": {}}"#),
    ] {
        let answer = site.json(path, body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (400, "malformed".into()), "{path} {body}");
        assert!(answer.body.contains("unknown key"), "{}", answer.body);
    }
    for path in ["/api/servers?serch=x", "/api/servers/runs?id=1&run=7", "/api/runs/get?run=7&id=1"] {
        assert_eq!(site.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn the_wrong_method_is_said_with_the_right_one() {
    let site = Site::new();
    let answer = site.get("/api/servers/create").await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::METHOD_NOT_ALLOWED, "wrong_method".into()));
    assert_eq!(answer.headers[header::ALLOW], "POST");
    let request = Request::delete("/servers/new").header(header::HOST, "localhost").body(Body::empty()).unwrap();
    let answer = site.send(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!answer.body.is_empty());
    assert_eq!(site.get("/servers/undo").await.headers[header::LOCATION], "/");
}

#[tokio::test]
async fn no_error_quotes_a_password() {
    let site = Site::new();
    for password in [format!("\"{PASSWORD}\""), format!("{{\"{PASSWORD}\": 1}}"), format!("[\"{PASSWORD}\"]")] {
        for path in ["/api/servers/create", "/api/servers/test/live"] {
            let answer = site.json(path, &format!(r#"{{"server": {{"name": "x", "password": {password}}}}}"#)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert!(!answer.body.contains(PASSWORD), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_page_that_comes_back_keeps_the_version_it_started_from() {
    let site = Site::new();
    for action in ["check", "save"] {
        let answer = site.form("/servers/1", &format!("action={action}&version=2&name=mail&host=a.example&port=0")).await;
        assert!(answer.body.contains(r#"value="2" "#) || answer.body.contains(r#"value="2">"#), "{action}: the version moved");
        assert!(!answer.body.contains(r#"name="version" value="3""#), "{action}: the version moved");
    }
}

#[tokio::test]
async fn an_error_names_the_field() {
    let answer = Site::new().json("/api/servers/create", r#"{"server": {"name": "taken"}}"#).await;
    let error: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(error["fields"]["name"].as_str().unwrap().contains("Another server is called taken"), "{error}");
}

#[tokio::test]
async fn nothing_changes_by_get() {
    let site = Site::new();
    for path in [
        "/api/servers/create",
        "/api/servers/save",
        "/api/servers/trash",
        "/api/servers/undo",
        "/api/servers/test",
        "/api/servers/test/live",
        "/api/servers/test-all",
        "/api/runs/cancel",
        "/api/runs/cancel?run=7",
        "/servers/test-all",
        "/servers/undo",
        "/servers/trash?id=1",
        "/servers/new?name=x",
        "/servers/1?action=save&host=x",
        "/servers/edit?id=1",
        "/servers/try?id=1",
    ] {
        site.get(path).await;
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let site = Site::new();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("cookie", "session=1"),
    ] {
        for path in [
            "/servers/new",
            "/servers/1",
            "/servers/trash",
            "/servers/undo",
            "/api/servers/create",
            "/api/servers/test",
            "/api/servers/test/live",
            "/api/servers/test-all",
            "/servers/test-all",
            "/api/runs/cancel",
        ] {
            let request = Request::post(path)
                .header(header::HOST, "127.0.0.1:3000")
                .header(name, value)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from("name=x&id=1&batch=7&action=save&version=3"))
                .unwrap();
            assert_eq!(site.send(request).await.status, StatusCode::FORBIDDEN, "{name}: {value} {path}");
        }
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn foreign_host_names_are_refused() {
    let site = Site::new();
    for host in ["evil.example", "post.example.com.evil.example", "10.0.0.1", ""] {
        let request = Request::get("/").header(header::HOST, host).body(Body::empty()).unwrap();
        let answer = site.send(request).await;
        assert_eq!(answer.status.as_u16(), 421, "{host}");
        assert!(!answer.body.contains("<h1"));
    }
    let request = Request::get("/").header(header::HOST, "post.example.com").body(Body::empty()).unwrap();
    assert_eq!(site.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn too_much_is_refused_unread() {
    let site = Site::new();
    let name = "x".repeat(1 << 20);
    let answer = site.form("/servers/new", &format!("name={name}")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = site.json("/api/servers/create", &format!(r#"{{"server": {{"name": "{name}"}}}}"#)).await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::PAYLOAD_TOO_LARGE, "too_large".into()));
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_form_is_answered_by_the_next_page_or_by_itself_with_what_was_typed() {
    let site = Site::new();
    let answer = site.form("/servers/new", "name=mail").await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"/servers/1".parse().unwrap()));
    let answer = site.form("/servers/new", "name=taken").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains(r#"value="taken""#) && answer.body.contains("Another server is called taken"));
    assert!(answer.headers.get(header::LOCATION).is_none());
    assert_eq!(site.calls(), ["create mail"]);
}

#[tokio::test]
async fn an_entry_comes_back_with_every_error_and_without_the_password() {
    let site = Site::new();
    let form = format!(
        "action=save&version=3&name=mail&kind=smtp&protocol=smtp&host=a+b&port=0&timeout_ms=10000&starttls=disabled&username=anna\
         &password={PASSWORD}&password_confirm={PASSWORD}&attachment_threshold_bytes=10+MB&link_days=30&from=x%40example.com"
    );
    let answer = site.form("/servers/1", &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for text in
        [r#"value="a b""#, r#"value="0""#, r#"value="anna""#, r#"value="x@example.com""#, "A host name has no spaces", "Port 0"]
    {
        assert!(answer.body.contains(text), "{text} is missing");
    }
    assert!(!answer.body.contains(PASSWORD));
    assert!(answer.body.contains("Type the password again"));
    assert_eq!(site.calls(), Vec::<String>::new());

    let answer = site.form("/servers/1", &form.replace("a+b", "a.example").replace("port=0", "port=25")).await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"/servers/1?saved".parse().unwrap()));
    assert_eq!(site.calls(), ["save 1 a.example password:true"]);
}

#[tokio::test]
async fn a_test_without_the_program_comes_back_as_the_page_with_its_report() {
    let site = Site::new();
    let answer = site.form("/servers/1", "action=send&version=3&name=mail&host=typed.example&to=b%40example.com").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("Sent. mail.test accepted the message") && answer.body.contains(r#"value="typed.example""#));
    let answer = site.form("/servers/1", "action=check&version=3").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(site.calls(), ["test b@example.com false", "test  true"]);
}

#[tokio::test]
async fn trashing_and_undoing_lead_back_to_the_list() {
    let site = Site::new();
    let answer = site.form("/servers/trash", "id=1&id=5&search=a+b&page=2").await;
    assert_eq!(answer.headers[header::LOCATION], "/?search=a%20b&page=2#server-2");
    let answer = site.form("/servers/undo", "batch=7").await;
    assert_eq!(answer.headers[header::LOCATION], "/#server-1");
    let answer = site.form("/servers/undo", "batch=8").await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert!(answer.body.contains("Too late to undo"));
    assert_eq!(site.calls(), ["trash 2", "undo"]);
}

#[tokio::test]
async fn the_selection_leads_to_one_entry_only() {
    let site = Site::new();
    assert_eq!(site.get("/servers/edit?id=4").await.headers[header::LOCATION], "/servers/4");
    assert_eq!(site.get("/servers/try?id=4").await.headers[header::LOCATION], "/servers/4#try");
    assert!(site.get("/servers/edit?id=4&id=5").await.body.contains("Only one server"));
    assert!(site.get("/servers/edit").await.body.contains("No server was chosen"));
}

#[tokio::test]
async fn an_api_call_that_wants_html_is_never_led_to_another_site() {
    let site = Site::new();
    let request = Request::post("/api/servers/create")
        .header(header::HOST, "127.0.0.1:3000")
        .header(header::ACCEPT, "text/html")
        .header(header::REFERER, "https://evil.example/")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"server": {"name": "taken"}}"#))
        .unwrap();
    let answer = site.send(request).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(answer.headers.get(header::LOCATION).is_none());
}

/// The lines of an answer.
fn lines(answer: &Answer) -> Vec<serde_json::Value> {
    assert!(answer.body.ends_with('\n'), "the last line is whole: {}", answer.body);
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_live_test_is_lines_under_the_number_of_its_run() {
    let site = Site::new();
    let answer = site.json("/api/servers/test/live", r#"{"id": 1, "to": "a@example.com", "check_only": false}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers["postroom-run"], "7");
    let read: Vec<Event> = lines(&answer).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect();
    assert_eq!(read, events());
    assert_eq!(site.calls(), ["test a@example.com false"]);
}

#[tokio::test]
async fn a_live_test_that_is_refused_says_so_before_the_first_line() {
    let site = Site::new();
    for (body, status, kind) in [
        (r#"{"id": 99}"#, 404, "not_found"),
        ("{", 400, "malformed"),
        ("", 400, "malformed"),
        (r#"{"id": "one"}"#, 400, "malformed"),
        (r#"{"server": {"nonsense": 1}}"#, 400, "malformed"),
        // Members in their order are no object.
        (r#"[1, {}, "a@example.org", "b@example.com", false]"#, 400, "malformed"),
        (r#"{"id": 1, "server": []}"#, 400, "malformed"),
        (r#"{"id": 1, "server": {"azure_oauth": []}}"#, 400, "malformed"),
    ] {
        let answer = site.json("/api/servers/test/live", body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (status, kind.into()), "{body}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{body}");
        assert!(!answer.headers.contains_key("postroom-run"), "{body}");
    }
    for path in ["/api/servers/test/live", "/api/servers/test-all"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, error_of(&answer)), (StatusCode::METHOD_NOT_ALLOWED, "wrong_method".into()), "{path}");
        assert_eq!(answer.headers[header::ALLOW], "POST", "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn only_an_object_is_a_body_of_the_api() {
    let site = Site::new();
    for (path, body) in [
        ("/api/servers/create", r#"[{"name": "mail"}]"#),
        ("/api/servers/save", r#"[1, 1, {"port": 25}]"#),
        ("/api/servers/trash", " [[1]]"),
        ("/api/servers/undo", "[3]"),
        ("/api/servers/test", r#"[1, {}, "", "a@example.com", false]"#),
        ("/api/servers/test-all", "[[1]]"),
        ("/api/runs/cancel", "[7]"),
        ("/api/runs/cancel", "7"),
        ("/api/runs/cancel", "null"),
        ("/api/servers/create", r#"{"server": []}"#),
        ("/api/servers/test", r#"{"id": 1, "server": []}"#),
    ] {
        let answer = site.json(path, body).await;
        assert_eq!((answer.status.as_u16(), error_of(&answer)), (400, "malformed".into()), "{path} {body}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn who_asks_travels_with_the_test() {
    let site = Site::new();
    for path in ["/api/servers/test", "/api/servers/test/live", "/servers/1"] {
        let json = path.starts_with("/api");
        let (kind, body) = if json { ("application/json", "{}") } else { ("application/x-www-form-urlencoded", "action=check") };
        let request = Request::post(path)
            .header(header::HOST, "localhost:3000")
            .header(header::CONTENT_TYPE, kind)
            .extension(Caller { address: " from 192.0.2.7".into() })
            .body(Body::from(body))
            .unwrap();
        assert_eq!(site.send(request).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(site.calls(), ["test  false from 192.0.2.7", "test  false from 192.0.2.7", "test  true from 192.0.2.7"]);
}

#[tokio::test]
async fn a_run_is_cancelled_and_looked_up_by_its_number() {
    let site = Site::new();
    assert_eq!(site.json("/api/runs/cancel", r#"{"run": 7}"#).await.body, r#"{"cancelled":true}"#);
    assert_eq!(site.json("/api/runs/cancel", r#"{"run": 8}"#).await.body, r#"{"cancelled":false}"#);
    assert_eq!(site.json("/api/runs/cancel", "{}").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.calls(), ["cancel 7", "cancel 8"]);

    let answer = site.get("/api/runs/get?run=7").await;
    assert_eq!(serde_json::from_str::<Run>(&answer.body).ok(), recorded(RunId(7)));
    let answer = site.get("/api/runs/get?run=8").await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::NOT_FOUND, "not_found".into()));
    let answer = site.get("/api/servers/runs?id=1").await;
    assert_eq!(answer.body, r#"{"standing":{"state":"changed"},"runs":[],"now_ms":5}"#);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(site.get("/api/servers/runs?id=99").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn checking_all_is_lines_for_programs_and_the_list_for_people() {
    let site = Site::new();
    for (body, call) in [("{}", "test-all all"), (r#"{"ids": [1, 2]}"#, "test-all 2")] {
        let answer = site.json("/api/servers/test-all", body).await;
        assert_eq!(
            (answer.status, answer.headers[header::CONTENT_TYPE].as_bytes()),
            (StatusCode::OK, &b"application/x-ndjson"[..])
        );
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        let lines = lines(&answer);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], serde_json::json!({ "event": "summary", "checked": 1, "failed": 0, "skipped": 0 }));
        assert_eq!(site.calls().last().unwrap(), call);
    }
    let answer = site.json("/api/servers/test-all", r#"{"ids": []}"#).await;
    assert_eq!((answer.status.as_u16(), error_of(&answer)), (422, "invalid".into()));
    let answer = site.form("/servers/test-all", "").await;
    assert_eq!((answer.status, &answer.headers[header::LOCATION]), (StatusCode::SEE_OTHER, &"/".parse().unwrap()));
    assert_eq!(site.calls().len(), 3);
    assert_eq!(site.get("/servers/test-all").await.headers[header::LOCATION], "/");
    assert_eq!(site.calls().len(), 3, "asking for the page does nothing");
}

#[tokio::test]
async fn an_entry_s_address_may_name_a_run() {
    let site = Site::new();
    // The page's data travels in the document.
    for (path, shown, gone) in [
        ("/servers/1", false, false),
        ("/servers/1?run=7", true, false),
        ("/servers/1?run=8", false, true),
        ("/servers/1?run=x", false, true),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let data = data_of(&answer);
        assert_eq!((!data["shown"].is_null(), data["run_gone"].as_bool()), (shown, Some(gone)), "{path}");
        assert_eq!(data["runs"][0]["by"], "192.0.2.7");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

/// What a page was made of, as its document carries it.
fn data_of(answer: &Answer) -> serde_json::Value {
    let (_, rest) = answer.body.split_once("__RESOLVED_RESOURCES[0] = ").unwrap();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let page: serde_json::Value = serde_json::from_str(&values.next().unwrap().unwrap()).unwrap();
    page["Entry"].clone()
}
