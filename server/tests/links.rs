//! Download links over a real database and a real folder: who finds what, how links end, and what becomes of their files.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "links/web.rs"]
mod pages;
mod store_support;

use std::sync::Arc;

use app::backend::Caller;
use axum::body::Bytes;
use domain::access::{AccountId, Permit, Role, Who};
use domain::activity::{ActivityQuery, Deed};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::field::{Field, FieldError};
use domain::link::{DAY_MS, LAST_DOWNLOADS, Language, LinkId, LinkState, LinksQuery, Offer, PAGE, REMEMBERED_DAYS, TICKET_MS};
use domain::secret::Secret;
use domain::submission::SubmissionId;
use futures::TryStreamExt as _;
use proptest::prelude::*;
use server::entries::Entries;
use server::files::{FileId, Files, Folder, Limits};
use server::links::{AT_ONCE, Links, SAME_MS, Swept, discard, put};
use server::ports::SystemRandom;
use server::store::{LinkRecord, Read, RedbStore, Store, Write};
use store_support::memory::Memory;
use store_support::*;

/// A store that two have.
struct Shared(Arc<RedbStore>);

impl Store for Shared {
    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<(), Problem>) -> Result<(), Problem> {
        self.0.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<(), Problem>) -> Result<(), Problem> {
        self.0.write(work)
    }
}

/// Links with everything beside them.
struct Place {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    store: Arc<RedbStore>,
    entries: Arc<Entries>,
    folder: Folder,
    links: Arc<Links>,
}

/// A link with what only the test knows of it.
#[derive(Clone)]
struct Made {
    id: LinkId,
    token: Secret,
    file: FileId,
}

impl Place {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let store = Arc::new(RedbStore::create(Box::new(Memory::default())).unwrap());
        let entries = Arc::new(over(Box::new(Shared(Arc::clone(&store))), &clock));
        let limits = Limits { quota: 1 << 30, reserve: 0 };
        let folder = Folder::open(&dir.path().join("attachments"), limits, Arc::new(SystemRandom)).unwrap();
        let links = Arc::new(Links::new(&entries, Arc::new(folder.clone()), Arc::new(SystemRandom)));
        links.serve_at("https://files.example.com".into());
        Self { dir, clock, store, entries, folder, links }
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn now_ms(&self) -> u64 {
        server::ports::Clock::now_ms(&*self.clock)
    }

    /// A file with a link to it.
    async fn make(&self, name: &str, bytes: &[u8], days: u64) -> Made {
        let mut incoming = self.folder.begin().await.unwrap();
        incoming.push(Bytes::copy_from_slice(bytes)).await.unwrap();
        let stored = incoming.finish().await.unwrap();
        let (token, digest) = self.links.draw();
        let record = LinkRecord {
            submission: SubmissionId(5),
            entry: EntryId(1),
            server: "mail".into(),
            file: Some(stored.id.clone()),
            name: name.into(),
            size: stored.size,
            sha256: stored.sha256,
            sender: "Anna <anna@example.com>".into(),
            language: Language::German,
            created_ms: self.now_ms(),
            expires_ms: self.now_ms() + days * DAY_MS,
            revoked_ms: None,
            downloads: 0,
            last: vec![],
            digest,
        };
        let id = self.store().writing(|tx| Ok(put(tx, &record)?)).unwrap();
        Made { id, token, file: stored.id }
    }

    fn record(&self, id: LinkId) -> Option<LinkRecord> {
        self.store().reading(|tx| Ok(tx.link(id)?)).unwrap()
    }

    async fn offer(&self, link: &Made) -> Result<Offer, Problem> {
        self.links.offer(link.token.clone(), String::new()).await
    }

    async fn begin(&self, link: &Made, address: &str) -> Result<Secret, Problem> {
        self.links.begin(link.token.clone(), address.into()).await
    }

    async fn redeem(&self, link: &Made, ticket: &Secret) -> Result<Vec<u8>, Problem> {
        let served = self.links.redeem(link.token.clone(), ticket.clone(), String::new()).await?;
        let pieces: Vec<Bytes> = self.links.read(&served, 0, served.size).await?.try_collect().await.unwrap();
        Ok(pieces.concat())
    }

    fn has_file(&self, link: &Made) -> bool {
        self.dir.path().join("attachments").join(link.file.as_str()).exists()
    }

    fn deeds(&self) -> Vec<Deed> {
        self.entries.activity().page(&ActivityQuery::default()).unwrap().lines.iter().map(|line| line.what.deed).collect()
    }

    /// As if every file had been written long ago.
    fn age_files(&self) {
        let past = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
        for file in std::fs::read_dir(self.dir.path().join("attachments")).unwrap() {
            std::fs::File::options().write(true).open(file.unwrap().path()).unwrap().set_modified(past).unwrap();
        }
    }
}

fn anna() -> Caller {
    let who = Who::Account { id: AccountId(7), name: "anna".into() };
    Caller { who, address: "192.0.2.7".into(), permit: Permit::of(Role::Administrator), ..Caller::default() }
}

#[tokio::test]
async fn a_link_leads_to_its_file_and_looking_counts_nothing() {
    let place = Place::new();
    let link = place.make("report.pdf", b"bytes", 30).await;
    assert_eq!(place.links.url(&link.token), format!("https://files.example.com/d/{}", link.token.expose()));
    assert!(link.token.expose().len() >= 22, "128 bits");
    let offer = place.offer(&link).await.unwrap();
    assert_eq!((offer.name.as_str(), offer.size, offer.language), ("report.pdf", 5, Language::German));
    assert_eq!(place.record(link.id).unwrap().downloads, 0, "scanners look");
    let ticket = place.begin(&link, "198.51.100.1").await.unwrap();
    assert_eq!(place.redeem(&link, &ticket).await.unwrap(), b"bytes");
    assert_eq!(place.redeem(&link, &ticket).await.unwrap(), b"bytes", "a download is gone on with");
    let record = place.record(link.id).unwrap();
    assert_eq!((record.downloads, record.last[0].address.as_str(), record.last[0].at_ms), (1, "198.51.100.1", START));
    for number in 0..60 {
        place.begin(&link, &format!("198.51.100.{number}")).await.unwrap();
    }
    let record = place.record(link.id).unwrap();
    assert_eq!((record.downloads, record.last.len(), record.last[0].address.as_str()), (61, LAST_DOWNLOADS, "198.51.100.59"));
    assert_eq!(place.deeds(), vec![], "downloads are no activity");
}

#[tokio::test]
async fn a_second_press_at_once_is_the_same_download() {
    let place = Place::new();
    let link = place.make("a", b"a", 30).await;
    let count = || place.record(link.id).unwrap().downloads;
    for _ in 0..5 {
        let ticket = place.begin(&link, "198.51.100.1").await.unwrap();
        assert_eq!(place.redeem(&link, &ticket).await.unwrap(), b"a");
    }
    assert_eq!(count(), 1);
    place.begin(&link, "198.51.100.2").await.unwrap();
    assert_eq!(count(), 2, "somebody else's");
    place.clock.forward(SAME_MS);
    place.begin(&link, "198.51.100.2").await.unwrap();
    assert_eq!(count(), 3);
}

#[tokio::test]
async fn downloads_at_once_have_an_end_and_leave_their_place() {
    let place = Place::new();
    let link = place.make("a", &[b'a'; 100], 30).await;
    let ticket = place.begin(&link, "").await.unwrap();
    let served = place.links.redeem(link.token.clone(), ticket, String::new()).await.unwrap();
    let mut running = Vec::new();
    for _ in 0..AT_ONCE {
        running.push(place.links.read(&served, 0, 100).await.unwrap());
    }
    assert!(place.links.read(&served, 0, 100).await.is_err_and(|problem| problem == Problem::Busy));
    running.pop();
    assert!(place.links.read(&served, 0, 100).await.is_ok());
}

#[tokio::test]
async fn what_stands_in_an_address_is_kept_nowhere() {
    let place = Place::new();
    let link = place.make("report.pdf", b"bytes", 30).await;
    let ticket = place.begin(&link, "").await.unwrap();
    let mut rows = Vec::new();
    let read = |tx: &dyn Read| Ok(serde_json::to_string(&tx.link(link.id)?).unwrap());
    rows.push(place.store().reading(read).unwrap());
    for row in rows {
        assert!(!row.contains(link.token.expose()) && !row.contains(ticket.expose()), "{row}");
    }
    assert!(!format!("{:?}", place.record(link.id)).contains("digest"));
}

#[tokio::test]
async fn a_ticket_is_for_one_link_and_one_hour_and_ends_with_its_link() {
    let place = Place::new();
    let (link, other) = (place.make("a", b"a", 30).await, place.make("b", b"b", 30).await);
    let ticket = place.begin(&link, "").await.unwrap();
    assert_eq!(place.redeem(&other, &ticket).await, Err(Problem::NoSuchPage));
    assert_eq!(place.redeem(&link, &Secret::new("AAAA".into())).await, Err(Problem::NoSuchPage));
    place.clock.forward(TICKET_MS - 1);
    assert!(place.redeem(&link, &ticket).await.is_ok());
    place.clock.forward(1);
    assert_eq!(place.redeem(&link, &ticket).await, Err(Problem::NoSuchPage));
    let ticket = place.begin(&link, "").await.unwrap();
    place.links.revoke(link.id, anna()).await.unwrap();
    assert_eq!(place.redeem(&link, &ticket).await, Err(Problem::NoSuchPage));
    let ticket = place.begin(&other, "").await.unwrap();
    place.clock.forward(30 * DAY_MS);
    assert_eq!(place.redeem(&other, &ticket).await, Err(Problem::NoSuchPage));
}

#[tokio::test]
async fn revoking_removes_the_file_at_once_and_is_told() {
    let place = Place::new();
    let (link, other) = (place.make("a", b"a", 30).await, place.make("b", b"b", 30).await);
    let ended = place.links.revoke(link.id, anna()).await.unwrap();
    assert_eq!((ended.state, ended.revoked_ms), (LinkState::Revoked, Some(START)));
    assert_eq!((place.has_file(&link), place.has_file(&other)), (false, true));
    assert_eq!(place.offer(&link).await, Err(Problem::NoSuchPage));
    assert_eq!(place.begin(&link, "").await, Err(Problem::NoSuchPage));
    assert!(place.offer(&other).await.is_ok());
    assert_eq!(place.links.revoke(link.id, anna()).await, Err(Problem::NoSuchLink(link.id)));
    assert_eq!(place.links.extend(link.id, 30, anna()).await, Err(Problem::NoSuchLink(link.id)));
    let lines = place.entries.activity().page(&ActivityQuery::default()).unwrap().lines;
    assert_eq!(lines.len(), 1, "what isn't done isn't told");
    let what = &lines[0].what;
    assert_eq!((what.deed, what.who.name(), what.address.as_str()), (Deed::LinkRevoked, "anna", "192.0.2.7"));
    assert_eq!(what.subjects.iter().map(|subject| subject.name.as_str()).collect::<Vec<_>>(), ["a", "mail"]);
}

#[tokio::test]
async fn extending_counts_from_now_and_takes_days_that_are_possible() {
    let place = Place::new();
    let link = place.make("a", b"a", 2).await;
    place.clock.forward(DAY_MS);
    let extended = place.links.extend(link.id, 30, anna()).await.unwrap();
    assert_eq!(extended.expires_ms, START + 31 * DAY_MS);
    assert_eq!(place.links.extend(link.id, 1, anna()).await.unwrap().expires_ms, START + 2 * DAY_MS, "or sooner");
    for days in [0, 366, u64::MAX] {
        let error = FieldError::OutOfRange { text: days.to_string(), min: 1, max: 365 };
        assert_eq!(place.links.extend(link.id, days, anna()).await, Err(invalid(Field::LinkDays, error)));
    }
    assert_eq!(place.record(link.id).unwrap().expires_ms, START + 2 * DAY_MS);
    assert_eq!(place.deeds(), [Deed::LinkExtended, Deed::LinkExtended]);
    place.clock.forward(DAY_MS);
    assert_eq!(place.offer(&link).await, Err(Problem::NoSuchPage));
    assert_eq!(place.links.extend(link.id, 30, anna()).await, Err(Problem::NoSuchLink(link.id)), "its file may be gone already");
}

#[tokio::test]
async fn a_sweep_takes_ended_files_at_once_ended_links_later_and_orphans() {
    let place = Place::new();
    let (short, long) = (place.make("short", b"s", 1).await, place.make("long", b"l", 90).await);
    let orphan = place.make("orphan", b"o", 90).await;
    let held = place.make("held", b"h", 90).await;
    let files = place.store().writing(|tx| Ok(discard(tx, &[orphan.id, held.id])?)).unwrap();
    assert_eq!(files, [orphan.file.clone(), held.file.clone()], "those of a message that wasn't sent");
    assert_eq!(place.offer(&orphan).await, Err(Problem::NoSuchPage));
    let guard = place.links.in_use().hold(held.file.clone());
    assert_eq!(place.links.sweep().await, Ok(Swept::default()), "files without a link may be about to get one");
    place.age_files();
    assert_eq!(place.links.sweep().await, Ok(Swept { orphans: 1, ..Swept::default() }));
    let present = [&short, &long, &orphan, &held].map(|link| place.has_file(link));
    assert_eq!(present, [true, true, false, true]);
    drop(guard);
    place.clock.forward(DAY_MS);
    assert_eq!(place.links.sweep().await, Ok(Swept { ended: 1, orphans: 1, ..Swept::default() }));
    let present = [&short, &long, &held].map(|link| place.has_file(link));
    assert_eq!(present, [false, true, false]);
    // A clock that is set back brings no link back whose file is gone.
    place.clock.back(DAY_MS / 2);
    assert_eq!(place.offer(&short).await, Err(Problem::NoSuchPage));
    assert_eq!(place.record(short.id).unwrap().state(place.now_ms()), LinkState::Expired);
    place.clock.forward(DAY_MS / 2 + REMEMBERED_DAYS * DAY_MS - 1);
    assert_eq!(place.links.sweep().await, Ok(Swept::default()));
    assert!(place.record(short.id).is_some(), "who looks after links still sees it");
    place.clock.forward(1);
    assert_eq!(place.links.sweep().await, Ok(Swept { forgotten: 1, ..Swept::default() }));
    assert!(place.record(short.id).is_none() && place.record(long.id).is_some());
    assert_eq!(place.offer(&short).await, Err(Problem::NoSuchPage));
    assert!(place.offer(&long).await.is_ok() && place.has_file(&long));
}

#[tokio::test]
async fn who_guesses_is_held_back_and_others_are_not() {
    let place = Place::new();
    let link = place.make("a", b"a", 30).await;
    let guess = |number: usize, from: &str| place.links.offer(Secret::new(format!("guess-{number}")), from.into());
    for number in 0..20 {
        assert_eq!(guess(number, "192.0.2.66").await, Err(Problem::NoSuchPage));
    }
    assert_eq!(guess(20, "192.0.2.66").await, Err(Problem::WaitBefore { seconds: 1 }));
    let held_back = place.links.offer(link.token.clone(), "192.0.2.66".into()).await;
    assert_eq!(held_back, Err(Problem::WaitBefore { seconds: 1 }), "also from what is there");
    assert!(place.links.offer(link.token.clone(), "192.0.2.67".into()).await.is_ok());
    place.clock.forward(1_000);
    assert!(place.links.offer(link.token.clone(), "192.0.2.66".into()).await.is_ok());
    for _ in 0..100 {
        assert!(place.links.offer(link.token.clone(), "192.0.2.68".into()).await.is_ok(), "who has a link may follow it often");
    }
}

#[tokio::test]
async fn links_are_listed_newest_first_and_searched_by_those_who_may_see_them() {
    let place = Place::new();
    let mut made = Vec::new();
    for number in 0..=PAGE {
        made.push(place.make(&format!("file-{number}.pdf"), b"x", 30).await.id);
    }
    place.links.revoke(made[3], anna()).await.unwrap();
    let page = async |query: LinksQuery| place.links.page(query, &anna()).await.unwrap();
    let first = page(LinksQuery::default()).await;
    made.reverse();
    assert_eq!(first.links.iter().map(|link| link.id).collect::<Vec<_>>(), made[..PAGE]);
    assert_eq!((first.next, first.total), (Some(made[PAGE - 1]), 51));
    assert_eq!((first.base.as_str(), first.warnings.len()), ("https://files.example.com", 0));
    assert!(first.used >= 50);
    let rest = page(LinksQuery { before: first.next, ..LinksQuery::default() }).await;
    assert_eq!((rest.links.len(), rest.next), (1, None));
    let revoked = page(LinksQuery { state: Some(LinkState::Revoked), ..LinksQuery::default() }).await;
    assert_eq!(revoked.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["file-3.pdf"]);
    for (search, count) in [("FILE-7.", 1), ("anna@", 50), ("mail", 50), ("nothing", 0)] {
        assert_eq!(page(LinksQuery { search: search.into(), ..LinksQuery::default() }).await.links.len(), count, "{search}");
    }
    let mut other = anna();
    other.permit.entries = Some(vec![EntryId(2)]);
    assert_eq!(place.links.page(LinksQuery::default(), &other).await.unwrap().links.len(), 0);
    assert_eq!(place.links.link(made[0], &other).await, Err(Problem::NoSuchLink(made[0])));
    assert_eq!(place.links.revoke(made[0], other.clone()).await, Err(Problem::NoSuchLink(made[0])));
    assert_eq!(place.links.extend(made[0], 1, other).await, Err(Problem::NoSuchLink(made[0])));
    assert_eq!(place.links.link(made[0], &anna()).await.unwrap().state, LinkState::Live);
}

/// What can happen to links.
#[derive(Clone, Debug)]
enum Step {
    Make { days: u64 },
    Forward { ms: u64 },
    Back { ms: u64 },
    Look { at: usize },
    Download { at: usize },
    Revoke { at: usize },
    Extend { at: usize, days: u64 },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0_usize..6;
    prop_oneof![
        (1..=3_u64).prop_map(|days| Step::Make { days }),
        (0..3 * DAY_MS).prop_map(|ms| Step::Forward { ms }),
        Just(Step::Forward { ms: 31 * DAY_MS }),
        (0..DAY_MS).prop_map(|ms| Step::Back { ms }),
        at.clone().prop_map(|at| Step::Look { at }),
        at.clone().prop_map(|at| Step::Download { at }),
        at.clone().prop_map(|at| Step::Revoke { at }),
        (at, 0..=3_u64).prop_map(|(at, days)| Step::Extend { at, days }),
        Just(Step::Sweep),
    ]
}

/// A link as it should be.
struct Model {
    made: Made,
    expires_ms: u64,
    revoked_ms: Option<u64>,
    /// Whether its file was given up.
    swept: bool,
    forgotten: bool,
    downloads: u64,
    last_ms: Option<u64>,
}

impl Model {
    fn is_live(&self, now: u64) -> bool {
        self.revoked_ms.is_none() && !self.swept && now < self.expires_ms
    }
}

async fn play(steps: Vec<Step>) {
    let place = Place::new();
    let mut models: Vec<Model> = Vec::new();
    for step in steps {
        let now = place.now_ms();
        match &step {
            Step::Make { days } => {
                let made = place.make("a", b"a", *days).await;
                let expires_ms = now + days * DAY_MS;
                models.push(Model {
                    made,
                    expires_ms,
                    revoked_ms: None,
                    swept: false,
                    forgotten: false,
                    downloads: 0,
                    last_ms: None,
                });
            }
            Step::Forward { ms } => place.clock.forward(*ms),
            Step::Back { ms } => place.clock.back(*ms),
            Step::Look { at } => {
                let Some(model) = models.get(*at) else { continue };
                assert_eq!(place.offer(&model.made).await.is_ok(), model.is_live(now), "{step:?}");
            }
            Step::Download { at } => {
                let Some(model) = models.get_mut(*at) else { continue };
                let begun = place.begin(&model.made, "").await;
                assert_eq!(begun.is_ok(), model.is_live(now), "{step:?}");
                if let Ok(ticket) = begun {
                    assert_eq!(place.redeem(&model.made, &ticket).await.unwrap(), b"a");
                    if model.last_ms.is_none_or(|last| last.abs_diff(now) >= SAME_MS) {
                        (model.downloads, model.last_ms) = (model.downloads + 1, Some(now));
                    }
                }
            }
            Step::Revoke { at } => {
                let Some(model) = models.get_mut(*at) else { continue };
                let live = model.is_live(now);
                assert_eq!(place.links.revoke(model.made.id, anna()).await.is_ok(), live, "{step:?}");
                if live {
                    (model.revoked_ms, model.swept) = (Some(now), true);
                }
            }
            Step::Extend { at, days } => {
                let Some(model) = models.get_mut(*at) else { continue };
                let possible = model.is_live(now) && *days > 0;
                assert_eq!(place.links.extend(model.made.id, *days, anna()).await.is_ok(), possible, "{step:?}");
                if possible {
                    model.expires_ms = now + days * DAY_MS;
                }
            }
            Step::Sweep => {
                place.links.sweep().await.unwrap();
                for model in &mut models {
                    model.swept |= !model.is_live(now);
                    let ended_ms = model.revoked_ms.unwrap_or(model.expires_ms);
                    model.forgotten |= model.swept && now >= ended_ms + REMEMBERED_DAYS * DAY_MS;
                }
            }
        }
        let now = place.now_ms();
        for model in &models {
            let record = place.record(model.made.id);
            assert_eq!(record.is_none(), model.forgotten, "{step:?}");
            assert_eq!(place.has_file(&model.made), !model.swept, "{step:?}");
            let Some(record) = record else { continue };
            assert_eq!((record.state(now) == LinkState::Live, record.downloads), (model.is_live(now), model.downloads), "{step:?}");
            assert_eq!(record.revoked_ms, model.revoked_ms);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn links_do_what_their_model_does(steps in prop::collection::vec(step(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps));
    }
}
