//! A session against a scripted peer: what is said, what is not said, and how it ends. Each case ends in bounded time, and no
//! case shows anything of the password or token ([`canary`]).
//!
//! What a peer may do to us, and the tests that do it:
//!
//! | fault | test |
//! |---|---|
//! | slow banner | `faults::a_slow_banner_is_waited_for` |
//! | no banner, half a reply then silence, 421, 4xx, 5xx, close and reset at every step | `steps::*` |
//! | 4 MiB banner line, `220-` for ever | `faults::every_fault_at_the_greeting_and_the_introduction`, `mailer_memory` |
//! | LF only, `250` alone, NUL, Latin-1, escape sequences | `faults::odd_but_harmless_servers_work` |
//! | CR only, `25` | `faults::every_fault_at_the_greeting_and_the_introduction` |
//! | `999`, mismatched multi-line codes | `steps::*` |
//! | early and extra replies | `faults::a_reply_too_many_ends_it_wherever_it_comes` |
//! | EHLO keywords in lower case, duplicated, absurd | `faults::absurd_capabilities_are_read_for_what_they_are` |
//! | SIZE 0, overflowing; tiny | `faults::odd_but_harmless_servers_work`; `transaction::a_message_beyond_the_servers_limit_is_not_begun` |
//! | STARTTLS 454, 502 | `starttls::enabled_starts_again_in_clear_where_the_command_is_refused`, `starttls::required_ends_where_it_is_not_offered_or_refused` |
//! | 220 + garbage | `starttls::enabled_starts_again_in_clear_where_the_handshake_fails`, `starttls::required_ends_where_the_handshake_fails` |
//! | 220 + injected reply | `starttls::a_byte_after_the_reply_to_starttls_ends_it_in_every_mode` |
//! | TLS 1.0 only | `starttls::a_server_with_tls_1_0_only_has_nothing_in_common` |
//! | no common cipher, alert in the handshake, close after `ClientHello` | `starttls::required_ends_where_the_handshake_fails` |
//! | expired, wrong name, self-signed, CA:TRUE leaf, no SAN | `starttls::an_untrusted_certificate_ends_it_in_every_mode` |
//! | another certificate than the pinned one | `trust::another_certificate_than_the_pinned_one_ends_it_in_every_mode` |
//! | a certificate without its key | `trust::who_has_the_certificate_and_not_its_key_is_nobody` |
//! | a chain without end, a chain that can be put together in too many ways | `trust::no_more_of_a_chain_is_kept_than_ten_certificates`, `trust::a_chain_of_many_that_bear_one_name_keeps_nobody_busy` |
//! | missing intermediate | `starttls::a_missing_intermediate_is_an_unknown_issuer` |
//! | client certificate wanted, or refused | `starttls::a_server_that_wants_our_certificate_is_told_from_others`, `trust::a_client_certificate_that_is_missing_or_refused_is_told_from_everything_else` |
//! | close without `close_notify` | `steps::*`, `starttls::an_end_without_close_notify_after_the_acceptance_changes_nothing` |
//! | capabilities that change after TLS | `starttls::what_was_offered_in_clear_counts_no_more_after_the_handshake`, `starttls::a_sign_in_that_is_gone_after_the_handshake_is_not_tried` |
//! | AUTH 334 loops | `auth::a_sign_in_that_asks_for_ever_is_cancelled`, `auth::xoauth2_that_asks_for_ever_is_cancelled` |
//! | AUTH 535, 432, 454, 538 | `auth::each_refusal_has_its_meaning_and_is_not_tried_again` |
//! | RCPT mixed, 251, 252 | `transaction::a_refused_recipient_is_that_recipients_result` |
//! | DATA 250 | `transaction::only_354_lets_the_message_go` |
//! | tarpit in DATA | `transaction::a_peer_that_stops_reading_gets_no_final_dot`, `transaction::a_dripping_answer_to_the_final_dot_ends_at_its_limit` |
//! | 4xx and 5xx after the dot, no reply after it | `steps::*`, `transaction::after_the_final_dot_only_a_refusal_is_a_failure` |
//! | QUIT ignored | `steps::*`, `faults::an_ignored_goodbye_changes_nothing` |
//! | one message, then 421 | `transaction::a_server_that_takes_one_message_only_is_busy_for_the_next` |
//! | greylisting | `transaction::greylisting_is_told_and_not_waited_for` |

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/canary.rs"]
mod canary;
#[path = "common/peer.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod peer;
#[path = "common/sign_in_service.rs"]
mod sign_in_service;

#[path = "mailer_session/auth.rs"]
mod auth;
#[path = "mailer_session/channel.rs"]
mod channel;
#[path = "mailer_session/faults.rs"]
mod faults;
#[path = "mailer_session/fax.rs"]
mod fax;
#[path = "mailer_session/network.rs"]
mod network;
#[path = "mailer_session/starttls.rs"]
mod starttls;
#[path = "mailer_session/steps.rs"]
mod steps;
#[path = "mailer_session/token.rs"]
mod token;
#[path = "mailer_session/transaction.rs"]
mod transaction;
#[path = "mailer_session/trust.rs"]
mod trust;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::address::{Mailbox, Strictness};
use domain::fax::FaxSettings;
use domain::host::Host;
use domain::link::Language;
use domain::name::Name;
use domain::secret::Secret;
use domain::smtp_server::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Kind, Protocol, SignIn, SmtpServer, StartTls, TlsSettings,
};
use domain::transcript::{Cause, Event, Finished, Outcome, Stage, What, headline};
use server::mailer::{Credential, Envelope, Inspected, Mailer, Mode, Resolver, TestRun};
use server::ports::{SystemClock, SystemRandom};

use canary::CANARY;
use peer::{Act, Log, Peer, on, say};

/// The name every test connects to; it leads to the loopback address.
const HOST: &str = "mail.test";

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
        fax: FaxSettings::default(),
        protocol: smtp(StartTls::Disabled),
        host: Host::Dns(HOST.into()),
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
            link_language: Language::English,
        },
    }
}

fn smtp(starttls: StartTls) -> Protocol {
    Protocol::Smtp { starttls, allow_plaintext_credentials: false }
}

fn envelope(to: &[&str]) -> Envelope {
    let mailbox = |text: &str| Mailbox::parse(text, Strictness::Strict).unwrap();
    Envelope { from: mailbox("scan@example.com"), to: to.iter().copied().map(mailbox).collect(), attachment: None }
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

    /// In nothing that leaves the mailer or the log there is a form of a secret.
    fn shows_no_secret(&self) {
        let rows = domain::stages::rows(&self.events);
        for text in [
            self.shown(),
            serde_json::to_string(&self.finished.diagnosis).unwrap(),
            headline(&self.finished, HOST),
            format!("{:?} {:?} {rows:?}", self.finished, self.events),
        ] {
            assert_eq!(canary::found_in(&text), None, "{text}");
        }
        canary::nothing_in_the_log();
    }
}

/// Runs a test against a peer with these scripts, with [`CANARY`] as the password, whether it is needed or not.
async fn run(scripts: Vec<Vec<Act>>, roots: Option<&str>, mode: Mode, change: impl FnOnce(&mut SmtpServer)) -> Run {
    run_with(scripts, roots, mode, Credential::Password(Secret::new(CANARY.into())), change).await
}

/// The same with another credential.
async fn run_with(
    scripts: Vec<Vec<Act>>,
    roots: Option<&str>,
    mode: Mode,
    credential: Credential,
    change: impl FnOnce(&mut SmtpServer),
) -> Run {
    run_at(&mailer(roots), Peer::new(scripts).await, mode, credential, change).await
}

/// The same through another mailer, at a peer that listens already.
async fn run_at(mailer: &Mailer, peer: Peer, mode: Mode, credential: Credential, change: impl FnOnce(&mut SmtpServer)) -> Run {
    let mut server = entry(peer.address);
    change(&mut server);
    carry_out(peer, TestRun::new(server, Some(credential), mode), async |run, sink| mailer.run(run, sink).await).await.0
}

/// Where the events of a run go.
type Sink<'s> = &'s mut (dyn FnMut(Event) + Send);

/// Does `work` with a run against a peer; besides, what that says of how it ended.
async fn carry_out<T: Ended>(peer: Peer, run: TestRun, work: impl AsyncFnOnce(TestRun, Sink<'_>) -> T) -> (Run, T) {
    canary::watch_the_log();
    let mut events = Vec::new();
    let started = Instant::now();
    let mut sink = |event| events.push(event);
    assert_eq!(canary::found_in(&format!("{run:?}")), None);
    let running = work(run, &mut sink);
    let ended = tokio::time::timeout(Duration::from_mins(1), running).await.expect("the run ends by itself");
    let finished = ended.finished().clone();
    let took = started.elapsed();
    let log = tokio::time::timeout(Duration::from_secs(10), peer.log()).await.expect("the peer is let go");
    let run = Run { finished, events, log, took };
    // What holds for every run.
    assert_eq!(run.events.last().map(|event| &event.what), Some(&What::Finished(run.finished.clone())));
    assert_eq!(run.finished.diagnosis.is_some(), matches!(run.outcome(), Outcome::Failed | Outcome::Unknown));
    assert!(!run.log.has("EXTRA"), "a connection too many: {:?}", run.log);
    run.shows_no_secret();
    (run, ended)
}

/// What a run, or a look, returns.
trait Ended {
    fn finished(&self) -> &Finished;
}

impl Ended for Finished {
    fn finished(&self) -> &Finished {
        self
    }
}

impl Ended for Inspected {
    fn finished(&self) -> &Finished {
        &self.finished
    }
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
