//! Azure OAuth: the request for a token before the session, and what becomes of it. The sign-in service is a script, too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::oauth::{Oauth, Strategy};
use domain::secret::Secret;
use domain::smtp_server::{Protocol, SignIn, SmtpServer, StartTls};
use domain::transcript::{Cause, Outcome, Stage};
use rustls::ServerConfig;
use server::mailer::{Credential, Mailer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::canary::{CANARY, USER};
use super::peer::{Act, Authority, Mute, Peer, on};
use super::{HOST, Run, hello, mailer, run_at, sending, transaction};

const APPLICATION: &str = "11111111-2222-3333-4444-555555555555";
const TOKEN: &str = "eyJ0b2tlbiI6InRlc3QifQ";

/// A sign-in service that gives one answer to everybody, and the requests it got.
struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn new(answer: impl Into<Vec<u8>>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, answer) = (Arc::clone(&requests), answer.into());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => talk(stream, &answer, &heard).await,
                    Some(config) => match TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                        Ok(stream) => talk(stream, &answer, &heard).await,
                        Err(_) => heard.lock().unwrap().push("no handshake".into()),
                    },
                }
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8], heard: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).into_owned();
        let (top, body) = text.split_once("\r\n\r\n")?;
        let length = top.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        (body.len() >= length.unwrap_or(0)).then_some(text)
    };
    let text = loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
        if let Some(text) = whole(&request) {
            break text;
        }
    };
    heard.lock().unwrap().push(text);
    // A reader that had enough goes.
    let _gone = stream.write_all(answer).await;
    let _gone = stream.shutdown().await;
}

fn http(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn json(status: &str, body: &str) -> String {
    http(status, "application/json; charset=utf-8", body)
}

fn granted() -> String {
    let scope = "https://outlook.office.com/SMTP.Send";
    json("200 OK", &format!(r#"{{"token_type":"Bearer","scope":"{scope}","expires_in":3599,"access_token":"{TOKEN}"}}"#))
}

fn azure(server: &mut SmtpServer) {
    server.sign_in =
        SignIn::AzureOauth { username: USER.into(), oauth: Oauth { application_id: APPLICATION.into(), ..Oauth::default() } };
    server.protocol = Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: true };
    server.timeout_ms = 1_000;
}

/// Changes how tokens are got.
fn change(server: &mut SmtpServer, change: impl FnOnce(&mut Oauth)) {
    let SignIn::AzureOauth { oauth, .. } = &mut server.sign_in else { panic!("no Azure OAuth") };
    change(oauth);
}

fn password() -> Credential {
    Credential::Password(Secret::new(CANARY.into()))
}

/// A run for which nothing but the sign-in service is asked.
async fn stopped(mailer: Mailer, change: impl FnOnce(&mut SmtpServer)) -> Run {
    let run = run_at(&mailer, Peer::new(vec![]).await, sending(), password(), change).await;
    assert!(run.log.connections.is_empty(), "the mail server heard of it: {:?}", run.log);
    run
}

async fn answered(answer: impl Into<Vec<u8>>) -> Run {
    let service = Service::new(answer, None).await;
    stopped(mailer(None).with_authority(format!("http://{}", service.address)), azure).await
}

#[tokio::test]
async fn the_password_goes_to_the_sign_in_service_and_the_token_to_the_mail_server() {
    let service = Service::new(granted(), None).await;
    let script = [hello("AUTH PLAIN LOGIN XOAUTH2"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let mailer = mailer(None).with_authority(format!("http://{}", service.address));
    let run = run_at(&mailer, Peer::new(vec![script]).await, sending(), password(), azure).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);

    let requests = service.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /example.com/oauth2/v2.0/token HTTP/1.1\r\n"), "{head}");
    let mut fields: Vec<&str> = body.split('&').collect();
    fields.sort_unstable();
    let scope = "scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access";
    let password = format!("password={CANARY}");
    let application = format!("client_id={APPLICATION}");
    assert_eq!(fields, [&application, "grant_type=password", &password, scope, "username=anna%40example.com"]);

    let bearer = STANDARD.encode(format!("user={USER}\u{1}auth=Bearer {TOKEN}\u{1}\u{1}"));
    assert_eq!(run.log.lines()[1], format!("AUTH XOAUTH2 {bearer}"));
    let shown = run.shown();
    assert!(shown.contains("SMTP.Send") && shown.contains("valid for 60 minutes"), "{shown}");
    assert!(!shown.contains(TOKEN) && !shown.contains(&bearer), "{shown}");
    assert_eq!(run.events[0].stage(), Stage::Token, "it comes first");
}

#[tokio::test]
async fn an_application_asks_with_its_secret_and_signs_in_as_the_mailbox() {
    let service = Service::new(granted(), None).await;
    let script = [hello("AUTH XOAUTH2"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let application = |server: &mut SmtpServer| {
        azure(server);
        change(server, |oauth| {
            oauth.tenant = Some("contoso.example".into());
            oauth.strategy = Strategy::ClientCredentials;
        });
    };
    let mailer = mailer(None).with_authority(format!("http://{}", service.address));
    let run = run_at(&mailer, Peer::new(vec![script]).await, sending(), password(), application).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    let requests = service.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /contoso.example/oauth2/v2.0/token HTTP/1.1\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization:"), "the secret is in the body: {head}");
    let mut fields: Vec<&str> = body.split('&').collect();
    fields.sort_unstable();
    let scope = "scope=https%3A%2F%2Foutlook.office365.com%2F.default";
    let (application, secret) = (format!("client_id={APPLICATION}"), format!("client_secret={CANARY}"));
    assert_eq!(fields, [&application, &secret, "grant_type=client_credentials", scope]);
    let bearer = STANDARD.encode(format!("user={USER}\u{1}auth=Bearer {TOKEN}\u{1}\u{1}"));
    assert_eq!(run.log.lines()[1], format!("AUTH XOAUTH2 {bearer}"));
}

#[tokio::test]
async fn each_number_has_its_meaning_and_what_support_asks_for_is_shown() {
    let table: [(u32, Cause, &str); 22] = [
        (7_000_218, Cause::TokenPublicClientOff, "public_client_off"),
        (700_025, Cause::TokenSecretUnwanted, "secret_unwanted"),
        (50126, Cause::TokenPasswordWrong, "oauth_password_wrong"),
        (50034, Cause::TokenUserUnknown, "oauth_user_unknown"),
        (50055, Cause::TokenPasswordExpired, "oauth_password_expired"),
        (50053, Cause::TokenAccountLocked, "oauth_account_locked"),
        (50057, Cause::TokenAccountDisabled, "oauth_account_disabled"),
        (50076, Cause::TokenMoreFactors, "oauth_more_factors"),
        (50079, Cause::TokenMoreFactors, "oauth_more_factors"),
        (50158, Cause::TokenMoreFactors, "oauth_more_factors"),
        (53003, Cause::TokenConditionalAccess, "oauth_conditional_access"),
        (530_035, Cause::TokenConditionalAccess, "oauth_conditional_access"),
        (65001, Cause::TokenConsentMissing, "oauth_consent_missing"),
        (90094, Cause::TokenConsentMissing, "oauth_consent_missing"),
        (700_016, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (90002, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (50020, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (7_000_215, Cause::TokenSecretWrong, "oauth_secret_wrong"),
        (7_000_222, Cause::TokenSecretExpired, "oauth_secret_expired"),
        (700_082, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (50173, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (4_711, Cause::TokenRefused, "oauth_refused"),
    ];
    for (code, cause, kind) in table {
        let body = format!(
            r#"{{"error":"invalid_grant","error_description":"AADSTS{code}: no. {CANARY}","error_codes":[{code}],
               "timestamp":"2026-11-26 09:00:00Z","trace_id":"trace-1","correlation_id":"correlation-2"}}"#
        );
        let run = answered(json("400 Bad Request", &body)).await;
        assert_eq!(run.failure(), (Stage::Token, Some(cause), kind), "{code}");
        let evidence = run.finished.diagnosis.unwrap().evidence.unwrap();
        let expected = format!("AADSTS{code}: no. [redacted]");
        assert!(evidence.contains(&expected) && evidence.contains("trace-1") && evidence.contains("correlation-2"), "{evidence}");
    }
}

#[tokio::test]
async fn what_is_no_sign_in_service_is_told_from_one() {
    let unreadable = Cause::TokenAnswerUnreadable;
    let long = format!("\"{}\"", "x".repeat(5 << 20));
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (answer, cause) in [
        (http("200 OK", "text/html", "<html>Sign in to the network</html>"), unreadable),
        (moved.to_owned(), unreadable),
        (json("200 OK", &long), unreadable),
        (json("200 OK", "{}"), unreadable),
        (json("200 OK", r#"{"access_token":7}"#), unreadable),
        (json("400 Bad Request", "null"), unreadable),
        ("220 mail.test ESMTP\r\n".to_owned(), unreadable),
        (String::new(), Cause::Closed),
        (http("503 Service Unavailable", "text/html", "later"), Cause::TokenServiceBusy),
        (http("429 Too Many Requests", "text/plain", "later"), Cause::TokenServiceBusy),
        (json("503 Service Unavailable", r#"{"error":"temporarily_unavailable"}"#), Cause::TokenServiceBusy),
    ] {
        let run = answered(answer.clone()).await;
        assert_eq!((run.finished.stage, run.finished.cause), (Stage::Token, Some(cause)), "{answer:.80}");
        assert!(run.took < Duration::from_secs(8), "{:?}", run.took);
    }
}

#[tokio::test]
async fn a_service_that_is_silent_or_not_there_ends_in_time() {
    let mute = Mute::on(([127, 0, 0, 1], 0).into());
    let run = stopped(mailer(None).with_authority(format!("http://{}", mute.address)), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::Timeout), "oauth_unreachable"));
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let run = stopped(mailer(None).with_authority(format!("http://{nobody}")), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::ConnectionRefused), "oauth_unreachable"));
    let run = stopped(mailer(None).with_authority("https://login.invalid"), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::NameNotFound), "oauth_unreachable"));
}

#[tokio::test]
async fn the_service_is_verified_as_mail_servers_are() {
    let ca = Authority::new("Test authority");
    let service = Service::new(json("400 Bad Request", r#"{"error":"invalid_grant"}"#), Some(ca.server(&[HOST], |_| {}))).await;
    let at = |mailer: Mailer| mailer.with_authority(format!("https://{HOST}:{}", service.address.port()));
    let run = stopped(at(mailer(Some(&ca.pem()))), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenRefused), "oauth_refused"));
    assert!(service.requests()[0].contains("grant_type=password"));

    let run = stopped(at(mailer(None)), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::UnknownIssuer), "oauth_untrusted"));
    let said = service.requests().iter().filter(|request| request.contains("password")).count();
    assert_eq!(said, 1, "nothing was said to it the second time");
}

#[tokio::test]
async fn nothing_leaves_this_machine_in_clear() {
    let run = stopped(mailer(None).with_authority("http://login.example.com"), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenInClear), "oauth_in_clear"));
}

#[tokio::test]
async fn without_a_domain_or_a_password_nobody_is_asked() {
    let service = Service::new(granted(), None).await;
    let nobody = |server: &mut SmtpServer| {
        azure(server);
        server.sign_in =
            SignIn::AzureOauth { username: "anna".into(), oauth: Oauth { application_id: APPLICATION.into(), ..Oauth::default() } };
    };
    let at = || mailer(None).with_authority(format!("http://{}", service.address));
    let run = stopped(at(), nobody).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::NoTenant), "no_tenant"));
    let run =
        run_at(&at(), Peer::new(Vec::<Vec<Act>>::new()).await, sending(), Credential::Password(Secret::default()), azure).await;
    assert_eq!(run.finished.cause, Some(Cause::NoPassword));
    assert!(service.requests().is_empty());
}
