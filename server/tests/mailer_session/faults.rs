//! What a peer may do to us: each ends in bounded time and memory, at the right stage, with its own diagnosis.

use std::time::Duration;

use domain::host::Host;
use domain::smtp_server::{SmtpServer, StartTls};
use domain::transcript::{Cause, Outcome, Stage, What, exit_code};
use server::mailer::{Mode, SessionDeadline, TestRun};

use super::peer::{Act, Peer, on, raw, say};
use super::{entry, hello, mailer, run, sending, smtp, transaction};

#[tokio::test]
async fn every_fault_at_the_greeting_and_the_introduction() {
    use Stage::{Ehlo, Greeting};
    let endless_line = vec![Act::SayForEver(vec![b'x'; 64 << 10])];
    let mut long_line = b"220 ".to_vec();
    long_line.resize(4 << 20, b'x');
    long_line.extend_from_slice(b"\r\n");
    let endless_reply = vec![Act::SayForEver(b"220-and on\r\n".repeat(1000))];
    let table: Vec<(&str, Vec<Act>, Stage, Cause, &str)> = vec![
        ("none", vec![Act::Silence], Greeting, Cause::Timeout, "no_greeting"),
        ("closed", vec![Act::Close], Greeting, Cause::Closed, "connection_closed"),
        ("a line of 4 MiB", vec![raw(&long_line)], Greeting, Cause::TooLong, "not_smtp"),
        ("endless line", endless_line, Greeting, Cause::TooLong, "not_smtp"),
        ("endless reply", endless_reply, Greeting, Cause::TooLong, "not_smtp"),
        ("another protocol", vec![say("HTTP/1.1 400 Bad Request")], Greeting, Cause::Malformed, "not_smtp"),
        ("SSH", vec![say("SSH-2.0-OpenSSH_9.9")], Greeting, Cause::Malformed, "not_smtp"),
        ("half a line", vec![raw(b"220 mail"), Act::Silence], Greeting, Cause::Unfinished, "not_smtp"),
        ("half a reply", vec![raw(b"220-mail\r\n"), Act::Silence], Greeting, Cause::Unfinished, "not_smtp"),
        ("CR only", vec![raw(b"220 mail\r"), Act::Silence], Greeting, Cause::Unfinished, "not_smtp"),
        ("mixed codes", vec![raw(b"220-mail\r\n221 x\r\n")], Greeting, Cause::Malformed, "not_smtp"),
        ("999", vec![say("999 mail")], Greeting, Cause::Malformed, "not_smtp"),
        ("25", vec![say("25")], Greeting, Cause::Malformed, "not_smtp"),
        ("250", vec![say("250 hello")], Greeting, Cause::Unexpected, "not_smtp"),
        ("421", vec![say("421 4.3.2 busy")], Greeting, Cause::Rejected, "server_busy"),
        ("451", vec![say("451 not you")], Greeting, Cause::Rejected, "turned_away"),
        ("554", vec![say("554 5.7.1 no")], Greeting, Cause::Rejected, "turned_away"),
        ("EHLO: silence", vec![say("220 x"), Act::Silence], Ehlo, Cause::Timeout, "reply_timeout"),
        ("EHLO: 4xx", [vec![say("220 x")], on("EHLO", "450 no").to_vec()].concat(), Ehlo, Cause::Rejected, "temporary_refusal"),
        (
            "EHLO and HELO: 5xx",
            [vec![say("220 x")], on("EHLO", "502 no").to_vec(), on("HELO", "550 no").to_vec()].concat(),
            Ehlo,
            Cause::Rejected,
            "refused",
        ),
        ("EHLO: closed", vec![say("220 x"), Act::Hear("EHLO"), Act::Close], Ehlo, Cause::Closed, "connection_closed"),
        ("EHLO: reset", vec![say("220 x"), Act::Hear("EHLO"), Act::Reset], Ehlo, Cause::Broken, "connection_closed"),
        (
            "EHLO: half",
            vec![say("220 x"), Act::Hear("EHLO"), raw(b"250-x\r\n250-SI"), Act::Silence],
            Ehlo,
            Cause::Unfinished,
            "half_reply",
        ),
        (
            "EHLO: endless",
            vec![say("220 x"), Act::Hear("EHLO"), Act::SayForEver(b"250-x\r\n".repeat(999))],
            Ehlo,
            Cause::TooLong,
            "protocol_error",
        ),
        ("EHLO: 354", [vec![say("220 x")], on("EHLO", "354 go").to_vec()].concat(), Ehlo, Cause::Unexpected, "unexpected_reply"),
        ("early reply", vec![say("220 x\n250 already")], Ehlo, Cause::OutOfStep, "protocol_error"),
    ];
    for (name, script, stage, cause, kind) in table {
        let run = run(vec![script], None, sending(), |server| server.timeout_ms = 150).await;
        assert_eq!(run.outcome(), Outcome::Failed, "{name}");
        assert_eq!(run.failure(), (stage, Some(cause), kind), "{name}");
        assert!(run.took < Duration::from_secs(3), "{name} took {:?}", run.took);
        assert!(!run.log.has("MAIL") && !run.log.has("AUTH"), "{name}: {:?}", run.log);
        assert!(run.shown().len() < 1 << 20, "{name}");
        assert!(stage > Greeting || !run.log.has("EHLO"), "{name}");
    }
}

#[tokio::test]
async fn every_refusal_and_break_of_a_transaction() {
    use Stage::{Data, MailFrom, RcptTo};
    let mail = on("MAIL", "250 ok").to_vec();
    let rcpt = on("RCPT", "250 ok").to_vec();
    let table: Vec<(&str, Vec<Act>, Stage, Cause, &str)> = vec![
        ("MAIL 530", on("MAIL", "530 5.7.0 sign in").to_vec(), MailFrom, Cause::Rejected, "sign_in_needed"),
        ("MAIL 550", on("MAIL", "550 5.7.60 not yours").to_vec(), MailFrom, Cause::Rejected, "sender_not_allowed"),
        ("MAIL 553", on("MAIL", "553 what").to_vec(), MailFrom, Cause::Rejected, "sender_refused"),
        ("MAIL 450", on("MAIL", "450 later").to_vec(), MailFrom, Cause::Rejected, "greylisted"),
        ("MAIL 552", on("MAIL", "552 5.3.4 big").to_vec(), MailFrom, Cause::Rejected, "too_big"),
        ("MAIL closed", vec![Act::Hear("MAIL"), Act::Close], MailFrom, Cause::Closed, "connection_closed"),
        ("MAIL reset", vec![Act::Hear("MAIL"), Act::Reset], MailFrom, Cause::Broken, "connection_closed"),
        ("MAIL silence", vec![Act::Silence], MailFrom, Cause::Timeout, "reply_timeout"),
        ("MAIL half", vec![Act::Hear("MAIL"), raw(b"25"), Act::Silence], MailFrom, Cause::Unfinished, "half_reply"),
        ("MAIL extra", [on("MAIL", "250 ok\n250 ok").to_vec()].concat(), RcptTo, Cause::OutOfStep, "protocol_error"),
        ("RCPT 550", [mail.clone(), on("RCPT", "550 5.1.1 who").to_vec()].concat(), RcptTo, Cause::Rejected, "unknown_recipient"),
        ("RCPT 550 relay", [mail.clone(), on("RCPT", "550 5.7.1 no").to_vec()].concat(), RcptTo, Cause::Rejected, "relay_denied"),
        ("RCPT 451", [mail.clone(), on("RCPT", "451 4.7.1 grey").to_vec()].concat(), RcptTo, Cause::Rejected, "greylisted"),
        ("RCPT 452", [mail.clone(), on("RCPT", "452 4.2.2 full").to_vec()].concat(), RcptTo, Cause::Rejected, "mailbox_full"),
        ("RCPT 421", [mail.clone(), on("RCPT", "421 bye").to_vec()].concat(), RcptTo, Cause::Rejected, "server_busy"),
        ("RCPT closed", [mail.clone(), vec![Act::Hear("RCPT"), Act::Close]].concat(), RcptTo, Cause::Closed, "connection_closed"),
        ("DATA 503", [mail.clone(), rcpt.clone(), on("DATA", "503 no").to_vec()].concat(), Data, Cause::Rejected, "refused"),
        (
            "DATA closed",
            [mail.clone(), rcpt.clone(), vec![Act::Hear("DATA"), Act::Close]].concat(),
            Data,
            Cause::Closed,
            "connection_closed",
        ),
        (
            "DATA silence",
            [mail.clone(), rcpt.clone(), vec![Act::Hear("DATA"), Act::Silence]].concat(),
            Data,
            Cause::Timeout,
            "reply_timeout",
        ),
    ];
    for (name, script, stage, cause, kind) in table {
        let run = run(vec![[hello(""), script].concat()], None, sending(), |server| server.timeout_ms = 150).await;
        assert_eq!(run.outcome(), Outcome::Failed, "{name}");
        assert_eq!(run.failure(), (stage, Some(cause), kind), "{name}");
        assert!(!run.log.lines().iter().any(|line| line.starts_with("MESSAGE") || line.starts_with("Date:")), "{name}");
        assert!(stage >= Data || !run.log.has("DATA"), "{name}: {:?}", run.log);
    }
}

#[tokio::test]
async fn odd_but_harmless_servers_work() {
    let lf_only = vec![
        raw(b"220 x\n"),
        Act::Hear("EHLO"),
        raw(b"250\n"),
        Act::Hear("MAIL"),
        raw(b"250\n"),
        Act::Hear("RCPT"),
        raw(b"250-\n250\n"),
        Act::Hear("DATA"),
        raw(b"354\n"),
        Act::HearMessage,
        raw(b"250\n"),
    ];
    let foreign = [vec![raw(b"220 gr\xfc\xdf dich \x00\x1b[2J\r\n")], on("EHLO", "250 x").to_vec(), transaction()].concat();
    let helo = [vec![say("220 x")], on("EHLO", "500 what?").to_vec(), on("HELO", "250 x").to_vec(), transaction()].concat();
    let lower = [
        vec![say("220 x")],
        on("EHLO", "250-x\n250-size 0\n250-size 99999999999999999999\n250-size\n250 smtputf8").to_vec(),
        transaction(),
    ]
    .concat();
    for (name, script) in [("LF only, codes only", lf_only), ("foreign bytes", foreign), ("HELO", helo), ("absurd SIZE", lower)] {
        let run = run(vec![script], None, sending(), |_| {}).await;
        assert_eq!(run.outcome(), Outcome::Sent, "{name}: {:?}", run.finished);
        assert!(name != "foreign bytes" || run.shown().contains(r"gr\\xFC\\xDF dich \\x00\\x1B[2J"), "{}", run.shown());
    }
}

#[tokio::test]
async fn an_ignored_goodbye_changes_nothing() {
    let script = [hello(""), transaction(), vec![Act::Hear("QUIT"), Act::Silence]].concat();
    let run = run(vec![script], None, sending(), |server| server.timeout_ms = 150).await;
    assert_eq!((run.outcome(), run.finished.stage), (Outcome::Sent, Stage::Accepted));
    assert!(run.took < Duration::from_secs(2));
}

#[tokio::test]
async fn dripping_does_not_prolong_a_step() {
    // 60 lines, each well within the Timeout; together far beyond it.
    let mut script = vec![];
    for _ in 0..600 {
        script.push(raw(b"220-x\r\n"));
    }
    script.push(Act::Silence);
    let run = run(vec![script], None, sending(), |server| server.timeout_ms = 150).await;
    assert_eq!(run.failure().1, Some(Cause::Unfinished));
    assert!(run.took < Duration::from_secs(2));
}

#[tokio::test]
async fn what_cannot_be_reached() {
    let unknown = run(vec![], None, Mode::Check(None), |server| server.host = Host::Dns("nowhere.test".into())).await;
    assert_eq!(unknown.failure(), (Stage::Resolve, Some(Cause::NameNotFound), "name_not_found"));
    assert!(!unknown.events.iter().any(|event| matches!(event.what, What::Begun { stage: Stage::Connect })));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let run = server::mailer::TestRun::new(entry(address), None, Mode::Check(None));
    let finished = mailer(None).run(run, &mut |_| {}).await;
    assert_eq!((finished.stage, finished.cause), (Stage::Connect, Some(Cause::ConnectionRefused)));
    assert_eq!(finished.diagnosis.unwrap().kind, "connection_refused");
}

#[tokio::test]
async fn the_whole_run_has_a_deadline() {
    let peer = Peer::new(vec![vec![Act::Silence]]).await;
    let deadline = SessionDeadline { factor: 1, min: Duration::ZERO, max: Duration::from_millis(100) };
    let run = TestRun::new(entry(peer.address), None, sending());
    let finished = mailer(None).with_session_deadline(deadline).run(run, &mut |_| {}).await;
    assert_eq!((finished.stage, finished.cause), (Stage::Greeting, Some(Cause::Deadline)));
    assert_eq!(finished.diagnosis.as_ref().unwrap().kind, "deadline");
    assert_eq!(exit_code(&finished), 42);
    assert!(peer.log().await.lines().is_empty());
}

#[tokio::test]
async fn a_slow_banner_is_waited_for() {
    let slow = || Act::Dawdle(Duration::from_millis(300));
    let script =
        [vec![slow(), raw(b"220-mail"), slow(), raw(b".test\r\n220 hello\r\n")], hello("")[1..].to_vec(), transaction()].concat();
    let sent = run(vec![script.clone()], None, sending(), |_| {}).await;
    assert_eq!(sent.outcome(), Outcome::Sent, "{:?}", sent.finished);
    // Longer than the entry allows.
    let late = run(vec![script], None, sending(), |server| server.timeout_ms = 100).await;
    assert_eq!(late.failure(), (Stage::Greeting, Some(Cause::Timeout), "no_greeting"));
    assert!(late.log.lines().is_empty());
}

#[tokio::test]
async fn a_reply_too_many_ends_it_wherever_it_comes() {
    let ok = |command: &'static str| on(command, "250 ok").to_vec();
    let ehlo = |answer: &str| [vec![say("220 x")], on("EHLO", answer).to_vec()].concat();
    let table: Vec<(&str, Vec<Act>, Stage)> = vec![
        ("greeting", vec![say("220 x\n220 again")], Stage::Ehlo),
        ("EHLO", ehlo("250 x\n250 again"), Stage::MailFrom),
        ("MAIL", [hello(""), on("MAIL", "250 ok\n250 ok").to_vec()].concat(), Stage::RcptTo),
        ("RCPT", [hello(""), ok("MAIL"), on("RCPT", "250 ok\n354 go").to_vec()].concat(), Stage::Data),
        ("DATA", [hello(""), ok("MAIL"), ok("RCPT"), on("DATA", "354 go\n250 queued").to_vec()].concat(), Stage::Data),
        (
            "pipelined",
            [
                hello("PIPELINING"),
                vec![Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA"), say("250 ok\n250 ok\n354 go\n250 queued as 7")],
            ]
            .concat(),
            Stage::Data,
        ),
    ];
    for (name, script, stage) in table {
        let run = run(vec![script], None, sending(), |_| {}).await;
        let (failed_in, cause, kind) = run.failure();
        assert_eq!((cause, kind), (Some(Cause::OutOfStep), "protocol_error"), "{name}: {:?}", run.finished);
        assert_eq!(failed_in, stage, "{name}");
        assert!(!run.log.lines().iter().any(|line| line.starts_with("Date:") || line.starts_with("MESSAGE")), "{name}");
    }
    // One too many after the acceptance takes nothing back.
    let script = [hello(""), transaction(), vec![say("250 and again")]].concat();
    let run = run(vec![script], None, sending(), |_| {}).await;
    assert_eq!((run.outcome(), run.finished.queue_id.as_deref()), (Outcome::Sent, Some("4F2B1C")), "{:?}", run.finished);
}

#[tokio::test]
async fn a_goodbye_that_nobody_asked_for_is_told_as_one_and_other_lines_are_shown() {
    let starttls = |server: &mut SmtpServer| server.protocol = smtp(StartTls::Enabled);
    let bye = || say("250 ok\n421-4.4.2 idle too long\n421 4.4.2 bye");
    let at_hello = vec![say("220 x"), Act::Hear("EHLO"), say("250-x\n250 STARTTLS\n421 4.4.2 bye"), Act::Close];
    let table = [
        ("after the introduction", at_hello.clone(), StartTls::Disabled, Stage::MailFrom),
        ("before STARTTLS: no refusal of it", at_hello, StartTls::Enabled, Stage::Starttls),
        ("after MAIL", [hello(""), vec![Act::Hear("MAIL"), bye(), Act::Close]].concat(), StartTls::Disabled, Stage::RcptTo),
        ("after MAIL, still open", [hello(""), vec![Act::Hear("MAIL"), bye()]].concat(), StartTls::Disabled, Stage::RcptTo),
    ];
    for (name, script, mode, stage) in table {
        let run = run(vec![script, hello("")], None, sending(), |server| server.protocol = smtp(mode)).await;
        assert_eq!(run.failure(), (stage, Some(Cause::Rejected), "server_busy"), "{name}: {:?}", run.finished);
        let reply = run.finished.reply.as_ref().unwrap();
        assert_eq!((reply.code, reply.enhanced.as_deref()), (421, Some("4.4.2")), "{name}");
        assert_eq!(run.log.connections.len(), 1, "{name}");
        assert!(run.shown().contains("4.4.2 bye"), "{name}");
        assert!(!run.log.has("QUIT") && !run.log.has("STARTTLS"), "{name}: nothing more is said");
    }
    // Half a goodbye is none, and any other line is the evidence.
    for stray in ["421-4.4.2 idle\r\n42", "250 2.0.0 surprise\r\n421 bye\r\n", "x\x1b"] {
        let script =
            vec![say("220 x"), Act::Hear("EHLO"), raw(format!("250-x\r\n250 STARTTLS\r\n{stray}").as_bytes()), Act::Silence];
        let run = run(vec![script], None, sending(), starttls).await;
        assert_eq!(run.failure(), (Stage::Starttls, Some(Cause::OutOfStep), "protocol_error"), "{stray}");
        let last = run.events.iter().rev().find_map(|event| match &event.what {
            What::Received { line, .. } => Some(line.as_str()),
            _ => None,
        });
        assert_eq!(last, Some(stray.trim_end().rsplit('\n').next().unwrap().replace('\x1b', "\\x1B").as_str()));
    }
}

#[tokio::test]
async fn absurd_capabilities_are_read_for_what_they_are() {
    // Lower case, twice, with rubbish in between and far more mechanisms than there are.
    let mechanisms = (0..300).map(|n| format!("X{n}")).collect::<Vec<_>>().join(" ");
    let capabilities = format!(
        "size 1000000\nSIZE\n\n=\n AUTH\npipelining\nPIPELINING\nauth=\nauth plain\nAUTH PLAIN plain\nauth {mechanisms}\n{}",
        "x".repeat(900)
    );
    let script = [
        hello(&capabilities),
        on("AUTH PLAIN ", "235 welcome").to_vec(),
        vec![
            Act::Hear("MAIL FROM:<scan@example.com> SIZE="),
            Act::Hear("RCPT TO:<anna@example.org>"),
            Act::Hear("DATA"),
            say("250 ok\n250 ok\n354 go"),
            Act::HearMessage,
            say("250 ok"),
        ],
    ]
    .concat();
    let run = run(vec![script], None, sending(), |server| {
        server.sign_in = domain::smtp_server::SignIn::Password { username: super::canary::USER.into() };
        server.protocol = domain::smtp_server::Protocol::Smtp {
            starttls: domain::smtp_server::StartTls::Disabled,
            allow_plaintext_credentials: true,
        };
    })
    .await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert!(run.shown().len() < 64 << 10);
}
