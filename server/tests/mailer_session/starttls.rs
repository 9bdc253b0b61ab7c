//! The table of StartTLS in design.md, row by row, and what never leads to a fallback.

use std::time::Duration;

use domain::smtp_server::{Protocol, SmtpServer, StartTls};
use domain::transcript::{Cause, Downgrade, Outcome, Security, Stage, exit_code};
use server::mailer::Mode;

use super::peer::{Act, Authority, on, raw, say, self_signed_server};
use super::{CANARY, HOST, Run, ehlo, hello, run, sending, smtp, transaction};

fn with(mode: StartTls) -> impl FnOnce(&mut SmtpServer) {
    move |server| server.protocol = smtp(mode)
}

fn starttls(answer: &str) -> Vec<Act> {
    [hello("STARTTLS\nPIPELINING"), on("STARTTLS", answer).to_vec()].concat()
}

fn stays_silent_after_failure(run: &Run) {
    assert_eq!(run.outcome(), Outcome::Failed, "{:?}", run.finished);
    for command in ["AUTH", "MAIL", "RCPT", "DATA"] {
        assert!(!run.log.has(command), "{:?}", run.log);
    }
}

#[tokio::test]
async fn disabled_never_asks() {
    let run = run(vec![[hello("STARTTLS"), transaction()].concat()], None, sending(), with(StartTls::Disabled)).await;
    assert_eq!((run.outcome(), run.finished.security), (Outcome::Sent, Security::Plaintext));
    assert!(!run.log.has("STARTTLS") && run.warnings().is_empty());
}

#[tokio::test]
async fn enabled_goes_on_in_clear_where_it_is_not_offered() {
    let run = run(vec![[hello(""), transaction()].concat()], None, sending(), with(StartTls::Enabled)).await;
    assert_eq!((run.outcome(), run.finished.security), (Outcome::Sent, Security::Plaintext));
    assert_eq!(run.finished.downgrade, Some(Downgrade::NotOffered));
    assert_eq!(run.warnings().len(), 1);
    assert!(!run.log.has("STARTTLS"));
}

#[tokio::test]
async fn enabled_and_required_both_encrypt_where_it_works() {
    let ca = Authority::new("Test authority");
    for mode in [StartTls::Enabled, StartTls::EnabledAndRequired] {
        for (version, security) in [(&rustls::version::TLS12, Security::Tls12), (&rustls::version::TLS13, Security::Tls13)] {
            let config = ca.server_with(&[HOST], version);
            let script = [starttls("220 go"), vec![Act::Handshake(config)], ehlo("").to_vec(), transaction()].concat();
            let run = run(vec![script], Some(&ca.pem()), sending(), with(mode)).await;
            assert_eq!((run.outcome(), run.finished.security), (Outcome::Sent, security), "{:?}", run.finished);
            assert!(run.finished.upgraded && run.finished.downgrade.is_none());
            assert_eq!(run.finished.certificate.as_ref().unwrap().names, [HOST]);
            assert!(!run.log.has_in_clear("MAIL") && run.log.has("MAIL"));
            // The first introduction was in clear, the second was not, and what the first said is forgotten.
            assert!(run.log.has_in_clear("EHLO"));
            assert_eq!(run.log.lines().iter().filter(|line| line.starts_with("EHLO")).count(), 2);
        }
    }
}

#[tokio::test]
async fn enabled_starts_again_in_clear_where_the_command_is_refused() {
    for answer in ["454 4.7.0 TLS not available", "502 what?", "554 no"] {
        let scripts = vec![starttls(answer), [hello("STARTTLS"), transaction()].concat()];
        let run = run(scripts, None, sending(), with(StartTls::Enabled)).await;
        assert_eq!((run.outcome(), run.finished.downgrade), (Outcome::Sent, Some(Downgrade::Refused)), "{answer}");
        assert_eq!(run.finished.security, Security::Plaintext);
        assert_eq!(run.log.connections.len(), 2, "a fresh connection");
        assert!(!run.log.connections[0].iter().any(|heard| heard.line.starts_with("MAIL")));
        assert!(!run.log.connections[1].iter().any(|heard| heard.line.starts_with("STARTTLS")));
        assert_eq!(run.warnings().len(), 1);
    }
}

#[tokio::test]
async fn enabled_starts_again_in_clear_where_the_handshake_fails() {
    let alert = |code: u8| raw(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, code]);
    let failures: [(&str, Vec<Act>); 6] = [
        ("closed", vec![Act::HearBytes, Act::Close]),
        ("reset", vec![Act::HearBytes, Act::Reset]),
        ("garbage", vec![Act::HearBytes, raw(b"\x16\x03\x03\x00\x05hello"), Act::Silence]),
        ("no common version", vec![Act::HearBytes, alert(70), Act::Close]),
        ("no common cipher", vec![Act::HearBytes, alert(40), Act::Close]),
        ("internal error", vec![Act::HearBytes, alert(80), Act::Close]),
    ];
    for (name, failure) in failures {
        let scripts = vec![[starttls("220 go"), failure].concat(), [hello("STARTTLS"), transaction()].concat()];
        let run = run(scripts, None, sending(), with(StartTls::Enabled)).await;
        assert_eq!(
            (run.outcome(), run.finished.downgrade),
            (Outcome::Sent, Some(Downgrade::HandshakeFailed)),
            "{name}: {:?}",
            run.finished
        );
        assert_eq!(run.log.connections.len(), 2);
        assert_eq!(run.warnings().len(), 1);
    }
}

#[tokio::test]
async fn a_fallback_sends_no_credentials_without_permission() {
    let script = || vec![starttls("454 no"), hello("STARTTLS\nAUTH PLAIN LOGIN")];
    let sign_in = |server: &mut SmtpServer| {
        server.sign_in = domain::smtp_server::SignIn::Password { username: "anna".into() };
    };
    let run = run(script(), None, sending(), |server| {
        server.protocol = smtp(StartTls::Enabled);
        sign_in(server);
    })
    .await;
    assert_eq!(run.failure(), (Stage::Auth, Some(Cause::PlaintextCredentials), "plaintext_credentials"));
    stays_silent_after_failure(&run);
    let diagnosis = run.finished.diagnosis.unwrap();
    assert!(diagnosis.title.contains("because the server refused STARTTLS"), "{}", diagnosis.title);
    assert_eq!(diagnosis.fix, None, "nobody is led to send the password in clear");
}

#[tokio::test]
async fn required_ends_where_it_is_not_offered_or_refused() {
    let absent = run(vec![hello("PIPELINING")], None, sending(), with(StartTls::EnabledAndRequired)).await;
    assert_eq!(absent.failure(), (Stage::Starttls, Some(Cause::StarttlsNotOffered), "starttls_not_offered"));
    stays_silent_after_failure(&absent);
    for (answer, cause) in [("454 4.7.0 no", Cause::Rejected), ("502 no", Cause::Rejected), ("250 ok", Cause::Unexpected)] {
        let refused = run(vec![starttls(answer)], None, sending(), with(StartTls::EnabledAndRequired)).await;
        assert_eq!(refused.failure(), (Stage::Starttls, Some(cause), "starttls_refused"));
        assert!(!refused.finished.upgraded);
        stays_silent_after_failure(&refused);
    }
}

#[tokio::test]
async fn required_ends_where_the_handshake_fails() {
    let alert = |code: u8| raw(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, code]);
    let table = [
        (vec![Act::HearBytes, Act::Close], Cause::HandshakeBroken, "handshake_broken"),
        (vec![Act::HearBytes, raw(b"\x16\x03\x03\x00\x05hello"), Act::Silence], Cause::HandshakeGarbage, "handshake_garbage"),
        (vec![Act::HearBytes, alert(80), Act::Close], Cause::HandshakeBroken, "handshake_broken"),
        (vec![Act::HearBytes, alert(70), Act::Close], Cause::NoCommonProtocol, "no_common_tls"),
        (vec![Act::HearBytes, alert(40), Act::Close], Cause::NoCommonProtocol, "no_common_tls"),
        (vec![Act::HearBytes, Act::Silence], Cause::Timeout, "handshake_timeout"),
    ];
    for (failure, cause, kind) in table {
        let run = run(vec![[starttls("220 go"), failure].concat()], None, sending(), |server| {
            with(StartTls::EnabledAndRequired)(server);
            server.timeout_ms = 200;
        })
        .await;
        assert_eq!(run.failure(), (Stage::Tls, Some(cause), kind));
        stays_silent_after_failure(&run);
    }
}

#[tokio::test]
async fn a_server_with_tls_1_0_only_has_nothing_in_common() {
    // ServerHello of TLS 1.0 without extensions.
    let mut hello_1_0 = vec![0x16, 0x03, 0x01, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, 0x01];
    hello_1_0.extend([7; 32]);
    hello_1_0.extend([0x00, 0x00, 0x2f, 0x00]);
    let script = [starttls("220 go"), vec![Act::HearBytes, raw(&hello_1_0), Act::Silence]].concat();
    let run = run(vec![script], None, sending(), with(StartTls::EnabledAndRequired)).await;
    assert_eq!(run.failure(), (Stage::Tls, Some(Cause::NoCommonProtocol), "no_common_tls"));
}

#[tokio::test]
async fn an_untrusted_certificate_ends_it_in_every_mode() {
    let (ca, other) = (Authority::new("Test authority"), Authority::new("Somebody else"));
    let old = |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let young = |params: &mut rcgen::CertificateParams| params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    let table = [
        (other.server(&[HOST], |_| {}), Cause::UnknownIssuer, "certificate_unknown_issuer"),
        (self_signed_server(&[HOST], false).0, Cause::SelfSigned, "certificate_self_signed"),
        (self_signed_server(&[HOST], true).0, Cause::SelfSigned, "certificate_self_signed"),
        (ca.server(&[HOST], old), Cause::Expired, "certificate_expired"),
        (ca.server(&[HOST], young), Cause::NotYetValid, "certificate_not_yet_valid"),
        (ca.server(&["other.test", "third.test"], |_| {}), Cause::WrongName, "certificate_wrong_name"),
        (ca.server(&[], |_| {}), Cause::WrongName, "certificate_without_names"),
    ];
    for (config, cause, kind) in table {
        for mode in [StartTls::Enabled, StartTls::EnabledAndRequired] {
            let script = [starttls("220 go"), vec![Act::Handshake(config.clone())]].concat();
            let run = run(vec![script], Some(&ca.pem()), sending(), with(mode)).await;
            assert_eq!(run.failure(), (Stage::Tls, Some(cause), kind), "{:?}", run.finished);
            assert_eq!(run.log.connections.len(), 1, "no fallback");
            stays_silent_after_failure(&run);
            let certificate = run.finished.certificate.as_ref().unwrap();
            assert_eq!(certificate.sha256.len(), 64);
            let evidence = run.finished.diagnosis.as_ref().unwrap().evidence.as_ref().unwrap();
            assert!(evidence.replace(' ', "").ends_with(&certificate.sha256.to_uppercase()), "{evidence}");
            assert!(evidence.starts_with("Issued to CN=Test server; for "), "{evidence}");
        }
        let run =
            run(vec![vec![Act::Handshake(config)]], Some(&ca.pem()), sending(), |server| server.protocol = Protocol::Smtps).await;
        assert_eq!(run.failure(), (Stage::Tls, Some(cause), kind));
        assert_eq!(run.log.lines(), [""; 0]);
    }
}

#[tokio::test]
async fn a_wrong_name_offers_the_right_one() {
    let ca = Authority::new("Test authority");
    let config = ca.server(&["*.other.test", "smtp.other.test"], |_| {});
    let run = run(vec![vec![Act::Handshake(config)]], Some(&ca.pem()), sending(), |server| server.protocol = Protocol::Smtps).await;
    let diagnosis = run.finished.diagnosis.unwrap();
    assert_eq!(diagnosis.title, "The server's certificate is for *.other.test, smtp.other.test, not for mail.test.");
    assert_eq!(diagnosis.fix, Some(domain::diagnosis::Fix::UseHost { host: "smtp.other.test".into() }));
}

#[tokio::test]
async fn a_certificate_given_by_itself_is_trusted_for_its_names_and_dates_only() {
    for is_ca in [false, true] {
        let (config, pem) = self_signed_server(&[HOST], is_ca);
        let script = || [vec![Act::Handshake(config.clone())], hello(""), transaction()].concat();
        let smtps = |server: &mut SmtpServer| server.protocol = Protocol::Smtps;
        let sent = run(vec![script()], Some(&pem), sending(), smtps).await;
        assert_eq!(sent.outcome(), Outcome::Sent, "{:?}", sent.finished);
        assert!(!sent.finished.upgraded);
        let (config, pem) = self_signed_server(&["other.test"], is_ca);
        let wrong = run(vec![vec![Act::Handshake(config)]], Some(&pem), sending(), smtps).await;
        assert_eq!(wrong.failure(), (Stage::Tls, Some(Cause::WrongName), "certificate_wrong_name"));
    }
}

#[tokio::test]
async fn a_byte_after_the_reply_to_starttls_ends_it_in_every_mode() {
    let ca = Authority::new("Test authority");
    for mode in [StartTls::Enabled, StartTls::EnabledAndRequired] {
        for injected in ["220 go\r\n250-mail.test\r\n250 AUTH PLAIN\r\n", "220 go\r\nx"] {
            let script = [
                hello("STARTTLS"),
                vec![Act::Hear("STARTTLS"), raw(injected.as_bytes()), Act::Handshake(ca.server(&[HOST], |_| {}))],
            ]
            .concat();
            let run = run(vec![script], Some(&ca.pem()), sending(), with(mode)).await;
            assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::Injected), "starttls_injection"));
            stays_silent_after_failure(&run);
            assert_eq!(run.log.lines(), ["EHLO client.test", "STARTTLS"], "nothing after an injection");
            assert!(!run.events.iter().any(|event| event.stage() == Stage::Tls));
        }
        // Later than we looked, where TLS should answer.
        let script = [starttls("220 go"), vec![Act::HearBytes, raw(b"250 AUTH PLAIN\r\n"), Act::Silence]].concat();
        let run = run(vec![script], Some(&ca.pem()), sending(), with(mode)).await;
        assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::Injected), "starttls_injection"));
        assert_eq!(run.log.connections.len(), 1);
    }
}

/// After our `ClientHello` is out, in whatever pieces: never TLS, so somebody speaks where nobody may.
#[tokio::test]
async fn a_byte_that_comes_late_ends_it_in_every_mode() {
    let moment = || Act::Dawdle(Duration::from_millis(30));
    let late: [(&str, Vec<Act>); 6] = [
        ("x", vec![raw(b"x"), Act::Silence]),
        ("25", vec![raw(b"25"), Act::Silence]),
        ("2, then the rest", vec![raw(b"2"), moment(), raw(b"50 ok\r\n"), Act::Silence]),
        ("in pieces", vec![raw(b"250"), moment(), raw(b"X"), moment(), raw(b"\n250 ok\r\nQUIT\r\n"), Act::Silence]),
        ("a byte, then the end", vec![raw(b"\n"), Act::Close]),
        ("a byte, then a reset", vec![raw(b"\x18"), moment(), Act::Reset]),
    ];
    for (name, late) in late {
        for mode in [StartTls::Enabled, StartTls::EnabledAndRequired] {
            let script =
                [hello("STARTTLS\nAUTH PLAIN"), on("STARTTLS", "220 go").to_vec(), vec![Act::HearBytes], late.clone()].concat();
            let run = run(vec![script, hello("AUTH PLAIN")], None, sending(), |server| {
                server.protocol = Protocol::Smtp { starttls: mode, allow_plaintext_credentials: true };
                server.sign_in = domain::smtp_server::SignIn::Password { username: "anna".into() };
            })
            .await;
            assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::Injected), "starttls_injection"), "{name}");
            assert_eq!(run.log.connections.len(), 1, "{name}");
            assert!(run.took < Duration::from_secs(2), "{name}: known by the first byte, not by a time-out");
            stays_silent_after_failure(&run);
        }
    }
}

#[tokio::test]
async fn what_was_injected_stands_in_the_transcript() {
    let at_once = vec![Act::Hear("STARTTLS"), raw(b"220 go\r\n250 injected\r\n")];
    let late = vec![Act::Hear("STARTTLS"), say("220 go"), Act::HearBytes, raw(b"250 injected\r\n"), Act::Silence];
    for script in [at_once, late] {
        let run = run(vec![[hello("STARTTLS"), script].concat()], None, sending(), with(StartTls::Enabled)).await;
        assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::Injected), "starttls_injection"));
        assert!(run.shown().contains("250 injected"), "{}", run.shown());
    }
}

#[tokio::test]
async fn a_time_out_is_no_reason_for_a_fallback() {
    for script in
        [[hello("STARTTLS"), vec![Act::Hear("STARTTLS"), Act::Silence]].concat(), [starttls("220 go"), vec![Act::Silence]].concat()]
    {
        let run = run(vec![script], None, sending(), |server| {
            with(StartTls::Enabled)(server);
            server.timeout_ms = 200;
        })
        .await;
        assert_eq!(run.finished.cause, Some(Cause::Timeout));
        assert_eq!(run.log.connections.len(), 1);
        stays_silent_after_failure(&run);
    }
}

#[tokio::test]
async fn what_was_offered_in_clear_counts_no_more_after_the_handshake() {
    let ca = Authority::new("Test authority");
    let script = [
        hello("STARTTLS\nSIZE 100\nAUTH PLAIN"),
        on("STARTTLS", "220 go").to_vec(),
        vec![Act::Handshake(ca.server(&[HOST], |_| {}))],
        ehlo("").to_vec(),
        transaction(),
    ]
    .concat();
    let run = run(vec![script], Some(&ca.pem()), sending(), with(StartTls::EnabledAndRequired)).await;
    assert_eq!(run.outcome(), Outcome::Sent, "the limit of 100 bytes is forgotten: {:?}", run.finished);
    assert!(!run.log.lines().iter().any(|line| line.contains("SIZE=")));
}

#[tokio::test]
async fn a_server_that_wants_our_certificate_is_told_from_others() {
    let ca = Authority::new("Test authority");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let script = [starttls("220 go"), vec![Act::Handshake(ca.server_wanting_ours(&[HOST], version))]].concat();
        let run = run(vec![script], Some(&ca.pem()), sending(), with(StartTls::Enabled)).await;
        let (_, cause, kind) = run.failure();
        assert_eq!((cause, kind), (Some(Cause::ClientCertificateWanted), "client_certificate_wanted"), "{:?}", run.finished);
        assert_eq!(run.log.connections.len(), 1);
    }
}

#[tokio::test]
async fn smtps_and_smtp_are_told_apart() {
    use domain::diagnosis::Fix;
    // SMTP in clear where TLS was expected.
    let plain =
        run(vec![vec![say("220 mail.test ESMTP")]], None, Mode::Check(None), |server| server.protocol = Protocol::Smtps).await;
    assert_eq!(plain.failure(), (Stage::Tls, Some(Cause::PlaintextInTls), "needs_smtp"));
    let Some(Fix::UseStarttls { .. }) = plain.finished.diagnosis.unwrap().fix else { panic!("no fix") };
    // TLS where SMTP was expected; the alert ends with a line feed.
    let tls = run(vec![vec![raw(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a])]], None, Mode::Check(None), |_| {}).await;
    assert_eq!(tls.failure(), (Stage::Greeting, Some(Cause::TlsInPlaintext), "needs_smtps"));
    let Some(Fix::UseSmtps { .. }) = tls.finished.diagnosis.unwrap().fix else { panic!("no fix") };
    assert!(!tls.log.has("EHLO"));
}

#[tokio::test]
async fn credentials_go_only_over_the_encrypted_part() {
    let ca = Authority::new("Test authority");
    let script = [
        starttls("220 go"),
        vec![Act::Handshake(ca.server(&[HOST], |_| {}))],
        ehlo("AUTH PLAIN").to_vec(),
        on("AUTH PLAIN ", "235 welcome").to_vec(),
        transaction(),
    ]
    .concat();
    let run = run(vec![script], Some(&ca.pem()), sending(), |server| {
        with(StartTls::EnabledAndRequired)(server);
        server.sign_in = domain::smtp_server::SignIn::Password { username: "anna".into() };
    })
    .await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert!(run.log.has("AUTH") && !run.log.has_in_clear("AUTH"));
    assert!(!run.shown().contains(CANARY));
}

#[tokio::test]
async fn a_refused_introduction_after_the_handshake_is_told_from_the_first() {
    let ca = Authority::new("Test authority");
    let config = || Act::Handshake(ca.server(&[HOST], |_| {}));
    let script = [starttls("220 go"), vec![config()], on("EHLO", "550 no").to_vec(), on("HELO", "550 no").to_vec()].concat();
    let second = run(vec![script], Some(&ca.pem()), sending(), with(StartTls::EnabledAndRequired)).await;
    assert_eq!((second.finished.stage, second.finished.upgraded), (Stage::Ehlo, true));
    assert_eq!(exit_code(&second.finished), 32);

    // The end without close_notify.
    let script = [starttls("220 go"), vec![config(), Act::Hear("EHLO"), Act::Close]].concat();
    let cut = run(vec![script], Some(&ca.pem()), sending(), with(StartTls::Enabled)).await;
    assert_eq!(cut.failure(), (Stage::Ehlo, Some(Cause::Closed), "connection_closed"));
    assert_eq!(cut.log.connections.len(), 1, "no fallback once it was encrypted");
}

#[tokio::test]
async fn a_missing_intermediate_is_an_unknown_issuer() {
    let ca = Authority::new("Test authority");
    let between = ca.intermediate("Between");
    let script = [starttls("220 go"), vec![Act::Handshake(between.server(&[HOST], |_| {}))]].concat();
    let run = run(vec![script], Some(&ca.pem()), sending(), with(StartTls::EnabledAndRequired)).await;
    assert_eq!(run.failure(), (Stage::Tls, Some(Cause::UnknownIssuer), "certificate_unknown_issuer"));
    assert!(run.finished.diagnosis.unwrap().title.contains("CN=Between"));
}

#[tokio::test]
async fn a_sign_in_that_is_gone_after_the_handshake_is_not_tried() {
    let ca = Authority::new("Test authority");
    let script = [
        hello("STARTTLS\nAUTH PLAIN LOGIN"),
        on("STARTTLS", "220 go").to_vec(),
        vec![Act::Handshake(ca.server(&[HOST], |_| {}))],
        ehlo("STARTTLS").to_vec(),
    ]
    .concat();
    let run = run(vec![script], Some(&ca.pem()), sending(), |server| {
        with(StartTls::EnabledAndRequired)(server);
        server.sign_in = domain::smtp_server::SignIn::Password { username: "anna".into() };
    })
    .await;
    assert_eq!(run.failure(), (Stage::Auth, Some(Cause::AuthNotOffered), "auth_not_offered"));
    stays_silent_after_failure(&run);
}

#[tokio::test]
async fn an_end_without_close_notify_after_the_acceptance_changes_nothing() {
    let ca = Authority::new("Test authority");
    let script =
        [starttls("220 go"), vec![Act::Handshake(ca.server(&[HOST], |_| {}))], ehlo("").to_vec(), transaction(), vec![Act::Close]]
            .concat();
    let run = run(vec![script], Some(&ca.pem()), sending(), with(StartTls::EnabledAndRequired)).await;
    assert_eq!((run.outcome(), run.finished.queue_id.as_deref()), (Outcome::Sent, Some("4F2B1C")), "{:?}", run.finished);
    assert_eq!(run.log.connections.len(), 1);
}
