//! The mailer's own part of `cargo xtask bench session`, which starts the peers and sums up. Prints a line a sample: what was
//! measured, and nanoseconds.
//!
//! - `overhead PORT RUNS`: whole sessions with one message in turns, ours and those of lettre's connection over a socket
//!   without delay.
//! - `messages PORT COUNT`: that many messages over one connection, after a few that don't count.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::time::Instant;

use domain::address::{Mailbox, Strictness};
use domain::fax::FaxSettings;
use domain::host::Host;
use domain::link::Language;
use domain::name::Name;
use domain::smtp_server::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Kind, Protocol, SignIn, SmtpServer, StartTls, TlsSettings,
};
use domain::transcript::{Event, Outcome, What};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use server::mailer::{Envelope, Mailer, Message, Mode, TestRun};
use tokio::net::TcpStream;

/// Sessions that don't count.
const WARM_UP: usize = 50;
/// Messages that don't count: as many as nodemailer is given.
const WARM_UP_MESSAGES: usize = 2_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [what, port, count] = args.as_slice() else {
        println!("This is a part of `cargo xtask bench session`.");
        return;
    };
    let (port, count) = (port.parse().unwrap(), count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match what.as_str() {
        "overhead" => runtime.block_on(overhead(port, count)),
        "messages" => runtime.block_on(messages(port, count)),
        other => println!("There is no “{other}”."),
    }
}

async fn overhead(port: u16, runs: usize) {
    let mailer = Mailer::system(None).unwrap().with_ehlo_name("bench.test");
    let message = message(&mailer, port).await;
    for run in 0..runs + WARM_UP {
        let started = Instant::now();
        ours(&mailer, port).await;
        let ours = started.elapsed();
        let started = Instant::now();
        theirs(port, &message).await;
        let theirs = started.elapsed();
        if run >= WARM_UP {
            println!("ours {}\nlettre {}", ours.as_nanos(), theirs.as_nanos());
        }
    }
}

async fn messages(port: u16, count: usize) {
    let mailer = Mailer::system(None).unwrap().with_ehlo_name("bench.test");
    let message = message(&mailer, port).await;
    let mut sink = |event: Event| drop(std::hint::black_box(event));
    let envelope = envelope();
    let took = mailer
        .channel(TestRun::new(entry(port), None, Mode::Check(None)), &mut sink, async |channel| {
            for _ in 0..WARM_UP_MESSAGES {
                assert_eq!(channel.send(&envelope, &Message::from(message.as_slice())).await.outcome, Outcome::Sent);
            }
            let started = Instant::now();
            for _ in 0..count {
                assert_eq!(channel.send(&envelope, &Message::from(message.as_slice())).await.outcome, Outcome::Sent);
            }
            started.elapsed()
        })
        .await;
    println!("messages {}", took.unwrap().as_nanos());
}

/// What `send-test` does, with the events kept as the page keeps them.
async fn ours(mailer: &Mailer, port: u16) -> Vec<Event> {
    let mut events = Vec::new();
    let run = TestRun::new(entry(port), None, Mode::Send(envelope()));
    let finished = mailer.run(run, &mut |event| events.push(event)).await;
    assert_eq!(finished.outcome, Outcome::Sent);
    events
}

async fn theirs(port: u16, message: &[u8]) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut connection =
        AsyncSmtpConnection::connect_with_transport(Box::new(stream), &ClientId::Domain("bench.test".into())).await.unwrap();
    let address = |text: &str| text.parse().unwrap();
    let envelope = lettre::address::Envelope::new(Some(address("scan@example.com")), vec![address("anna@example.com")]).unwrap();
    connection.send(&envelope, message).await.unwrap();
    connection.quit().await.unwrap();
}

/// As many bytes as a test message has.
async fn message(mailer: &Mailer, port: u16) -> Vec<u8> {
    let size = ours(mailer, port).await.into_iter().find_map(|event| match event.what {
        What::Sent { line, .. } => line.strip_prefix("[message, ")?.strip_suffix(" bytes]")?.parse::<usize>().ok(),
        _ => None,
    });
    let mut message = b"Subject: benchmark\r\nFrom: scan@example.com\r\nTo: anna@example.com\r\n\r\n".to_vec();
    while message.len() < size.unwrap() {
        message.extend_from_slice(b"Nobody needs to read or answer this line of text.\r\n");
    }
    message
}

fn envelope() -> Envelope {
    let mailbox = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
    Envelope { from: mailbox("scan@example.com"), to: vec![mailbox("anna@example.com")], attachment: None }
}

fn entry(port: u16) -> SmtpServer {
    SmtpServer {
        name: Name::parse("bench").unwrap(),
        kind: Kind::Smtp,
        fax: FaxSettings::default(),
        protocol: Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false },
        host: Host::Ip([127, 0, 0, 1].into()),
        port,
        tls: TlsSettings::default(),
        timeout_ms: 10_000,
        sign_in: SignIn::None,
        sender: None,
        mime_address_strict: true,
        attachments: Attachments {
            as_url: false,
            threshold: DEFAULT_THRESHOLD,
            link_days: DEFAULT_LINK_DAYS,
            link_language: Language::English,
        },
    }
}
