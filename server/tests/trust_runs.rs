//! Trust on the whole way, over a real file and against scripted peers with certificates: what is trusted counts at the next
//! connection, what a server presents can be looked at, and the standing says no more than what was found out.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/peer.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod peer;
mod store_support;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::api::TestReport;
use app::backend::{Backend, Caller, Certificates, Edit, LiveRun};
use async_trait::async_trait;
use axum::body::Body;
use domain::access::{Permit, Role};
use domain::entry::{EntryId, ListQuery, Version};
use domain::error::Problem;
use domain::field::{Field, FieldError};
use domain::run::{BatchEvent, Standing};
use domain::secret::Secret;
use domain::smtp_server::{ServerPatch, TestDraft};
use domain::transcript::{Cause, Event, Finished, Outcome, Stage, What};
use domain::trust::{FindingKind, Ground, Inspection, NewPin};
use futures::StreamExt;
use http::Request;
use serde_json::{Value, json};
use server::backend::{House, Local};
use server::entries::Entries;
use server::mailer::{Mailer, Resolver};
use server::ports::SystemRandom;
use server::web::{Hosts, Web, router};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use peer::{Act, Authority, Identity, Peer, on, say};
use store_support::{TestClock, administrator, open};

/// Knows the loopback address under every name.
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
}

fn bench() -> Bench {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = Arc::new(open(dir.path(), &clock).unwrap());
    let mailer = Mailer::new(None, Arc::new(Names), clock.clone(), Arc::new(SystemRandom)).unwrap();
    let house = Arc::new(House::new(Arc::clone(&entries), mailer.with_ehlo_name("client.test")).unwrap());
    let backend = Arc::new(house.local(caller()));
    Bench { dir, clock, entries, house, backend }
}

fn patch(value: Value) -> ServerPatch {
    serde_json::from_value(value).unwrap()
}

fn edit(value: Value) -> Edit {
    Edit::Patch(Box::new(patch(value)))
}

fn caller() -> Caller {
    Caller { address: "192.0.2.7".into(), permit: Permit::of(Role::Administrator), ..Caller::default() }
}

fn checking() -> TestDraft {
    TestDraft { check_only: true, ..TestDraft::default() }
}

/// An entry for a peer that encrypts from the first byte.
fn smtps(address: SocketAddr) -> Value {
    json!({ "name": "mail", "protocol": "smtps", "host": "mail.test", "port": address.port(), "timeout_ms": 20_000 })
}

impl Bench {
    async fn entry(&self, address: SocketAddr) -> EntryId {
        self.backend.create(patch(smtps(address))).await.unwrap().id
    }

    async fn start(&self, id: EntryId) -> LiveRun {
        self.backend.start_test(Some(id), edit(json!({})), checking()).await.unwrap()
    }

    async fn check(&self, id: EntryId) -> Finished {
        finished(&rest(&mut self.start(id).await).await).clone()
    }

    async fn inspect(&self, id: EntryId) -> Inspection {
        self.backend.inspect(Some(id), edit(json!({}))).await.unwrap()
    }

    async fn standing(&self, id: EntryId) -> Standing {
        self.backend.entry(id).await.unwrap().standing
    }

    /// What was found out when the clock stands as it does now.
    fn verified(&self) -> Standing {
        use server::ports::Clock as _;
        Standing::Verified { at_ms: self.clock.now_ms() }
    }
}

/// Pins what was inspected.
fn pin_of(inspection: &Inspection) -> NewPin {
    let Inspection { host, port, chain, .. } = inspection;
    NewPin { host: host.clone(), port: *port, pem: chain[0].pem.clone(), outlives: false, replace: inspection.is_changed() }
}

/// Everything up to the end, in bounded time.
async fn rest(live: &mut LiveRun) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = tokio::time::timeout(Duration::from_secs(20), live.events.next()).await.expect("something happens") {
        events.push(event);
    }
    events
}

fn finished(events: &[Event]) -> &Finished {
    match events.last().map(|event| &event.what) {
        Some(What::Finished(finished)) => finished,
        other => panic!("the last event is {other:?}"),
    }
}

fn kinds(inspection: &Inspection) -> Vec<FindingKind> {
    inspection.findings.iter().map(|finding| finding.kind).collect()
}

/// A session that is encrypted from the first byte, up to the goodbye.
fn session(identity: &Identity) -> Vec<Act> {
    [&[Act::Handshake(identity.server()), say("220 mail.test ESMTP")], &on("EHLO client.test", "250 mail.test")[..]].concat()
}

/// The same for somebody who only looks, and says nothing but goodbye.
fn look(identity: &Identity) -> Vec<Act> {
    vec![Act::Handshake(identity.server()), say("220 mail.test ESMTP")]
}

/// What the test and the peer wait for.
#[derive(Clone, Default)]
struct Gate {
    reached: Arc<Notify>,
    go: Arc<Notify>,
}

impl Gate {
    /// Stops the script until the test lets it go on.
    fn acts(&self) -> [Act; 2] {
        [Act::Tell(self.reached.clone()), Act::Wait(self.go.clone())]
    }

    async fn reached(&self) {
        tokio::time::timeout(Duration::from_secs(20), self.reached.notified()).await.expect("the script gets there");
    }
}

#[tokio::test]
async fn from_an_unknown_issuer_to_a_pinned_certificate_and_back() {
    let server = Authority::new("Nobody's CA").issue(&["mail.test"], |_| {});
    let scripts = [session, look, session, look, session, session].map(|script| script(&server));
    let peer = Peer::new(scripts.into()).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    let failed = bench.check(id).await;
    assert_eq!((failed.outcome, failed.cause), (Outcome::Failed, Some(Cause::UnknownIssuer)));
    assert!(matches!(bench.standing(id).await, Standing::Failing { stage: Stage::Tls, .. }));

    let inspection = bench.inspect(id).await;
    assert_eq!(kinds(&inspection), [FindingKind::UnknownIssuer], "{inspection:?}");
    assert_eq!((inspection.chain.len(), inspection.pinned.len(), inspection.issuer), (1, 0, None));
    assert_eq!(inspection.chain[0].certificate, *failed.certificate.unwrap());
    assert_eq!((inspection.host.as_str(), inspection.port), ("mail.test", peer.address.port()));
    assert_eq!(finished(&inspection.events).outcome, Outcome::Failed);
    assert_eq!(bench.backend.history(id).await.unwrap().runs.len(), 1, "looking is no test");
    assert!(matches!(bench.standing(id).await, Standing::Failing { .. }));

    bench.clock.forward(1_000);
    let pin = bench.backend.pin(pin_of(&inspection)).await.unwrap();
    assert_eq!(bench.standing(id).await, Standing::Changed, "nobody knows yet");
    let works = bench.check(id).await;
    assert_eq!((works.outcome, works.trusted_by.unwrap().how), (Outcome::Checked, Ground::Pin));
    assert_eq!(bench.standing(id).await, bench.verified());
    let page = bench.backend.trusted().await.unwrap();
    assert_eq!((page.items[0].added_by.as_str(), page.items[0].used_by.as_slice()), ("192.0.2.7", &[(id, "mail".to_owned())][..]));
    let inspection = bench.inspect(id).await;
    assert!(inspection.is_trusted() && inspection.issuer.is_none() && inspection.pinned[0].id == pin, "{inspection:?}");

    let undo = bench.backend.trash_trusted(vec![pin]).await.unwrap();
    assert_eq!(bench.standing(id).await, Standing::Changed);
    let failed = bench.check(id).await;
    assert_eq!(failed.cause, Some(Cause::UnknownIssuer), "at the next connection");
    assert!(matches!(bench.standing(id).await, Standing::Failing { .. }));
    bench.backend.undo_trusted(undo.batch).await.unwrap();
    assert_eq!(bench.standing(id).await, Standing::Changed);
    assert_eq!(bench.check(id).await.outcome, Outcome::Checked);
    let log = peer.log().await;
    assert!(!log.has("AUTH") && !log.has("MAIL") && !log.has("EXTRA"), "{log:?}");
}

#[tokio::test]
async fn an_issuer_is_offered_where_trusting_it_would_help_and_vouches_from_then_on() {
    let authority = Authority::new("Private CA");
    let between = authority.intermediate("Between");
    let server = between.issue(&["mail.test"], |_| {}).with(&between);
    let wrong_name = between.issue(&["other.test"], |_| {}).with(&between);
    let alone = Identity::self_signed(&["mail.test"], |_| {});
    let scripts = vec![look(&server), look(&alone), look(&server), look(&wrong_name), session(&server)];
    let peer = Peer::new(scripts).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    let inspection = bench.inspect(id).await;
    assert_eq!((inspection.chain.len(), inspection.issuer), (2, Some(1)), "{inspection:?}");
    let alone = bench.inspect(id).await;
    assert_eq!((kinds(&alone), alone.issuer), (vec![FindingKind::SelfSigned], None), "a server's own");

    let pem = inspection.chain[1].pem.clone();
    let only = Some(vec![inspection.chain[1].certificate.sha256.clone()]);
    bench.backend.add_authorities(pem, only).await.unwrap();
    let trusted = bench.inspect(id).await;
    assert_eq!((kinds(&trusted), trusted.issuer), (vec![FindingKind::Trusted], None), "trusted already");
    let wrong = bench.inspect(id).await;
    assert_eq!((kinds(&wrong), wrong.issuer), (vec![FindingKind::WrongName], None), "it wouldn't help");
    let works = bench.check(id).await;
    assert_eq!((works.outcome, works.trusted_by.unwrap().how), (Outcome::Checked, Ground::Authority));
    let items = bench.backend.trusted().await.unwrap().items;
    assert_eq!(items[0].used_by, [(id, "mail".to_owned())]);
    bench.backend.trash_trusted(vec![items[0].id]).await.unwrap();
    assert_eq!(bench.standing(id).await, Standing::Changed);
    drop(peer.log().await);
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_told_with_both_and_takes_its_place() {
    let (old, new) = (Identity::self_signed(&["mail.test"], |_| {}), Identity::self_signed(&["mail.test"], |_| {}));
    let peer = Peer::new(vec![look(&old), session(&new), look(&new), session(&new)]).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    let pin = bench.backend.pin(pin_of(&bench.inspect(id).await)).await.unwrap();
    let failed = bench.check(id).await;
    assert_eq!((failed.cause, failed.pinned.len()), (Some(Cause::PinChanged), 1));
    let inspection = bench.inspect(id).await;
    assert!(inspection.is_changed() && inspection.pinned[0].id == pin, "{inspection:?}");
    assert_ne!(inspection.pinned[0].certificate.sha256, inspection.chain[0].certificate.sha256);
    bench.backend.pin(pin_of(&inspection)).await.unwrap();
    assert_eq!(bench.check(id).await.outcome, Outcome::Checked);
    let items = bench.backend.trusted().await.unwrap().items;
    assert_eq!((items.len(), &items[0].certificate), (1, &inspection.chain[0].certificate));
    drop(peer.log().await);
}

#[tokio::test]
async fn without_the_machine_s_authorities_nobody_vouches() {
    let server = Authority::new("Nobody's CA").issue(&["mail.test"], |_| {});
    let peer = Peer::new(vec![session(&server); 2]).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    bench.backend.set_system_roots(false).await.unwrap();
    let page = bench.backend.trusted().await.unwrap();
    assert!(!page.system.on && page.system.used_by.is_empty());
    assert_eq!(bench.check(id).await.cause, Some(Cause::NoTrustedRoots));
    let seen: Vec<BatchEvent> = bench.backend.test_all(None).await.unwrap().collect().await;
    assert_eq!(seen.last(), Some(&BatchEvent::Summary { checked: 0, failed: 1, skipped: 0 }), "also where many are checked");
    drop(peer.log().await);
}

#[tokio::test]
async fn a_run_uses_the_trust_of_the_moment_it_was_planned_and_says_nothing_if_that_changes() {
    let server = Identity::self_signed(&["mail.test"], |_| {});
    let gate = Gate::default();
    let held = [&gate.acts()[..], &session(&server)].concat();
    let peer = Peer::new(vec![look(&server), held.clone(), held, session(&server)]).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    let pin = pin_of(&bench.inspect(id).await);
    // It began before anything was pinned.
    let mut live = bench.start(id).await;
    gate.reached().await;
    let trusted = bench.backend.pin(pin).await.unwrap();
    gate.go.notify_one();
    assert_eq!(finished(&rest(&mut live).await).cause, Some(Cause::SelfSigned), "as it was when it began");
    assert_eq!(bench.standing(id).await, Standing::Never, "it was about what counted before");
    // It began before that was trashed.
    let mut live = bench.start(id).await;
    gate.reached().await;
    bench.backend.trash_trusted(vec![trusted]).await.unwrap();
    gate.go.notify_one();
    assert_eq!(finished(&rest(&mut live).await).outcome, Outcome::Checked);
    assert_eq!(bench.standing(id).await, Standing::Never);
    let runs = bench.backend.history(id).await.unwrap().runs;
    assert_eq!(runs.iter().map(|run| run.outcome).collect::<Vec<_>>(), [Outcome::Checked, Outcome::Failed], "both are kept");
    assert_eq!(bench.check(id).await.cause, Some(Cause::SelfSigned));
    assert!(matches!(bench.standing(id).await, Standing::Failing { .. }), "the next one does");
    drop(peer.log().await);
}

#[tokio::test]
async fn what_vouched_may_go_while_a_run_says_goodbye() {
    let authority = Authority::new("Private CA");
    let server = authority.issue(&["mail.test"], |_| {});
    let gate = Gate::default();
    let held = [&session(&server)[..], &[Act::Hear("QUIT")], &gate.acts(), &[say("221 bye")]].concat();
    let peer = Peer::new(vec![held]).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    let ids = bench.backend.add_authorities(authority.pem(), None).await.unwrap();
    let mut live = bench.start(id).await;
    gate.reached().await;
    // It is written down before the server lets it go; there is nothing to tell when.
    let recorded = async { while bench.standing(id).await != bench.verified() {} };
    tokio::time::timeout(Duration::from_secs(20), recorded).await.expect("it is recorded early");
    bench.backend.trash_trusted(ids).await.unwrap();
    assert_eq!(bench.standing(id).await, Standing::Changed, "who vouched wasn't told yet");
    gate.go.notify_one();
    assert_eq!(finished(&rest(&mut live).await).outcome, Outcome::Checked);
    assert_eq!(bench.standing(id).await, Standing::Changed);
    drop(peer.log().await);
}

#[tokio::test]
async fn looking_needs_only_what_leads_there() {
    let server = Identity::self_signed(&["mail.test"], |_| {});
    let upgraded = [
        &[say("220 hi")],
        &on("EHLO", "250-mail.test\n250 STARTTLS")[..],
        &on("STARTTLS", "220 go"),
        &[Act::Handshake(server.server())],
    ];
    let peer = Peer::new(vec![upgraded.concat(), look(&server)]).await;
    let bench = bench();
    let wrong = json!({
        "name": "", "kind": "fax", "host": "mail.test", "port": peer.address.port(), "username": "anna", "sender": "no address",
        "azure_oauth": {}, "attachment_as_url": true, "link_days": 0
    });
    let plain = bench.backend.inspect(None, edit(wrong)).await.unwrap();
    assert_eq!(kinds(&plain), [FindingKind::SelfSigned], "{plain:?}");

    let sign_in = json!({ "username": "anna", "password": { "value": "canary-1f4-not-a-password" } });
    let mut server = smtps(peer.address);
    server.as_object_mut().unwrap().extend(sign_in.as_object().unwrap().clone());
    let id = bench.backend.create(patch(server)).await.unwrap().id;
    assert_eq!(kinds(&bench.inspect(id).await), [FindingKind::SelfSigned]);
    let log = peer.log().await;
    assert!(!log.has("AUTH") && !log.has("MAIL"), "{log:?}");

    let missing = bench.backend.inspect(None, edit(json!({}))).await;
    assert_eq!(missing, Err(store_support::invalid(Field::Host, FieldError::Required)));
    let gone = bench.backend.inspect(Some(EntryId(99)), edit(json!({}))).await;
    assert_eq!(gone, Err(Problem::NoSuchEntry(EntryId(99))));
    let silent = bench.backend.inspect(None, edit(smtps(([127, 0, 0, 1], 9).into()))).await.unwrap();
    assert!(silent.chain.is_empty() && silent.findings.is_empty() && silent.headline.starts_with("Not inspected."), "{silent:?}");
}

#[tokio::test]
async fn looking_ends_with_whoever_asked_and_with_the_program() {
    let gate = Gate::default();
    let peer = Peer::new(vec![gate.acts().to_vec(), gate.acts().to_vec()]).await;
    let bench = bench();
    let id = bench.entry(peer.address).await;
    let begin = || {
        let backend = bench.backend.clone();
        tokio::spawn(async move { backend.inspect(Some(id), edit(json!({}))).await })
    };
    let left = begin();
    gate.reached().await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    gate.go.notify_one();
    let ended = begin();
    gate.reached().await;
    bench.house.close().await;
    let inspection = ended.await.unwrap().unwrap();
    assert_eq!(finished(&inspection.events).outcome, Outcome::Cancelled);
    assert!(inspection.chain.is_empty(), "{inspection:?}");
    let late = bench.inspect(id).await;
    assert_eq!((finished(&late.events).outcome, late.events.len()), (Outcome::Cancelled, 1), "nothing is begun any more");
    gate.go.notify_one();
    let log = peer.log().await;
    assert!(!log.has("EXTRA") && !log.has("QUIT"), "{log:?}");
    assert!(bench.backend.history(id).await.unwrap().runs.is_empty());
}

#[tokio::test]
async fn looking_takes_a_place_among_the_sessions() {
    let gate = Gate::default();
    let peer = Peer::new(vec![gate.acts().to_vec()]).await;
    // Whoever connects here is never greeted.
    let mute = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
    let bench = bench();
    let server = json!({ "name": "mute", "host": "mail.test", "port": mute.local_addr().unwrap().port(), "timeout_ms": 60_000 });
    let id = bench.backend.create(patch(server)).await.unwrap().id;
    let mut running = Vec::new();
    for _ in 0..15 {
        let mut live = bench.start(id).await;
        while live.events.next().await.unwrap().what != (What::Begun { stage: Stage::Greeting }) {}
        running.push(live);
    }
    let backend = bench.backend.clone();
    let looking = tokio::spawn(async move { backend.inspect(None, edit(smtps(peer.address))).await.unwrap() });
    gate.reached().await;
    let mut waiting = bench.start(id).await;
    for _ in 0..50 {
        bench.backend.list(ListQuery::default()).await.unwrap();
    }
    assert!(futures::poll!(waiting.events.next()).is_pending(), "there are sixteen already");
    gate.go.notify_one();
    looking.abort();
    assert_eq!(waiting.events.next().await.unwrap().what, What::Begun { stage: Stage::Resolve }, "its place is free again");
    drop((running, waiting));
    bench.house.close().await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_server_that_asks_for_it() {
    let authority = Authority::new("Private CA");
    let server = authority.issue(&["mail.test"], |_| {});
    let client = Authority::new("client");
    let asking = server.server_asking(&rustls::version::TLS13, &client, true);
    let script = [&[Act::Handshake(asking), say("220 hi")], &on("EHLO client.test", "250 mail.test")[..]].concat();
    let looked = script[..2].to_vec();
    let peer = Peer::new([vec![script; 4], vec![looked]].concat()).await;
    let bench = bench();
    bench.backend.add_authorities(authority.pem(), None).await.unwrap();
    let id = bench.entry(peer.address).await;
    let failed = bench.check(id).await;
    assert_eq!(failed.cause, Some(Cause::ClientCertificateWanted));

    // What is typed is shown although it isn't saved, and saved it is what was tested.
    let shown = client.issue(&["client.test"], |_| {});
    let pem = shown.pem_with_key();
    let typed = json!({ "client_certificate": { "value": pem } });
    let report = bench.backend.test(Some(id), edit(typed.clone()), checking()).await.unwrap();
    assert_eq!(finished(&report.events).outcome, Outcome::Checked, "{report:?}");
    assert!(bench.backend.entry(id).await.unwrap().client_certificate.is_none());
    bench.backend.save(id, Version(1), edit(typed)).await.unwrap();
    assert_eq!(bench.standing(id).await, bench.verified());
    assert_eq!(bench.check(id).await.outcome, Outcome::Checked);
    let removed = json!({ "client_certificate": null });
    let report = bench.backend.test(Some(id), edit(removed), checking()).await.unwrap();
    assert_eq!(finished(&report.events).cause, Some(Cause::ClientCertificateWanted));
    bench.inspect(id).await;
    let clients: Vec<_> = peer.log().await.hellos.into_iter().map(|hello| hello.client).collect();
    assert_eq!(clients.iter().filter(|client| client.as_slice() == shown.chain()).count(), 2, "and to nobody who only looks");
}

#[tokio::test]
async fn a_client_certificate_comes_by_patch_or_upload_and_a_wrong_one_changes_nothing() {
    let bench = bench();
    let id = bench.entry(([127, 0, 0, 1], 9).into()).await;
    let pem = Authority::new("client").issue(&["client.test"], |_| {}).pem_with_key();
    let refused = |problem: Problem| {
        let Problem::Invalid(errors) = problem else { panic!("{problem:?}") };
        errors.get(Field::ClientCertificate).cloned().expect("it names the field")
    };
    let env = json!({ "client_certificate": { "env": "HOME" }, "host": " " });
    let Err(Problem::Invalid(errors)) = bench.backend.save(id, Version(1), edit(env)).await else { panic!("saved") };
    assert_eq!(errors.get(Field::ClientCertificate), Some(&FieldError::PasswordVariable { name: "HOME".into() }));
    assert_eq!(errors.get(Field::Host), Some(&FieldError::Required), "all that is wrong is said at once");
    let wrong = json!({ "client_certificate": { "value": "no certificate" } });
    assert!(matches!(
        refused(bench.backend.save(id, Version(1), edit(wrong.clone())).await.unwrap_err()),
        FieldError::ClientCertificate(_)
    ));
    assert!(bench.backend.test(Some(id), edit(wrong), checking()).await.is_err());
    let upload = |base, file: &str| {
        let file = Some((file.as_bytes().to_vec(), Secret::default()));
        bench.backend.set_client_certificate(id, Version(base), file)
    };
    assert!(matches!(refused(upload(1, "no certificate").await.unwrap_err()), FieldError::ClientCertificate(_)));
    assert_eq!(bench.backend.entry(id).await.unwrap().version, Version(1), "nothing was saved");

    assert_eq!(upload(1, &pem).await.unwrap().version, Version(2));
    assert!(matches!(upload(1, &pem).await, Err(Problem::Stale(_))));
    let has = || async { bench.backend.entry(id).await.unwrap().server.unwrap().has_client_certificate };
    assert!(has().await);
    bench.backend.save(id, Version(2), edit(json!({ "timeout_ms": 5_000 }))).await.unwrap();
    assert!(has().await, "missing keeps it");
    bench.backend.save(id, Version(3), edit(json!({ "client_certificate": null }))).await.unwrap();
    assert!(!has().await);
    upload(4, &pem).await.unwrap();
    bench.backend.set_client_certificate(id, Version(5), None).await.unwrap();
    assert!(!has().await);
}

/// What was logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Net;

impl std::io::Write for Net {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_key_of_a_client_certificate_is_in_nothing_that_is_kept_logged_or_told() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| Net).init();
    let authority = Authority::new("Private CA");
    let asking = authority.issue(&["mail.test"], |_| {}).server_asking(&rustls::version::TLS13, &authority, true);
    let script = [&[Act::Handshake(asking), say("220 hi")], &on("EHLO client.test", "250 mail.test")[..]].concat();
    let peer = Peer::new(vec![script]).await;
    let bench = bench();
    bench.backend.add_authorities(authority.pem(), None).await.unwrap();
    let client = authority.issue(&["client.test"], |_| {});
    let web = router(Web::new(Arc::clone(&bench.house) as Arc<dyn app::backend::Gate>, Hosts::new(None)));
    let told = Mutex::new(String::new());
    let shown = administrator(&bench.entries).await;
    let call = async |method: &str, path: &str, body: Value| {
        let request = Request::builder();
        let request = shown.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = request
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }))
            .unwrap();
        let response = web.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 22).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        told.lock().unwrap().push_str(&text);
        (status.as_u16(), text)
    };
    let mut server = smtps(peer.address);
    server["client_certificate"] = json!({ "value": client.pem_with_key() });
    let (status, created) = call("POST", "/api/servers/create", json!({ "server": server })).await;
    assert_eq!(status, 200, "{created}");
    let id = serde_json::from_str::<Value>(&created).unwrap()["id"].clone();
    let (_, report) = call("POST", "/api/servers/test", json!({ "id": id, "check_only": true })).await;
    let report: TestReport = serde_json::from_str(&report).unwrap();
    assert_eq!(finished(&report.events).outcome, Outcome::Checked, "{report:?}");
    let broken = client.pem_with_key().replacen("PRIVATE KEY-----\n", "PRIVATE KEY-----\nA", 1);
    let wrong = json!({ "id": id, "version": 1, "server": { "client_certificate": { "value": broken } } });
    assert_eq!(call("POST", "/api/servers/save", wrong).await.0, 422);
    let unwrapped = json!({ "id": id, "version": 1, "server": { "client_certificate": client.pem_with_key() } });
    assert_eq!(call("POST", "/api/servers/save", unwrapped).await.0, 400, "a secret that is no object isn't quoted");
    for path in ["/api/servers", &format!("/api/servers/get?id={id}"), &format!("/api/servers/runs?id={id}"), "/api/certificates"] {
        assert_eq!(call("GET", path, Value::Null).await.0, 200, "{path}");
    }
    for path in ["/", &format!("/servers/{id}")] {
        call("GET", path, Value::Null).await;
    }
    call("POST", "/api/servers/trash", json!({ "ids": [id] })).await;
    drop(peer.log().await);

    let told = told.into_inner().unwrap();
    let file = std::fs::read(bench.dir.path().join("postroom.redb")).unwrap();
    let log = std::mem::take(&mut *LOG.lock().unwrap());
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let (key, sha256) = (client.key.serialize_der(), server::certificate::summary(&client.der()).sha256);
    let line = client.pem_with_key().lines().rev().nth(1).unwrap().to_owned();
    assert!(told.contains(&sha256) && holds(&file, sha256.as_bytes()), "the certificate itself is told");
    assert!(holds(&log, b"trusts an authority") && holds(&log, b"192.0.2.7"), "changes of trust are logged");
    for (what, bytes) in [("the API", told.as_bytes()), ("the file", &file), ("the log", &log)] {
        assert!(!holds(bytes, b"PRIVATE KEY"), "{what}");
        assert!(!holds(bytes, line.as_bytes()), "{what}");
        assert!(!holds(bytes, &key[key.len() - 40..]) && !holds(bytes, &key[36..68]), "{what}");
    }
    assert!(!holds(&log, b"BEGIN CERTIFICATE"));
}
