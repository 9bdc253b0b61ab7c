//! Signing in as somebody: the address to go to, the code that is brought back, the one that is typed elsewhere, and the renewal.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::oauth::{Oauth, Provider, Strategy};
use domain::secret::Secret;
use domain::smtp_server::SignIn;
use domain::transcript::{Cause, Outcome};
use ring::digest;
use serde_json::json as value;
use server::mailer::{Credential, Granted, Poll, TestRun, TokenClient, Trouble};
use tokio::time::Instant;

use super::super::canary::{self, CANARY, USER};
use super::super::peer::{Peer, on};
use super::super::sign_in_service::{Service, form, json};
use super::super::{carry_out, entry, hello, mailer, sending, transaction};
use super::{APPLICATION, TOKEN, azure, change, granted};

const REDIRECT: &str = "http://localhost:8765/";

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

/// What asks `service`, with this secret of the application's.
fn client_with(service: &Service, application_secret: Option<&str>, set: impl FnOnce(&mut Oauth)) -> TokenClient {
    let mut server = entry(([127, 0, 0, 1], 25).into());
    azure(&mut server);
    change(&mut server, |oauth| {
        oauth.strategy = Strategy::AuthorizationCode;
        set(oauth);
    });
    let time = (Duration::from_secs(5), Instant::now() + Duration::from_secs(20));
    let client =
        mailer(None).with_authority(service.url()).token_client(&server, application_secret.map(secret).as_ref(), None, None, time);
    let client = client.unwrap();
    assert_eq!(canary::found_in(&format!("{client:?}")), None);
    client
}

fn client(service: &Service) -> TokenClient {
    client_with(service, None, |_| {})
}

/// What `error` says, without anything that must not be seen.
fn told(error: &Trouble) -> String {
    assert_eq!(canary::found_in(&format!("{error:?}")), None);
    error.detail.clone().unwrap_or_default()
}

/// An answer with what says whose the token is.
fn signed_in(claims: &serde_json::Value) -> String {
    let id_token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let answer = value!({
        "token_type": "bearer", "expires_in": 3599, "access_token": TOKEN, "refresh_token": CANARY, "id_token": id_token,
    });
    json("200 OK", &answer.to_string())
}

/// A service that repeats what it was asked, and what is said of it.
async fn spiteful() -> Service {
    Service::answering(|request| {
        let sent: Vec<String> = request.form().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        let body = value!({ "error": "invalid_grant", "error_description": format!("{}; {}", sent.join(" "), request.body) });
        json("400 Bad Request", &body.to_string())
    })
    .await
}

#[tokio::test]
async fn who_signs_in_is_led_there_with_a_challenge_and_without_its_answer() {
    let service = Service::new(granted(), None).await;
    let verifier = secret("fake-verifier-0123456789-0123456789-0123456789");
    let url = client_with(&service, Some(CANARY), |_| {});
    let url = url.authorize_url(REDIRECT, &secret("state-1"), &secret("nonce-2"), &verifier).unwrap();
    let (place, query) = url.split_once('?').unwrap();
    assert_eq!(place, format!("{}/example.com/oauth2/v2.0/authorize", service.url()));
    let asked = form(query);
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.expose().as_bytes()));
    for (name, expected) in [
        ("client_id", APPLICATION),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email https://outlook.office.com/SMTP.Send offline_access"),
        ("state", "state-1"),
        ("nonce", "nonce-2"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", USER),
        ("response_mode", "query"),
    ] {
        assert_eq!(asked.get(name).map(String::as_str), Some(expected), "{name}");
    }
    assert_eq!(asked.len(), 10, "{asked:?}");
    assert!(!url.contains("fake-verifier") && canary::found_in(&url).is_none(), "{url}");
    assert!(service.requests().is_empty(), "nobody is asked");
}

#[tokio::test]
async fn nobody_is_led_to_a_service_in_clear() {
    let service = Service::new(granted(), None).await;
    let mut server = entry(([127, 0, 0, 1], 25).into());
    azure(&mut server);
    change(&mut server, |oauth| {
        oauth.strategy = Strategy::AuthorizationCode;
        oauth.authority = Some(service.url());
    });
    let time = (Duration::from_secs(5), Instant::now() + Duration::from_secs(20));
    let client = mailer(None).token_client(&server, None, None, None, time).unwrap();
    let some = || secret("x");
    let causes = [
        client.authorize_url(REDIRECT, &some(), &some(), &some()).unwrap_err().cause,
        client.exchange(&some(), &some(), REDIRECT, &some()).await.unwrap_err().cause,
        client.refresh(&some()).await.unwrap_err().cause,
        client.device_code().await.unwrap_err().cause,
        client.poll(&some()).await.unwrap_err().cause,
    ];
    assert_eq!(causes, [Cause::TokenInClear; 5]);
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_code_is_exchanged_with_what_answers_the_challenge() {
    for application_secret in [None, Some("fake-application-secret")] {
        let claims = value!({ "aud": APPLICATION, "nonce": "nonce-2", "preferred_username": "scan@example.com" });
        let service = Service::new(signed_in(&claims), None).await;
        let client = client_with(&service, application_secret, |_| {});
        let granted = client.exchange(&secret("code-1"), &secret("verifier-1"), REDIRECT, &secret("nonce-2")).await.unwrap();
        assert_eq!((granted.token.expose(), granted.refresh.as_ref().map(Secret::expose)), (TOKEN, Some(CANARY)));
        assert_eq!((granted.account.as_deref(), granted.seconds), (Some("scan@example.com"), Some(3599)));
        assert!(!format!("{granted:?}").contains(TOKEN) && canary::found_in(&format!("{granted:?}")).is_none());
        let requests = service.requests();
        assert_eq!((requests.len(), requests[0].path()), (1, "/example.com/oauth2/v2.0/token"));
        let form = requests[0].form();
        for (name, expected) in [
            ("grant_type", Some("authorization_code")),
            ("code", Some("code-1")),
            ("code_verifier", Some("verifier-1")),
            ("redirect_uri", Some(REDIRECT)),
            ("client_id", Some(APPLICATION)),
            ("client_secret", application_secret),
        ] {
            assert_eq!(form.get(name).map(String::as_str), expected, "{name}");
        }
        assert!(!requests[0].head.to_ascii_lowercase().contains("authorization:"), "{}", requests[0].head);
    }
}

#[tokio::test]
async fn an_answer_to_another_sign_in_is_refused() {
    for claims in [
        value!({ "aud": APPLICATION, "nonce": "nonce-3" }),
        value!({ "aud": APPLICATION }),
        value!({ "aud": "another application", "nonce": "nonce-2" }),
        value!("nothing"),
    ] {
        let service = Service::new(signed_in(&claims), None).await;
        let refused = client(&service).exchange(&secret("code-1"), &secret("verifier-1"), REDIRECT, &secret("nonce-2")).await;
        let error = refused.unwrap_err();
        assert_eq!(error.cause, Cause::TokenAnswerUnreadable, "{claims}");
        assert!(!told(&error).contains(TOKEN), "{claims}");
    }
}

#[tokio::test]
async fn a_sign_in_is_renewed_and_may_be_over() {
    let service = Service::new(signed_in(&value!({ "aud": APPLICATION })), None).await;
    let granted = client(&service).refresh(&secret("refresh-1")).await.unwrap();
    assert_eq!((granted.token.expose(), granted.refresh.as_ref().map(Secret::expose)), (TOKEN, Some(CANARY)));
    let request = &service.requests()[0];
    assert_eq!((request.field("grant_type").as_str(), request.field("refresh_token").as_str()), ("refresh_token", "refresh-1"));
    assert_eq!(request.field("scope"), "openid email https://outlook.office.com/SMTP.Send offline_access");

    for (body, cause) in [
        (r#"{"error":"invalid_grant"}"#, Cause::TokenSignInOver),
        (r#"{"error":"invalid_grant","error_codes":[4711]}"#, Cause::TokenSignInOver),
        (r#"{"error":"invalid_grant","error_codes":[700082]}"#, Cause::TokenSignInOver),
        (r#"{"error":"invalid_grant","error_codes":[65001]}"#, Cause::TokenConsentMissing),
        (r#"{"error":"invalid_client"}"#, Cause::TokenRefused),
        (r#"{"error":"invalid_request"}"#, Cause::TokenRefused),
        (r#"{"error":"temporarily_unavailable"}"#, Cause::TokenServiceBusy),
    ] {
        let service = Service::new(json("400 Bad Request", body), None).await;
        let error = client(&service).refresh(&secret(CANARY)).await.unwrap_err();
        assert_eq!(error.cause, cause, "{body}");
        told(&error);
    }
    // The same word says less of a password or a code.
    let service = Service::new(json("400 Bad Request", r#"{"error":"invalid_grant"}"#), None).await;
    let error = client(&service).exchange(&secret("c"), &secret("v"), REDIRECT, &secret("n")).await.unwrap_err();
    assert_eq!(error.cause, Cause::TokenRefused);
}

#[tokio::test]
async fn who_repeats_what_it_was_asked_tells_no_secret() {
    let service = spiteful().await;
    // In forms, it is written otherwise.
    let awkward = secret("canary+5b1c9e not/a=password%");
    let other = || secret("harmless");
    for sent in [secret(CANARY), awkward] {
        let with_secret = client_with(&service, Some(sent.expose()), |_| {});
        let without = client(&service);
        for error in [
            with_secret.refresh(&other()).await.unwrap_err(),
            with_secret.exchange(&other(), &other(), REDIRECT, &other()).await.unwrap_err(),
            with_secret.device_code().await.unwrap_err(),
            with_secret.poll(&other()).await.unwrap_err(),
            without.refresh(&sent).await.unwrap_err(),
            without.exchange(&sent, &other(), REDIRECT, &other()).await.unwrap_err(),
            without.exchange(&other(), &sent, REDIRECT, &other()).await.unwrap_err(),
            without.poll(&sent).await.unwrap_err(),
        ] {
            let told = told(&error);
            assert!(told.contains("[redacted]") && !told.contains("5b1c9e") && !told.contains("password"), "{told}");
        }
    }
    assert_eq!(service.requests().len(), 16);
}

fn device(changes: &serde_json::Value) -> String {
    let mut body = value!({
        "device_code": CANARY, "user_code": "ABCD-EFGH", "verification_uri": "https://login.example.com/device", "expires_in": 900,
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    json("200 OK", &body.to_string())
}

#[tokio::test]
async fn a_device_gets_a_code_to_show() {
    let ages = value!({ "expires_in": 10_000_000, "interval": 100_000 });
    let hurried = value!({ "expires_in": 0, "interval": 0 });
    for (changes, expires, interval) in
        [(value!({}), 900, 5), (value!({ "interval": 2 }), 900, 2), (ages, 3600, 60), (hurried, 1, 1)]
    {
        let service = Service::new(device(&changes), None).await;
        let code = client(&service).device_code().await.unwrap();
        assert_eq!((code.user_code.as_str(), code.verification_url.as_str()), ("ABCD-EFGH", "https://login.example.com/device"));
        assert_eq!((code.expires_in, code.interval), (Duration::from_secs(expires), Duration::from_secs(interval)));
        assert_eq!(canary::found_in(&format!("{code:?}")), None);
        let request = &service.requests()[0];
        assert_eq!(request.path(), "/example.com/oauth2/v2.0/devicecode");
        assert_eq!(request.form().into_keys().collect::<Vec<_>>(), ["client_id", "scope"]);
    }
}

#[tokio::test]
async fn what_nobody_could_type_or_should_open_is_refused() {
    for changes in [
        value!({ "verification_uri": "http://login.example.com/device" }),
        value!({ "verification_uri": "javascript:alert(1)" }),
        value!({ "verification_uri": "https://user@login.example.com/" }),
        value!({ "verification_uri": "https://login.example.com/\u{1b}[31m" }),
        value!({ "verification_uri": "" }),
        value!({ "user_code": "ABCD\u{1b}[2J" }),
        value!({ "user_code": "ABCD\r\nopen https://evil.example" }),
        value!({ "user_code": "A\u{202e}BCD" }),
        value!({ "user_code": "" }),
        value!({ "user_code": "x".repeat(65) }),
        value!({ "device_code": "x".repeat((16 << 10) + 1) }),
        value!({ "expires_in": "soon" }),
    ] {
        let service = Service::new(device(&changes), None).await;
        let error = client(&service).device_code().await.unwrap_err();
        assert_eq!(error.cause, Cause::TokenAnswerUnreadable, "{changes}");
        let told = told(&error);
        assert!(!told.contains(char::is_control) && !told.contains("evil"), "{told}");
    }
}

#[tokio::test]
async fn a_device_asks_until_somebody_typed_the_code() {
    type Answered = Result<&'static str, Cause>;
    let refused = |error: &str| json("400 Bad Request", &format!(r#"{{"error":"{error}"}}"#));
    for (answer, expected) in [
        (refused("authorization_pending"), Ok("pending")),
        (refused("slow_down"), Ok("slow down")),
        (signed_in(&value!({ "email": "scan@example.com" })), Ok("granted")),
        (refused("authorization_declined"), Err(Cause::TokenDeclined)),
        (refused("access_denied"), Err(Cause::TokenDeclined)),
        (refused("expired_token"), Err(Cause::TokenCodeExpired)),
        (refused("code_expired"), Err(Cause::TokenCodeExpired)),
        (refused("invalid_grant"), Err(Cause::TokenRefused)),
        (json("200 OK", r#"{"error":"authorization_pending"}"#), Err(Cause::TokenAnswerUnreadable)),
        (
            json("200 OK", &format!(r#"{{"token_type":"Bearer","access_token":"a\r\n{CANARY}"}}"#)),
            Err(Cause::TokenAnswerUnreadable),
        ),
    ] as [(String, Answered); 10]
    {
        let service = Service::new(answer, None).await;
        let poll = client(&service).poll(&secret(CANARY)).await;
        assert_eq!(canary::found_in(&format!("{poll:?}")), None);
        let found = match &poll {
            Ok(Poll::Pending) => Ok("pending"),
            Ok(Poll::SlowDown) => Ok("slow down"),
            Ok(Poll::Granted(granted)) => {
                assert_eq!((granted.token.expose(), granted.account.as_deref()), (TOKEN, Some("scan@example.com")));
                Ok("granted")
            }
            Err(error) => Err(error.cause),
        };
        assert_eq!(found, expected);
        let request = &service.requests()[0];
        assert_eq!(request.path(), "/example.com/oauth2/v2.0/token");
        let fields =
            [("client_id", APPLICATION), ("device_code", CANARY), ("grant_type", "urn:ietf:params:oauth:grant-type:device_code")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(request.form().into_iter().collect::<Vec<_>>(), fields);
    }
}

/// To a message that is sent, with what was granted.
async fn sends_with(granted: &Granted, set: impl FnOnce(&mut Oauth)) {
    let script = [hello("AUTH XOAUTH2 OAUTHBEARER"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let peer = Peer::new(vec![script]).await;
    let mut server = entry(peer.address);
    azure(&mut server);
    change(&mut server, set);
    assert!(matches!(server.sign_in, SignIn::AzureOauth { .. }));
    let run = TestRun::new(server, Some(Credential::AccessToken(granted.token.clone())), sending());
    let mailer = Arc::new(mailer(None));
    let run = carry_out(peer, run, async |run, sink| mailer.run(run, sink).await).await.0;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    let bearer = STANDARD.encode(format!("user={USER}\u{1}auth=Bearer {TOKEN}\u{1}\u{1}"));
    assert_eq!(run.log.lines()[1], format!("AUTH XOAUTH2 {bearer}"));
    assert!(!run.shown().contains(TOKEN), "{}", run.shown());
}

/// How it is set, where somebody signs in, where tokens are asked for, for what, and what else that address says.
type Case<'a> = (&'a dyn Fn(&mut Oauth), &'a str, &'a str, &'a str, &'a [&'a str]);

#[tokio::test]
async fn google_and_others_lead_to_a_message_too() {
    let claims = value!({ "aud": APPLICATION, "nonce": "nonce-2", "email": "scan@example.com" });
    let service = Service::new(signed_in(&claims), None).await;
    let google = |oauth: &mut Oauth| (oauth.provider, oauth.authority) = (Provider::Google, Some(service.url()));
    let other = |oauth: &mut Oauth| {
        oauth.provider = Provider::Other;
        oauth.authority = Some(format!("{}/sso/token", service.url()));
        oauth.sign_in_url = Some(format!("{}/sso/auth", service.url()));
        oauth.scope = Some("smtp offline_access".into());
    };
    let cases: [Case<'_>; 2] = [
        (&google, "/o/oauth2/v2/auth", "/token", "openid email https://mail.google.com/", &["access_type", "prompt"]),
        (&other, "/sso/auth", "/sso/token", "smtp offline_access", &[]),
    ];
    for (set, sign_in, token, scope, extra) in cases {
        let client = client_with(&service, Some("fake-application-secret"), set);
        let url = client.authorize_url(REDIRECT, &secret("s"), &secret("nonce-2"), &secret("v")).unwrap();
        let (place, query) = url.split_once('?').unwrap();
        assert_eq!(place, format!("{}{sign_in}", service.url()));
        let asked = form(query);
        assert_eq!(asked["scope"], scope);
        assert!(extra.iter().all(|name| asked.contains_key(*name)) && asked.len() == 9 + extra.len(), "{asked:?}");

        let granted = client.exchange(&secret("code-1"), &secret("v"), REDIRECT, &secret("nonce-2")).await.unwrap();
        let last = service.requests().pop().unwrap();
        assert_eq!((last.path(), last.field("client_secret").as_str()), (token, "fake-application-secret"));
        sends_with(&granted, set).await;

        let renewed = client.refresh(&secret("refresh-1")).await.unwrap();
        let last = service.requests().pop().unwrap();
        assert_eq!((last.path(), last.field("refresh_token").as_str()), (token, "refresh-1"));
        assert_eq!(last.field("scope"), scope);
        sends_with(&renewed, set).await;
    }
}
