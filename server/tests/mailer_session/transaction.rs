//! What is sent, to whom, and what each reply leads to.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::size::{Size, encoded_size};
use domain::smtp_server::{Envelope, SmtpServer};
use domain::transcript::{Cause, Event, Finished, Outcome, Security, Stage, What, headline};
use server::mailer::{Mode, TestRun};
use tokio::sync::Notify;

use super::peer::{Act, Log, Peer, on, say};
use super::{HOST, entry, envelope, hello, mailer, run, sending, transaction};

#[tokio::test]
async fn a_test_message_arrives_as_it_should() {
    let run = run(vec![[hello("SIZE 1000000\n8BITMIME\nSMTPUTF8"), transaction()].concat()], None, sending(), |_| {}).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert_eq!(run.finished.stage, Stage::Accepted);
    assert_eq!(run.finished.security, Security::Plaintext);
    assert_eq!(run.finished.queue_id.as_deref(), Some("4F2B1C"));
    assert_eq!(headline(&run.finished, HOST), "Sent. mail.test accepted the message as 4F2B1C, unencrypted.");
    let lines = run.log.lines();
    assert_eq!(lines[0], "EHLO client.test");
    let message = lines[4];
    assert_eq!(
        lines[1],
        format!("MAIL FROM:<scan@example.com> SIZE={}", message.len() - "MESSAGE\n".len() + message[8..].matches('\n').count())
    );
    assert!(message.contains("\nFrom: scan@example.com\n") && message.contains("\nTo: anna@example.org\n"), "{message}");
    assert_eq!(lines[5..], ["QUIT"]);
    // The message itself is only counted.
    assert!(!run.shown().contains("Auto-Submitted"), "{}", run.shown());
}

/// A test message with a file of so many bytes.
fn attaching(bytes: u64) -> Mode {
    Mode::Send(Envelope { attachment: Some(Size::from_bytes(bytes)), ..envelope(&["anna@example.org"]) })
}

#[tokio::test]
async fn a_file_of_the_size_that_was_chosen_goes_with_it() {
    // Below the threshold a file stays a file, whether or not links are made above it.
    for as_url in [false, true] {
        let script = vec![[hello("SIZE 1000000"), transaction()].concat()];
        let run = run(script, None, attaching(100_000), |server| server.attachments.as_url = as_url).await;
        assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
        let lines = run.log.lines();
        let message = lines[4].strip_prefix("MESSAGE\n").unwrap();
        let size: usize = lines[1].split("SIZE=").nth(1).unwrap().parse().unwrap();
        assert_eq!(size, message.len() + message.matches('\n').count(), "as it was announced");
        let boundary = message.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let parts: Vec<&str> = message.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 4);
        assert!(parts[1].contains("This is a test message.") && parts[2].contains("filename=\"postroom-100000-bytes.bin\""));
        let encoded = parts[2].split("\n\n").nth(1).unwrap().replace('\n', "");
        assert_eq!(STANDARD.decode(encoded).unwrap().len(), 100_000);
        assert!(!run.shown().contains("multipart/mixed"), "the message itself is only counted");
    }
}

#[tokio::test]
async fn what_is_too_big_for_the_entry_is_refused_before_anything_is_opened() {
    for (as_url, cause, kind) in
        [(false, Cause::AttachmentsTooBig, "attachments_too_big"), (true, Cause::LinksUnsupported, "links_unsupported")]
    {
        let change = |server: &mut SmtpServer| {
            server.attachments.as_url = as_url;
            server.attachments.threshold = Size::from_bytes(encoded_size(1000) - 1);
        };
        let run = run(vec![], None, attaching(1000), change).await;
        assert_eq!(run.failure(), (Stage::Resolve, Some(cause), kind));
        let title = run.finished.diagnosis.unwrap().title;
        assert!(title.contains("1372") && title.contains("1371"), "both sizes are told: {title}");
        assert!(run.log.connections.is_empty());
    }
    // The threshold itself is fine, and none at all lets nothing through.
    let exact = |server: &mut SmtpServer| server.attachments.threshold = Size::from_bytes(encoded_size(1000));
    let run = run(vec![[hello(""), transaction()].concat()], None, attaching(1000), exact).await;
    assert_eq!(run.outcome(), Outcome::Sent);
    let run = super::run(vec![], None, attaching(1), |server| server.attachments.threshold = Size::from_bytes(0)).await;
    assert_eq!(run.finished.cause, Some(Cause::AttachmentsTooBig));
}

#[tokio::test]
async fn a_check_hands_nothing_over() {
    let none = run(vec![hello("")], None, Mode::Check(None), |_| {}).await;
    assert_eq!((none.outcome(), none.finished.stage), (Outcome::Checked, Stage::Ehlo));
    assert_eq!(none.log.lines(), ["EHLO client.test", "QUIT"]);

    let script = [hello(""), on("MAIL", "250 ok").to_vec(), on("RCPT", "250 ok").to_vec()].concat();
    let some = run(vec![script], None, Mode::Check(Some(envelope(&["anna@example.org"]))), |_| {}).await;
    assert_eq!((some.outcome(), some.finished.stage), (Outcome::Checked, Stage::RcptTo));
    assert_eq!(some.log.lines()[3..], ["RSET", "QUIT"]);
    assert!(!some.log.has("DATA"));
}

#[tokio::test]
async fn a_refused_recipient_is_that_recipients_result() {
    let script = [
        hello("").as_slice(),
        &on("MAIL", "250 ok"),
        &on("RCPT TO:<a@example.org>", "250 ok"),
        &on("RCPT TO:<b@example.org>", "550 5.1.1 unknown"),
        &on("RCPT TO:<c@example.org>", "251 forwards"),
        &on("RCPT TO:<d@example.org>", "252 cannot verify"),
        &on("DATA", "354"),
        &[Act::HearMessage, say("250 OK id=1tAbCd-000001-Xy")],
    ]
    .concat();
    let to = ["a@example.org", "b@example.org", "c@example.org", "d@example.org"];
    let run = run(vec![script], None, Mode::Send(envelope(&to)), |_| {}).await;
    assert_eq!(run.outcome(), Outcome::Sent);
    assert!(run.finished.partial);
    assert_eq!(run.finished.recipients.iter().map(|r| r.accepted).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(run.finished.queue_id.as_deref(), Some("1tAbCd-000001-Xy"));
}

#[tokio::test]
async fn nothing_is_sent_when_every_recipient_is_refused() {
    let script = [hello(""), on("MAIL", "250 ok").to_vec(), on("RCPT", "554 5.7.1 Relay access denied").to_vec()].concat();
    let run = run(vec![script], None, sending(), |_| {}).await;
    assert_eq!(run.failure(), (Stage::RcptTo, Some(Cause::Rejected), "relay_denied"));
    assert!(!run.log.has("DATA"));
}

#[tokio::test]
async fn only_354_lets_the_message_go() {
    for (answer, cause) in [("250 ok", Cause::Unexpected), ("554 no", Cause::Rejected), ("451 later", Cause::Rejected)] {
        let script =
            [hello(""), on("MAIL", "250 ok").to_vec(), on("RCPT", "250 ok").to_vec(), on("DATA", answer).to_vec()].concat();
        let run = run(vec![script], None, sending(), |_| {}).await;
        assert_eq!((run.outcome(), run.finished.stage, run.finished.cause), (Outcome::Failed, Stage::Data, Some(cause)));
        assert!(!run.log.has("Date:") && !run.log.has("From:"), "{:?}", run.log);
    }
}

#[tokio::test]
async fn a_message_beyond_the_servers_limit_is_not_begun() {
    let run = run(vec![hello("SIZE 100")], None, sending(), |_| {}).await;
    assert_eq!(run.failure(), (Stage::MailFrom, Some(Cause::TooBig), "too_big"));
    assert!(run.finished.diagnosis.unwrap().title.contains("takes 100 at most"));
    assert_eq!(run.log.lines(), ["EHLO client.test", "QUIT"]);
}

#[tokio::test]
async fn a_foreign_address_needs_smtputf8() {
    let to = || Mode::Send(envelope(&["bj\u{f6}rn@example.org"]));
    let without = run(vec![hello("8BITMIME")], None, to(), |_| {}).await;
    assert_eq!(without.failure(), (Stage::MailFrom, Some(Cause::Smtputf8NotOffered), "smtputf8_not_offered"));
    assert!(!without.log.has("MAIL"));

    let script = [
        hello("8BITMIME\nSMTPUTF8").as_slice(),
        &on("MAIL FROM:<scan@example.com> BODY=8BITMIME SMTPUTF8", "250 ok"),
        &on("RCPT TO:<bj\u{f6}rn@example.org>", "250 ok"),
        &on("DATA", "354"),
        &[Act::HearMessage, say("250 ok")],
    ]
    .concat();
    let with = run(vec![script], None, to(), |_| {}).await;
    assert_eq!(with.outcome(), Outcome::Sent, "{:?}", with.finished);
}

#[tokio::test]
async fn after_the_final_dot_only_a_refusal_is_a_failure() {
    let start = [hello(""), on("MAIL", "250 ok").to_vec(), on("RCPT", "250 ok").to_vec(), on("DATA", "354").to_vec()].concat();
    let table = [
        (vec![Act::HearMessage, say("554 5.7.1 spam")], Outcome::Failed, Cause::Rejected, "sender_not_allowed"),
        (vec![Act::HearMessage, say("554 5.6.0 spam")], Outcome::Failed, Cause::Rejected, "content_refused"),
        (vec![Act::HearMessage, say("451 4.7.1 later")], Outcome::Failed, Cause::Rejected, "greylisted"),
        (vec![Act::HearMessage, Act::Close], Outcome::Unknown, Cause::Closed, "reply_lost"),
        (vec![Act::HearMessage, Act::Silence], Outcome::Unknown, Cause::Timeout, "reply_lost"),
        (vec![Act::HearMessage, say("hello?")], Outcome::Unknown, Cause::Malformed, "reply_lost"),
        (vec![Act::HearMessage, say("354 more")], Outcome::Unknown, Cause::Unexpected, "reply_lost"),
    ];
    for (end, outcome, cause, kind) in table {
        let run = run(vec![[start.clone(), end].concat()], None, sending(), |server| server.timeout_ms = 100).await;
        assert_eq!(run.outcome(), outcome, "{cause:?}");
        assert_eq!(run.failure(), (Stage::Accepted, Some(cause), kind));
    }
}

#[tokio::test]
async fn what_may_go_ahead_goes_in_one_go() {
    let script = [
        hello("PIPELINING"),
        vec![
            Act::Hear("MAIL FROM:<scan@example.com>"),
            Act::Hear("RCPT TO:<a@example.org>"),
            Act::Hear("RCPT TO:<b@example.org>"),
            Act::Hear("DATA"),
            say("250 ok\n550 5.1.1 who\n250 ok\n354 go on"),
            Act::HearMessage,
            say("250 queued as 77"),
        ],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Send(envelope(&["a@example.org", "b@example.org"])), |_| {}).await;
    assert_eq!((run.outcome(), run.finished.partial), (Outcome::Sent, true), "{:?}", run.finished);
    assert_eq!(run.finished.recipients.iter().map(|r| r.accepted).collect::<Vec<_>>(), [false, true]);
    assert_eq!(run.finished.queue_id.as_deref(), Some("77"));
}

#[tokio::test]
async fn what_went_ahead_in_vain_is_taken_back() {
    let ahead =
        |replies: &str| [hello("PIPELINING"), vec![Act::Hear("MAIL"), Act::Hear("RCPT"), Act::Hear("DATA"), say(replies)]].concat();
    // The server refuses everybody and takes DATA all the same: an empty message for nobody ends it.
    let script = [ahead("250 ok\n550 5.1.1 who\n354 go on"), on(".", "554 5.5.1 no recipients").to_vec()].concat();
    let refused = run(vec![script], None, sending(), |_| {}).await;
    assert_eq!(refused.failure(), (Stage::RcptTo, Some(Cause::Rejected), "unknown_recipient"));
    assert_eq!(refused.log.lines()[4..], [".", "QUIT"]);

    let sender = run(vec![ahead("553 5.7.1 not yours\n503 no\n503 no")], None, sending(), |_| {}).await;
    assert_eq!(sender.failure(), (Stage::MailFrom, Some(Cause::Rejected), "sender_not_allowed"));
    assert_eq!(sender.log.lines()[4..], ["QUIT"]);

    let check = [hello("PIPELINING"), vec![Act::Hear("MAIL"), Act::Hear("RCPT"), say("250 ok\n250 ok")]].concat();
    let check = run(vec![check], None, Mode::Check(Some(envelope(&["anna@example.org"]))), |_| {}).await;
    assert_eq!(check.outcome(), Outcome::Checked);
    assert!(!check.log.has("DATA"));
}

#[tokio::test]
async fn a_reply_before_the_message_is_not_taken_for_the_one_after_it() {
    let script =
        [hello(""), on("MAIL", "250 ok").to_vec(), on("RCPT", "250 ok").to_vec(), on("DATA", "354 go\n250 queued as 1").to_vec()]
            .concat();
    let run = run(vec![script], None, sending(), |_| {}).await;
    assert_eq!(run.failure(), (Stage::Data, Some(Cause::OutOfStep), "protocol_error"));
    assert!(!run.log.lines().iter().any(|line| line.starts_with("Date:") || line.starts_with("MESSAGE")));
}

#[tokio::test]
async fn eight_bit_and_big_messages_are_refused_where_they_are_not_taken() {
    // The header names the recipient as he is written, beyond ASCII.
    let to = || Mode::Send(envelope(&["bj\u{f6}rn@example.org"]));
    // A check finds what a message would.
    for mode in [to(), Mode::Check(Some(envelope(&["bj\u{f6}rn@example.org"])))] {
        let run_8 = run(vec![hello("SMTPUTF8")], None, mode, |_| {}).await;
        assert_eq!(run_8.failure(), (Stage::MailFrom, Some(Cause::EightBitMimeNotOffered), "eight_bit_not_offered"));
        assert!(!run_8.log.has("MAIL"));
    }

    // The limit that was announced and our size are told side by side, also where the server says it by a reply.
    let script = [hello("SIZE 100000"), on("MAIL", "552 5.3.4 too big for now").to_vec()].concat();
    let big = run(vec![script], None, sending(), |_| {}).await;
    assert_eq!(big.failure(), (Stage::MailFrom, Some(Cause::Rejected), "too_big"));
    let title = big.finished.diagnosis.unwrap().title;
    assert!(title.contains("the announced limit is 100000"), "{title}");

    // A domain beyond ASCII needs neither: it travels as A-label.
    let script = [
        hello("").as_slice(),
        &on("MAIL FROM:<scan@example.com>", "250 ok"),
        &on("RCPT TO:<anna@xn--mnchen-3ya.example>", "250 ok"),
        &on("DATA", "354"),
        &[Act::HearMessage, say("250 ok")],
    ]
    .concat();
    let run = run(vec![script], None, Mode::Send(envelope(&["anna@m\u{fc}nchen.example"])), |_| {}).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert!(run.log.lines().iter().all(|line| line.is_ascii()));
}

#[tokio::test]
async fn replies_as_long_as_they_may_be_do_not_fill_the_result() {
    let long = |code: u16, end: &str| format!("{}{code} {end}", format!("{code}-{}\n", "x".repeat(900)).repeat(90));
    let mut script = [hello(""), on("MAIL", "250 ok").to_vec()].concat();
    script.extend((0..20).flat_map(|_| on("RCPT", &long(550, "no"))));
    let to: Vec<String> = (0..20).map(|n| format!("r{n}@example.org")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let run = run(vec![script], None, Mode::Send(envelope(&to)), |_| {}).await;
    assert_eq!(run.failure(), (Stage::RcptTo, Some(Cause::Rejected), "unknown_recipient"));
    assert_eq!(run.finished.recipients.len(), 20);
    let result = serde_json::to_string(&run.finished).unwrap();
    assert!(result.len() < 150_000 && result.contains("x…"), "{} bytes", result.len());
    assert!(run.shown().len() < 700_000, "{} bytes", run.shown().len());

    // The whole is read all the same: the queue id stands at its end.
    let script = [hello(""), transaction()[..7].to_vec(), vec![say(&long(250, "ok: queued as 4F2B1C"))]].concat();
    let run = super::run(vec![script], None, sending(), |_| {}).await;
    assert_eq!((run.outcome(), run.finished.queue_id.as_deref()), (Outcome::Sent, Some("4F2B1C")), "{:?}", run.finished);
}

#[tokio::test]
async fn greylisting_is_told_and_not_waited_for() {
    for answer in ["450 4.2.0 Greylisted, try again in 5 minutes", "451 4.7.1 Please come back later"] {
        let script = [hello(""), on("MAIL", "250 ok").to_vec(), on("RCPT", answer).to_vec()].concat();
        let run = run(vec![script], None, sending(), |_| {}).await;
        assert_eq!(run.failure(), (Stage::RcptTo, Some(Cause::Rejected), "greylisted"));
        assert!(!run.log.has("DATA") && run.log.connections.len() == 1);
        assert!(run.finished.diagnosis.unwrap().steps[0].contains("5 to 15 minutes"));
        assert!(!run.finished.recipients[0].accepted);
    }
}

#[tokio::test]
async fn a_server_that_takes_one_message_only_is_busy_for_the_next() {
    // It closes in its own way after the message, and turns the next connection away.
    let first = [hello(""), transaction(), vec![say("421 4.7.0 one message only"), Act::Close]].concat();
    let first = run(vec![first], None, sending(), |_| {}).await;
    assert_eq!((first.outcome(), first.finished.queue_id.as_deref()), (Outcome::Sent, Some("4F2B1C")), "{:?}", first.finished);
    let next = run(vec![vec![say("421 4.7.0 one message only"), Act::Close]], None, sending(), |_| {}).await;
    assert_eq!(next.failure(), (Stage::Greeting, Some(Cause::Rejected), "server_busy"));
    assert!(next.log.lines().is_empty());
}

#[tokio::test]
async fn a_dripping_answer_to_the_final_dot_ends_at_its_limit() {
    let script = [hello(""), transaction()[..7].to_vec(), vec![Act::Drip(b"250-wait\r\n")]].concat();
    let run = run(vec![script], None, sending(), |server| server.timeout_ms = 100).await;
    assert_eq!((run.outcome(), run.finished.cause), (Outcome::Unknown, Some(Cause::Unfinished)), "{:?}", run.finished);
    assert_eq!(run.log.connections.len(), 1, "never tried again");
}

/// A message that no socket's buffers hold, though every part of it is allowed.
fn huge() -> Mode {
    let name = "N".repeat(50_000);
    let to: Vec<String> = (0..100).map(|n| format!("{name} <r{n}@example.org>")).collect();
    Mode::Send(envelope(&to.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Takes the huge message's envelope and then stops reading until it is told to go on.
fn deaf_in_data(go_on: &Arc<Notify>) -> Vec<Act> {
    let mut script = [hello(""), on("MAIL", "250 ok").to_vec()].concat();
    script.extend((0..100).flat_map(|_| on("RCPT", "250 ok")));
    script.extend(on("DATA", "354 go"));
    script.extend([Act::Deaf(go_on.clone()), Act::HearMessage]);
    script
}

#[tokio::test]
async fn a_peer_that_stops_reading_gets_no_final_dot() {
    let go_on = Arc::new(Notify::new());
    let peer = Peer::new(vec![deaf_in_data(&go_on)]).await;
    let mut server = entry(peer.address);
    server.timeout_ms = 2_000;
    let mut events = Vec::new();
    let run = TestRun::new(server, None, huge());
    let finished = mailer(None).run(run, &mut |event| events.push(event)).await;
    assert_eq!((finished.outcome, finished.stage, finished.cause), (Outcome::Failed, Stage::Data, Some(Cause::Timeout)));
    assert_eq!(finished.diagnosis.unwrap().kind, "reply_timeout");
    assert!(!events.iter().any(|event| matches!(&event.what, What::Sent { line, .. } if line == ".")));
    go_on.notify_one();
    has_no_end(&peer.log().await);
}

/// The peer heard a part of the message and not its end.
fn has_no_end(log: &Log) {
    let text = log.lines().concat();
    assert!(text.contains("NNNN") && !text.contains("Nobody needs to answer it."), "all or nothing of {} bytes", text.len());
    assert!(!log.has(".") && !log.has("QUIT"));
}

#[tokio::test]
async fn dropping_the_run_ends_it_there_at_every_stage() {
    let hang = |script: Vec<Act>, command: &'static str| [script, vec![Act::Hear(command), Act::Silence]].concat();
    let mail = [hello(""), on("MAIL", "250 ok").to_vec()].concat();
    let rcpt = [mail.clone(), on("RCPT", "250 ok").to_vec()].concat();
    let data = [rcpt.clone(), on("DATA", "354 go").to_vec()].concat();
    let dot = [data.clone(), vec![Act::HearMessage]].concat();
    let queued = [dot.clone(), vec![say("250 queued as 4F2B")]].concat();
    let refused = [dot.clone(), vec![say("554 no")]].concat();
    let table = [
        (vec![Act::Silence], Stage::Greeting, "", Outcome::Cancelled, Stage::Greeting),
        (hang(vec![say("220 x")], "EHLO"), Stage::Ehlo, "EHLO", Outcome::Cancelled, Stage::Ehlo),
        (hang(hello(""), "MAIL"), Stage::MailFrom, "MAIL", Outcome::Cancelled, Stage::MailFrom),
        (hang(mail, "RCPT"), Stage::RcptTo, "RCPT", Outcome::Cancelled, Stage::RcptTo),
        (hang(rcpt, "DATA"), Stage::Data, "DATA", Outcome::Cancelled, Stage::Data),
        ([dot, vec![Act::Silence]].concat(), Stage::Accepted, ".", Outcome::Unknown, Stage::Accepted),
        (hang(queued, "QUIT"), Stage::Quit, "QUIT", Outcome::Sent, Stage::Accepted),
        (hang(refused, "QUIT"), Stage::Quit, "QUIT", Outcome::Failed, Stage::Accepted),
    ];
    for (script, at, line, outcome, stage) in table {
        let peer = Peer::new(vec![script]).await;
        let run = TestRun::new(entry(peer.address), None, sending());
        let is_there = |event: &Event| match &event.what {
            What::Begun { stage } => line.is_empty() && *stage == at,
            What::Sent { stage, line: sent, .. } => !line.is_empty() && *stage == at && sent.starts_with(line),
            _ => false,
        };
        let events = run_until(run, is_there).await;
        let finished = Finished::cancelled(&events);
        assert_eq!((finished.outcome, finished.stage), (outcome, stage), "{at:?}");
        let headline = headline(&finished, HOST);
        let word = match outcome {
            Outcome::Sent => "Sent. mail.test accepted the message as 4F2B",
            Outcome::Unknown => "Unknown. The message was handed to mail.test",
            Outcome::Failed => "Not sent. It failed during the acceptance of the message; nothing was handed over",
            _ => "Cancelled. ",
        };
        assert!(headline.starts_with(word), "{headline}");
        // The socket is closed: the peer's end comes, and nothing of the steps after.
        let log = peer.log().await;
        let message = log.lines().iter().any(|line| line.starts_with("MESSAGE"));
        assert_eq!(message, at >= Stage::Accepted, "{at:?}: {log:?}");
        assert!(at >= Stage::Data || !log.has("DATA"), "{at:?}: {log:?}");
        assert!(at >= Stage::RcptTo || !log.has("RCPT"), "{at:?}: {log:?}");
    }
}

#[tokio::test]
async fn dropping_the_run_in_the_middle_of_the_message_sends_no_final_dot() {
    let go_on = Arc::new(Notify::new());
    let peer = Peer::new(vec![deaf_in_data(&go_on)]).await;
    let run = TestRun::new(entry(peer.address), None, huge());
    let events = run_until(run, |event| matches!(&event.what, What::Sent { line, .. } if line.starts_with("[message"))).await;
    assert_eq!((Finished::cancelled(&events).outcome, Finished::cancelled(&events).stage), (Outcome::Cancelled, Stage::Data));
    go_on.notify_one();
    has_no_end(&peer.log().await);
}

/// Runs until `is_there` and drops the run; what was told up to then.
async fn run_until(run: TestRun, is_there: impl Fn(&Event) -> bool + Sync) -> Vec<Event> {
    let mut events = Vec::new();
    let (there, mut when) = tokio::sync::mpsc::unbounded_channel();
    let mut sink = |event: Event| {
        if is_there(&event) {
            there.send(()).unwrap();
        }
        events.push(event);
    };
    let mailer = mailer(None);
    {
        let mut running = std::pin::pin!(mailer.run(run, &mut sink));
        tokio::select! {
            // What is written at that moment goes on being written until it has to wait.
            biased;
            finished = &mut running => panic!("it went on: {finished:?}"),
            _ = when.recv() => {}
        }
    }
    events
}

#[tokio::test]
async fn a_cancelled_run_tells_how_far_it_had_come() {
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let script = [hello("PIPELINING"), vec![Act::Hear("MAIL"), Act::Tell(reached.clone()), Act::Wait(go.clone())]].concat();
    let peer = Peer::new(vec![script]).await;
    let run = TestRun::new(entry(peer.address), None, sending());
    let mut events = Vec::new();
    let mut sink = |event: Event| events.push(event);
    let finished = mailer(None).run_until(run, &mut sink, reached.notified()).await;
    go.notify_one();
    let log = peer.log().await;
    assert_eq!((finished.outcome, finished.stage, finished.cause), (Outcome::Cancelled, Stage::MailFrom, Some(Cause::Cancelled)));
    assert_eq!(events.last().map(|event| &event.what), Some(&What::Finished(finished)));
    // What went ahead was sent; nothing was said after that, not even goodbye.
    assert!(log.lines().iter().all(|line| !line.starts_with("QUIT") && !line.starts_with('.')), "{log:?}");
}
