//! Connections that are kept, against a scripted peer: who shares one, how many there are, and what becomes of a message when
//! its connection doesn't live up to it. Each message arrives once or not at all.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/canary.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod canary;
#[path = "common/peer.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod peer;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use domain::address::{Mailbox, Strictness};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::host::Host;
use domain::name::Name;
use domain::secret::Secret;
use domain::smtp_server::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, Kind, Protocol, SignIn, SmtpServer, StartTls, TlsSettings,
};
use domain::transcript::{Cause, Event, Outcome, Security, Stage, What};
use server::couriers::{Couriers, Delivery, Limits};
use server::entries::Basis;
use server::mailer::{Credential, Envelope, Mailer, Message, Mode, TestRun, Trust, TrustList};
use server::seal::Fingerprint;
use server::store::Target;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use canary::CANARY;
use peer::{Act, Authority, Log, Peer, on, say};

/// Long enough for a machine that is busy with other tests, and not awaited by any that passes.
const LONG: Duration = Duration::from_secs(20);

/// An application that sends through a peer.
struct Sender {
    couriers: Arc<Couriers>,
    run: TestRun,
    basis: Basis,
    entry: EntryId,
}

fn settings(number: u8) -> Option<Fingerprint> {
    Fingerprint::try_from(STANDARD_NO_PAD.encode([number; 32])).ok()
}

fn couriers(limits: Limits) -> Arc<Couriers> {
    let mailer = Mailer::system(None).unwrap().with_ehlo_name("client.test");
    Arc::new(Couriers::new(Arc::new(mailer)).with_limits(limits))
}

/// Connections are closed at once when nothing waits.
const AT_ONCE: Limits = Limits { idle: Duration::ZERO, ..Limits::STANDARD };

impl Sender {
    fn new(couriers: &Arc<Couriers>, address: SocketAddr) -> Self {
        let server = SmtpServer {
            name: Name::parse("mail").unwrap(),
            kind: Kind::Smtp,
            fax: domain::fax::FaxSettings::default(),
            protocol: Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: true },
            host: Host::Ip(IpAddr::from([127, 0, 0, 1])),
            port: address.port(),
            tls: TlsSettings::default(),
            timeout_ms: 10_000,
            sign_in: SignIn::None,
            sender: None,
            mime_address_strict: true,
            attachments: Attachments {
                as_url: false,
                threshold: DEFAULT_THRESHOLD,
                link_days: DEFAULT_LINK_DAYS,
                link_language: domain::link::Language::English,
            },
        };
        let basis = Basis { settings: settings(1), target: Target::of(&server), trust_epoch: 0, own_sender: true };
        Self { couriers: Arc::clone(couriers), run: TestRun::new(server, None, Mode::Check(None)), basis, entry: EntryId(1) }
    }

    /// Begins to send a message with this text.
    fn begin(&self, text: &str) -> JoinHandle<Result<Delivery, Problem>> {
        let mailbox = |text| Mailbox::parse(text, Strictness::Strict).unwrap();
        let envelope = Envelope { from: mailbox("scan@example.com"), to: vec![mailbox("anna@example.org")], attachment: None };
        let message = Message::from(format!("Subject: {text}\r\n\r\n{text}\r\n").into_bytes());
        let (couriers, run, basis, entry) = (Arc::clone(&self.couriers), self.run.clone(), self.basis.clone(), self.entry);
        tokio::spawn(async move { couriers.send(entry, &basis, run, envelope, message).await })
    }

    async fn send(&self, text: &str) -> Delivery {
        ended(self.begin(text)).await
    }
}

/// How it ended; what holds for every delivery.
async fn ended(sending: JoinHandle<Result<Delivery, Problem>>) -> Delivery {
    let delivery = tokio::time::timeout(LONG, sending).await.expect("it ends by itself").unwrap().unwrap();
    let last = delivery.events.last().map(|event| &event.what);
    assert_eq!(last, Some(&What::Finished(delivery.finished.clone())));
    let ends = delivery.events.iter().filter(|event| matches!(event.what, What::Finished(_))).count();
    assert_eq!(ends, 1, "there is one end");
    assert!(delivery.events.is_sorted_by_key(|event| event.elapsed_ms), "{:?}", delivery.events);
    assert_eq!(canary::found_in(&format!("{delivery:?}")), None);
    delivery
}

/// The stages that were begun.
fn begun(delivery: &Delivery) -> Vec<Stage> {
    let begun = |event: &Event| matches!(event.what, What::Begun { .. }).then(|| event.stage());
    delivery.events.iter().filter_map(begun).collect()
}

/// What is told of a connection that was there.
fn kept(delivery: &Delivery) -> Option<&str> {
    delivery.events.iter().find_map(|event| match &event.what {
        What::Passed { stage: Stage::Connect, detail } => detail.strip_prefix("a connection that was kept, "),
        _ => None,
    })
}

fn warnings(delivery: &Delivery) -> Vec<&str> {
    let warning = |event: &'_ Event| matches!(event.what, What::Warning { .. });
    delivery
        .events
        .iter()
        .filter(|event| warning(event))
        .map(|event| match &event.what {
            What::Warning { message, .. } => message.as_str(),
            _ => "",
        })
        .collect()
}

/// What arrived on each connection, in order.
fn arrived(log: &Log) -> Vec<Vec<&str>> {
    log.connections.iter().map(|heard| heard.iter().filter_map(|heard| subject(&heard.line)).collect()).collect()
}

/// The subject of a message that was heard.
fn subject(line: &str) -> Option<&str> {
    line.strip_prefix("MESSAGE\nSubject: ")?.split('\n').next()
}

async fn log(peer: Peer) -> Log {
    tokio::time::timeout(LONG, peer.log()).await.expect("the peer is let go")
}

fn hello() -> Vec<Act> {
    [vec![say("220 mail.test ESMTP")], on("EHLO", "250-mail.test\n250 PIPELINING").to_vec()].concat()
}

/// A connection over which everything goes.
fn polite() -> Vec<Act> {
    [hello(), vec![Act::Polite]].concat()
}

/// One message up to its end, which is answered when the test says so.
fn held(heard: &Arc<Notify>, go: &Arc<Notify>) -> Vec<Act> {
    [
        on("MAIL", "250 ok").to_vec(),
        on("RCPT", "250 ok").to_vec(),
        on("DATA", "354 go on").to_vec(),
        vec![Act::HearMessage, Act::Tell(Arc::clone(heard)), Act::Wait(Arc::clone(go)), say("250 taken")],
    ]
    .concat()
}

/// The same, over which everything else goes afterwards.
fn held_then_polite(heard: &Arc<Notify>, go: &Arc<Notify>) -> Vec<Act> {
    [hello(), held(heard, go), vec![Act::Polite]].concat()
}

fn transaction() -> Vec<Act> {
    [
        on("MAIL", "250 ok").to_vec(),
        on("RCPT", "250 ok").to_vec(),
        on("DATA", "354 go on").to_vec(),
        vec![Act::HearMessage, say("250 taken")],
    ]
    .concat()
}

#[tokio::test]
async fn messages_share_a_connection_that_says_goodbye_when_nothing_comes() {
    let peer = Peer::at_once(vec![polite()]).await;
    let couriers = couriers(Limits { idle: Duration::from_millis(300), ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    let [first, second, third] = [sender.send("1").await, sender.send("2").await, sender.send("3").await];
    for delivery in [&first, &second, &third] {
        assert_eq!(delivery.finished.outcome, Outcome::Sent);
        assert_eq!(delivery.finished.recipients.len(), 1, "nothing of another message");
    }
    let message = [Stage::MailFrom, Stage::RcptTo, Stage::Data, Stage::Accepted];
    assert_eq!(begun(&first), [&[Stage::Resolve, Stage::Connect, Stage::Greeting, Stage::Ehlo], &message[..]].concat());
    assert_eq!(kept(&first), None);
    for later in [&second, &third] {
        assert_eq!((begun(later), kept(later)), (message.to_vec(), Some("unencrypted")));
        assert!(matches!(later.events[0].what, What::Passed { stage: Stage::Connect, .. }), "the note comes first");
    }
    // It ends by itself.
    let log = log(peer).await;
    assert_eq!(arrived(&log), [["1", "2", "3"]]);
    assert_eq!(log.lines().last(), Some(&"QUIT"));
    assert_eq!(log.lines().iter().filter(|line| line.starts_with("EHLO")).count(), 1);
}

#[tokio::test]
async fn what_protects_a_connection_is_told_of_every_message_and_its_secret_of_none() {
    let ca = Authority::new("Test authority");
    let config = ca.server(&["127.0.0.1"], |_| {});
    let script = [
        hello_with("STARTTLS"),
        on("STARTTLS", "220 go").to_vec(),
        vec![Act::Handshake(config)],
        on("EHLO", "250-mail.test\n250-PIPELINING\n250 AUTH PLAIN").to_vec(),
        on("AUTH PLAIN", "235 welcome").to_vec(),
        vec![Act::Polite],
    ]
    .concat();
    let peer = Peer::at_once(vec![script]).await;
    let couriers = couriers(Limits::STANDARD);
    let mut sender = Sender::new(&couriers, peer.address);
    sender.run.server.protocol = Protocol::Smtp { starttls: StartTls::EnabledAndRequired, allow_plaintext_credentials: false };
    sender.run.server.sign_in = SignIn::Password { username: "anna".into() };
    sender.run.credential = Some(Credential::Password(Secret::new(CANARY.into())));
    let authorities = vec![ca.der()];
    sender.run.trust = Some(Arc::new(Trust::new(TrustList { authorities, ..TrustList::default() })));
    for text in ["1", "2"] {
        let delivery = sender.send(text).await;
        assert_eq!((delivery.finished.outcome, delivery.finished.security), (Outcome::Sent, Security::Tls13));
        assert!(delivery.finished.upgraded && delivery.finished.trusted_by.is_some() && delivery.finished.certificate.is_some());
        assert_eq!(kept(&delivery), (text == "2").then_some("encrypted with TLS 1.3"));
        assert_eq!(begun(&delivery).contains(&Stage::Auth), text == "1");
    }
    couriers.close().await;
    let log = log(peer).await;
    assert_eq!(arrived(&log), [["1", "2"]]);
    assert!(!log.has_in_clear("MAIL") && !log.has_in_clear("AUTH"));
}

fn hello_with(capability: &str) -> Vec<Act> {
    [vec![say("220 mail.test ESMTP")], on("EHLO", &format!("250-mail.test\n250 {capability}")).to_vec()].concat()
}

#[tokio::test]
async fn another_connection_is_opened_only_where_all_are_busy_and_never_a_fourth() {
    let (heard, go): (Vec<_>, Vec<_>) = (0..3).map(|_| <(Arc<Notify>, Arc<Notify>)>::default()).unzip();
    let scripts = heard.iter().zip(&go).map(|(heard, go)| held_then_polite(heard, go)).collect();
    let peer = Peer::at_once(scripts).await;
    let couriers = couriers(Limits::STANDARD);
    let sender = Sender::new(&couriers, peer.address);
    let mut begun = Vec::new();
    for (number, heard) in heard.iter().enumerate() {
        begun.push(sender.begin(&number.to_string()));
        heard.notified().await;
    }
    // Both wait, in their order, for whoever is done first.
    begun.extend([sender.begin("3"), sender.begin("4")]);
    tokio::task::yield_now().await;
    go[1].notify_one();
    let last = ended(begun.pop().unwrap()).await;
    let fourth = ended(begun.pop().unwrap()).await;
    assert!(kept(&fourth).is_some() && kept(&last).is_some());
    go[0].notify_one();
    go[2].notify_one();
    for sending in begun {
        assert_eq!(ended(sending).await.finished.outcome, Outcome::Sent);
    }
    // Nobody is busy, so nothing is opened.
    assert!(kept(&sender.send("5").await).is_some());
    couriers.close().await;
    let log = log(peer).await;
    assert!(!log.has("EXTRA"));
    let mut arrived = arrived(&log);
    let five = arrived.iter_mut().find_map(|messages| messages.pop_if(|text| *text == "5"));
    assert_eq!((arrived, five), (vec![vec!["0"], vec!["1", "3", "4"], vec!["2"]], Some("5")));
}

#[tokio::test]
async fn messages_go_in_the_order_in_which_they_came() {
    let (heard, go) = <(Arc<Notify>, Arc<Notify>)>::default();
    let peer = Peer::at_once(vec![held_then_polite(&heard, &go)]).await;
    let couriers = couriers(Limits { connections: 1, ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    let first = sender.begin("0");
    heard.notified().await;
    let mut others: Vec<_> = (1..20).map(|number| sender.begin(&number.to_string())).collect();
    others.insert(0, first);
    tokio::task::yield_now().await;
    go.notify_one();
    for sending in others {
        assert_eq!(ended(sending).await.finished.outcome, Outcome::Sent);
    }
    couriers.close().await;
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(arrived(&log(peer).await), [expected]);
}

#[tokio::test]
async fn a_kept_connection_that_turns_out_to_be_closed_costs_nobody_his_message() {
    let ends: [(&str, Vec<Act>); 4] = [
        ("closed without a word", vec![Act::Close]),
        ("a goodbye before anything was said", vec![say("421 4.4.2 idle for too long"), Act::Close]),
        ("a goodbye in answer to MAIL", [on("MAIL", "421 4.7.0 enough for one connection").to_vec(), vec![Act::Close]].concat()),
        ("closed in answer to MAIL", vec![Act::Hear("MAIL"), Act::Close]),
    ];
    for (name, end) in ends {
        let told = Arc::new(Notify::new());
        let first = [hello(), transaction(), vec![Act::Tell(Arc::clone(&told))], end].concat();
        let peer = Peer::at_once(vec![first, polite()]).await;
        let couriers = couriers(Limits::STANDARD);
        let sender = Sender::new(&couriers, peer.address);
        assert_eq!(sender.send("1").await.finished.outcome, Outcome::Sent);
        told.notified().await;
        let second = sender.send("2").await;
        assert_eq!(second.finished.outcome, Outcome::Sent, "{name}: {second:?}");
        // What happened can be read, the fresh connection with it.
        assert!(kept(&second).is_some() && begun(&second).contains(&Stage::Greeting), "{name}");
        let warnings = warnings(&second);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("had closed the connection"), "{warnings:?}");
        couriers.close().await;
        assert_eq!(arrived(&log(peer).await), [["1"], ["2"]], "{name}");
    }
}

#[tokio::test]
async fn a_message_that_was_begun_is_never_sent_again() {
    let envelope = || [on("MAIL", "250 ok"), on("RCPT", "250 ok")].concat();
    let data = || [envelope(), on("DATA", "354 go on").to_vec()].concat();
    let table: [(&str, Vec<Act>, Outcome, Stage); 5] = [
        ("closed at DATA", [envelope(), vec![Act::Hear("DATA"), Act::Close]].concat(), Outcome::Failed, Stage::Data),
        ("goodbye at DATA", [envelope(), on("DATA", "421 bye").to_vec(), vec![Act::Close]].concat(), Outcome::Failed, Stage::Data),
        ("closed after the final dot", [data(), vec![Act::HearMessage, Act::Close]].concat(), Outcome::Unknown, Stage::Accepted),
        (
            "goodbye after the final dot",
            [data(), vec![Act::HearMessage, say("421 4.3.2 bye"), Act::Close]].concat(),
            Outcome::Failed,
            Stage::Accepted,
        ),
        (
            "refused for good",
            [on("MAIL", "550 5.7.1 not you"), on("RCPT", "503 no"), on("DATA", "503 no")].concat(),
            Outcome::Failed,
            Stage::MailFrom,
        ),
    ];
    for (name, end, outcome, stage) in table {
        let script = [hello(), transaction(), end].concat();
        let peer = Peer::at_once(vec![script]).await;
        let couriers = couriers(Limits::STANDARD);
        let sender = Sender::new(&couriers, peer.address);
        assert_eq!(sender.send("1").await.finished.outcome, Outcome::Sent);
        let second = sender.send("2").await;
        assert_eq!((second.finished.outcome, second.finished.stage), (outcome, stage), "{name}");
        assert_eq!(warnings(&second), [""; 0], "{name}");
        couriers.close().await;
        let log = log(peer).await;
        assert!(!log.has("EXTRA"), "{name}: another connection");
        assert_eq!(log.lines().iter().filter(|line| line.starts_with("MAIL")).count(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_message_is_tried_again_once_and_not_where_its_connection_was_fresh() {
    let closes = || [hello(), vec![Act::Hear("MAIL"), Act::Close]].concat();
    // A fresh one.
    let peer = Peer::at_once(vec![closes()]).await;
    let first = couriers(Limits::STANDARD);
    let delivery = Sender::new(&first, peer.address).send("1").await;
    assert_eq!((delivery.finished.outcome, delivery.finished.cause), (Outcome::Failed, Some(Cause::Closed)));
    first.close().await;
    assert_eq!(log(peer).await.connections.len(), 1);
    // A kept one, and the fresh one after it.
    let told = Arc::new(Notify::new());
    let kept = [hello(), transaction(), vec![Act::Tell(Arc::clone(&told)), Act::Close]].concat();
    let peer = Peer::at_once(vec![kept, closes()]).await;
    let couriers = couriers(Limits::STANDARD);
    let sender = Sender::new(&couriers, peer.address);
    sender.send("1").await;
    told.notified().await;
    let second = sender.send("2").await;
    assert_eq!((second.finished.outcome, second.finished.cause), (Outcome::Failed, Some(Cause::Closed)));
    couriers.close().await;
    let log = log(peer).await;
    assert_eq!((log.connections.len(), log.has("EXTRA")), (2, false));
    assert_eq!(arrived(&log), [vec!["1"], vec![]]);
}

#[tokio::test]
async fn a_server_that_has_enough_connections_gets_no_more_for_a_while() {
    for refusal in ["421 4.7.0 too many connections", "450 4.3.2 not now", "451 4.7.0 slow down"] {
        let (heard, go) = <(Arc<Notify>, Arc<Notify>)>::default();
        let (heard_2, go_2) = <(Arc<Notify>, Arc<Notify>)>::default();
        let refused = Arc::new(Notify::new());
        let first = [hello(), held(&heard, &go), transaction(), transaction(), held(&heard_2, &go_2), vec![Act::Polite]].concat();
        let refusing = vec![say(refusal), Act::HearEnd, Act::Tell(Arc::clone(&refused))];
        let peer = Peer::at_once(vec![first, refusing]).await;
        let couriers = couriers(Limits::STANDARD);
        let sender = Sender::new(&couriers, peer.address);
        let one = sender.begin("1");
        heard.notified().await;
        let two = sender.begin("2");
        refused.notified().await;
        // Nothing else is tried for this one.
        let three = sender.begin("3");
        tokio::task::yield_now().await;
        go.notify_one();
        let [one, two, three] = [ended(one).await, ended(two).await, ended(three).await];
        for delivery in [&one, &two, &three] {
            assert_eq!(delivery.finished.outcome, Outcome::Sent, "{refusal}: {delivery:?}");
        }
        assert!(warnings(&two)[0].contains("no further connection") && kept(&two).is_some(), "{two:?}");
        assert!(warnings(&three).is_empty() && kept(&three).is_some());
        // Nor later, although the one that is open is busy.
        let four = sender.begin("4");
        heard_2.notified().await;
        let five = sender.begin("5");
        tokio::task::yield_now().await;
        go_2.notify_one();
        for sending in [four, five] {
            let delivery = ended(sending).await;
            assert_eq!((delivery.finished.outcome, kept(&delivery)), (Outcome::Sent, Some("unencrypted")));
        }
        couriers.close().await;
        let log = log(peer).await;
        assert!(!log.has("EXTRA"));
        assert_eq!(arrived(&log), [vec!["1", "2", "3", "4", "5"], vec![]], "{refusal}");
    }
}

#[tokio::test]
async fn a_server_that_takes_no_connection_at_all_fails_each_message_by_itself() {
    let refusing = || vec![say("421 4.3.2 not now"), Act::Silence];
    let peer = Peer::at_once((0..3).map(|_| refusing()).collect()).await;
    let couriers = couriers(Limits { connections: 1, ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    for sending in ["1", "2", "3"].map(|text| sender.begin(text)) {
        let delivery = ended(sending).await;
        assert_eq!((delivery.finished.outcome, delivery.finished.stage), (Outcome::Failed, Stage::Greeting));
        assert_eq!(delivery.finished.reply.unwrap().code, 421);
    }
    couriers.close().await;
    let log = log(peer).await;
    assert_eq!((log.connections.len(), log.has("EXTRA"), log.has("MAIL")), (3, false, false));
}

#[tokio::test]
async fn many_at_once_at_a_server_that_takes_none_come_to_an_end() {
    let peer = Peer::at_once((0..20).map(|_| vec![say("421 4.3.2 not now"), Act::Silence]).collect()).await;
    let couriers = couriers(Limits::STANDARD);
    let sender = Sender::new(&couriers, peer.address);
    let all: Vec<_> = (0..6).map(|number| sender.begin(&number.to_string())).collect();
    for sending in all {
        assert_eq!(ended(sending).await.finished.outcome, Outcome::Failed);
    }
    couriers.close().await;
    let log = log(peer).await;
    assert!(log.connections.len() <= 9, "each was tried, three at most twice: {}", log.connections.len());
    assert!(!log.has("MAIL"));
}

#[tokio::test]
async fn no_more_waits_than_may_and_who_waits_much_leaves_places_to_others() {
    let (heard, go) = <(Arc<Notify>, Arc<Notify>)>::default();
    let script = || [hello(), vec![Act::Polite]].concat();
    let peer = Peer::at_once(vec![held_then_polite(&heard, &go), script()]).await;
    let couriers = couriers(Limits { connections: 1, waiting: 4, ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    let first = sender.begin("1");
    heard.notified().await;
    let waiting = [sender.begin("2"), sender.begin("3")];
    tokio::task::yield_now().await;
    assert_eq!(sender.begin("4").await.unwrap().unwrap_err(), Problem::Busy);
    // Another server's entry isn't held up.
    let other = Sender { entry: EntryId(2), ..Sender::new(&couriers, peer.address) };
    assert_eq!(other.send("other").await.finished.outcome, Outcome::Sent);
    go.notify_one();
    for sending in waiting.into_iter().chain([first]) {
        assert_eq!(ended(sending).await.finished.outcome, Outcome::Sent);
    }
    // Then there is room again.
    assert_eq!(sender.send("5").await.finished.outcome, Outcome::Sent);
    couriers.close().await;
    assert_eq!(arrived(&log(peer).await), [vec!["1", "2", "3", "5"], vec!["other"]]);
}

#[tokio::test]
async fn who_goes_away_takes_his_message_back_until_it_is_begun() {
    let (heard, go) = <(Arc<Notify>, Arc<Notify>)>::default();
    let peer = Peer::at_once(vec![held_then_polite(&heard, &go)]).await;
    let couriers = couriers(Limits { connections: 1, waiting: 2, ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    let begun = sender.begin("begun");
    heard.notified().await;
    let waiting = sender.begin("waiting");
    tokio::task::yield_now().await;
    for gone in [begun, waiting] {
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
    }
    // Its place is free at once.
    let stays = sender.begin("stays");
    tokio::task::yield_now().await;
    go.notify_one();
    assert_eq!(ended(stays).await.finished.outcome, Outcome::Sent);
    couriers.close().await;
    let log = log(peer).await;
    assert_eq!(arrived(&log), [["begun", "stays"]]);
    assert_eq!(log.lines().last(), Some(&"QUIT"));
}

#[tokio::test]
async fn who_goes_away_while_his_connection_is_opened_leaves_it_to_others() {
    let (reached, go) = <(Arc<Notify>, Arc<Notify>)>::default();
    let wait = vec![Act::Tell(Arc::clone(&reached)), Act::Wait(Arc::clone(&go))];
    let peer = Peer::at_once(vec![[wait, polite()].concat()]).await;
    let couriers = couriers(Limits { connections: 1, ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    let gone = sender.begin("gone");
    reached.notified().await;
    let next = sender.begin("next");
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    go.notify_one();
    let next = ended(next).await;
    assert_eq!((next.finished.outcome, kept(&next)), (Outcome::Sent, Some("unencrypted")));
    couriers.close().await;
    assert_eq!(arrived(&log(peer).await), [["next"]]);
}

#[tokio::test]
async fn closing_lets_through_what_was_begun_and_nothing_else() {
    let (heard, go) = <(Arc<Notify>, Arc<Notify>)>::default();
    let peer = Peer::at_once(vec![held_then_polite(&heard, &go)]).await;
    let (reached, never) = <(Arc<Notify>, Arc<Notify>)>::default();
    let slow = Peer::at_once(vec![vec![Act::Tell(Arc::clone(&reached)), Act::Deaf(never)]]).await;
    let couriers = couriers(Limits { connections: 1, ..Limits::STANDARD });
    let sender = Sender::new(&couriers, peer.address);
    let begun = sender.begin("begun");
    heard.notified().await;
    let waiting = sender.begin("waiting");
    let opening = Sender { entry: EntryId(2), ..Sender::new(&couriers, slow.address) }.begin("opening");
    reached.notified().await;
    let closing = tokio::spawn({
        let couriers = Arc::clone(&couriers);
        async move { couriers.close().await }
    });
    for sending in [waiting, opening] {
        let finished = ended(sending).await.finished;
        assert_eq!((finished.outcome, finished.cause), (Outcome::Cancelled, Some(Cause::Cancelled)));
    }
    assert!(!closing.is_finished(), "what was begun goes on");
    go.notify_one();
    assert_eq!(ended(begun).await.finished.outcome, Outcome::Sent);
    tokio::time::timeout(LONG, closing).await.expect("it ends").unwrap();
    let late = sender.send("late").await;
    assert_eq!((late.finished.outcome, late.finished.stage), (Outcome::Cancelled, Stage::Resolve));
    let log = log(peer).await;
    assert_eq!((arrived(&log), log.lines().last()), (vec![vec!["begun"]], Some(&"QUIT")));
}

#[tokio::test]
async fn what_was_changed_goes_over_another_connection() {
    let peer = Peer::at_once(vec![polite(), polite(), polite(), polite(), polite(), polite()]).await;
    let couriers = couriers(Limits::STANDARD);
    let mut sender = Sender::new(&couriers, peer.address);
    sender.send("1").await;
    sender.basis.settings = settings(2);
    sender.send("2").await;
    sender.basis.trust_epoch = 1;
    sender.send("3").await;
    sender.entry = EntryId(2);
    sender.send("4").await;
    // What can't be told from others is shared with nobody.
    sender.basis.settings = None;
    sender.send("5").await;
    sender.send("6").await;
    // What doesn't matter to a connection doesn't.
    let mut again = Sender::new(&couriers, peer.address);
    again.basis.own_sender = false;
    assert!(kept(&again.send("7").await).is_some());
    couriers.close().await;
    let log = log(peer).await;
    assert!(!log.has("EXTRA"));
    assert_eq!(arrived(&log), [vec!["1", "7"], vec!["2"], vec!["3"], vec!["4"], vec!["5"], vec!["6"]]);
}

#[tokio::test]
async fn a_connection_that_is_of_no_use_is_closed_and_another_one_opened_later() {
    let peer = Peer::new(vec![polite(), polite()]).await;
    let couriers = couriers(AT_ONCE);
    let sender = Sender::new(&couriers, peer.address);
    // The peer serves one connection after the other: the second waits for the end of the first.
    for text in ["1", "2"] {
        assert_eq!(sender.send(text).await.finished.outcome, Outcome::Sent);
    }
    couriers.close().await;
    assert_eq!(arrived(&log(peer).await).concat(), ["1", "2"]);
}
