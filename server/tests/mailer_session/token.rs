//! Azure OAuth: the request for a token before the session, and what becomes of it. The sign-in service is a script, too.

#[path = "token/assertion.rs"]
mod assertion;
#[path = "token/people.rs"]
mod people;
#[path = "token/refused.rs"]
mod refused;
#[path = "token/retry.rs"]
mod retry;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::oauth::{Oauth, Strategy};
use domain::secret::Secret;
use domain::smtp_server::{Protocol, SignIn, SmtpServer, StartTls};
use domain::transcript::{Cause, Outcome, Stage};
use server::mailer::{Credential, Mailer};

use super::canary::{CANARY, USER};
use super::peer::{Act, Authority, Peer, on};
use super::sign_in_service::{Service, json};
use super::{HOST, Run, hello, mailer, run_at, sending, transaction};
pub(super) use retry::{Kept, azure_person, token, xoauth2};

const APPLICATION: &str = "11111111-2222-3333-4444-555555555555";
const TOKEN: &str = "eyJ0b2tlbiI6InRlc3QifQ";

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

pub(super) fn password() -> Credential {
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
    stopped(mailer(None).with_authority(service.url()), azure).await
}

#[tokio::test]
async fn the_password_goes_to_the_sign_in_service_and_the_token_to_the_mail_server() {
    let service = Service::new(granted(), None).await;
    let script = [hello("AUTH PLAIN LOGIN XOAUTH2"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let mailer = mailer(None).with_authority(service.url());
    let run = run_at(&mailer, Peer::new(vec![script]).await, sending(), password(), azure).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);

    let requests = service.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let (head, body) = (&requests[0].head, &requests[0].body);
    assert!(head.starts_with("POST /example.com/oauth2/v2.0/token HTTP/1.1"), "{head}");
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
    let mailer = mailer(None).with_authority(service.url());
    let run = run_at(&mailer, Peer::new(vec![script]).await, sending(), password(), application).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    let requests = service.requests();
    let (head, body) = (&requests[0].head, &requests[0].body);
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
async fn the_service_is_verified_as_mail_servers_are() {
    let ca = Authority::new("Test authority");
    let service = Service::new(json("400 Bad Request", r#"{"error":"invalid_grant"}"#), Some(ca.server(&[HOST], |_| {}))).await;
    let at = |mailer: Mailer| mailer.with_authority(format!("https://{HOST}:{}", service.address.port()));
    let run = stopped(at(mailer(Some(&ca.pem()))), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenRefused), "oauth_refused"));
    assert!(service.requests()[0].field("grant_type") == "password");

    let run = stopped(at(mailer(None)), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::UnknownIssuer), "oauth_untrusted"));
    assert_eq!(service.requests().len(), 1, "nothing was said to it the second time");
}

#[tokio::test]
async fn without_a_domain_or_a_password_nobody_is_asked() {
    let service = Service::new(granted(), None).await;
    let nobody = |server: &mut SmtpServer| {
        azure(server);
        server.sign_in =
            SignIn::AzureOauth { username: "anna".into(), oauth: Oauth { application_id: APPLICATION.into(), ..Oauth::default() } };
    };
    let at = || mailer(None).with_authority(service.url());
    let run = stopped(at(), nobody).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::NoTenant), "no_tenant"));
    let run =
        run_at(&at(), Peer::new(Vec::<Vec<Act>>::new()).await, sending(), Credential::Password(Secret::default()), azure).await;
    assert_eq!(run.finished.cause, Some(Cause::NoPassword));
    assert!(service.requests().is_empty());
}
