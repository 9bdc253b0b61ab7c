//! Runs of tests over a real file and against a scripted peer: watched, cancelled, left, kept, and many at once.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "common/peer.rs"]
#[expect(dead_code, reason = "a part of it is used")]
mod peer;
mod store_support;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::backend::{Backend, Caller, Edit, LiveRun};
use async_trait::async_trait;
use domain::access::{Permit, Role};
use domain::entry::{EntryId, ListQuery};
use domain::error::Problem;
use domain::run::{BatchEvent, RunId, RunMode, RunSummary, Standing};
use domain::smtp_server::{ServerPatch, TestDraft};
use domain::transcript::{Event, Finished, Outcome, Stage, What, headline};
use futures::StreamExt;
use serde_json::{Value, json};
use server::backend::{House, Local};
use server::entries::Entries;
use server::mailer::{Mailer, Resolver};
use server::ports::{SystemClock, SystemRandom};
use server::web::{Hosts, Web, router, serve};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

use peer::{Act, Peer, on, say};
use store_support::{TestClock, administrator, open};

/// Nobody's password.
const CANARY: &str = "canary-8e2d41-not-a-password";

/// Knows the loopback address under one name, and never comes to an end with another.
struct Names;

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        if name == "never.test" {
            std::future::pending::<()>().await;
        }
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
    bench_with(|local| local)
}

fn bench_with(change: impl FnOnce(House) -> House) -> Bench {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = Arc::new(open(dir.path(), &clock).unwrap());
    let mailer = Mailer::new(None, Arc::new(Names), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let house = Arc::new(change(House::new(Arc::clone(&entries), mailer.with_ehlo_name("client.test")).unwrap()));
    let backend = Arc::new(house.local(caller()));
    Bench { dir, clock, entries, house, backend }
}

fn patch(value: Value) -> ServerPatch {
    serde_json::from_value(value).unwrap()
}

fn caller() -> Caller {
    Caller { address: "192.0.2.7".into(), permit: Permit::of(Role::Administrator), ..Caller::default() }
}

fn sending() -> TestDraft {
    TestDraft { from: "scan@example.com".into(), to: "anna@example.org".into(), attachment: String::new(), check_only: false }
}

fn checking() -> TestDraft {
    TestDraft { check_only: true, ..TestDraft::default() }
}

impl Bench {
    /// An entry for the peer, with `more` keys.
    async fn entry(&self, name: &str, address: SocketAddr, more: Value) -> EntryId {
        let mut server = json!({ "name": name, "host": "mail.test", "port": address.port(), "timeout_ms": 20_000 });
        server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.backend.create(patch(server)).await.unwrap().id
    }

    async fn start(&self, id: EntryId, test: TestDraft) -> LiveRun {
        self.backend.start_test(Some(id), Edit::Patch(Box::default()), test).await.unwrap()
    }

    async fn runs(&self, id: EntryId) -> Vec<RunSummary> {
        self.backend.history(id).await.unwrap().runs
    }

    async fn standing(&self, id: EntryId) -> Standing {
        self.backend.entry(id).await.unwrap().standing
    }
}

/// The next event, in bounded time.
async fn next(live: &mut LiveRun) -> Option<Event> {
    tokio::time::timeout(Duration::from_secs(20), live.events.next()).await.expect("something happens")
}

/// Everything up to the end.
async fn rest(live: &mut LiveRun) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = next(live).await {
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

fn hello(capability: &str) -> Vec<Act> {
    [vec![say("220 mail.test ESMTP")], on("EHLO client.test", &format!("250-mail.test\n250 {capability}")).to_vec()].concat()
}

/// Up to the recipients, all accepted.
fn envelope() -> Vec<Act> {
    [hello("HELP"), on("MAIL", "250 ok").to_vec(), on("RCPT", "250 ok").to_vec()].concat()
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

    fn go(&self) {
        self.go.notify_one();
    }
}

#[tokio::test]
async fn events_arrive_while_the_run_goes_on_and_its_end_finds_it_recorded() {
    let gate = Gate::default();
    let peer = Peer::new(vec![[gate.acts().to_vec(), hello("HELP")].concat()]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({})).await;
    let mut live = bench.start(id, checking()).await;
    assert_eq!(live.host, "mail.test");
    // The server has not said a word yet.
    loop {
        let event = next(&mut live).await.unwrap();
        if event.what == (What::Begun { stage: Stage::Greeting }) {
            break;
        }
        assert!(!matches!(event.what, What::Finished(_)), "{event:?}");
    }
    assert!(bench.runs(id).await.is_empty());
    gate.go();
    let mut last = None;
    while let Some(event) = next(&mut live).await {
        if let What::Finished(finished) = event.what {
            let runs = bench.runs(id).await;
            assert_eq!(runs.len(), 1, "recorded before it is told");
            let RunSummary { id: run, by, mode, outcome, headline: words, .. } = &runs[0];
            assert_eq!((*run, by.as_str(), *mode, *outcome), (live.run, "192.0.2.7", RunMode::Check, Outcome::Checked));
            assert_eq!(*words, headline(&finished, &live.host));
            last = Some(finished);
        }
    }
    assert_eq!(last.unwrap().outcome, Outcome::Checked);
    assert_eq!(bench.standing(id).await, Standing::Verified { at_ms: store_support::START });
    assert_eq!(peer.log().await.lines(), ["EHLO client.test", "QUIT"]);
}

#[tokio::test]
async fn a_test_to_the_end_is_recorded_like_one_that_is_watched() {
    let peer = Peer::new(vec![hello("HELP"), hello("HELP")]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({})).await;
    let report = bench.backend.test(Some(id), Edit::Patch(Box::default()), checking()).await.unwrap();
    let runs = bench.runs(id).await;
    assert_eq!((runs.len(), &runs[0].headline), (1, &report.headline));
    assert_eq!(bench.backend.run(runs[0].id).await.unwrap().events, report.events);

    let server = json!({ "name": "x", "host": "mail.test", "port": peer.address.port() });
    let edit = Edit::Patch(Box::new(patch(server)));
    let mut live = bench.backend.start_test(None, edit, checking()).await.unwrap();
    assert_eq!(finished(&rest(&mut live).await).outcome, Outcome::Checked);
    assert_eq!(bench.backend.run(live.run).await, Err(Problem::NoSuchRun(live.run)), "an entry that isn't saved has no history");
    assert!(live.run > runs[0].id);
    drop(peer.log().await);
}

/// Where a run is when it is cancelled, what the peer has heard by then, and how it ends.
struct Case {
    script: Vec<Act>,
    more: Value,
    heard: usize,
    end: (Outcome, Stage),
}

#[tokio::test]
async fn a_run_is_cancelled_at_every_stage_and_nothing_more_is_said() {
    let gate = Gate::default();
    let stop = gate.acts().to_vec();
    let case = |script: Vec<Act>, heard, stage| Case {
        script: [script, stop.clone()].concat(),
        more: json!({}),
        heard,
        end: (Outcome::Cancelled, stage),
    };
    let hear = |line| vec![Act::Hear(line)];
    let starttls = json!({ "starttls": "enabled_and_required" });
    let sign_in = json!({ "username": "anna", "password": { "value": CANARY }, "allow_plaintext_credentials": true });
    let data = [envelope(), on("DATA", "354 go").to_vec()].concat();
    let cases = [
        case(vec![], 0, Stage::Greeting),
        case([vec![say("220 hi")], hear("EHLO")].concat(), 1, Stage::Ehlo),
        Case { more: starttls.clone(), ..case([hello("STARTTLS"), hear("STARTTLS")].concat(), 2, Stage::Starttls) },
        Case {
            more: starttls,
            ..case([hello("STARTTLS"), on("STARTTLS", "220 go").to_vec(), vec![Act::HearBytes]].concat(), 2, Stage::Tls)
        },
        Case { more: sign_in, ..case([hello("AUTH PLAIN"), hear("AUTH")].concat(), 2, Stage::Auth) },
        case([hello("HELP"), hear("MAIL")].concat(), 2, Stage::MailFrom),
        case([hello("HELP"), on("MAIL", "250 ok").to_vec(), hear("RCPT")].concat(), 3, Stage::RcptTo),
        case([envelope(), hear("DATA")].concat(), 4, Stage::Data),
        Case {
            end: (Outcome::Unknown, Stage::Accepted),
            ..case([data.clone(), vec![Act::HearMessage]].concat(), 5, Stage::Accepted)
        },
    ];
    for Case { script, more, heard, end } in cases {
        let peer = Peer::new(vec![script]).await;
        let bench = bench();
        let id = bench.entry("mail", peer.address, more).await;
        let mut live = bench.start(id, sending()).await;
        gate.reached().await;
        assert_eq!(bench.backend.cancel(live.run).await, Ok(true), "{end:?}");
        let events = rest(&mut live).await;
        gate.go();
        let log = peer.log().await;
        let finished = finished(&events);
        assert_eq!((finished.outcome, finished.stage), end);
        assert_eq!(log.lines().len(), heard, "{end:?}: {log:?}");
        assert!(!log.has("QUIT") && !log.has("EXTRA") && !log.has("RSET"), "{end:?}: {log:?}");
        assert_eq!(log.has("MESSAGE"), end.0 == Outcome::Unknown, "{end:?}: {log:?}");
        assert_eq!(finished.diagnosis.is_some(), end.0 == Outcome::Unknown);
        let words = headline(finished, "mail.test");
        let honest = if end.0 == Outcome::Unknown { "had been handed to mail.test" } else { "Cancelled. " };
        assert!(words.contains(honest), "{words}");
        let runs = bench.runs(id).await;
        assert_eq!((runs.len(), runs[0].outcome, &runs[0].headline), (1, end.0, &words));
        assert_eq!(bench.backend.cancel(live.run).await, Ok(false), "it is over");
        let standing = bench.standing(id).await;
        assert_eq!(standing, Standing::Never, "who cancels learns nothing");
    }
}

#[tokio::test]
async fn a_run_that_looks_a_name_up_is_cancelled_before_anything_is_opened() {
    let bench = bench();
    let peer = Peer::new(vec![]).await;
    let id = bench.entry("mail", peer.address, json!({ "host": "never.test" })).await;
    let mut live = bench.start(id, sending()).await;
    assert_eq!(next(&mut live).await.unwrap().what, What::Begun { stage: Stage::Resolve });
    assert_eq!(bench.backend.cancel(live.run).await, Ok(true));
    let events = rest(&mut live).await;
    assert_eq!((finished(&events).outcome, finished(&events).stage), (Outcome::Cancelled, Stage::Resolve));
    assert!(peer.log().await.connections.is_empty());
    assert_eq!(bench.backend.cancel(RunId(99)).await, Ok(false));
}

#[tokio::test]
async fn a_run_that_has_its_result_is_recorded_at_once_and_not_cancelled_any_more() {
    let gate = Gate::default();
    let end = [vec![Act::Hear("QUIT")], gate.acts().to_vec(), vec![say("221 bye")]].concat();
    let message = [envelope(), on("DATA", "354 go").to_vec(), vec![Act::HearMessage, say("250 queued as 77")]].concat();
    let refused = [hello("HELP"), on("MAIL", "530 5.7.0 who are you").to_vec()].concat();
    for (script, test, outcome, words) in [
        (message, sending(), Outcome::Sent, "as 77"),
        (hello("HELP"), checking(), Outcome::Checked, "answers"),
        (refused, sending(), Outcome::Failed, "during the sender"),
    ] {
        let peer = Peer::new(vec![[script, end.clone()].concat()]).await;
        let bench = bench();
        let id = bench.entry("mail", peer.address, json!({})).await;
        let mut live = bench.start(id, test).await;
        gate.reached().await;
        assert_eq!(bench.backend.cancel(live.run).await, Ok(false));
        // It is written down before the server lets it go; there is nothing to tell when, since nobody waits for it.
        let recorded = async { while bench.runs(id).await.is_empty() {} };
        tokio::time::timeout(Duration::from_secs(20), recorded).await.expect("it is recorded early");
        let early = bench.backend.run(live.run).await.unwrap();
        assert_eq!(early.summary.outcome, outcome);
        assert!(early.summary.headline.contains(words), "{early:?}");
        assert_eq!(early.events[early.events.len() - 2].what, What::Begun { stage: Stage::Quit });
        let works = outcome != Outcome::Failed;
        assert_eq!(matches!(bench.standing(id).await, Standing::Verified { .. }), works, "it isn't known yet why it failed");
        gate.go();
        let events = rest(&mut live).await;
        assert_eq!(finished(&events).outcome, outcome);
        assert_eq!(bench.runs(id).await.len(), 1);
        assert_eq!(bench.backend.run(live.run).await.unwrap().events, events, "the whole takes its place");
        assert_eq!(matches!(bench.standing(id).await, Standing::Failing { .. }), !works);
        drop(peer.log().await);
    }
}

#[tokio::test]
async fn who_leaves_before_the_message_cancels_it() {
    let gate = Gate::default();
    let peer = Peer::new(vec![[hello("HELP"), vec![Act::Hear("MAIL")], gate.acts().to_vec()].concat()]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({})).await;
    let live = bench.start(id, sending()).await;
    gate.reached().await;
    drop(live);
    gate.go();
    // The peer is let go without another word; only then are the runs waited for.
    let log = peer.log().await;
    assert!(!log.has("RCPT") && !log.has("QUIT"), "{log:?}");
    bench.house.close().await;
    let runs = bench.runs(id).await;
    assert_eq!((runs.len(), runs[0].outcome, runs[0].stage), (1, Outcome::Cancelled, Stage::MailFrom));
}

#[tokio::test]
async fn who_leaves_after_the_message_was_begun_lets_it_through() {
    let gate = Gate::default();
    let end = [say("354 go"), Act::HearMessage, say("250 queued as 77")];
    let peer = Peer::new(vec![[envelope(), vec![Act::Hear("DATA")], gate.acts().to_vec(), end.to_vec()].concat()]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({})).await;
    let live = bench.start(id, sending()).await;
    gate.reached().await;
    drop(live);
    gate.go();
    let log = peer.log().await;
    assert!(log.has("MESSAGE") && log.has("QUIT"), "{log:?}");
    bench.house.close().await;
    let runs = bench.runs(id).await;
    assert_eq!((runs.len(), runs[0].outcome), (1, Outcome::Sent));
    assert!(matches!(bench.standing(id).await, Standing::Verified { .. }));
}

#[tokio::test]
async fn the_end_of_the_program_cancels_what_has_not_begun_its_message_and_records_all() {
    let (early, late) = (Gate::default(), Gate::default());
    let greeting = Peer::new(vec![early.acts().to_vec()]).await;
    let end = [say("354 go"), Act::HearMessage, say("250 queued as 77")];
    let message = Peer::new(vec![[envelope(), vec![Act::Hear("DATA")], late.acts().to_vec(), end.to_vec()].concat()]).await;
    let bench = bench();
    let first = bench.entry("first", greeting.address, json!({})).await;
    let second = bench.entry("second", message.address, json!({})).await;
    let mut one = bench.start(first, sending()).await;
    let mut two = bench.start(second, sending()).await;
    tokio::join!(early.reached(), late.reached());
    let closing = tokio::spawn(bench.house.close());
    assert_eq!(finished(&rest(&mut one).await).outcome, Outcome::Cancelled);
    assert!(!closing.is_finished(), "a message is on its way");
    late.go();
    closing.await.unwrap();
    assert_eq!(bench.runs(first).await[0].outcome, Outcome::Cancelled);
    assert_eq!(bench.runs(second).await[0].outcome, Outcome::Sent, "recorded by now");
    assert_eq!(finished(&rest(&mut two).await).outcome, Outcome::Sent);

    let mut after = bench.start(first, sending()).await;
    assert_eq!(finished(&rest(&mut after).await).outcome, Outcome::Cancelled, "nothing is begun any more");
    early.go();
    assert!(!greeting.log().await.has("EXTRA"));
    drop(message.log().await);
}

#[tokio::test]
async fn a_run_of_an_entry_that_is_in_the_trash_meanwhile_comes_back_with_it() {
    let gate = Gate::default();
    let peer = Peer::new(vec![[gate.acts().to_vec(), hello("HELP")].concat()]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({})).await;
    let mut live = bench.start(id, checking()).await;
    gate.reached().await;
    let batch = bench.backend.trash(vec![id], None).await.unwrap().undo.batch;
    gate.go();
    assert_eq!(finished(&rest(&mut live).await).outcome, Outcome::Checked);
    bench.backend.undo(batch).await.unwrap();
    assert_eq!(bench.runs(id).await.len(), 1);
    assert_eq!(bench.standing(id).await, Standing::Verified { at_ms: store_support::START });
    drop(peer.log().await);
}

#[tokio::test]
async fn a_sender_counts_only_where_it_is_the_entry_s_own() {
    let script = [hello("HELP"), on("MAIL", "550 5.1.8 who is that").to_vec()].concat();
    let peer = Peer::new(vec![script.clone(), script]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({ "sender": "Scan <own@example.com>" })).await;
    let mut typed = bench.start(id, sending()).await;
    assert_eq!(finished(&rest(&mut typed).await).stage, Stage::MailFrom);
    assert_eq!(bench.standing(id).await, Standing::Never);
    let mut own = bench.start(id, TestDraft { from: String::new(), ..sending() }).await;
    assert_eq!(finished(&rest(&mut own).await).stage, Stage::MailFrom);
    assert!(matches!(bench.standing(id).await, Standing::Failing { stage: Stage::MailFrom, .. }));
    drop(peer.log().await);
}

#[tokio::test]
async fn no_secret_is_in_what_is_kept() {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(CANARY);
    let plain = base64::engine::general_purpose::STANDARD.encode(format!("\0anna\0{CANARY}"));
    let answer = format!("535-5.7.8 {CANARY}\n535-5.7.8 {encoded}\n535 5.7.8 {plain}");
    let peer = Peer::new(vec![[hello("AUTH PLAIN"), on("AUTH", &answer).to_vec()].concat()]).await;
    let bench = bench();
    let sign_in = json!({ "username": "anna", "password": { "value": CANARY }, "allow_plaintext_credentials": true });
    let id = bench.entry("mail", peer.address, sign_in).await;
    let mut live = bench.start(id, sending()).await;
    let events = rest(&mut live).await;
    assert_eq!((finished(&events).outcome, finished(&events).stage), (Outcome::Failed, Stage::Auth));
    let run = bench.backend.run(live.run).await.unwrap();
    assert!(run.events.len() > 5);
    let page = bench.backend.entry_page(id, Some(live.run)).await.unwrap();
    let shown = serde_json::to_string(&(run, page, bench.backend.list(ListQuery::default()).await.unwrap())).unwrap();
    let file = std::fs::read(bench.dir.path().join("postroom.redb")).unwrap();
    assert!(file.windows(7).any(|window| window == b"AUTH PL"), "transcripts are kept as they are");
    for secret in [CANARY, &encoded, &plain] {
        assert!(!shown.contains(secret));
        assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    assert!(!shown.contains("settings"), "the fingerprint stays inside");
    drop(peer.log().await);
}

/// A server for many: counts who is connected, and greets whom the test lets.
struct Crowd {
    address: SocketAddr,
    greeted: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    /// Somebody came or went.
    moved: Arc<Notify>,
}

impl Crowd {
    async fn new() -> Self {
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
        let crowd = Self {
            address: listener.local_addr().unwrap(),
            greeted: Arc::new(Semaphore::new(0)),
            open: Arc::default(),
            most: Arc::default(),
            moved: Arc::default(),
        };
        let (greeted, open, most, moved) = (crowd.greeted.clone(), crowd.open.clone(), crowd.most.clone(), crowd.moved.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                moved.notify_waiters();
                let (greeted, open, moved) = (greeted.clone(), open.clone(), moved.clone());
                tokio::spawn(async move {
                    serve_one(stream, &greeted, &open).await;
                    moved.notify_waiters();
                });
            }
        });
        crowd
    }

    async fn wait_for(&self, count: usize) {
        loop {
            let moved = self.moved.notified();
            if self.open.load(Ordering::SeqCst) == count {
                return;
            }
            tokio::time::timeout(Duration::from_secs(20), moved).await.expect("they come and go");
        }
    }
}

async fn serve_one(stream: TcpStream, greeted: &Semaphore, open: &AtomicUsize) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let greeting = tokio::select! {
        place = greeted.acquire() => Some(place.unwrap()),
        // Nothing is said before the greeting, so this is the end of the connection.
        _ = stream.read_line(&mut line) => None,
    };
    if greeting.is_some() {
        let _gone = stream.write_all(b"220 hi\r\n").await;
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            let last = line.starts_with("QUIT");
            // Before the answer: as soon as the other side has it, the next one may come.
            if last {
                open.fetch_sub(1, Ordering::SeqCst);
            }
            let _gone = stream.write_all(if last { b"221 bye\r\n" } else { b"250 ok\r\n" }).await;
            if last {
                return;
            }
            line.clear();
        }
    }
    open.fetch_sub(1, Ordering::SeqCst);
}

#[tokio::test]
async fn checking_all_never_takes_more_than_eight_at_once() {
    let crowd = Crowd::new().await;
    let bench = bench();
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(bench.entry(&format!("mail-{number:02}"), crowd.address, json!({})).await);
    }
    let bare = bench.backend.create(patch(json!({ "name": "bare" }))).await.unwrap().id;
    // By its name the last, so that it takes no place among the first.
    let broken = bench.entry("without-password", crowd.address, json!({ "username": "anna" })).await;
    let mut events = bench.backend.test_all(None).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reading = {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                seen.lock().unwrap().push(event);
            }
        })
    };
    crowd.wait_for(8).await;
    // Meanwhile a whole run goes through from its start to its end. A ninth would have begun before it, and would be here.
    let peer = Peer::new(vec![hello("HELP")]).await;
    let edit = Edit::Patch(Box::new(patch(json!({ "name": "x", "host": "mail.test", "port": peer.address.port() }))));
    let report = bench.backend.test(None, edit, checking()).await.unwrap();
    assert_eq!(finished(&report.events).outcome, Outcome::Checked);
    drop(peer.log().await);
    assert_eq!(crowd.open.load(Ordering::SeqCst), 8);
    crowd.greeted.add_permits(1_000);
    tokio::time::timeout(Duration::from_mins(1), reading).await.unwrap().unwrap();
    assert_eq!(crowd.most.load(Ordering::SeqCst), 8);

    let seen = seen.lock().unwrap();
    assert_eq!(seen.last(), Some(&BatchEvent::Summary { checked: 20, failed: 0, skipped: 2 }));
    for id in &ids {
        let of: Vec<&BatchEvent> = seen.iter().filter(|event| id_of(event) == Some(*id)).collect();
        assert!(matches!(of[0], BatchEvent::Begun { .. }) && matches!(of[1], BatchEvent::Stage { stage: Stage::Resolve, .. }));
        let BatchEvent::Finished { outcome, standing, headline, .. } = of[of.len() - 1] else { panic!("{of:?}") };
        assert_eq!((outcome, standing), (&Outcome::Checked, &Standing::Verified { at_ms: store_support::START }));
        assert!(headline.starts_with("Checked."), "{headline}");
    }
    assert!(seen.iter().all(|event| id_of(event) != Some(bare)), "one that isn't set up has nothing to check");
    let end = seen.iter().find(|event| id_of(event) == Some(broken) && matches!(event, BatchEvent::Finished { .. }));
    let Some(BatchEvent::Finished { outcome: Outcome::Failed, standing: Standing::Never, headline, .. }) = end else {
        panic!("{end:?}")
    };
    assert!(headline.contains("no password is stored"), "it says why it was skipped: {headline}");
}

fn id_of(event: &BatchEvent) -> Option<EntryId> {
    match event {
        BatchEvent::Begun { id, .. } | BatchEvent::Stage { id, .. } | BatchEvent::Finished { id, .. } => Some(*id),
        BatchEvent::Summary { .. } => None,
    }
}

#[tokio::test]
async fn some_are_checked_by_their_ids_and_what_is_not_there_is_refused() {
    let bench = bench();
    let peer = Peer::new(vec![hello("HELP")]).await;
    let id = bench.entry("mail", peer.address, json!({})).await;
    bench.entry("other", peer.address, json!({})).await;
    let refused = |ids: Vec<u64>| bench.backend.test_all(Some(ids.into_iter().map(EntryId).collect()));
    assert_eq!(refused(vec![]).await.err(), Some(Problem::NothingChosen));
    assert_eq!(refused(vec![id.0, 99]).await.err(), Some(Problem::NoSuchEntry(EntryId(99))));
    let events: Vec<BatchEvent> = bench.backend.test_all(Some(vec![id, id])).await.unwrap().collect().await;
    assert_eq!(events.last(), Some(&BatchEvent::Summary { checked: 1, failed: 0, skipped: 0 }));
    assert_eq!(bench.runs(id).await.len(), 1);
    drop(peer.log().await);
}

#[tokio::test]
async fn who_leaves_while_all_are_checked_stops_it() {
    let crowd = Crowd::new().await;
    let bench = bench();
    for number in 0..20 {
        bench.entry(&format!("mail-{number:02}"), crowd.address, json!({})).await;
    }
    let events = bench.backend.test_all(None).await.unwrap();
    crowd.wait_for(8).await;
    // One who wants to try a single entry meanwhile finds a place, and is left alone.
    let twentieth = bench.backend.list(ListQuery::default()).await.unwrap().rows[19].id;
    let mut single = bench.start(twentieth, checking()).await;
    crowd.wait_for(9).await;
    drop(events);
    crowd.wait_for(1).await;
    crowd.greeted.add_permits(1_000);
    assert_eq!(finished(&rest(&mut single).await).outcome, Outcome::Checked);
    bench.house.close().await;
    let list = bench.backend.list(ListQuery::default()).await.unwrap();
    let mut outcomes = Vec::new();
    for row in list.rows {
        outcomes.extend(bench.runs(row.id).await.into_iter().map(|run| run.outcome));
    }
    let expected = [&[Outcome::Cancelled; 8][..], &[Outcome::Checked]].concat();
    assert_eq!(outcomes, expected, "those that were begun, and no other");
}

#[tokio::test]
async fn who_takes_no_events_while_all_are_checked_holds_nobody_up() {
    let crowd = Crowd::new().await;
    crowd.greeted.add_permits(1_000);
    let bench = bench_with(|local| local.with_patience(Duration::from_millis(50)));
    for number in 0..30 {
        bench.entry(&format!("mail-{number:02}"), crowd.address, json!({})).await;
    }
    let stalled = bench.backend.test_all(None).await.unwrap();
    let events = bench.backend.test_all(None).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_mins(1), events.collect::<Vec<_>>()).await.expect("it goes on");
    assert_eq!(seen.last(), Some(&BatchEvent::Summary { checked: 30, failed: 0, skipped: 0 }));
    // The other one is over although its events were never looked at, and says so by its end.
    let told = tokio::time::timeout(Duration::from_mins(1), stalled.collect::<Vec<_>>()).await.expect("it ends");
    assert!(!told.iter().any(|event| matches!(event, BatchEvent::Summary { .. })), "{told:?}");
    bench.house.close().await;
    crowd.wait_for(0).await;
}

#[tokio::test]
async fn a_run_that_waits_for_its_turn_is_cancelled_without_having_begun() {
    let crowd = Crowd::new().await;
    let bench = bench();
    let id = bench.entry("mail", crowd.address, json!({})).await;
    let mut running = Vec::new();
    for _ in 0..16 {
        running.push(bench.start(id, checking()).await);
    }
    crowd.wait_for(16).await;
    let mut waiting = bench.start(id, checking()).await;
    assert_eq!(bench.backend.cancel(waiting.run).await, Ok(true));
    let events = rest(&mut waiting).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((finished(&events).outcome, finished(&events).stage), (Outcome::Cancelled, Stage::Resolve));
    crowd.greeted.add_permits(1_000);
    for mut live in running {
        assert_eq!(finished(&rest(&mut live).await).outcome, Outcome::Checked);
    }
    assert_eq!(crowd.most.load(Ordering::SeqCst), 16);
    assert_eq!(bench.runs(id).await.len(), 17);
}

#[tokio::test]
async fn numbers_of_runs_go_on_after_a_start() {
    let bench = bench();
    let peer = Peer::new(vec![hello("HELP"), hello("HELP")]).await;
    let id = bench.entry("mail", peer.address, json!({})).await;
    let mut first = bench.start(id, checking()).await;
    rest(&mut first).await;
    let Bench { dir, clock, entries, house, backend } = bench;
    drop((first, backend, house, entries));
    let entries = Arc::new(open(dir.path(), &clock).unwrap());
    let mailer = Mailer::new(None, Arc::new(Names), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let house = Arc::new(House::new(Arc::clone(&entries), mailer.with_ehlo_name("client.test")).unwrap());
    let backend = Arc::new(house.local(caller()));
    let bench = Bench { dir, clock, entries, house, backend };
    let mut second = bench.start(id, checking()).await;
    rest(&mut second).await;
    assert_eq!(bench.runs(id).await.iter().map(|run| run.id.0).collect::<Vec<_>>(), [2, 1]);
    drop(peer.log().await);
}

#[tokio::test]
async fn over_http_lines_come_one_by_one_and_a_closed_connection_cancels() {
    let gate = Gate::default();
    let peer = Peer::new(vec![gate.acts().to_vec()]).await;
    let bench = bench();
    let id = bench.entry("mail", peer.address, json!({})).await;
    let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let web = Web::new(Arc::clone(&bench.house) as Arc<dyn app::backend::Gate>, Hosts::new(None));
    let serving = tokio::spawn(serve(listener, router(web), None, async {
        let _gone = ended.await;
    }));
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    let body = format!(r#"{{"id": {id}, "check_only": true}}"#);
    let shown: String = administrator(&bench.entries).await.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = format!(
        "POST /api/servers/test/live HTTP/1.1\r\nHost: localhost\r\n{shown}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut line = String::new();
    // Headers and the first events are here although the server hasn't said a word.
    while !line.contains(r#""event":"begun","stage":"greeting""#) {
        line.clear();
        let read = tokio::time::timeout(Duration::from_secs(20), client.read_line(&mut line)).await.unwrap().unwrap();
        assert!(read > 0, "the connection is open");
    }
    gate.reached().await;
    drop(client);
    // Only the cancellation ends the connection to the peer: the entry would wait much longer.
    gate.go();
    let log = peer.log().await;
    assert!(log.lines().is_empty(), "{log:?}");
    bench.house.close().await;
    let runs = bench.runs(id).await;
    assert_eq!((runs.len(), runs[0].outcome, runs[0].by.as_str()), (1, Outcome::Cancelled, "anna, 127.0.0.1"));
    end.send(()).unwrap();
    serving.await.unwrap();
}
