//! What the tests of the store share: a clock and random bytes that the test sets, drafts, and a look at everything
//! that is stored.
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::entry::{Content, EntryId, ListPage, ListQuery, Version};
use domain::error::Problem;
use domain::field::{Field, FieldError, FieldErrors};
use domain::name::Name;
use domain::run::{Run, RunId, RunMode, RunSummary, Standing};
use domain::secret::Secret;
use domain::smtp_server::{Checked, PasswordDraft, ServerDraft, SmtpServer};
use domain::transcript::{Cause, Event, Finished, Outcome, Security, Stage, What};
use domain::trust::{Ground, TrustedBy};
use server::data::Data;
use server::data_dir::{DataDir, StartError};
use server::entries::{Basis, Entries, Secrets};
use server::key_file::KeySource;
use server::ports::{Clock, Random, SystemRandom};
use server::seal::{Kek, Key};
use server::store::{Record, Store, Target};
use server::vault::Vault;
use zeroize::Zeroizing;

use self::certificates::Made;

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

/// Where it starts: milliseconds since 1970.
pub(crate) const START: u64 = 1_800_000_000_000;

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START)))
    }

    pub(crate) fn set(&self, ms_after_start: u64) {
        self.0.store(START + ms_after_start, Ordering::Relaxed);
    }

    pub(crate) fn forward(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn back(&self, ms: u64) {
        self.0.fetch_sub(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Bytes that never repeat, and are always the same.
#[derive(Debug, Default)]
pub(crate) struct TestRandom(AtomicU64);

impl Random for TestRandom {
    fn fill(&self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&number.to_be_bytes()[..chunk.len()]);
        }
    }
}

pub(crate) const KEY: [u8; 32] = *b"a key that only the tests use ..";

pub(crate) fn kek() -> Kek {
    Kek::new(Key::new(Zeroizing::new(KEY)))
}

pub(crate) fn open(dir: &Path, clock: &Arc<TestClock>) -> Result<Entries, StartError> {
    let data = open_data(dir, clock)?;
    let entries = Arc::clone(data.entries());
    drop(data);
    Ok(Arc::into_inner(entries).expect("nobody else has them"))
}

pub(crate) fn open_data(dir: &Path, clock: &Arc<TestClock>) -> Result<Data, StartError> {
    let dir = DataDir::open(dir)?;
    Data::open(&dir, &KeySource::Own(dir.key()), clock.clone(), Arc::new(SystemRandom))
}

/// The vault of a store, whose keys are made if there are none.
pub(crate) fn vault(store: &dyn Store) -> Vault {
    let random = Arc::new(TestRandom::default());
    if store.reading(|tx| Ok(tx.keys()?)).unwrap().is_empty() {
        Vault::create(store, &kek(), &*random).unwrap();
    }
    Vault::open(store, Arc::new(kek()), random).unwrap()
}

pub(crate) fn over(store: Box<dyn Store>, clock: &Arc<TestClock>) -> Entries {
    let vault = Arc::new(vault(&*store));
    Entries::new(store.into(), vault, clock.clone())
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A complete server.
pub(crate) fn draft(name: &str) -> ServerDraft {
    let mut draft = ServerDraft::new(name);
    draft.host = format!("{}.example.com", name.to_lowercase());
    draft.username = "scan@example.com".into();
    draft
}

pub(crate) fn checked(draft: &ServerDraft) -> Checked {
    draft.check(&PasswordDraft::default()).unwrap()
}

pub(crate) fn with_password(draft: &ServerDraft, password: &str) -> Checked {
    let secret = || Secret::new(password.to_owned());
    draft.check(&PasswordDraft { password: secret(), confirm: secret(), remove: false }).unwrap()
}

pub(crate) fn invalid(field: Field, error: FieldError) -> Problem {
    Problem::Invalid(FieldErrors::one(field, error))
}

pub(crate) fn all(entries: &Entries) -> ListPage {
    entries.list(&ListQuery::default()).unwrap()
}

pub(crate) fn names(entries: &Entries) -> Vec<String> {
    all(entries).rows.into_iter().map(|row| row.name).collect()
}

pub(crate) fn default_name(entries: &Entries) -> Option<String> {
    let named: Vec<_> = all(entries).rows.into_iter().filter(|row| row.is_default).map(|row| row.name).collect();
    assert!(named.len() <= 1, "{named:?}");
    named.into_iter().next()
}

/// The password stored for an entry.
pub(crate) fn password(entries: &Entries, id: EntryId) -> Option<String> {
    let (_, content) = entries.content(id).unwrap();
    let server = content.server()?;
    entries.password_for(id, server).unwrap().map(|secret| secret.expose().to_owned())
}

/// A run that ended so, `at_ms` after the clock's start.
pub(crate) fn run(number: u64, at_ms: u64, finished: Finished) -> Run {
    let id = RunId(number);
    let summary = RunSummary::of(id, START + at_ms, "192.0.2.7".into(), RunMode::Check, "mail.test", &finished, 4);
    let begun = Event { what: What::Begun { stage: Stage::Resolve }, elapsed_ms: 0 };
    Run { summary, events: vec![begun, Event { what: What::Finished(finished), elapsed_ms: 4 }] }
}

pub(crate) fn works() -> Finished {
    Finished::new(Outcome::Checked, Stage::Auth)
}

pub(crate) fn fails() -> Finished {
    Finished { cause: Some(Cause::Rejected), ..Finished::new(Outcome::Failed, Stage::Auth) }
}

/// A run that worked encrypted, since `by` vouched for `server`.
pub(crate) fn works_by(how: Ground, by: &Made, server: &Made) -> Finished {
    let sha256 = if how == Ground::System { String::new() } else { by.sha256() };
    Finished {
        security: Security::Tls13,
        certificate: Some(Box::new(server.summary())),
        trusted_by: Some(Box::new(TrustedBy { how, subject: by.summary().subject, sha256 })),
        ..works()
    }
}

/// A run that failed because nobody vouched for the server.
pub(crate) fn unknown_issuer() -> Finished {
    Finished { cause: Some(Cause::UnknownIssuer), ..Finished::new(Outcome::Failed, Stage::Tls) }
}

/// Records a run of `id` with what is typed, and a password.
pub(crate) fn ran(entries: &Entries, id: EntryId, typed: (&ServerDraft, &str), run: &Run) -> Result<bool, Problem> {
    let server = checked(typed.0).server;
    let password = Secret::new(typed.1.to_owned());
    let basis = basis(entries, &server, Secrets { password: Some(&password), client_certificate: None });
    entries.record_run(id, Some(&basis), run)
}

/// What a run of `server` is made with now.
pub(crate) fn basis(entries: &Entries, server: &SmtpServer, secrets: Secrets<'_>) -> Basis {
    let settings = entries.fingerprint(server, secrets);
    assert!(settings.is_some());
    let trust_epoch = entries.trusted().known().unwrap().epoch();
    Basis { settings, target: Target::of(server), trust_epoch, own_sender: true }
}

pub(crate) fn standing(entries: &Entries, id: EntryId) -> Standing {
    let standing = entries.entry(id).unwrap().standing;
    let row = all(entries).rows.into_iter().find(|row| row.id == id).unwrap().standing;
    assert_eq!(row, standing, "the list and the page agree");
    assert_eq!(entries.history(id).unwrap().standing, standing, "and so does the history");
    standing
}

pub(crate) mod certificates;
pub(crate) mod memory;
pub(crate) mod world;

/// Puts `count` complete entries into the store, in one transaction.
pub(crate) fn fill(store: &dyn Store, count: u64) {
    store
        .writing(|tx| {
            for number in 0..count {
                let mut draft = draft(&format!("server-{number:05}"));
                draft.sender = format!("scan{number}@example.com");
                let content = Content::Ready(Box::new(checked(&draft).server));
                let id = EntryId(tx.new_number()?);
                tx.put(id, &Record { version: Version(1), content, client_certificate: None, generations: BTreeMap::new() })?;
                if number == 0 {
                    tx.set_default(Some(id))?;
                }
            }
            Ok(())
        })
        .unwrap();
}

/// The first administrator of what is stored, who is in: the headers that his browser shows.
pub(crate) async fn administrator(entries: &Arc<Entries>) -> [(&'static str, String); 2] {
    let accounts = Arc::new(server::access::Accounts::new(entries, Arc::new(SystemRandom), server::access::Cost::TINY));
    let link = accounts.setup_link(domain::access::Who::Postroom).unwrap().unwrap();
    let password = || Secret::new("correct horse battery staple".into());
    let from = app::backend::Origin { address: "127.0.0.1".into(), agent: String::new() };
    let signed_in = accounts.accept(link, "anna".into(), password(), password(), from).await.unwrap();
    [("cookie", format!("__Host-postroom={}", signed_in.session.expose())), ("sec-fetch-site", "same-origin".into())]
}
