//! A session against a scripted peer: what is said, what is not said, and how it ends. Each case ends in bounded time.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/peer.rs"]
mod peer;

#[path = "mailer_session/auth.rs"]
mod auth;
#[path = "mailer_session/faults.rs"]
mod faults;
#[path = "mailer_session/starttls.rs"]
mod starttls;
#[path = "mailer_session/transaction.rs"]
mod transaction;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::address::{Mailbox, Strictness};
use domain::host::Host;
use domain::name::Name;
use domain::secret::Secret;
use domain::smtp_server::{Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Kind, Protocol, SignIn, SmtpServer, StartTls};
use domain::transcript::{Cause, Event, Finished, Outcome, Stage, What};
use server::mailer::{Envelope, Mailer, Mode, Resolver, TestRun};
use server::ports::{SystemClock, SystemRandom};

use peer::{Act, Log, Peer, on, say};

/// The name every test connects to; it leads to the loopback address.
const HOST: &str = "mail.test";
/// Nobody's password.
const CANARY: &str = "canary-5b1c9e-not-a-password";

struct Loopback;

#[async_trait]
impl Resolver for Loopback {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        if name == HOST { Ok(vec![IpAddr::from([127, 0, 0, 1])]) } else { Err(std::io::Error::other("no such name")) }
    }
}

fn mailer(roots: Option<&str>) -> Mailer {
    Mailer::new(roots.map(str::as_bytes), Arc::new(Loopback), Arc::new(SystemClock), Arc::new(SystemRandom))
        .unwrap()
        .with_ehlo_name("client.test")
}

/// An entry for the peer: SMTP in clear, no sign-in.
fn entry(address: SocketAddr) -> SmtpServer {
    SmtpServer {
        name: Name::parse("mail").unwrap(),
        kind: Kind::Smtp,
        protocol: smtp(StartTls::Disabled),
        host: Host::Dns(HOST.into()),
        port: address.port(),
        timeout_ms: 5_000,
        sign_in: SignIn::None,
        sender: None,
        mime_address_strict: true,
        attachments: Attachments { as_url: false, threshold: DEFAULT_THRESHOLD, link_days: DEFAULT_LINK_DAYS },
    }
}

fn smtp(starttls: StartTls) -> Protocol {
    Protocol::Smtp { starttls, allow_plaintext_credentials: false }
}

fn envelope(to: &[&str]) -> Envelope {
    let mailbox = |text: &str| Mailbox::parse(text, Strictness::Strict).unwrap();
    Envelope { from: mailbox("scan@example.com"), to: to.iter().copied().map(mailbox).collect() }
}

fn sending() -> Mode {
    Mode::Send(envelope(&["anna@example.org"]))
}

/// What a run led to, on both sides.
struct Run {
    finished: Finished,
    events: Vec<Event>,
    log: Log,
    took: Duration,
}

impl Run {
    fn outcome(&self) -> Outcome {
        self.finished.outcome
    }

    /// How it failed: stage, cause and the kind of the diagnosis.
    fn failure(&self) -> (Stage, Option<Cause>, &str) {
        let kind = self.finished.diagnosis.as_ref().map_or("", |diagnosis| diagnosis.kind.as_str());
        (self.finished.stage, self.finished.cause, kind)
    }

    fn warnings(&self) -> Vec<&str> {
        let warning = |event: &'_ Event| matches!(event.what, What::Warning { .. });
        self.events
            .iter()
            .filter(|event| warning(event))
            .map(|event| match &event.what {
                What::Warning { message, .. } => message.as_str(),
                _ => "",
            })
            .collect()
    }

    fn shown(&self) -> String {
        serde_json::to_string(&self.events).unwrap()
    }
}

/// Runs a test against a peer with these scripts.
async fn run(scripts: Vec<Vec<Act>>, roots: Option<&str>, mode: Mode, change: impl FnOnce(&mut SmtpServer)) -> Run {
    let peer = Peer::new(scripts).await;
    let mut server = entry(peer.address);
    change(&mut server);
    let password = matches!(server.sign_in, SignIn::Password { .. }).then(|| Secret::new(CANARY.into()));
    let mut events = Vec::new();
    let started = Instant::now();
    let mut sink = |event| events.push(event);
    let mailer = mailer(roots);
    let running = mailer.run(TestRun { server, credential, mode }, &mut sink);
    let finished = tokio::time::timeout(Duration::from_secs(30), running).await.expect("the run ends by itself");
    let took = started.elapsed();
    let log = tokio::time::timeout(Duration::from_secs(5), peer.log()).await.expect("the peer is let go");
    let run = Run { finished, events, log, took };
    // What holds for every run.
    assert_eq!(run.events.last().map(|event| &event.what), Some(&What::Finished(run.finished.clone())));
    assert_eq!(run.finished.diagnosis.is_some(), matches!(run.outcome(), Outcome::Failed | Outcome::Unknown));
    assert!(!run.shown().contains(CANARY), "{}", run.shown());
    assert!(!run.log.has("EXTRA"), "a connection too many: {:?}", run.log);
    run
}

/// A polite server up to the end of the introduction, with these capabilities (lines after the first).
fn hello(capabilities: &str) -> Vec<Act> {
    let mut all = vec![say("220 mail.test ESMTP")];
    all.extend(ehlo(capabilities));
    all
}

/// The introduction alone.
fn ehlo(capabilities: &str) -> [Act; 2] {
    let lines: Vec<&str> = std::iter::once("mail.test").chain(capabilities.lines()).collect();
    let (last, others) = lines.split_last().unwrap();
    let mut text: Vec<String> = others.iter().map(|line| format!("250-{line}")).collect();
    text.push(format!("250 {last}"));
    on("EHLO client.test", &text.join("\n"))
}

/// A whole transaction that succeeds.
fn transaction() -> Vec<Act> {
    [
        on("MAIL FROM:<scan@example.com>", "250 2.1.0 ok"),
        on("RCPT TO:<anna@example.org>", "250 2.1.5 ok"),
        on("DATA", "354 go on"),
        [Act::HearMessage, say("250 2.0.0 Ok: queued as 4F2B1C")],
    ]
    .concat()
}
