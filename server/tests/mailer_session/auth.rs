//! Signing in: what is sent when, and what each refusal means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::diagnosis::Fix;
use domain::secret::Secret;
use domain::smtp_server::{Protocol, SignIn, SmtpServer, StartTls};
use domain::transcript::{Cause, Outcome, Stage};
use server::mailer::{Mode, TestRun};

use super::canary::USER;
use super::peer::{Act, on, say};
use super::{CANARY, Peer, entry, hello, mailer, run, sending, smtp, transaction};

fn password(server: &mut SmtpServer) {
    server.sign_in = SignIn::Password { username: USER.into() };
}

fn allowed(server: &mut SmtpServer) {
    password(server);
    server.protocol = Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: true };
}

#[tokio::test]
async fn plain_is_sent_in_one_go() {
    let script = [hello("AUTH LOGIN PLAIN"), on("AUTH PLAIN", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let run = run(vec![script], None, sending(), allowed).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    let expected = format!("AUTH PLAIN {}", STANDARD.encode(format!("\0anna@example.com\0{CANARY}")));
    assert_eq!(run.log.lines()[1], expected);
    assert!(!run.shown().contains(&expected[11..]));
}

#[tokio::test]
async fn login_is_asked_for_name_and_password() {
    let script = [
        hello("AUTH=LOGIN"),
        on("AUTH LOGIN", "334 VXNlcm5hbWU6").to_vec(),
        vec![Act::Hear(""), say("334 UGFzc3dvcmQ6"), Act::Hear(""), say("235 ok")],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Check(None), allowed).await;
    assert_eq!((run.outcome(), run.finished.stage), (Outcome::Checked, Stage::Auth), "{:?}", run.finished);
    assert_eq!(run.log.lines()[2..4], [STANDARD.encode("anna@example.com"), STANDARD.encode(CANARY)]);
    assert!(!run.shown().contains(&STANDARD.encode(CANARY)));
}

#[tokio::test]
async fn cram_md5_goes_first_in_clear() {
    let script = [
        hello("AUTH PLAIN CRAM-MD5 LOGIN"),
        on("AUTH CRAM-MD5", "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+").to_vec(),
        vec![Act::Hear(""), say("235 ok")],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Check(None), allowed).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
    let answer = STANDARD.decode(run.log.lines()[2]).unwrap();
    assert!(answer.starts_with(b"anna@example.com ") && answer.len() == 17 + 32);
    assert!(!run.log.has("AUTH PLAIN"), "the password never left");
}

#[tokio::test]
async fn nothing_is_said_of_the_credentials_in_clear_without_permission() {
    let closed = run(vec![hello("AUTH PLAIN LOGIN")], None, sending(), password).await;
    assert_eq!(closed.failure(), (Stage::Auth, Some(Cause::PlaintextCredentials), "plaintext_credentials"));
    let diagnosis = closed.finished.diagnosis.unwrap();
    assert_eq!(diagnosis.fix, Some(Fix::AllowPlaintextCredentials));
    assert!(diagnosis.steps.iter().any(|step| step.contains("Allow credentials without encryption")), "{diagnosis:?}");
    assert_eq!(closed.log.lines(), ["EHLO client.test", "QUIT"]);

    let open = run(vec![hello("STARTTLS\nAUTH PLAIN LOGIN")], None, sending(), password).await;
    assert_eq!(open.failure(), (Stage::Auth, Some(Cause::PlaintextCredentials), "plaintext_credentials"));
    assert_eq!(open.finished.diagnosis.unwrap().fix, Some(Fix::RequireStarttls));
    assert_eq!(open.log.lines(), ["EHLO client.test", "QUIT"]);
}

#[tokio::test]
async fn what_is_offered_decides() {
    let table = [
        ("", Cause::AuthNotOffered, "auth_not_offered"),
        ("STARTTLS", Cause::AuthNotOffered, "encryption_needed"),
        ("AUTH XOAUTH2 GSSAPI", Cause::NoCommonMechanism, "no_common_mechanism"),
    ];
    for (capabilities, cause, kind) in table {
        let run = run(vec![hello(capabilities)], None, sending(), allowed).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(cause), kind));
        assert!(!run.log.has("AUTH") && !run.log.has("MAIL"));
    }
}

#[tokio::test]
async fn each_refusal_has_its_meaning_and_is_not_tried_again() {
    let table = [
        ("535 5.7.8 Authentication failed", "wrong_password"),
        ("535", "wrong_password"),
        ("535 5.7.139 Authentication unsuccessful", "smtp_auth_disabled"),
        ("534 5.7.9 Application-specific password required", "app_password_needed"),
        ("432 4.7.12 A password transition is needed", "password_transition"),
        ("454 4.7.0 Temporary authentication failure", "auth_temporary"),
        ("538 5.7.11 Encryption required", "encryption_needed"),
        ("530 5.7.0 Must issue a STARTTLS command first", "encryption_needed"),
        ("421 4.7.0 Too many", "server_busy"),
        ("550 5.7.30 Basic authentication is not supported", "basic_auth_gone"),
        ("599 nobody knows", "refused"),
    ];
    for (answer, kind) in table {
        let script = [hello("AUTH PLAIN LOGIN"), on("AUTH PLAIN", answer).to_vec()].concat();
        let run = run(vec![script], None, sending(), allowed).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(Cause::Rejected), kind), "{answer}");
        assert!(!run.log.has("MAIL") && !run.log.has("AUTH LOGIN"));
        assert!(run.finished.diagnosis.unwrap().evidence.unwrap().starts_with(&answer[..3]));
    }
}

#[tokio::test]
async fn a_mechanism_that_is_not_there_after_all_gives_way_to_the_next() {
    let script = [
        hello("AUTH PLAIN LOGIN"),
        on("AUTH PLAIN", "504 5.5.4 Unrecognized authentication type").to_vec(),
        on("AUTH LOGIN", "334 VXNlcm5hbWU6").to_vec(),
        vec![Act::Hear(""), say("334 UGFzc3dvcmQ6"), Act::Hear(""), say("235 ok")],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Check(None), allowed).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
}

#[tokio::test]
async fn a_sign_in_that_asks_for_ever_is_cancelled() {
    for (capability, script) in [
        ("AUTH PLAIN", [on("AUTH PLAIN", "334 more"), on("*", "501 cancelled")].concat()),
        (
            "AUTH LOGIN",
            vec![
                Act::Hear("AUTH LOGIN"),
                say("334 a"),
                Act::Hear(""),
                say("334 b"),
                Act::Hear(""),
                say("334 c"),
                Act::Hear("*"),
                say("501"),
            ],
        ),
    ] {
        let run = run(vec![[hello(capability), script].concat()], None, sending(), allowed).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(Cause::AuthLoop), "auth_loop"));
        assert!(!run.log.has("MAIL"));
    }
}

#[tokio::test]
async fn an_echoed_password_is_redacted_everywhere() {
    let encoded = STANDARD.encode(format!("\0anna@example.com\0{CANARY}"));
    let answer = format!("535-you said {CANARY}\n535-{}\n535 {encoded}", STANDARD.encode(CANARY));
    let script = [hello("AUTH PLAIN"), on("AUTH PLAIN", &answer).to_vec()].concat();
    let run = run(vec![script], None, sending(), allowed).await;
    assert_eq!(run.outcome(), Outcome::Failed);
    let shown = run.shown();
    assert!(shown.matches("[redacted]").count() >= 6, "{shown}");
    assert!(!shown.contains(&encoded) && !shown.contains(&STANDARD.encode(CANARY)));
}

#[tokio::test]
async fn what_is_not_honoured_yet_is_refused_before_connecting() {
    type Change = fn(&mut SmtpServer);
    let table: [(Change, Cause, &str); 4] = [
        (
            |server| {
                server.sign_in = SignIn::AzureOauth { username: USER.into(), application_id: String::new(), tenant: None };
            },
            Cause::AzureOauthUnsupported,
            "azure_oauth_unsupported",
        ),
        (|server| server.kind = domain::smtp_server::Kind::Fax, Cause::FaxUnsupported, "fax_unsupported"),
        (|server| server.attachments.as_url = true, Cause::LinksUnsupported, "links_unsupported"),
        (password, Cause::NoPassword, "no_password"),
    ];
    for (change, cause, kind) in table {
        let peer = Peer::new(vec![]).await;
        let mut server = entry(peer.address);
        server.protocol = smtp(StartTls::Disabled);
        change(&mut server);
        let finished = mailer(None)
            .run(TestRun { server, credential: Some(Secret::new(String::new()).into()), mode: sending() }, &mut |_| {})
            .await;
        assert_eq!((finished.outcome, finished.stage, finished.cause), (Outcome::Failed, Stage::Resolve, Some(cause)));
        assert_eq!(finished.diagnosis.as_ref().unwrap().kind, kind);
        assert_eq!(domain::transcript::exit_code(&finished), 1);
        assert!(peer.log().await.connections.is_empty(), "nothing was opened");
    }
}
