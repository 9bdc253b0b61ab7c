//! Messages of applications as they really go out: what a server hears, byte for byte, and how two readers that aren't ours
//! understand it (the crate mail-parser and Python's own `email`). Whatever an application puts into a field, no other field,
//! command, part or recipient comes of it.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::address::{Mailbox, Strictness};
use domain::host::Host;
use domain::name::Name;
use domain::smtp_server::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Kind, Protocol, SignIn, SmtpServer, StartTls, TlsSettings,
};
use domain::transcript::{Cause, Finished, Outcome, Stage};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use mail_parser::{MessageParser, MimeHeaders as _};
use serde::Deserialize;
use server::mailer::{Content, Envelope, FileContent, Mailer, Message, Mode, Outgoing, Part, TestRun};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that takes everything and remembers every byte.
struct Recorder {
    address: SocketAddr,
    heard: JoinHandle<Vec<u8>>,
}

impl Recorder {
    async fn new(capabilities: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut heard, mut in_message) = (Vec::new(), false);
            stream.write_all(b"220 mail.test\r\n").await.unwrap();
            loop {
                let begin = heard.len();
                if stream.read_until(b'\n', &mut heard).await.unwrap_or(0) == 0 {
                    return heard;
                }
                let line = String::from_utf8_lossy(&heard[begin..]).into_owned();
                let answer = match (in_message, line.as_str()) {
                    (true, ".\r\n") => "250 2.0.0 taken",
                    (true, _) => continue,
                    (false, "DATA\r\n") => "354 go on",
                    (false, line) if line.starts_with("EHLO") => capabilities,
                    (false, _) => "250 ok",
                };
                in_message = answer.starts_with("354");
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        });
        Self { address, heard }
    }
}

fn entry(address: SocketAddr) -> SmtpServer {
    SmtpServer {
        name: Name::parse("mail").unwrap(),
        kind: Kind::Smtp,
        fax: domain::fax::FaxSettings::default(),
        protocol: Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false },
        host: Host::Ip(IpAddr::from([127, 0, 0, 1])),
        port: address.port(),
        tls: TlsSettings::default(),
        timeout_ms: 5_000,
        sign_in: SignIn::None,
        sender: None,
        mime_address_strict: true,
        attachments: Attachments {
            as_url: false,
            threshold: DEFAULT_THRESHOLD,
            link_days: DEFAULT_LINK_DAYS,
            link_language: domain::link::Language::English,
        },
    }
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text, Strictness::Strict).unwrap()
}

/// Bytes in memory, in pieces of odd sizes. An empty one stands for a failure.
struct Pieces(Vec<Bytes>);

impl Pieces {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.chunks(1_001).map(Bytes::copy_from_slice).collect())
    }
}

#[async_trait]
impl Content for Pieces {
    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let failure = || io::Error::other("the disk failed");
        let pieces = self.0.clone().into_iter().map(move |piece| if piece.is_empty() { Err(failure()) } else { Ok(piece) });
        Ok(stream::iter(pieces).boxed())
    }
}

/// What an application hands over.
#[derive(Clone, Default)]
struct Given {
    subject: String,
    text: Option<String>,
    html: Option<String>,
    /// Name, type, bytes.
    files: Vec<(String, String, Vec<u8>)>,
}

impl Given {
    fn message(&self) -> Message<'static> {
        let files = self.files.iter().map(|(name, content_type, bytes)| Part {
            name: name.clone(),
            content_type: content_type.clone(),
            size: bytes.len() as u64,
            content: Arc::new(Pieces::of(bytes)),
        });
        Outgoing {
            from: &mailbox("\"Scan, Büro\" <scan@example.com>"),
            reply_to: &[mailbox("office@example.com")],
            to: &[mailbox("Anna <anna@example.org>"), mailbox("\"Zoë Ünal\" <zoe@bücher.example>")],
            cc: &[mailbox("otto@example.org")],
            subject: &self.subject,
            text: self.text.as_deref(),
            html: self.html.as_deref(),
            attachments: files.collect(),
            now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            random: [0x5a; 16],
        }
        .compose()
        .unwrap()
    }

    /// The message as the server has it, dots taken away again; everything that was said to it is as it should be.
    async fn sent(&self) -> Vec<u8> {
        let message = self.message();
        let size = message.size();
        let (finished, heard) = send(message).await;
        assert_eq!(finished.outcome, Outcome::Sent, "{finished:?}");
        let text = String::from_utf8(heard).expect("nothing but ASCII");
        assert!(text.is_ascii());
        // Nobody who reads line ends otherwise finds an end that isn't one.
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        let expected = format!(
            "EHLO client.test\r\nMAIL FROM:<scan@example.com> SIZE={size}\r\nRCPT TO:<anna@example.org>\r\nRCPT TO:<blind@example.org>\r\nDATA\r\n"
        );
        let rest = text.strip_prefix(&expected).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(rest.matches("\r\n.\r\n").count(), 1, "{rest}");
        let (message, after) = rest.split_once("\r\n.\r\n").unwrap();
        assert_eq!(after, "QUIT\r\n");
        assert!(message.split("\r\n").all(|line| line.len() <= 998), "{message}");
        let message = format!("{message}\r\n").replace("\r\n..", "\r\n.");
        assert_eq!(message.len() as u64, size, "as it was announced");
        assert!(!message.contains("blind@example.org"), "{message}");
        message.into_bytes()
    }
}

/// Sends to two recipients, one of whom the message doesn't name. What the server heard.
async fn send(message: Message<'static>) -> (Finished, Vec<u8>) {
    let server = Recorder::new("250-mail.test\r\n250-SIZE 100000000\r\n250 PIPELINING").await;
    let mailer = Mailer::system(None).unwrap().with_ehlo_name("client.test");
    let to = vec![mailbox("anna@example.org"), mailbox("blind@example.org")];
    let envelope = Envelope { from: mailbox("scan@example.com"), to, attachment: None };
    let run = TestRun::new(entry(server.address), None, Mode::Check(None));
    let finished = mailer.channel(run, &mut |_| {}, async |channel| channel.send(&envelope, &message).await).await.unwrap();
    (finished, server.heard.await.unwrap())
}

/// The names of the fields of a message, in order.
fn fields(message: &[u8]) -> Vec<String> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split_once(':').unwrap().0.to_owned()).collect()
}

const FIELDS: [&str; 8] = ["Date", "Message-ID", "From", "Reply-To", "To", "Cc", "Subject", "MIME-Version"];

fn noise(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8)).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).take(length).collect()
}

/// What applications really send, and what nobody should.
fn table() -> Vec<(&'static str, Given)> {
    let file = |name: &str, content_type: &str, bytes: Vec<u8>| (name.to_owned(), content_type.to_owned(), bytes);
    let text = Given { subject: "Offer".into(), text: Some("Hello,\nhere it is.\n".into()), ..Given::default() };
    let html = Some("<p>Grüße &amp; <b>mehr</b></p>\n".to_owned());
    vec![
        ("nothing", Given::default()),
        ("a text", text.clone()),
        ("HTML alone", Given { text: None, html: html.clone(), ..text.clone() }),
        ("both", Given { html: html.clone(), ..text.clone() }),
        (
            "another script",
            Given {
                subject: "見積書をお送りします。".repeat(8), text: Some("こんにちは\n".repeat(50)), ..text.clone()
            },
        ),
        ("a wide text", Given { text: Some(format!("{}\n{}\n", "wide ".repeat(400), "x".repeat(5_000))), ..text.clone() }),
        ("dots", Given { text: Some(".\n..\n.a\n\n.\r\n.\r\n".into()), ..text.clone() }),
        ("a file alone", Given { text: None, files: vec![file("a.pdf", "application/pdf", noise(100_000))], ..text.clone() }),
        (
            "files of all sizes",
            Given {
                html,
                files: [0, 1, 2, 56, 57, 58, 300_000].map(|n| file(&format!("{n}.bin"), "application/x-test", noise(n))).into(),
                ..text.clone()
            },
        ),
        (
            "names of all kinds",
            Given {
                files: [
                    "Angebot für Zoë.pdf",
                    "見積書.pdf",
                    "it's; 100% “it”.txt",
                    "a,b=c(d).txt",
                    &"é".repeat(190),
                    &"a".repeat(190),
                    "👩‍🔧.png",
                ]
                .map(|name| file(name, "text/plain; charset=utf-8", b"in ASCII".to_vec()))
                .into(),
                ..text.clone()
            },
        ),
        ("a long subject", Given { subject: "An offer that is really quite long, “in every respect”, ".repeat(20), ..text }),
    ]
}

fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[tokio::test]
async fn mail_parser_reads_what_was_handed_over() {
    for (name, given) in table() {
        let sent = given.sent().await;
        let read = MessageParser::default().parse(&sent).unwrap();
        assert_eq!(read.subject().unwrap_or_default(), given.subject.trim(), "{name}");
        assert_eq!(read.from().unwrap().first().unwrap().name(), Some("Scan, Büro"), "{name}");
        let to: Vec<_> = read.to().unwrap().iter().map(|address| (address.name().unwrap(), address.address().unwrap())).collect();
        assert_eq!(to, [("Anna", "anna@example.org"), ("Zoë Ünal", "zoe@xn--bcher-kva.example")], "{name}");
        if let Some(text) = &given.text {
            assert_eq!(normal(&read.body_text(0).unwrap()).trim_end(), normal(text).trim_end(), "{name}");
        }
        if let Some(html) = &given.html {
            assert_eq!(normal(&read.body_html(0).unwrap()).trim_end(), normal(html).trim_end(), "{name}");
        }
        let files: Vec<_> = read
            .attachments()
            .map(|part| (part.attachment_name().unwrap_or_default().to_owned(), part.contents().to_vec()))
            .collect();
        let expected: Vec<_> = given.files.iter().map(|(name, _, bytes)| (name.clone(), bytes.clone())).collect();
        assert_eq!(files.iter().map(|file| &file.0).collect::<Vec<_>>(), expected.iter().map(|file| &file.0).collect::<Vec<_>>());
        assert!(files == expected, "{name}: the bytes of a file");
    }
}

/// A part as Python reads it.
#[derive(Debug, Deserialize)]
struct Read {
    kind: String,
    name: Option<String>,
    disposition: Option<String>,
    bytes: Option<String>,
    defects: Vec<String>,
}

/// A message as Python reads it.
#[derive(Debug, Deserialize)]
struct ReadMessage {
    fields: Vec<(String, String)>,
    defects: Vec<String>,
    parts: Vec<Read>,
}

const PYTHON: &str = r#"
import base64, email, json, sys
from email import policy
def part(p):
    payload = None if p.is_multipart() else base64.b64encode(p.get_payload(decode=True)).decode()
    return dict(kind=p.get_content_type(), name=p.get_filename(), disposition=p.get_content_disposition(),
                bytes=payload, defects=[repr(d) for d in p.defects])
plain = ["date", "message-id", "from", "reply-to", "to", "cc", "subject", "mime-version", "content-type"]
def read(text):
    message = email.message_from_bytes(text.encode(), policy=policy.SMTP)
    return dict(fields=[(k, str(v)) for k, v in message.items()],
                defects=[repr(d) for k, v in message.items() if k.lower() in plain for d in v.defects],
                parts=[part(p) for p in message.walk()])
print(json.dumps([read(text) for text in json.load(sys.stdin)]))
"#;

/// Python's own reader; it has to be there. All at once, as it takes its time to start.
fn python(messages: &[Vec<u8>]) -> Vec<ReadMessage> {
    let texts: Vec<&str> = messages.iter().map(|message| std::str::from_utf8(message).unwrap()).collect();
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 is there; if it isn't: apt-get install python3");
    // Dropped at once, so that it sees the end.
    serde_json::to_writer(child.stdin.take().unwrap(), &texts).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn python_reads_what_was_handed_over_and_finds_nothing_wrong_with_it() {
    let table = table();
    let mut sent = Vec::new();
    for (_, given) in &table {
        sent.push(given.sent().await);
    }
    for ((name, given), read) in table.iter().zip(python(&sent)) {
        assert_eq!(read.defects, Vec::<String>::new(), "{name}");
        assert!(read.parts.iter().all(|part| part.defects.is_empty()), "{name}: {read:?}");
        let fields: BTreeMap<String, String> = read.fields.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        assert_eq!(fields["subject"], given.subject.trim(), "{name}");
        assert_eq!(fields["date"], "Tue, 14 Nov 2023 22:13:20 +0000", "{name}");
        assert_eq!(fields["from"], "\"Scan, Büro\" <scan@example.com>");
        assert_eq!((fields["cc"].as_str(), fields["reply-to"].as_str()), ("otto@example.org", "office@example.com"));
        let kinds: Vec<&str> =
            read.parts.iter().map(|part| part.kind.as_str()).filter(|kind| kind.starts_with("multipart")).collect();
        let mixed = (!given.files.is_empty()).then_some("multipart/mixed");
        let alternative = (given.text.is_some() && given.html.is_some()).then_some("multipart/alternative");
        assert_eq!(kinds, mixed.into_iter().chain(alternative).collect::<Vec<_>>(), "{name}");
        let bytes = |part: &Read| STANDARD.decode(part.bytes.as_deref().unwrap_or_default()).unwrap();
        for (kind, text) in [("text/plain", &given.text), ("text/html", &given.html)] {
            let part = read.parts.iter().find(|part| part.kind == kind && part.disposition.is_none());
            let found = part.map(|part| String::from_utf8(bytes(part)).unwrap());
            let is_only = given.text.is_none() && given.html.is_none() && given.files.is_empty() && kind == "text/plain";
            let expected = text.clone().or(is_only.then(String::new));
            assert_eq!(
                found.map(|text| normal(&text).trim_end().to_owned()),
                expected.map(|text| normal(&text).trim_end().to_owned()),
                "{name}"
            );
        }
        let files: Vec<_> = read.parts.iter().filter(|part| part.disposition.as_deref() == Some("attachment")).collect();
        let names: Vec<_> = files.iter().map(|part| part.name.clone().unwrap()).collect();
        assert_eq!(names, given.files.iter().map(|file| file.0.clone()).collect::<Vec<_>>(), "{name}");
        assert!(files.iter().map(|part| bytes(part)).eq(given.files.iter().map(|file| file.2.clone())), "{name}");
    }
}

#[tokio::test]
async fn nothing_that_is_handed_over_becomes_a_field_a_command_or_a_recipient() {
    let attempts = [
        "x\r\nBcc: eve@example.net",
        "x\nBcc: eve@example.net",
        "x\rBcc: eve@example.net",
        "x\r\n Bcc: eve@example.net",
        "x\r\n\r\nBcc: eve@example.net",
        "\r\n.\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n",
        "\n.\nMAIL FROM:<eve@example.net>\nRCPT TO:<eve@example.net>\nDATA\n",
        "\r.\rMAIL FROM:<eve@example.net>\rRCPT TO:<eve@example.net>\rDATA\r",
        "\n.\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n",
        "\r\n.\nMAIL FROM:<eve@example.net>\r\n",
        "\r.\r\nRCPT TO:<eve@example.net>\r\n",
        ".\r\n.\r\nQUIT\r\n",
        "\0\r\n.\r\n\0",
        "\r\n\0.\r\n",
        "x\u{85}Bcc: eve@example.net\u{2028}Bcc: eve@example.net",
        "=?UTF-8?Q?x=0D=0ABcc:_eve@example.net?=",
        "=?UTF-8?B?DQpCY2M6IGV2ZUBleGFtcGxlLm5ldA==?=",
        "--=_m5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\r\nContent-Type: text/html\r\n\r\n<script>",
        "--=_m5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a--\r\n",
        "x\r\n--=_a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\r\n\r\nx",
        "\"; filename=\"x.exe\"\r\nBcc: eve@example.net\r\n\r\n",
        "text/plain\r\nBcc: eve@example.net",
        "text/plain; charset=utf-8\r\nBcc: eve@example.net",
        "text/plain; charset=\"utf-8\"\r\n\r\n--=_m5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a--",
    ];
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for attempt in attempts {
        let given = Given {
            subject: attempt.into(),
            text: Some(attempt.into()),
            html: Some(attempt.into()),
            files: vec![(attempt.into(), attempt.into(), attempt.into()), ("b".into(), "a/b".into(), b"\r\n.\r\n".to_vec())],
        };
        // The commands and the end of the message are looked at there.
        let sent = given.sent().await;
        assert_eq!(fields(&sent), [&FIELDS[..], &["Content-Type"]].concat(), "{attempt:?}");
        whole.push(sent);
        for text in [Given { text: given.text.clone(), ..Given::default() }, Given { html: given.html.clone(), ..Given::default() }]
        {
            let sent = text.sent().await;
            let expected = [&FIELDS[..], &["Content-Type", "Content-Transfer-Encoding"]].concat();
            assert_eq!(fields(&sent), expected, "{attempt:?}");
            alone.push(sent);
        }
    }
    assert!(python(&alone).iter().all(|read| read.parts.len() == 1 && read.defects.is_empty()));
    for (attempt, read) in attempts.into_iter().zip(python(&whole)) {
        let kinds: Vec<&str> = read.parts.iter().map(|part| part.kind.as_str()).collect();
        let expected = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/octet-stream", "a/b"];
        assert_eq!(kinds, expected, "{attempt:?}");
        assert!(read.parts.iter().all(|part| part.defects.is_empty()) && read.defects.is_empty(), "{attempt:?}: {read:?}");
        let name = read.parts[4].name.as_deref().unwrap();
        assert!(!name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | '"')), "{name:?}");
        let bytes = |part: &Read| STANDARD.decode(part.bytes.as_deref().unwrap()).unwrap();
        assert_eq!(bytes(&read.parts[4]), attempt.as_bytes());
        assert_eq!(bytes(&read.parts[5]), b"\r\n.\r\n");
        let text = String::from_utf8(bytes(&read.parts[2])).unwrap();
        assert_eq!(normal(&text), normal(attempt), "{attempt:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_as_it_was_told_ends_the_session_before_the_message_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, noise(1_000_000)).unwrap();
    let missing = directory.path().join("missing");
    let failing = Pieces(vec![Bytes::from_static(&[b'x'; 500_000]), Bytes::new()]);
    let table: [(Arc<dyn Content>, u64, &str); 5] = [
        (Arc::new(FileContent::new(&path)), 1_000_001, "ends after 1000000 of 1000001 bytes"),
        (Arc::new(FileContent::new(&path)), 999_999, "more than the 999999 bytes"),
        (Arc::new(FileContent::new(&path)), 0, "more than the 0 bytes"),
        (Arc::new(FileContent::new(&missing)), 10, "o such file"),
        (Arc::new(failing), 1_000_000, "the disk failed"),
    ];
    for (content, size, evidence) in table {
        let (from, to) = (mailbox("scan@example.com"), [mailbox("anna@example.org")]);
        let outgoing = Outgoing {
            from: &from,
            reply_to: &[],
            to: &to,
            cc: &[],
            subject: "",
            text: Some("Hello"),
            html: None,
            attachments: vec![Part { name: "a".into(), content_type: "a/b".into(), size, content }],
            now: UNIX_EPOCH,
            random: [0; 16],
        };
        let (finished, heard) = send(outgoing.compose().unwrap()).await;
        assert_eq!((finished.outcome, finished.stage), (Outcome::Failed, Stage::Data), "{finished:?}");
        assert_eq!(finished.cause, Some(Cause::AttachmentUnreadable));
        let diagnosis = finished.diagnosis.unwrap();
        assert_eq!(diagnosis.kind, "attachment_unreadable");
        assert!(diagnosis.evidence.as_ref().unwrap().contains(evidence), "{diagnosis:?}");
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.contains("DATA\r\n") && !heard.contains("\r\n.\r\n"), "no end of the message");
        // Whole lines: base64 may hold the letters.
        assert!(
            !heard.contains("\r\nQUIT") && !heard.contains("\r\nRSET") && !heard.contains("_m00000000000000000000000000000000--")
        );
    }
}
