//! Messages that applications hand over, over HTTP and against a scripted peer: what is sent, what is refused before anything is
//! opened, and what is remembered.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/peer.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod peer;
mod store_support;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app::backend::{Backend, Caller, Gate, Handover, Links as _, Submissions};
use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use domain::access::{Permit, Role, Verb, Who};
use domain::entry::EntryId;
use domain::submission::{MessagesQuery, SubmissionField, SubmissionId, Verdict};
use domain::transcript::Outcome;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use server::backend::{House, Local};
use server::entries::Entries;
use server::files::{Folder, Limits};
use server::links::Links;
use server::mailer::{Mailer, Resolver};
use server::ports::{SystemClock, SystemRandom};
use server::web::{Hosts, Web, router};
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use peer::{Act, Log, Peer, on, say};
use store_support::{START, TestClock, administrator, open};

const DAY_MS: u64 = 86_400_000;

/// Knows the loopback address under one name.
struct Names;

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    entries: Arc<Entries>,
    house: Arc<House>,
    backend: Arc<Local>,
    /// What the browser of an administrator shows.
    headers: OnceCell<[(&'static str, String); 2]>,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    bench_in(dir, TestClock::new(), Limits { quota: 1 << 30, reserve: 0 })
}

fn bench_in(dir: tempfile::TempDir, clock: Arc<TestClock>, limits: Limits) -> Bench {
    let entries = Arc::new(open(dir.path(), &clock).unwrap());
    let mailer = Mailer::new(None, Arc::new(Names), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let files = Folder::open(&dir.path().join("attachments"), limits, Arc::new(SystemRandom)).unwrap();
    let links = Arc::new(Links::new(&entries, Arc::new(files), Arc::new(SystemRandom)));
    links.serve_at("https://post.example.com".into());
    let house = House::new(Arc::clone(&entries), mailer.with_ehlo_name("client.test")).unwrap();
    let house = Arc::new(house.with_links(links, 30));
    let backend = Arc::new(house.local(caller(Permit::of(Role::Administrator))));
    Bench { dir, clock, entries, house, backend, headers: OnceCell::new() }
}

fn caller(permit: Permit) -> Caller {
    let who = Who::Token { id: domain::access::TokenId(7), name: "scanner".into() };
    Caller { who, address: "192.0.2.7".into(), permit, ..Caller::default() }
}

/// A part of a form: its name, its file's name and type where it is a file, and its content.
type Part<'a> = (&'a str, Option<(&'a str, &'a str)>, &'a [u8]);

/// An answer of the API.
struct Answer {
    status: StatusCode,
    json: Value,
}

impl Bench {
    /// An entry for the peer, with `more` keys.
    async fn entry(&self, name: &str, address: SocketAddr, more: Value) -> EntryId {
        let mut server = json!({ "name": name, "host": "mail.test", "port": address.port(), "timeout_ms": 20_000 });
        server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.backend.create(serde_json::from_value(server).unwrap()).await.unwrap().id
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let web = Web::new(Arc::clone(&self.house) as Arc<dyn Gate>, Hosts::new(None));
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(header::HOST, "localhost".parse().unwrap());
        for (name, value) in self.headers.get_or_init(|| administrator(&self.entries)).await {
            parts.headers.insert(*name, value.parse().unwrap());
        }
        let answering = router(web).oneshot(Request::from_parts(parts, body));
        let response = tokio::time::timeout(Duration::from_secs(20), answering).await.expect("it is answered").unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, json: serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{body:?}")) }
    }

    async fn post(&self, message: Value) -> Answer {
        let request = Request::post("/api/v1/messages").header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(message.to_string())).unwrap()).await
    }

    /// Posts parts.
    async fn post_parts(&self, parts: &[Part<'_>]) -> Answer {
        let mut body = Vec::new();
        for (name, file, content) in parts {
            body.extend_from_slice(format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes());
            if let Some((file, kind)) = file {
                body.extend_from_slice(format!("; filename=\"{file}\"\r\nContent-Type: {kind}").as_bytes());
            }
            body.extend_from_slice(b"\r\n\r\n");
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--B--\r\n");
        let request = Request::post("/api/v1/messages").header(header::CONTENT_TYPE, "multipart/form-data; boundary=B");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn messages(&self) -> Vec<domain::submission::Message> {
        self.backend.messages(MessagesQuery::default()).await.unwrap().messages
    }

    /// The files that lie in the data directory.
    fn files(&self) -> Vec<String> {
        names(&self.dir.path().join("attachments"))
    }

    async fn handover(&self) -> Box<dyn Handover> {
        self.backend.take_message().await.unwrap()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(dir) = std::fs::read_dir(dir) else { return Vec::new() };
    dir.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// A session that takes one message.
fn takes(final_answer: &str) -> Vec<Act> {
    let mut acts = hello();
    acts.extend(message(final_answer));
    acts
}

fn hello() -> Vec<Act> {
    [vec![say("220 mail.test ESMTP")], on("EHLO client.test", "250-mail.test\n250 8BITMIME").to_vec()].concat()
}

fn message(final_answer: &str) -> Vec<Act> {
    let mut acts = [on("MAIL", "250 ok"), on("RCPT", "250 ok"), on("DATA", "354 go on")].concat();
    acts.extend([Act::HearMessage, say(final_answer)]);
    acts
}

/// What arrived, header and body.
fn arrived(log: &Log) -> String {
    log.lines().iter().find_map(|line| line.strip_prefix("MESSAGE\n")).expect("a message arrived").to_owned()
}

fn simple() -> Value {
    json!({ "from": "scan@example.com", "to": "anna@example.org", "subject": "Grüße", "text": "Hello\n.\nWorld\n" })
}

async fn refused(bench: &Bench, message: Value, field: &str, sentence: &str) {
    let answer = bench.post(message.clone()).await;
    assert_eq!((answer.status, answer.json["error"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid")), "{message}");
    let told = answer.json["fields"][field].as_str().unwrap_or_else(|| panic!("{field}: {}", answer.json));
    assert!(told.contains(sentence), "{told}");
}

#[tokio::test]
async fn a_message_is_sent_and_the_answer_is_the_servers_verdict() {
    let bench = bench();
    let peer = Peer::new(vec![takes("250 2.0.0 Ok: queued as 4F2")]).await;
    let id = bench.entry("mail", peer.address, json!({})).await;
    let answer = bench.post(simple()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
    assert_eq!(answer.json["verdict"], "sent");
    assert_eq!(answer.json["server"], "mail");
    assert_eq!(answer.json["queue_id"], "4F2");
    assert_eq!(answer.json["security"], "plaintext");
    assert_eq!(answer.json["reply"]["code"], 250);
    assert_eq!(answer.json["recipients"][0]["accepted"], true);
    assert!(answer.json["message"].as_str().unwrap().starts_with("Sent."), "{}", answer.json);
    assert!(answer.json.get("error").is_none());

    let [message] = &bench.messages().await[..] else { panic!("one message is remembered") };
    assert_eq!((message.entry, message.from.as_str(), message.subject.as_str()), (id, "scan@example.com", "Grüße"));
    assert_eq!(message.recipients, ["anna@example.org"]);
    assert_eq!((message.at_ms, message.who.name()), (START, "anna"));
    let ended = message.ended.as_ref().unwrap();
    assert_eq!((ended.outcome, ended.queue_id.as_deref()), (Outcome::Sent, Some("4F2")));
    let view = bench.backend.message(message.id).await.unwrap();
    let said = serde_json::to_string(&view.events).unwrap();
    assert!(said.contains("MAIL FROM:<scan@example.com>") && !said.contains("World"), "{said}");
    assert!(!serde_json::to_string(message).unwrap().contains("World"), "the text isn't kept");

    bench.house.close().await;
    let log = peer.log().await;
    let text = arrived(&log);
    assert!(text.contains("From: scan@example.com\n") && text.contains("To: anna@example.org\n"), "{text}");
    assert!(text.contains("\nHello\n.\nWorld\n"), "{text}");
    assert_eq!(log.lines().iter().filter(|line| line.starts_with("RCPT")).count(), 1);
}

#[tokio::test]
async fn files_in_parts_arrive_byte_for_byte_and_stay_nowhere() {
    use base64::Engine as _;
    let bench = bench();
    let peer = Peer::new(vec![takes("250 ok")]).await;
    bench.entry("mail", peer.address, json!({})).await;
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    let answer = bench
        .post_parts(&[
            ("from", None, b"scan@example.com"),
            ("to", None, b"anna@example.org"),
            ("attachments", Some(("r\u{e9}sum\u{e9}.pdf", "application/pdf")), &bytes),
            ("text", None, b"See the file."),
            ("attachment", Some(("empty.txt", "text/plain")), b""),
        ])
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
    let [message] = &bench.messages().await[..] else { panic!("one message is remembered") };
    let files: Vec<_> = message.files.iter().map(|file| (file.name.as_str(), file.size)).collect();
    assert_eq!(files, [("r\u{e9}sum\u{e9}.pdf", 100_000), ("empty.txt", 0)]);
    assert_eq!(bench.files(), Vec::<String>::new(), "what was sent along isn't kept");
    bench.house.close().await;
    let text = arrived(&peer.log().await);
    let part = text.split("application/pdf").nth(1).unwrap();
    let encoded: String = part.split("\n\n").nth(1).unwrap().lines().take_while(|line| !line.starts_with("--")).collect();
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(encoded).unwrap(), bytes);
}

#[tokio::test]
async fn what_is_wrong_is_refused_before_anything_is_opened() {
    let bench = bench();
    let peer = Peer::new(vec![]).await;
    bench.entry("mail", peer.address, json!({ "attachment_threshold_bytes": 100 })).await;
    bench.backend.create(serde_json::from_value(json!({ "name": "bare" })).unwrap()).await.unwrap();
    let with = |more: Value| {
        let mut message = simple();
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    refused(&bench, with(json!({ "server": "nowhere" })), "server", "no server “nowhere”").await;
    refused(&bench, with(json!({ "server": "bare" })), "server", "isn't set up yet").await;
    refused(&bench, with(json!({ "from": "" })), "from", "Name the sender").await;
    refused(&bench, with(json!({ "to": [] })), "to", "at least one recipient").await;
    refused(&bench, with(json!({ "to": ["anna"] })), "to", "@").await;
    refused(&bench, with(json!({ "subject": "a\r\nBcc: evil@example.com" })), "subject", "U+000D").await;
    refused(&bench, with(json!({ "source": "printer" })), "source", "bpm-mail-node").await;
    let file = |content: &str| with(json!({ "attachments": [{ "name": "a.txt", "content": content }] }));
    refused(&bench, file("not base64!"), "attachments", "isn't base64").await;
    let big = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [0; 100]);
    refused(&bench, file(&big), "attachments", "140 bytes as they are sent, and the server takes 100").await;

    for (message, detail) in [
        (with(json!({ "bbc": "x@example.com" })), "unknown field `bbc`"),
        (json!(["a"]), "expected a JSON object"),
        (with(json!({ "attachments": [{ "name": "a" }] })), "missing field `content`"),
    ] {
        let answer = bench.post(message.clone()).await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (StatusCode::BAD_REQUEST, Some("malformed")), "{message}");
        assert!(answer.json["message"].as_str().unwrap().contains(detail), "{}", answer.json);
    }
    let unknown = bench.post_parts(&[("from", None, b"scan@example.com"), ("bbc", None, b"x@example.com")]).await;
    assert!(unknown.json["message"].as_str().unwrap().contains("unknown part `bbc`"), "{}", unknown.json);
    let foreign = bench.post_parts(&[("text", None, b"\xff\xfe")]).await;
    assert!(foreign.json["message"].as_str().unwrap().contains("“text” isn't UTF-8"), "{}", foreign.json);
    let too_long = with(json!({ "text": "x".repeat(1 << 20) }));
    assert_eq!(bench.post(too_long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let text = Request::post("/api/v1/messages").header(header::CONTENT_TYPE, "text/plain").body(Body::from("hello")).unwrap();
    assert_eq!(bench.send(text).await.status, StatusCode::BAD_REQUEST);

    assert_eq!(bench.messages().await, [], "what was refused is no message");
    assert_eq!(bench.files(), Vec::<String>::new());
    let log = peer.log().await;
    assert!(log.connections.is_empty(), "{log:?}");
}

#[tokio::test]
async fn more_files_than_a_message_may_have_are_refused_at_the_first_one_too_many() {
    let bench = bench();
    let peer = Peer::new(vec![]).await;
    bench.entry("mail", peer.address, json!({})).await;
    let mut handover = bench.handover().await;
    for n in 0..100 {
        handover.begin_file(format!("{n}.txt"), String::new()).await.unwrap();
        handover.push(Bytes::from_static(b"x")).await.unwrap();
    }
    let refused = handover.begin_file("100.txt".into(), String::new()).await.unwrap_err();
    assert!(format!("{refused:?}").contains("TooManyFiles"), "{refused:?}");
    let files = bench.files().len();
    assert!(files >= 99, "{files}");
    drop(handover);
    // Whoever went takes his files along.
    while !bench.files().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(peer.log().await.connections.is_empty());
}

#[tokio::test]
async fn no_field_smuggles_a_command_a_header_or_a_recipient() {
    let bench = bench();
    let evil = "x\r\nBcc: evil@example.com\r\n\r\nQUIT\r\n.\r\nMAIL FROM:<evil@example.com>";
    let peer = Peer::new(vec![takes("250 ok")]).await;
    bench.entry("mail", peer.address, json!({ "mime_address_strict": false })).await;
    for field in ["from", "to", "cc", "bcc", "reply_to", "subject", "server", "source"] {
        for text in
            [evil.to_owned(), format!("a@example.com{evil}"), format!("\"{evil}\" <a@example.com>"), "a\0@example.com".into()]
        {
            let mut message = simple();
            message[field] = json!(text);
            let answer = bench.post(message).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", answer.json);
        }
    }
    let mut message = simple();
    message["text"] = json!(evil);
    message["html"] = json!(evil);
    message["attachments"] = json!([{ "name": format!("../../{evil}\u{202e}fdp.exe\""), "content_type": evil, "content": "aGk=" }]);
    let answer = bench.post(message).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
    bench.house.close().await;
    let log = peer.log().await;
    assert_eq!(log.connections.len(), 1, "{log:?}");
    let commands: Vec<&str> = log.lines().into_iter().filter(|line| !line.starts_with("MESSAGE")).collect();
    let verbs: Vec<&str> = commands.iter().map(|line| line.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(verbs, ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"], "{commands:?}");
    let text = arrived(&log);
    let (head, _) = text.split_once("\n\n").unwrap();
    assert!(!head.to_lowercase().contains("evil"), "{head}");
    assert!(!text.contains('\u{202e}') && !text.contains("../"), "{text}");
}

#[tokio::test]
async fn only_a_mail_node_sends_from_the_entrys_address() {
    let bench = bench();
    let peer = Peer::new(vec![[takes("250 ok"), message("250 ok"), message("250 ok")].concat()]).await;
    bench.entry("mail", peer.address, json!({ "sender": "Office <office@example.com>", "override_sender": true })).await;
    for (more, mail, from, reply_to) in [
        (json!({ "source": "bpm-mail-node" }), "<office@example.com>", "Office <office@example.com>", Some("scan@example.com")),
        (
            json!({ "source": "bpm-mail-node", "reply_to": "team@example.com" }),
            "<office@example.com>",
            "Office <office@example.com>",
            Some("team@example.com"),
        ),
        (json!({}), "<scan@example.com>", "scan@example.com", None),
    ] {
        let mut message = simple();
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(bench.post(message).await.status, StatusCode::OK);
        let record = &bench.messages().await[0];
        assert_eq!(record.from, from);
        assert_eq!(record.reply_to, Vec::from_iter(reply_to.map(String::from)));
        assert_eq!(record.overridden.as_deref(), (mail == "<office@example.com>").then_some("scan@example.com"));
    }
    bench.house.close().await;
    let log = peer.log().await;
    let mails: Vec<&str> = log.lines().into_iter().filter(|line| line.starts_with("MAIL")).collect();
    assert!(mails[0].contains("<office@example.com>") && mails[1].contains("<office@example.com>"), "{mails:?}");
    assert!(mails[2].contains("<scan@example.com>"), "{mails:?}");
    let messages: Vec<&str> = log.lines().into_iter().filter_map(|line| line.strip_prefix("MESSAGE\n")).collect();
    assert!(messages[0].contains("Reply-To: scan@example.com\n") && !messages[2].contains("Reply-To"), "{messages:?}");
}

#[tokio::test]
async fn a_verdict_says_whether_anything_may_have_been_sent() {
    let bench = bench();
    let lost = [hello(), on("MAIL", "250 ok").to_vec(), on("RCPT", "250 ok").to_vec(), on("DATA", "354 go on").to_vec()].concat();
    let lost = [lost, vec![Act::HearMessage, Act::Close]].concat();
    let peer = Peer::new(vec![lost, takes("550 5.7.1 Spam")]).await;
    bench.entry("mail", peer.address, json!({})).await;
    let unknown = bench.post(simple()).await;
    assert_eq!(
        (unknown.status, unknown.json["verdict"].as_str()),
        (StatusCode::GATEWAY_TIMEOUT, Some("unknown")),
        "{}",
        unknown.json
    );
    assert_eq!(unknown.json["error"], "sent_unknown");
    let not_sent = bench.post(simple()).await;
    assert_eq!(
        (not_sent.status, not_sent.json["verdict"].as_str()),
        (StatusCode::BAD_GATEWAY, Some("not_sent")),
        "{}",
        not_sent.json
    );
    assert_eq!((not_sent.json["error"].as_str(), not_sent.json["reply"]["code"].as_u64()), (Some("not_sent"), Some(550)));
    assert!(not_sent.json["diagnosis"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    let outcomes: Vec<_> = bench.messages().await.iter().map(|message| message.ended.as_ref().unwrap().outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Unknown]);
    bench.house.close().await;
    assert_eq!(peer.log().await.connections.len(), 2, "nothing was tried again");
}

#[tokio::test]
async fn what_was_being_sent_when_the_program_ended_is_unknown_and_its_files_are_swept() {
    let bench = bench();
    let reached = Arc::new(tokio::sync::Notify::new());
    let script =
        [hello(), on("MAIL", "250 ok").to_vec(), vec![Act::Hear("RCPT"), Act::Tell(Arc::clone(&reached)), Act::Silence]].concat();
    let peer = Peer::new(vec![script]).await;
    bench.entry("mail", peer.address, json!({})).await;
    let mut handover = bench.handover().await;
    for (field, text) in [(SubmissionField::From, "scan@example.com"), (SubmissionField::To, "anna@example.org")] {
        handover.put((field, text.into()));
    }
    handover.begin_file("a.txt".into(), "text/plain".into()).await.unwrap();
    handover.push(Bytes::from_static(b"hello")).await.unwrap();
    let sending = tokio::spawn(handover.send());
    reached.notified().await;
    let [message] = &bench.messages().await[..] else { panic!("it is on record while it is sent") };
    assert_eq!(message.ended, None);
    // As a kill leaves it: the file as it is at this moment.
    let copy = tempfile::tempdir().unwrap();
    for name in ["postroom.redb", "postroom.key"] {
        std::fs::copy(bench.dir.path().join(name), copy.path().join(name)).unwrap();
    }
    std::fs::create_dir(copy.path().join("attachments")).unwrap();
    for name in bench.files() {
        std::fs::copy(bench.dir.path().join("attachments").join(&name), copy.path().join("attachments").join(&name)).unwrap();
    }
    sending.abort();
    let again = bench_in(copy, TestClock::new(), Limits { quota: 1 << 30, reserve: 0 });
    assert_eq!(again.house.submissions().history().settle().unwrap(), 1);
    assert_eq!(again.house.submissions().history().settle().unwrap(), 0, "once");
    let [message] = &again.messages().await[..] else { panic!("it is still on record") };
    let ended = message.ended.as_ref().unwrap();
    assert_eq!((ended.outcome, Verdict::of(ended.outcome)), (Outcome::Unknown, Verdict::Unknown));
    drop(peer);
}

#[tokio::test]
async fn whoever_may_only_submit_through_one_server_submits_through_that_and_sees_nothing() {
    let bench = bench();
    let peer = Peer::new(vec![takes("250 ok")]).await;
    let id = bench.entry("mail", peer.address, json!({})).await;
    bench.entry("other", peer.address, json!({})).await;
    let permit = Permit { token: true, entries: Some(vec![id]), verbs: Some(vec![Verb::Submit]), ..Permit::of(Role::Operator) };
    let backend = bench.house.local(caller(permit));
    let submit = async |server: &str| {
        let mut handover = backend.take_message().await.unwrap();
        for (field, text) in [
            (SubmissionField::Server, server),
            (SubmissionField::From, "scan@example.com"),
            (SubmissionField::To, "anna@example.org"),
        ] {
            handover.put((field, text.into()));
        }
        handover.send().await
    };
    assert_eq!(submit("MAIL").await.unwrap().verdict, Verdict::Sent);
    assert!(format!("{:?}", submit("other").await.unwrap_err()).contains("NoSuchServer"));
    assert!(format!("{:?}", backend.messages(MessagesQuery::default()).await.unwrap_err()).contains("NotAllowed"));
    let viewer = bench.house.local(caller(Permit::of(Role::Viewer)));
    assert!(viewer.take_message().await.is_err());
    assert_eq!(viewer.messages(MessagesQuery::default()).await.unwrap().messages.len(), 1);
    let limited = bench.house.local(caller(Permit { entries: Some(vec![EntryId(99)]), ..Permit::of(Role::Operator) }));
    assert_eq!(limited.messages(MessagesQuery::default()).await.unwrap().messages, []);
    assert!(limited.message(SubmissionId(1)).await.is_err());
    bench.house.close().await;
    drop(peer.log().await);
}

#[tokio::test]
async fn messages_are_found_filtered_paged_and_forgotten() {
    let bench = bench();
    let script = [vec![takes("250 ok")], (0..59).map(|_| message("250 ok")).collect()].concat().concat();
    let peer = Peer::new(vec![script]).await;
    bench.entry("mail", peer.address, json!({})).await;
    for n in 0..60 {
        let mut handover = bench.handover().await;
        let subject = format!("Invoice {n}");
        let texts = [
            (SubmissionField::From, "scan@example.com"),
            (SubmissionField::To, "anna@example.org"),
            (SubmissionField::Subject, &subject),
        ];
        for (field, text) in texts {
            handover.put((field, text.to_owned()));
        }
        assert_eq!(handover.send().await.unwrap().verdict, Verdict::Sent);
        bench.clock.forward(DAY_MS);
    }
    let find = async |query: MessagesQuery| bench.backend.messages(query).await.unwrap();
    let first = find(MessagesQuery::default()).await;
    assert_eq!((first.messages.len(), first.total), (50, 60));
    let rest = find(MessagesQuery { before: first.next, ..MessagesQuery::default() }).await;
    assert_eq!((rest.messages.len(), rest.next), (10, None));
    let found = find(MessagesQuery { search: "INVOICE 7".into(), ..MessagesQuery::default() }).await;
    assert_eq!(found.messages.iter().map(|m| m.subject.as_str()).collect::<Vec<_>>(), ["Invoice 7"]);
    let failed = find(MessagesQuery { outcome: Some(Outcome::Failed), ..MessagesQuery::default() }).await;
    assert_eq!(failed.messages, []);
    let history = bench.house.submissions().history();
    assert_eq!(history.forget().unwrap(), 30);
    assert_eq!(history.forget().unwrap(), 0);
    let left = find(MessagesQuery::default()).await;
    assert_eq!((left.total, left.messages.last().unwrap().subject.as_str()), (30, "Invoice 30"));
    bench.house.close().await;
    drop(peer.log().await);
}

#[tokio::test]
async fn what_is_above_the_threshold_becomes_links_that_lead_to_the_files() {
    let bench = bench();
    let peer = Peer::new(vec![[takes("250 ok"), message("250 ok"), message("550 5.7.1 no")].concat()]).await;
    let more = json!({ "attachment_as_url": true, "attachment_threshold_bytes": 100, "link_days": 7 });
    let id = bench.entry("mail", peer.address, more).await;
    let with_file = |bytes: usize| {
        let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, vec![b'x'; bytes]);
        let mut message = simple();
        message["html"] = json!("<p>Hello</p>");
        message["attachments"] = json!([{ "name": "plan.pdf", "content": content }]);
        message
    };
    let small = bench.post(with_file(50)).await;
    assert_eq!((small.status, small.json["links"].as_array().map(Vec::len)), (StatusCode::OK, Some(0)), "{}", small.json);
    assert_eq!(bench.files(), Vec::<String>::new());
    let big = bench.post(with_file(1_000)).await;
    assert_eq!(big.status, StatusCode::OK, "{}", big.json);
    let link = &big.json["links"][0];
    let url = link["url"].as_str().unwrap();
    assert!(url.starts_with("https://post.example.com/d/"), "{url}");
    assert_eq!((link["name"].as_str(), link["size"].as_u64()), (Some("plan.pdf"), Some(1_000)));
    assert_eq!(link["expires_ms"], START + 7 * DAY_MS);
    let record = &bench.messages().await[0];
    assert!(record.files[0].link.is_some());
    assert_eq!(bench.files().len(), 1, "what a link stands for is kept");
    let offer = bench.backend.links(domain::link::LinksQuery::default()).await.unwrap();
    assert_eq!((offer.links.len(), offer.links[0].message, offer.links[0].entry), (1, record.id, id));
    assert!(
        !serde_json::to_string(record).unwrap().contains(url.rsplit('/').next().unwrap()),
        "what the link holds is kept nowhere"
    );

    let refused = bench.post(with_file(1_000)).await;
    assert_eq!((refused.status, refused.json["links"].as_array().map(Vec::len)), (StatusCode::BAD_GATEWAY, Some(0)));
    assert_eq!(bench.files().len(), 1, "what nobody was sent isn't kept");
    assert_eq!(bench.backend.links(domain::link::LinksQuery::default()).await.unwrap().links.len(), 1);
    assert_eq!(bench.messages().await[0].files[0].link, None);
    bench.house.close().await;
    let log = peer.log().await;
    let messages: Vec<&str> = log.lines().into_iter().filter_map(|line| line.strip_prefix("MESSAGE\n")).collect();
    assert!(messages[0].contains("plan.pdf") && !messages[0].contains("/d/"), "{}", messages[0]);
    let unfolded = messages[1].replace("=\n", "");
    assert_eq!(unfolded.matches(&url.replace('=', "=3D")).count(), 2, "in the text and in the HTML: {unfolded}");
    assert!(!messages[1].contains("attachment;"), "{}", messages[1]);
}

#[tokio::test]
async fn a_test_shows_both_sides_of_the_threshold() {
    use app::backend::Edit;
    use domain::smtp_server::TestDraft;
    let bench = bench();
    let peer = Peer::new(vec![takes("250 ok"), takes("250 ok")]).await;
    let id = bench.entry("mail", peer.address, json!({ "attachment_as_url": true, "attachment_threshold_bytes": 2_000 })).await;
    for (attachment, links) in [("1000", 0), ("2000", 1)] {
        let test = TestDraft {
            from: "scan@example.com".into(),
            to: "anna@example.org".into(),
            attachment: attachment.into(),
            check_only: false,
        };
        let report = bench.backend.test(Some(id), Edit::Patch(Box::default()), test).await.unwrap();
        assert!(report.headline.starts_with("Sent."), "{}", report.headline);
        assert_eq!(bench.files().len(), links, "{attachment}");
    }
    let found = bench.backend.links(domain::link::LinksQuery::default()).await.unwrap();
    assert_eq!((found.links[0].size, found.links[0].expires_ms), (2_000, START + DAY_MS));
    bench.house.close().await;
    let log = peer.log().await;
    let messages: Vec<&str> = log.lines().into_iter().filter_map(|line| line.strip_prefix("MESSAGE\n")).collect();
    assert!(messages[0].contains("postroom-1000-bytes.bin") && !messages[0].contains("/d/"));
    assert!(messages[1].contains("https://post.example.com/d/") && !messages[1].contains("multipart"), "{}", messages[1]);
}

#[tokio::test]
async fn a_fax_takes_numbers_and_documents_and_nothing_else() {
    let bench = bench();
    let peer = Peer::new(vec![takes("250 ok")]).await;
    let fax = json!({ "kind": "fax", "fax_domain": "fax.example.com", "fax_country": "DE", "attachment_as_url": true, "attachment_threshold_bytes": 100 });
    bench.entry("fax", peer.address, fax).await;
    let with = |to: &str, name: &str, content: &str| {
        let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, content);
        json!({ "from": "scan@example.com", "to": to, "attachments": [{ "name": name, "content": content }] })
    };
    refused(&bench, with("fax:+4930123456", "a.pdf", "hello"), "attachments", "neither PDF nor TIFF").await;
    refused(
        &bench,
        with("fax:+4930123456", "a.txt", &format!("%PDF-1.4{}", " ".repeat(200))),
        "attachments",
        "A fax can't have links",
    )
    .await;
    refused(&bench, with("anna", "a.pdf", "%PDF-1.4"), "to", "").await;
    let sent = bench.post(with("030 123456", "a.txt", "%PDF-1.4")).await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.json);
    bench.house.close().await;
    let log = peer.log().await;
    assert!(log.has("RCPT TO:<FAX=+4930123456@fax.example.com>"), "{log:?}");
    assert_eq!(log.connections.len(), 1);
}
