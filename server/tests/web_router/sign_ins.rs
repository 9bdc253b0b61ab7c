//! Signing mailboxes in: the way to the sign-in service and back, and the buttons of its page.

use std::io::Write;

use app::backend::{Arriving, Leaving, SignInPage, SignIns};
use domain::diagnosis::Diagnosis;
use domain::oauth::{DeviceCode, DeviceState, SignInFailing, SignInNote, SignInView};
use domain::smtp_server::ServerOut;
use serde_json::json;

use super::access::{cookie, location};
use super::*;

const STATE: &str = "canary-state";
const CODE: &str = "canary-code";
const BINDING: &str = "canary-binding";
/// The cookie of a sign-in that was begun for entry 1.
const BEGUN: &str = "__Host-postroom-sign-in=1.canary-binding";
const FINISH: &str = "state=canary-state&granted=canary-code&error=&error_description=";

fn diagnosis() -> Diagnosis {
    Diagnosis {
        kind: "oauth_sign_in_over".into(),
        title: "The sign-in is over.".into(),
        steps: vec!["Sign in again.".into()],
        evidence: Some(format!("invalid_grant: {HOSTILE}\nTrace id: trace-1")),
        fix: None,
    }
}

fn server(strategy: &str, provider: &str) -> ServerOut {
    serde_json::from_value(json!({
        "name": "mail", "kind": "smtp", "default": true, "protocol": "smtp", "host": "mail.test", "port": 587, "timeout_ms": 10000,
        "starttls": "enabled_and_required", "allow_plaintext_credentials": false, "username": "scan@example.com", "has_password": false,
        "azure_oauth": { "application_id": "app-1", "tenant": null, "strategy": strategy, "provider": provider },
        "sender": "", "override_sender": false, "mime_address_strict": true, "attachment_as_url": false,
        "attachment_threshold_bytes": 1, "link_days": 30,
    }))
    .unwrap()
}

/// Entry 1 signs in in the browser, and nobody did; 2 is the same at Google, and fails; 3 waits for a code.
#[async_trait]
impl SignIns for Fake {
    async fn sign_in_page(&self, id: EntryId) -> Result<SignInPage, Problem> {
        let (strategy, provider) = match id.0 {
            1 => ("authorization_code", "microsoft"),
            2 => ("authorization_code", "google"),
            3 => ("device_code", "microsoft"),
            _ => return Err(Problem::NoSuchEntry(id)),
        };
        let failing = SignInFailing { since_ms: NOW - 60_000, diagnosis: diagnosis() };
        let note = (id.0 == 2).then(|| SignInNote {
            account: Some(HOSTILE.into()),
            since_ms: Some(NOW - 120_000),
            renewed_ms: Some(NOW - 90_000),
            valid_until_ms: Some(NOW + 60_000),
            failing: Some(failing),
        });
        let view = EntryView {
            id,
            server: Some(server(strategy, provider)),
            sign_in: Some(SignInView { needs_a_person: true, note }),
            ..self.entry(EntryId(1)).await?
        };
        let device = (id.0 == 3).then(|| code(DeviceState::Waiting));
        Ok(SignInPage { view, redirect: "http://localhost:3000/oauth/callback".into(), device, now_ms: NOW })
    }

    async fn begin_sign_in(&self, id: EntryId, host: String) -> Result<Leaving, Problem> {
        self.fresh()?;
        self.note(format!("begin {id} at {host}"));
        let url = format!("https://login.example.com/authorize?state={STATE}&x=\"><b>");
        Ok(Leaving { url, binding: Secret::new(BINDING.into()) })
    }

    fn sign_in_host(&self, state: &Secret) -> Option<String> {
        (state.expose() == "begun-elsewhere").then(|| "http://localhost:3000".to_owned())
    }

    async fn finish_sign_in(&self, arriving: Arriving) -> Result<EntryId, Problem> {
        self.fresh()?;
        let Arriving { state, code, error, error_description, binding } = arriving;
        if state.expose() != STATE || binding.expose() != BINDING {
            return Err(Problem::SignInGone);
        }
        if !error.is_empty() || code.expose() != CODE {
            self.note(format!("declined {error} {error_description}"));
            return Err(Problem::SignInFailed(Box::new(diagnosis())));
        }
        self.note("finish");
        Ok(EntryId(1))
    }

    async fn begin_device(&self, id: EntryId) -> Result<DeviceCode, Problem> {
        self.fresh()?;
        if id == EntryId(2) {
            return Err(Problem::SignInFailed(Box::new(diagnosis())));
        }
        self.note(format!("device {id}"));
        Ok(code(DeviceState::Waiting))
    }

    async fn device(&self, id: EntryId) -> Result<Option<DeviceCode>, Problem> {
        Ok((id.0 == 3).then(|| code(DeviceState::Waiting)))
    }

    async fn cancel_device(&self, id: EntryId) -> Result<bool, Problem> {
        self.note(format!("cancel device {id}"));
        Ok(true)
    }

    async fn renew_sign_in(&self, id: EntryId) -> Result<SignInView, Problem> {
        if id == EntryId(2) {
            return Err(Problem::SignInFailed(Box::new(diagnosis())));
        }
        self.note(format!("renew {id}"));
        Ok(SignInView::default())
    }

    async fn end_sign_in(&self, id: EntryId) -> Result<bool, Problem> {
        self.note(format!("end {id}"));
        Ok(true)
    }
}

fn code(state: DeviceState) -> DeviceCode {
    DeviceCode {
        user_code: "ABCD<EFGH".into(),
        verification_url: "https://login.example.com/device".into(),
        expires_ms: NOW + 900_000,
        state,
    }
}

/// A request with these cookies, as a browser makes it that was led here by another site, or by a page of ours.
fn request(method: &str, path: &str, cookies: &[&str], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:3000");
    if !cookies.is_empty() {
        request = request.header(header::COOKIE, cookies.join("; "));
    }
    let request = if method == "GET" {
        request.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document")
    } else {
        request.header("sec-fetch-site", "same-origin").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    request.body(Body::from(body.to_owned())).unwrap()
}

const SESSION: &str = "__Host-postroom=administrator";

fn closed() -> Site {
    Site::behind(Door::new(Permit::default()))
}

#[tokio::test]
async fn the_way_to_the_sign_in_service_is_a_link_and_binds_this_browser() {
    let site = closed();
    let answer = site.send(request("POST", "/servers/1/azure/sign-in", &[SESSION], "")).await;
    assert_eq!(answer.status, StatusCode::OK, "a redirect would be blocked by form-action 'self'");
    assert_eq!(cookie(&answer), "__Host-postroom-sign-in=1.canary-binding; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
    let link = r#"<a href="https://login.example.com/authorize?state=canary-state&amp;x=&quot;&gt;&lt;b&gt;" data-go"#;
    assert!(answer.body.contains(link), "{}", answer.body);
    assert!(answer.body.contains("Go to login.example.com") && !answer.body.contains(BINDING));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(site.calls(), ["begin 1 at http://127.0.0.1:3000"]);
}

#[tokio::test]
async fn whoever_comes_back_under_another_name_of_ours_is_led_to_where_the_cookie_is() {
    let site = closed();
    let back = "/oauth/callback?code=canary-code&state=begun-elsewhere";
    let answer = site.send(request("GET", back, &[], "")).await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, &*format!("http://localhost:3000{back}")));
    assert!(answer.headers[header::LOCATION].is_sensitive());
    // There, it is refused rather than led in a circle.
    let mut there = request("GET", back, &[], "");
    there.headers_mut().insert(header::HOST, "localhost:3000".parse().unwrap());
    assert_eq!(site.send(there).await.status, StatusCode::GONE);
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn coming_back_from_another_site_changes_nothing_and_the_form_there_finishes() {
    let site = closed();
    let back = "/oauth/callback?code=canary-code&state=canary-state&session_state=x";
    let answer = site.send(request("GET", back, &[BEGUN], "")).await;
    assert_eq!((answer.status, cookie(&answer)), (StatusCode::OK, ""));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers[header::REFERRER_POLICY], "same-origin");
    assert!(answer.body.contains(r#"<form method="post" action="/oauth/callback" data-submit"#), "{}", answer.body);
    assert!(answer.body.contains(r#"<input type="hidden" name="granted" value="canary-code""#), "{}", answer.body);
    assert_eq!(answer.body.matches(CODE).count(), 1, "it is in the form and nowhere else");
    assert_eq!(site.calls(), Vec::<String>::new());

    let answer = site.send(request("POST", "/oauth/callback", &[SESSION, BEGUN], FINISH)).await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/servers/1/azure"));
    assert_eq!(cookie(&answer), "__Host-postroom-sign-in=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_eq!(site.calls(), ["finish"]);
}

#[tokio::test]
async fn a_sign_in_of_another_browser_is_not_finished_here() {
    let site = closed();
    for cookies in [&[SESSION][..], &[SESSION, BEGUN, "__Host-postroom-sign-in=2.other"], &[SESSION, "__Host-postroom-sign-in=x"]] {
        for (method, path) in [("GET", "/oauth/callback?code=canary-code&state=canary-state"), ("POST", "/oauth/callback")] {
            let answer = site.send(request(method, path, cookies, FINISH)).await;
            assert_eq!(answer.status, StatusCode::GONE, "{method} {cookies:?}");
            assert!(answer.body.contains("begun in another browser") && !answer.body.contains(CODE), "{}", answer.body);
        }
    }
    // The wrong one is the backend's to refuse. It stays: it may be that of another sign-in, which is under way.
    let answer = site.send(request("POST", "/oauth/callback", &[SESSION, "__Host-postroom-sign-in=1.other"], FINISH)).await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert_eq!(cookie(&answer), "");
    assert!(!answer.body.contains("/servers/1"), "nobody knows whose it was");
    // Nor is what answers nothing, or what is too long.
    let long = "x".repeat(9_000);
    for query in ["", "?state=s", "?code=c", "?state=s&code=c&error=e", "?state=s&state=t&code=c", &format!("?state=s&code={long}")]
    {
        let answer = site.send(request("GET", &format!("/oauth/callback{query}"), &[BEGUN], "")).await;
        assert_eq!(answer.status, StatusCode::GONE, "{query}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_sign_in_that_was_declined_says_why_and_leads_back() {
    let site = closed();
    let answer = site
        .send(request("GET", "/oauth/callback?error=access_denied&error_description=AADSTS65004&state=canary-state", &[BEGUN], ""))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let declined = "state=canary-state&granted=&error=access_denied&error_description=AADSTS65004";
    let answer = site.send(request("POST", "/oauth/callback", &[SESSION, BEGUN], declined)).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    for part in ["The sign-in is over.", "<li>Sign in again.</li>", "Trace id: trace-1", r#"href="/servers/1/azure""#] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(!answer.body.contains("<script>alert"));
    assert!(cookie(&answer).ends_with("Max-Age=0"));
    assert_eq!(site.calls(), ["declined access_denied AADSTS65004"]);
}

#[tokio::test]
async fn the_password_is_asked_for_in_between_and_the_sign_in_goes_on() {
    let site = closed();
    let stale = "__Host-postroom=stale";
    let answer = site.send(request("POST", "/oauth/callback", &[stale, BEGUN], FINISH)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.body.contains("Confirm your password") && answer.body.contains(r#"name="granted" value="canary-code""#),
        "{}",
        answer.body
    );
    assert_eq!(cookie(&answer), "", "the sign-in is still waited for");
    let confirmed = format!("{FINISH}&confirm_password={PASSWORD}");
    let answer = site.send(request("POST", "/oauth/callback", &[stale, BEGUN], &confirmed)).await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/servers/1/azure"));
    // Both go out: that of the sign-in ends, that of the session goes on under another value.
    let cookies: Vec<_> = answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-postroom-sign-in=;")), "{cookies:?}");
    assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-postroom=") && !cookie.contains("Max-Age")), "{cookies:?}");
    assert_eq!(site.calls().last().map(String::as_str), Some("finish"));
}

#[tokio::test]
async fn whoever_is_not_signed_in_any_more_is_asked_to() {
    let site = closed();
    let answer = site.send(request("POST", "/oauth/callback", &[BEGUN], FINISH)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains(r#"href="/sign-in""#) && !answer.body.contains(CODE));
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn the_buttons_lead_back_and_failures_say_what_to_do() {
    let site = closed();
    for (what, call, place) in [
        ("device-code", "device 3", "/servers/3/azure#device"),
        ("device-code/cancel", "cancel device 3", "/servers/3/azure"),
        ("renew", "renew 3", "/servers/3/azure"),
        ("sign-out", "end 3", "/servers/3/azure"),
    ] {
        let answer = site.send(request("POST", &format!("/servers/3/azure/{what}"), &[SESSION], "")).await;
        assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, place), "{what}");
        assert_eq!(site.calls().last().map(String::as_str), Some(call));
        let answer = site.send(request("POST", &format!("/servers/99/azure/{what}"), &[SESSION], "")).await;
        assert_ne!(answer.status, StatusCode::OK, "{what}");
        let answer = site.send(request("GET", &format!("/servers/3/azure/{what}"), &[SESSION], "")).await;
        assert_eq!(location(&answer), "/servers/3/azure", "{what}");
    }
    for what in ["device-code", "renew"] {
        let answer = site.send(request("POST", &format!("/servers/2/azure/{what}"), &[SESSION], "")).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.body.matches("The sign-in is over.</p>").count(), 1, "it is said once: {}", answer.body);
    }
}

#[tokio::test]
async fn the_page_shows_how_the_sign_in_stands_and_only_the_buttons_that_one_may_press() {
    let site = closed();
    let page = async |path: &str, role: &str| site.send(request("GET", path, &[&format!("__Host-postroom={role}")], "")).await.body;
    let body = page("/servers/1/azure", "administrator").await;
    assert!(body.contains("Nobody has signed in yet") && body.contains("What to set up at Microsoft"), "{body}");
    assert!(body.contains("http://localhost:3000/oauth/callback"), "the checklist has the redirect address");
    assert!(body.contains("/servers/1/azure/sign-in") && !body.contains("/servers/1/azure/renew"));
    assert!(!page("/servers/1/azure", "operator").await.contains("/servers/1/azure/sign-in"));

    let body = page("/servers/2/azure", "administrator").await;
    assert!(body.contains("Sign-in failing since") && body.contains("Trace id: trace-1"), "{body}");
    assert!(body.contains("What to set up at Google") && !body.contains("<script>alert"));
    assert!(body.contains("/servers/2/azure/sign-out"));
    let body = page("/servers/2/azure", "operator").await;
    assert!(body.contains("/servers/2/azure/renew") && !body.contains("/servers/2/azure/sign-out"));
    assert!(!page("/servers/2/azure", "viewer").await.contains("<form method=\"post\" action=\"/servers"));

    let body = page("/servers/3/azure", "administrator").await;
    for part in
        ["ABCD&lt;EFGH", r#"href="https://login.example.com/device""#, r#"data-watch="/api/servers/device?id=3""#, "15 minutes"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_somebody_comes_back_with_is_in_no_line_of_the_log_and_no_address() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let site = closed();
    for (method, path) in [("GET", "/oauth/callback?code=canary-code&state=canary-state"), ("POST", "/oauth/callback")] {
        for cookies in [&[SESSION, BEGUN][..], &[BEGUN], &[SESSION], &[]] {
            let answer = site.send(request(method, path, cookies, FINISH)).await;
            assert!(!location(&answer).contains("canary"), "{}", location(&answer));
        }
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("/oauth/callback"), "{log}");
    for canary in [CODE, STATE, BINDING] {
        assert!(!log.contains(canary), "{log}");
    }
}
