//! Signing in, who may do what, and what then did not happen.

use domain::access::{Act, Permit, Role};
use http::Method;
use server::web::{Need, Route, routes};

use super::*;

/// A site that knows nobody by himself.
fn closed() -> Site {
    Site::behind(Door::new(Permit::default()))
}

const COOKIE: &str = "__Host-postroom";

/// A request as a browser makes it, with the session that it has.
fn request(method: &Method, path: &str, session: &str, body: &str) -> Request<Body> {
    let is_api = path.starts_with("/api/");
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:3000");
    if !session.is_empty() {
        request = request.header(header::COOKIE, format!("{COOKIE}={session}"));
    }
    if *method != Method::GET {
        let kind = if is_api { "application/json" } else { "application/x-www-form-urlencoded" };
        request = request.header(header::CONTENT_TYPE, kind).header(header::ORIGIN, "http://127.0.0.1:3000");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

impl Site {
    async fn look(&self, path: &str, session: &str) -> Answer {
        self.send(request(&Method::GET, path, session, "")).await
    }

    async fn post(&self, path: &str, session: &str, body: &str) -> Answer {
        self.send(request(&Method::POST, path, session, body)).await
    }
}

pub(super) fn location(answer: &Answer) -> &str {
    answer.headers.get(header::LOCATION).map(|to| to.to_str().unwrap()).unwrap_or_default()
}

/// What an answer does about the cookie.
pub(super) fn cookie(answer: &Answer) -> &str {
    answer.headers.get(header::SET_COOKIE).map(|cookie| cookie.to_str().unwrap()).unwrap_or_default()
}

/// A path that fits a route.
fn path(route: &Route) -> String {
    route.path.replace("{id}", "1").replace("{name}", "app.js").replace("{token}", "t").replace("{ticket}", "t")
}

/// What a route may be sent without being refused for its form.
fn body(route: &Route) -> &'static str {
    if route.path.starts_with("/api/") { "{}" } else { "action=check&id=1&batch=7&on=false&outlives=true&host=a.example&name=x" }
}

#[tokio::test]
async fn nothing_is_answered_to_whoever_is_not_signed_in() {
    let site = closed();
    for session in ["", "half", "unknown"] {
        for route in routes().iter().filter(|route| route.need != Need::Nobody) {
            let answer = site.send(request(&route.method, &path(route), session, body(route))).await;
            let told = format!("{} {} as {session:?}", route.method, route.path);
            match (route.path.starts_with("/api/"), &route.method) {
                (true, _) => {
                    assert_eq!((answer.status, error_of(&answer)), (StatusCode::UNAUTHORIZED, "not_signed_in".into()), "{told}");
                }
                (false, &Method::GET) => {
                    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{told}");
                    let to = if session == "half" { "/sign-in/code" } else { "/sign-in" };
                    assert!(location(&answer) == to || location(&answer).starts_with(&format!("{to}?next=%2F")), "{told}");
                }
                _ => {
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{told}");
                    assert!(answer.body.contains(r#"href="/sign-in""#), "{told}");
                }
            }
            assert_eq!(site.calls(), Vec::<String>::new(), "{told}");
        }
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_role_that_is_too_low() {
    let site = closed();
    let mut refused = 0;
    for role in Role::ALL {
        for token in [false, true] {
            let permit = Permit { token, ..Permit::of(role) };
            for route in routes() {
                let Need::Act(act) = route.need else { continue };
                if permit.allows(act) {
                    continue;
                }
                refused += 1;
                let told = format!("{} {} as {role:?}, token: {token}", route.method, route.path);
                let request = if token {
                    let mut request = request(&route.method, &path(&route), "", body(&route));
                    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {}", role.key()).parse().unwrap());
                    request
                } else {
                    request(&route.method, &path(&route), role.key(), body(&route))
                };
                let answer = site.send(request).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{told}");
                if route.path.starts_with("/api/") {
                    assert_eq!(error_of(&answer), "not_allowed", "{told}");
                } else {
                    assert!(answer.body.contains("Ask an administrator"), "{told}");
                }
                assert_eq!(site.calls(), Vec::<String>::new(), "{told}");
            }
        }
    }
    assert!(refused > 100, "{refused}");
    // Testing and saving have one address: the button counts.
    for action in ["save", "overwrite", "trust", "trust-issuer", ""] {
        let answer = site.post("/servers/1", "operator", &format!("action={action}&version=3&name=mail&host=a.example")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
    assert_eq!(site.post("/servers/1", "operator", "action=check&name=mail&host=a.example").await.status, StatusCode::OK);
    assert_eq!(site.calls(), ["test  true"]);
}

#[tokio::test]
async fn no_other_site_makes_a_browser_do_anything() {
    let site = closed();
    for route in routes().iter().filter(|route| route.method != Method::GET) {
        let told = format!("{} {}", route.method, route.path);
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let mut request = request(&route.method, &path(route), "administrator", body(route));
            request.headers_mut().remove(header::ORIGIN);
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(site.send(request).await.status, StatusCode::FORBIDDEN, "{told} {name}: {value}");
        }
        let mut request = request(&route.method, &path(route), "administrator", body(route));
        request.headers_mut().remove(header::ORIGIN);
        assert_eq!(site.send(request).await.status, StatusCode::FORBIDDEN, "{told} without an origin");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_is_not_waited_for_before_it_is_known_who_asks() {
    let site = closed();
    for path in ["/certificates/import", "/api/certificates/preview", "/servers/1"] {
        let mut request = request(&Method::POST, path, "", "");
        *request.body_mut() = Body::from_stream(stream::pending::<Result<axum::body::Bytes, std::convert::Infallible>>());
        let answer = tokio::time::timeout(std::time::Duration::from_secs(5), site.send(request)).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_believed_before_a_cookie_and_needs_no_origin() {
    let site = closed();
    let ask = |authorization: &str, cookie: &str| {
        let mut request = Request::post("/api/servers/create").header(header::HOST, "127.0.0.1:3000");
        if !authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, format!("{COOKIE}={cookie}"));
        }
        request.header(header::CONTENT_TYPE, "application/json").body(Body::from(r#"{"server": {"name": "mail"}}"#)).unwrap()
    };
    for (authorization, cookie, status) in [
        ("Bearer viewer", "administrator", 403),
        ("Bearer wrong", "administrator", 401),
        ("Basic YTpi", "administrator", 401),
        ("", "administrator", 403),
        ("Bearer administrator", "viewer", 200),
        ("Bearer administrator", "", 200),
    ] {
        let answer = site.send(ask(authorization, cookie)).await;
        assert_eq!(answer.status.as_u16(), status, "{authorization} {cookie}");
    }
    assert_eq!(site.calls(), ["create mail", "create mail"]);
}

#[tokio::test]
async fn signing_in_leads_to_where_one_was_going_and_never_leaves_the_site() {
    let site = closed();
    let answer = site.look("/servers/1?run=7", "").await;
    assert_eq!(location(&answer), "/sign-in?next=%2Fservers%2F1%3Frun%3D7");
    let answer = site.look("/sign-in?next=%2Fservers%2F1%3Frun%3D7", "").await;
    assert!(answer.body.contains(r#"name="next" value="/servers/1?run=7""#), "{}", answer.body);
    assert!(!answer.body.contains("<nav aria-label=\"Postroom\"><a"), "nobody is signed in");
    let mut request =
        request(&Method::POST, "/sign-in", "", &format!("name=anna&password={PASSWORD}&next=%2Fservers%2F1%3Frun%3D7"));
    request.headers_mut().insert(header::USER_AGENT, "Browser/1".parse().unwrap());
    request.extensions_mut().insert(Peer("192.0.2.7".parse().unwrap()));
    let answer = site.send(request).await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/signed-in?next=%2Fservers%2F1%3Frun%3D7"));
    assert_eq!(cookie(&answer), "__Host-postroom=administrator; Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(site.calls(), ["sign in anna 192.0.2.7 Browser/1"]);
    assert_eq!(location(&site.look("/signed-in?next=%2Fservers%2F1%3Frun%3D7", "administrator").await), "/servers/1?run=7");
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "/%0d%0aset-cookie:x", "javascript:alert(1)"] {
        let encoded = app::pages::encode_query(next);
        for page in ["/sign-in", "/signed-in", "/sign-in/code"] {
            let answer = site.look(&format!("{page}?next={encoded}"), "administrator").await;
            let to = location(&answer);
            assert!(to == "/" || to == next && to.starts_with("/%"), "{page} {next}: {to}");
        }
        let answer = site.post("/sign-in", "", &format!("name=anna&password={PASSWORD}&next={encoded}")).await;
        assert!(!location(&answer).contains("evil") && !location(&answer).contains("alert"), "{next}");
    }
}

#[tokio::test]
async fn a_sign_in_that_is_refused_comes_back_without_the_password() {
    let site = closed();
    let answer = site.post("/sign-in", "", "name=anna%3Cb%3E&password=wrong-canary&next=%2Fx").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains("the name, the password or the code is wrong"), "{}", answer.body);
    assert!(answer.body.contains("anna&lt;b&gt;") && answer.body.contains(r#"name="next" value="/x""#));
    assert!(!answer.body.contains("wrong-canary") && cookie(&answer).is_empty());
    let answer = site.post("/sign-in", "", "name=hasty&password=x").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.body.contains("30 seconds"));
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_factor_is_asked_for_before_anything_else() {
    let site = closed();
    let answer = site.post("/sign-in", "", &format!("name=ben&password={PASSWORD}&next=%2Fx")).await;
    assert!(cookie(&answer).starts_with("__Host-postroom=half;"));
    assert_eq!(location(&site.look("/signed-in?next=%2Fx", "half").await), "/sign-in/code?next=%2Fx");
    let answer = site.look("/sign-in/code?next=%2Fx", "half").await;
    assert!(answer.body.contains(r#"autocomplete="one-time-code""#) && answer.body.contains("recovery codes"));
    let answer = site.post("/sign-in/code", "half", "code=canary000&next=%2Fx").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!answer.body.contains("canary000"));
    let answer = site.post("/sign-in/code", "half", &format!("code={CODE}&next=%2Fx")).await;
    assert_eq!(location(&answer), "/signed-in?next=%2Fx");
    assert!(cookie(&answer).starts_with("__Host-postroom=administrator;"));
    // The time for it is over, or it never was.
    assert_eq!(location(&site.post("/sign-in/code", "", "code=1&next=%2Fx").await), "/sign-in?next=%2Fx");
    assert_eq!(location(&site.post("/sign-in/code", "unknown", "code=1").await), "/sign-in");
}

#[tokio::test]
async fn a_cookie_that_is_not_kept_is_said_and_leads_nowhere() {
    let answer = closed().look("/signed-in?next=%2F", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(location(&answer).is_empty());
    assert!(
        answer.body.contains("browser didn't keep the sign-in") || answer.body.contains("browser didn&#x27;t keep"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_the_cookie() {
    let site = closed();
    let answer = site.post("/sign-out", "viewer", "").await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/sign-in"));
    assert_eq!(cookie(&answer), "__Host-postroom=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    assert_eq!(site.calls(), ["sign out viewer"]);
    assert_eq!(location(&site.look("/sign-out", "viewer").await), "/");
    assert_eq!(site.calls().len(), 1, "nothing changes by GET");
}

#[tokio::test]
async fn without_an_account_every_page_says_where_the_link_is() {
    let site = Site::behind(Door { set_up: false, ..Door::new(Permit::default()) });
    for (method, path) in [(Method::GET, "/"), (Method::GET, "/sign-in"), (Method::POST, "/servers/new")] {
        let answer = site.send(request(&method, path, "", "name=x")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.body.contains("postroom setup-link"), "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_link_leads_to_a_password_and_signs_in() {
    let site = closed();
    let answer = site.look("/welcome?token=first", "").await;
    assert!(answer.body.contains(r#"name="token" value="first""#) && answer.body.contains("Create account"), "{}", answer.body);
    assert!(answer.body.contains(r#"autocomplete="username""#) && answer.body.contains(r#"autocomplete="new-password""#));
    let answer = site.look(&format!("/welcome?token={LINK}"), "").await;
    assert!(!answer.body.contains("<script>alert") && answer.body.contains("Set password"));
    for token in ["gone", ""] {
        assert_eq!(site.look(&format!("/welcome?token={token}"), "").await.status, StatusCode::GONE);
    }
    let answer = site.post("/welcome", "", "token=first&name=anna&new_password=canary-one&new_password_confirm=canary-two").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("two passwords differ") && answer.body.contains(r#"value="anna""#) && !answer.body.contains("canary-")
    );
    let answer = site.post("/welcome", "", "token=first&name=anna&new_password=a&new_password_confirm=a").await;
    assert_eq!(location(&answer), "/signed-in");
    assert!(cookie(&answer).starts_with("__Host-postroom=administrator;"));
    assert_eq!(site.calls(), ["accept anna"]);
}

#[tokio::test]
async fn the_own_account_shows_its_sessions_and_changes_its_password() {
    let site = closed();
    let answer = site.look("/account", "viewer").await;
    for shown in ["Firefox on Linux", "this one", "192.0.2.7", "9 recovery codes are left", "End all others"] {
        assert!(answer.body.contains(shown), "{shown}");
    }
    assert!(!answer.body.contains("<script>alert"));
    let answer =
        site.post("/account/password", "viewer", "password=canary-x&new_password=canary-y&new_password_confirm=canary-y").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!answer.body.contains("canary-"));
    let body = format!("password={PASSWORD}&new_password=b&new_password_confirm=b");
    let answer = site.post("/account/password", "administrator", &body).await;
    assert_eq!(location(&answer), "/account?done=password");
    assert!(cookie(&answer).starts_with("__Host-postroom=viewer;"), "the session goes on under another cookie");
    site.post("/account/sessions", "viewer", "id=2").await;
    site.post("/account/sessions", "viewer", "id=others").await;
    assert_eq!(site.post("/account/sessions", "viewer", "id=x").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.calls(), ["change password", "end sessions 2", "end sessions others"]);
}

#[tokio::test]
async fn a_second_factor_is_offered_switched_on_and_off() {
    let site = closed();
    assert_eq!(location(&site.post("/account/second-factor/offer", "viewer", "").await), "/account/second-factor");
    let answer = site.look("/account/second-factor", "viewer").await;
    assert!(answer.body.contains("JBSW Y3DP EHPK 3PXP") && answer.body.contains("<path d=\"M4 4h1v1h-1z"), "{}", answer.body);
    let answer = site.post("/account/second-factor", "viewer", "code=000000").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("The code is wrong") && answer.body.contains("JBSW"));
    let answer = site.post("/account/second-factor", "viewer", &format!("code={CODE}")).await;
    assert!(answer.body.contains("aaaa-bbbb") && answer.body.contains("cccc-dddd"));
    site.post("/account/recovery-codes", "viewer", "").await;
    assert_eq!(location(&site.post("/account/second-factor/off", "viewer", "").await), "/account?done=second-factor-off");
    assert_eq!(site.calls(), ["offer", "second factor on", "recovery codes", "second factor off"]);
}

#[tokio::test]
async fn accounts_are_looked_after() {
    let site = closed();
    let answer = site.look("/accounts", "administrator").await;
    assert!(answer.body.contains("anna") && !answer.body.contains("<script>alert"));
    let answer = site.post("/accounts", "administrator", "name=taken&role=operator").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("That name is taken") && answer.body.contains(r#"value="taken""#));
    let answer = site.post("/accounts", "administrator", "name=carl&role=operator").await;
    assert!(answer.body.contains(&format!("http://127.0.0.1:3000/welcome?token={LINK}")), "{}", answer.body);
    let answer = site.post("/accounts/1/role", "administrator", "role=viewer").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(location(&site.post("/accounts/2/role", "administrator", "role=viewer").await), "/accounts");
    assert_eq!(site.post("/accounts/2/role", "administrator", "role=king").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(site.post("/accounts/9/role", "administrator", "role=viewer").await.status, StatusCode::NOT_FOUND);
    assert!(site.post("/accounts/2/link", "administrator", "second_factor=true").await.body.contains(LINK));
    assert!(site.look("/accounts/2", "administrator").await.body.contains("signed out everywhere"));
    assert_eq!(location(&site.post("/accounts/2/remove", "administrator", "").await), "/accounts");
    assert_eq!(site.look("/accounts/9", "administrator").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.calls(), ["add account carl operator", "role 2 viewer", "reset 2 true", "remove account 2"]);
}

#[tokio::test]
async fn tokens_are_made_shown_once_and_revoked() {
    let site = closed();
    let answer = site.look("/tokens", "administrator").await;
    assert!(answer.body.contains("only: test servers") && !answer.body.contains("<script>alert"), "{}", answer.body);
    assert_eq!(site.look("/tokens/new", "administrator").await.status, StatusCode::OK);
    let body = "name=scanner&role=operator&which=chosen&entries=1&entries=2&what=chosen&verbs=test&days=30";
    let answer = site.post("/tokens/new", "administrator", body).await;
    assert!(answer.body.contains("pr_token") && answer.body.contains("http://127.0.0.1:3000/api/servers"), "{}", answer.body);
    site.post("/tokens/new", "administrator", "name=all&role=viewer&which=all&entries=1&what=all&days=").await;
    for (body, said) in [
        ("name=x&role=viewer&days=soon", "Type a number of days"),
        ("name=x&role=king&days=1", "Choose one of the list"),
        ("name=&role=viewer&days=", "Type what the token is for"),
    ] {
        let answer = site.post("/tokens/new", "administrator", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.body.contains(said), "{body}");
    }
    assert!(site.look("/tokens/1/revoke", "administrator").await.body.contains("can't be undone"));
    assert_eq!(location(&site.post("/tokens/1/revoke", "administrator", "").await), "/tokens");
    assert_eq!(
        site.calls(),
        [
            "make token scanner operator Some([EntryId(1), EntryId(2)]) Some([Test]) Some(30)",
            "make token all viewer None None None",
            "revoke 1",
        ]
    );
}

#[tokio::test]
async fn a_form_that_needs_the_password_asks_for_it_and_goes_on() {
    let site = closed();
    let answer = site.post("/accounts", "stale", "name=carl%22%3E&role=operator").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains(r#"action="/accounts""#) && answer.body.contains(r#"name="confirm_password""#), "{}", answer.body);
    assert!(answer.body.contains(r#"name="role" value="operator""#) && answer.body.contains("carl&quot;&gt;"));
    assert_eq!(site.calls(), Vec::<String>::new());
    let answer = site.post("/accounts", "stale", "name=carl&role=operator&confirm_password=canary-wrong").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("That isn't your password")
            && answer.body.contains(r#"value="carl""#)
            && !answer.body.contains("canary-wrong")
    );
    assert_eq!(site.calls(), Vec::<String>::new());
    let answer = site.post("/accounts", "stale", &format!("name=carl&role=operator&confirm_password={PASSWORD}")).await;
    assert!(answer.body.contains(LINK), "{}", answer.body);
    assert_eq!(site.calls(), ["confirm", "add account carl operator"]);
}

#[tokio::test]
async fn what_was_inspected_survives_the_question_for_the_password() {
    let site = closed();
    let pem = app::pages::encode_query(LEAF);
    let inspected = format!(
        "version=3&name=mail&host=a.example&action=trust&inspected_host=a.example&inspected_port=587&inspected_pem={pem}&inspected_issuer_pem=&inspected_outlives=false"
    );
    let answer = site.post("/servers/1", "stale", &inspected).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // Within the element that the page of an entry takes over: what is trusted, the password, the button.
    let place = &answer.body[answer.body.find(r#"<div id="look">"#).unwrap()..];
    for part in [r#"name="inspected_host" value="a.example""#, r#"name="confirm_password""#, r#"name="action" value="trust""#] {
        assert!(place.contains(part), "{part}");
    }
    assert!(!place.contains(r#"name="host""#));
    let answer = site.post("/servers/1", "stale", &format!("{inspected}&confirm_password={PASSWORD}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(site.calls(), ["confirm", "pin a.example:587 outlives:false replace:false"]);
    // Somebody who has typed a new password would otherwise save without it.
    let site = closed();
    let answer = site.post("/servers/1", "stale", &format!("{inspected}&password=canary-new")).await;
    assert!(answer.body.contains(r#"action="/confirm""#) && !answer.body.contains("canary-new"), "{}", answer.body);
    let answer = site.post("/confirm", "stale", &format!("next=%2Fservers%2F1&confirm_password={PASSWORD}")).await;
    assert_eq!(location(&answer), "/servers/1");
    assert_eq!(site.calls(), ["confirm"]);
    let answer = site.post("/confirm", "stale", "next=%2F%2Fevil.example").await;
    assert!(!answer.body.contains("evil"));
}

#[tokio::test]
async fn the_header_shows_each_role_what_it_may_and_pages_show_what_it_can() {
    let site = closed();
    for (role, manages, changes) in [("viewer", false, false), ("operator", false, false), ("administrator", true, true)] {
        let list = site.look("/", role).await;
        assert!(list.body.contains("anna") && list.body.contains(r#"action="/sign-out""#), "{role}");
        assert!(list.body.contains(r#"data-idle-ms="1800000""#), "{role}");
        assert_eq!(list.body.contains(r#"href="/accounts""#), manages, "{role}");
        assert_eq!(list.body.contains(r#"href="/servers/new""#), changes, "{role}");
        let certificates = site.look("/certificates", role).await;
        assert_eq!(certificates.body.contains(r#"href="/certificates/import""#), changes, "{role}");
        assert_eq!(certificates.body.contains("Stop trusting them"), changes, "{role}");
        let entry = site.look("/servers/1", role).await;
        assert_eq!(entry.body.contains(r#"id="save""#), changes, "{role}");
        // The fields and buttons that try are there for all of them, but shown to those who may.
        assert_eq!(entry.body.contains("Takes an operator"), role == "viewer", "{role}");
    }
}

#[tokio::test]
async fn the_api_says_who_asks() {
    let site = closed();
    let answer = site.look("/api/session", "viewer").await;
    assert_eq!(answer.body, r#"{"name":"anna","role":"viewer","idle_left_ms":1800000}"#);
    let answer = site.post("/api/session/stay", "viewer", "{}").await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut request = request(&Method::GET, "/api/session", "", "");
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer operator".parse().unwrap());
    assert_eq!(site.send(request).await.body, r#"{"name":"scanner","role":"operator"}"#);
}

#[test]
fn every_route_says_what_it_takes() {
    let table = routes();
    let open: Vec<&str> = table.iter().filter(|route| route.need == Need::Nobody).map(|route| route.path).collect();
    assert_eq!(
        open,
        [
            "/assets/{name}",
            // It changes nothing, and whoever comes back from another site brings no session's cookie.
            "/oauth/callback",
            "/sign-in",
            "/sign-in",
            "/sign-in/code",
            "/sign-in/code",
            "/signed-in",
            "/sign-out",
            "/sign-out",
            "/welcome",
            "/welcome",
            // Whoever has a link has the file; its own page says what it takes.
            "/d/{token}",
            "/d/{token}",
            "/d/{token}/{ticket}",
        ]
    );
    for (function, act, _) in app::api::KEYS {
        assert!(table.iter().any(|route| route.path == function && route.need == Need::Act(act)), "{function}");
    }
    for route in table.iter().filter(|route| route.method != Method::GET && !route.path.starts_with("/api/")) {
        assert_ne!(route.need, Need::Act(Act::See), "{} changes something", route.path);
    }
}

#[tokio::test]
async fn a_link_on_another_site_is_asked_for_once_more_from_here() {
    let site = Site::behind(Door::new(Permit::default()));
    let from = async |site_of: &str| {
        let request = Request::get("/servers/1").header(header::HOST, "127.0.0.1:3000").header("sec-fetch-site", site_of);
        site.send(request.body(Body::empty()).unwrap()).await
    };
    let answer = from("cross-site").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("http-equiv=\"refresh\"") && !answer.body.contains("mail"), "{}", answer.body);
    let answer = from("same-origin").await;
    assert_eq!(
        (answer.status, answer.headers[header::LOCATION].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/sign-in?next=%2Fservers%2F1")
    );
}
