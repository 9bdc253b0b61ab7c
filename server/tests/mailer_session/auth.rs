//! Signing in: what is sent when, and what each refusal means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::diagnosis::Fix;
use domain::oauth::Oauth;
use domain::secret::Secret;
use domain::smtp_server::{Protocol, SignIn, SmtpServer, StartTls};
use domain::transcript::{Cause, Outcome, Stage};
use server::mailer::{Credential, Mode, TestRun};

use super::canary::{self, CANARY, CHALLENGE, USER};
use super::peer::{Act, Authority, on, say};
use super::{HOST, Peer, entry, hello, mailer, run, run_with, sending, smtp, transaction};

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
        on("AUTH CRAM-MD5", &format!("334 {CHALLENGE}")).to_vec(),
        vec![Act::Hear(""), say("235 ok")],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Check(None), allowed).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
    assert_eq!(run.log.lines()[2], cram_answer());
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
        ("AUTH PLAIN", [on("AUTH PLAIN", "334 more").as_slice(), &[Act::Hear("*"), Act::Close]].concat()),
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
        assert_eq!(domain::transcript::exit_code(&run.finished), 28);
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
async fn an_echo_that_was_cut_off_or_spread_is_redacted_too() {
    let line = format!("AUTH PLAIN {}", canary::plain());
    let mut answers = Vec::new();
    for cut in [0, 1, 2, 5, 9, 14, 20, 27, 33] {
        answers.push(format!("500 unrecognized: \"{}\"", &line[..line.len() - cut]));
        answers.push(format!("500 unrecognized: \"{}\"", &line[11 + cut..]));
    }
    for length in [6, 12, CANARY.len() - 1] {
        answers.push(format!("535 {} is wrong", &CANARY[..length]));
        answers.push(format!("535 ...{}", &CANARY[CANARY.len() - length..]));
        answers.push(format!("535-5.7.8 {}\n535 5.7.8 {}", &CANARY[..length], &CANARY[length..]));
    }
    let pieces: Vec<&str> = CANARY.as_bytes().chunks(3).map(|part| str::from_utf8(part).unwrap()).collect();
    answers.push(format!("535-{}\n535 .", pieces.join("\n535-")));
    for answer in answers {
        let script = [hello("AUTH PLAIN"), on("AUTH PLAIN", &answer).to_vec()].concat();
        let run = run(vec![script], None, sending(), allowed).await;
        assert_eq!(run.outcome(), Outcome::Failed);
        let told = format!("{} {:?}", run.shown(), run.finished).to_lowercase();
        let diagnosis = run.finished.diagnosis.unwrap();
        // What is left of the words around it names no part of it.
        for part in ["canary", "5b1c9e", "-not-a", "a-pass", "ary", "1c9"] {
            assert!(!told.contains(part), "{answer}: {part} in {told}");
        }
        for part in canary::plain().as_bytes().windows(8) {
            assert!(!told.contains(&str::from_utf8(part).unwrap().to_lowercase()), "{answer}: {told}");
        }
        assert!(diagnosis.evidence.unwrap().contains("[redacted]"));
    }
}

/// What a server offers is read from what it said, not from what may be shown of it.
#[tokio::test]
async fn a_password_that_looks_like_a_keyword_changes_nothing() {
    for (password, capabilities) in [
        ("STARTTLS", "STARTTLS\nAUTH PLAIN"),
        ("250-STARTTLS", "STARTTLS\t\nAUTH PLAIN"),
        ("AUTH", "starttls\r\nAUTH PLAIN"),
        ("other", "STARTTLS \nAUTH\tPLAIN"),
    ] {
        let credential = Credential::Password(Secret::new(password.into()));
        // STARTTLS is seen, so the fall to clear text, with its permission for the password, never comes.
        let script =
            [hello(capabilities), on("STARTTLS", "220 go").to_vec(), vec![Act::HearBytes, super::peer::raw(b"x")]].concat();
        let run = run_with(vec![script], None, sending(), credential, |server| {
            allowed(server);
            server.protocol = Protocol::Smtp { starttls: StartTls::Enabled, allow_plaintext_credentials: true };
        })
        .await;
        assert_eq!(run.finished.cause, Some(Cause::Injected), "{password}: {:?}", run.finished);
        assert!(!run.log.has("AUTH"));
    }
    for (password, capabilities) in
        [("AUTH", "AUTH PLAIN"), ("PLAIN", "auth\tplain\t"), ("SIZE", "SIZE 1\nAUTH PLAIN\r"), ("5.7.8", "AUTH PLAIN")]
    {
        let credential = Credential::Password(Secret::new(password.into()));
        let script = [hello(capabilities), on("AUTH PLAIN ", "535 5.7.8 no").to_vec()].concat();
        let run = run_with(vec![script], None, sending(), credential, allowed).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(Cause::Rejected), "wrong_password"), "{password}");
        assert_eq!(run.finished.reply.unwrap().enhanced.as_deref(), Some("5.7.8"));
    }
    let credential = Credential::Password(Secret::new("SIZE".into()));
    let run = run_with(vec![hello("SIZE 1")], None, sending(), credential, |_| {}).await;
    assert_eq!(run.finished.cause, Some(Cause::TooBig));
}

#[tokio::test]
async fn what_is_not_honoured_yet_is_refused_before_connecting() {
    type Change = fn(&mut SmtpServer);
    let table: [(Change, Cause, &str); 2] = [
        (
            |server| {
                server.sign_in = SignIn::AzureOauth { username: USER.into(), oauth: Oauth::default() };
            },
            Cause::NoPassword,
            "no_password",
        ),
        (password, Cause::NoPassword, "no_password"),
    ];
    for (change, cause, kind) in table {
        let peer = Peer::new(vec![]).await;
        let mut server = entry(peer.address);
        server.protocol = smtp(StartTls::Disabled);
        change(&mut server);
        let finished =
            mailer(None).run(TestRun::new(server, Some(Secret::new(String::new()).into()), sending()), &mut |_| {}).await;
        assert_eq!((finished.outcome, finished.stage, finished.cause), (Outcome::Failed, Stage::Resolve, Some(cause)));
        assert_eq!(finished.diagnosis.as_ref().unwrap().kind, kind);
        assert_eq!(domain::transcript::exit_code(&finished), 1);
        assert!(peer.log().await.connections.is_empty(), "nothing was opened");
    }
}

/// What CRAM-MD5 answers to [`CHALLENGE`] with the canary, made by Python's `hmac`.
fn cram_answer() -> String {
    STANDARD.encode(format!("{USER} e62d24392e6a2297ebaa0e2fab904d44"))
}

#[tokio::test]
async fn a_repeated_answer_to_a_challenge_is_redacted() {
    let digest = "e62d24392e6a2297ebaa0e2fab904d44";
    let script = [
        hello("AUTH CRAM-MD5"),
        on("AUTH CRAM-MD5", &format!("334 {CHALLENGE}")).to_vec(),
        vec![Act::Hear(""), say(&format!("535 5.7.8 not {} nor {digest}", cram_answer()))],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Check(None), allowed).await;
    assert_eq!(run.failure(), (Stage::Auth, Some(Cause::Rejected), "wrong_password"));
    let shown = format!("{} {:?}", run.shown(), run.finished);
    assert!(!shown.contains(digest) && !shown.contains(&cram_answer()), "{shown}");
    assert!(shown.contains("not [redacted] nor [redacted]"), "{shown}");
}

fn token() -> Credential {
    Credential::AccessToken(Secret::new(CANARY.into()))
}

/// An encrypted session up to the sign-in.
fn encrypted(ca: &Authority, capabilities: &str) -> Vec<Act> {
    [vec![Act::Handshake(ca.server(&[HOST], |_| {}))], hello(capabilities)].concat()
}

fn smtps(server: &mut SmtpServer) {
    password(server);
    server.protocol = Protocol::Smtps;
}

#[tokio::test]
async fn a_token_goes_by_xoauth2_and_nothing_else() {
    let ca = Authority::new("Test authority");
    let script =
        [encrypted(&ca, "AUTH PLAIN LOGIN XOAUTH2"), on("AUTH XOAUTH2 ", "235 2.7.0 welcome").to_vec(), transaction()].concat();
    let run = run_with(vec![script], Some(&ca.pem()), sending(), token(), smtps).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert_eq!(run.log.lines()[1], format!("AUTH XOAUTH2 {}", canary::xoauth2()));
    assert!(run.shown().contains("AUTH XOAUTH2 [token]"));
    assert!(!run.log.has_in_clear("AUTH"));

    // Too long for a command line: it waits to be asked.
    let long = Credential::AccessToken(Secret::new(format!("{CANARY}{}", "x".repeat(2_000))));
    let script =
        [encrypted(&ca, "AUTH XOAUTH2"), on("AUTH XOAUTH2", "334 ").to_vec(), vec![Act::Hear("dXNlcj1"), say("235 welcome")]]
            .concat();
    let run = run_with(vec![script], Some(&ca.pem()), Mode::Check(None), long, smtps).await;
    assert_eq!(run.outcome(), Outcome::Checked, "{:?}", run.finished);
    assert_eq!(run.log.lines()[1], "AUTH XOAUTH2");
}

#[tokio::test]
async fn a_refused_token_gives_the_reason_and_the_reply() {
    let ca = Authority::new("Test authority");
    // As Google and Microsoft do it; a spiteful one repeats the token in its reason, or fills the page with it.
    let reason = r#"{"status":"401","schemes":"bearer","scope":"https://outlook.office.com/"}"#;
    let table = [
        (STANDARD.encode(reason), reason.to_owned()),
        (
            STANDARD.encode(format!("{{\"token\":\"{CANARY}\"}}\u{1b}[2J\u{202e}")),
            r#"{"token":"[redacted]"}\x1B[2J\u{202e}"#.into(),
        ),
        ("not base64!".into(), "not base64!".into()),
        (STANDARD.encode("x".repeat(2_000)), format!("{}…", "x".repeat(500))),
        (String::new(), String::new()),
    ];
    for (challenge, shown) in table {
        let script = [
            encrypted(&ca, "AUTH XOAUTH2"),
            on("AUTH XOAUTH2 ", &format!("334 {challenge}")).to_vec(),
            vec![Act::Hear(""), say("535 5.7.3 Authentication unsuccessful")],
        ]
        .concat();
        let run = run_with(vec![script], Some(&ca.pem()), sending(), token(), smtps).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(Cause::Rejected), "token_refused"), "{:?}", run.finished);
        assert_eq!(run.log.lines()[2..], ["", "QUIT"], "an empty line, and no second attempt");
        let evidence = run.finished.diagnosis.unwrap().evidence.unwrap();
        let besides = if shown.is_empty() { String::new() } else { format!("; {shown}") };
        assert_eq!(evidence, format!("535 5.7.3 Authentication unsuccessful{besides}"));
        assert_eq!(run.finished.reply.unwrap().code, 535);
    }
}

#[tokio::test]
async fn a_token_is_refused_for_what_the_reply_says() {
    let ca = Authority::new("Test authority");
    for (answer, kind) in [
        ("535 5.7.8 no", "token_refused"),
        ("535 5.7.139 SMTP AUTH is disabled", "smtp_auth_disabled"),
        ("454 4.7.0 later", "auth_temporary"),
        ("421 4.7.0 too many", "server_busy"),
        ("504 what?", "refused"),
    ] {
        let script = [encrypted(&ca, "AUTH XOAUTH2 PLAIN"), on("AUTH XOAUTH2 ", answer).to_vec()].concat();
        let run = run_with(vec![script], Some(&ca.pem()), sending(), token(), smtps).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(Cause::Rejected), kind), "{answer}");
        assert!(!run.log.has("AUTH PLAIN") && !run.log.has("MAIL"));
    }
    let run = run_with(vec![encrypted(&ca, "AUTH PLAIN LOGIN")], Some(&ca.pem()), sending(), token(), smtps).await;
    assert_eq!(run.failure(), (Stage::Auth, Some(Cause::TokenNotOffered), "token_not_offered"));
    assert!(!run.log.has("AUTH"));
}

#[tokio::test]
async fn xoauth2_that_asks_for_ever_is_cancelled() {
    let ca = Authority::new("Test authority");
    let script = [
        encrypted(&ca, "AUTH XOAUTH2"),
        on("AUTH XOAUTH2 ", "334 e30=").to_vec(),
        vec![Act::Hear(""), say("334 e30="), Act::Hear("*"), say("501 cancelled")],
    ]
    .concat();
    let run = run_with(vec![script], Some(&ca.pem()), sending(), token(), smtps).await;
    assert_eq!(run.failure(), (Stage::Auth, Some(Cause::AuthLoop), "auth_loop"));
    assert!(!run.log.has("MAIL"));
}

#[tokio::test]
async fn a_token_does_not_travel_in_clear_without_permission() {
    let run = run_with(vec![hello("AUTH XOAUTH2")], None, sending(), token(), password).await;
    assert_eq!(run.failure(), (Stage::Auth, Some(Cause::PlaintextCredentials), "plaintext_credentials"));
    assert_eq!(run.log.lines(), ["EHLO client.test", "QUIT"]);
}

#[tokio::test]
async fn credentials_with_controls_are_refused_before_connecting() {
    let with = |username: &str, credential: Credential| (username.to_owned(), credential);
    let secret = |text: &str| Secret::new(text.to_owned());
    for (username, credential) in [
        with("anna\u{1}auth=Bearer other", Credential::AccessToken(secret(CANARY))),
        with(USER, Credential::AccessToken(secret(&format!("{CANARY}\u{1}\u{1}")))),
        with(USER, Credential::AccessToken(secret(&format!("{CANARY}\r\nMAIL")))),
        with("anna\0eve", Credential::Password(secret(CANARY))),
        with(USER, Credential::Password(secret(&format!("{CANARY}\0")))),
    ] {
        let run = run_with(vec![], None, sending(), credential, |server| {
            server.sign_in = SignIn::Password { username };
        })
        .await;
        assert_eq!(run.failure(), (Stage::Resolve, Some(Cause::ControlInCredentials), "control_in_credentials"));
        assert_eq!(domain::transcript::exit_code(&run.finished), 1);
        assert!(run.log.connections.is_empty(), "nothing was opened");
    }
}
