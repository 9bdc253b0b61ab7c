//! Client certificates of entries: sealed like passwords, settled with the save, part of what a test proves, told without the key.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use domain::entry::{EntryId, UNDO_MS, Version};
use domain::error::Problem;
use domain::field::{Field, FieldError};
use domain::run::Standing;
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, ServerDraft};
use domain::trust::Needed;
use server::entries::{Entries, Secrets, UNDO_GRACE_MS, read_client_certificate};
use server::store::{RedbStore, SecretField, Store};
use server::trust::client_certificate::ClientCertificate;
use store_support::certificates::{CLIENT, Made, OTHER};
use store_support::memory::Memory;
use store_support::world::{World, bench as over_memory};
use store_support::*;

struct Bench {
    dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
    entries: Entries,
}

fn bench() -> Bench {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = open(dir.path(), &clock).unwrap();
    Bench { dir, clock, entries }
}

impl Bench {
    fn reopened(self) -> Self {
        let Self { dir, clock, entries } = self;
        drop(entries);
        let entries = open(dir.path(), &clock).unwrap();
        Self { dir, clock, entries }
    }

    /// The certificate that is stored, whole.
    fn stored(&self, id: EntryId) -> Option<String> {
        let stored = self.entries.client_certificate(id).unwrap().map(|pem| pem.expose().to_owned());
        let view = self.entries.entry(id).unwrap();
        assert_eq!(view.client_certificate.is_some(), stored.is_some());
        assert_eq!(view.server.unwrap().has_client_certificate, stored.is_some());
        stored
    }

    fn save(&self, id: EntryId, draft: &ServerDraft, change: SecretChange) -> Result<Version, Problem> {
        let version = self.entries.content(id).unwrap().0;
        self.entries.save(id, version, &Checked { client_certificate: change, ..checked(draft) })
    }
}

/// An encrypted entry, and the only one.
fn encrypted() -> ServerDraft {
    let mut draft = draft("mail");
    draft.starttls = "enabled_and_required".into();
    draft.default = true;
    draft
}

fn with_client(made: &Made) -> Checked {
    Checked { client_certificate: set(made), ..checked(&encrypted()) }
}

fn set(made: &Made) -> SecretChange {
    SecretChange::Set(Secret::new(made.pem_with_key()))
}

fn read(made: &Made) -> ClientCertificate {
    read_client_certificate(made.pem_with_key().as_bytes(), &Secret::default()).unwrap()
}

/// As it is kept.
fn kept(made: &Made) -> String {
    read(made).to_pem().expose().to_owned()
}

#[test]
fn it_is_kept_and_told_without_its_key() {
    let bench = bench();
    let id = bench.entries.create(&with_client(&CLIENT)).unwrap().0;
    let bench = bench.reopened();
    assert_eq!(bench.stored(id), Some(kept(&CLIENT)));
    let view = bench.entries.entry(id).unwrap();
    assert_eq!(view.client_certificate, Some(CLIENT.summary()));
    assert_eq!(bench.save(id, &encrypted(), SecretChange::Keep), Ok(Version(2)));
    assert_eq!(bench.stored(id), Some(kept(&CLIENT)));
    assert_eq!(bench.save(id, &encrypted(), set(&OTHER)), Ok(Version(3)));
    assert_eq!(bench.stored(id), Some(kept(&OTHER)));
    assert_eq!(bench.entries.entry(id).unwrap().client_certificate, Some(OTHER.summary()));
    assert_eq!(bench.save(id, &encrypted(), SecretChange::Clear), Ok(Version(4)));
    assert_eq!(bench.stored(id), None);
}

#[test]
fn nothing_of_the_key_is_in_the_file_or_in_what_is_printed() {
    let bench = bench();
    let id = bench.entries.create(&with_client(&CLIENT)).unwrap().0;
    bench.entries.trash(&[id], None).unwrap();
    let key = CLIENT.key.serialize_pem();
    let line = key.lines().nth(1).unwrap();
    let (der, base64) = (CLIENT.key.serialize_der(), line.as_bytes());
    let secret = &der[der.len() - 100..der.len() - 60];
    let file = std::fs::read(bench.dir.path().join("postroom.redb")).unwrap();
    let holds = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    assert!(holds(CLIENT.sha256().as_bytes()), "what is told of it is there");
    assert!(!holds(secret) && !holds(base64) && !holds(b"PRIVATE KEY"));
    let change = set(&CLIENT);
    let printed = format!("{:?} {:?} {change:?}", read(&CLIENT), with_client(&CLIENT));
    assert!(!printed.contains(line) && !printed.contains("PRIVATE"), "{printed}");
}

#[test]
fn what_never_encrypts_has_none() {
    let bench = bench();
    let mut plain = encrypted();
    plain.starttls = "disabled".into();
    let id = bench.entries.create(&Checked { client_certificate: set(&CLIENT), ..checked(&plain) }).unwrap().0;
    assert_eq!(bench.stored(id), None);
    let refused = invalid(Field::ClientCertificate, FieldError::NotEncrypted);
    assert_eq!(bench.entries.set_client_certificate(id, Version(1), Some(read(&CLIENT))), Err(refused.clone()));
    let (bare, version) = bench.entries.create_named(&name("bare")).unwrap();
    assert_eq!(bench.entries.set_client_certificate(bare, version, Some(read(&CLIENT))), Err(refused));
    bench.save(id, &encrypted(), set(&CLIENT)).unwrap();
    assert_eq!(bench.stored(id), Some(kept(&CLIENT)));
    bench.save(id, &plain, SecretChange::Keep).unwrap();
    bench.save(id, &encrypted(), SecretChange::Keep).unwrap();
    assert_eq!(bench.stored(id), None, "it went with the encryption");
}

#[test]
fn an_upload_is_guarded_by_the_version_it_started_from() {
    let bench = bench();
    let id = bench.entries.create(&checked(&encrypted())).unwrap().0;
    let set = |id, base, made: Option<&Made>| bench.entries.set_client_certificate(id, Version(base), made.map(read));
    assert_eq!(set(EntryId(99), 1, None), Err(Problem::NoSuchEntry(EntryId(99))));
    let Err(Problem::Stale(stale)) = set(id, 7, Some(&CLIENT)) else { panic!("saved") };
    assert_eq!((stale.version, bench.stored(id)), (Version(1), None));
    assert_eq!(set(id, 1, Some(&CLIENT)), Ok(Version(2)));
    assert_eq!(bench.stored(id), Some(kept(&CLIENT)));
    assert!(matches!(set(id, 1, None), Err(Problem::Stale(_))));
    assert!(matches!(bench.entries.save(id, Version(1), &with_client(&OTHER)), Err(Problem::Stale(_))), "an edit of before");
    assert_eq!(bench.stored(id), Some(kept(&CLIENT)));
    assert_eq!(set(id, 2, None), Ok(Version(3)));
    assert_eq!((bench.stored(id), bench.entries.entry(id).unwrap().draft()), (None, encrypted()), "nothing else changed");
}

#[test]
fn another_one_has_to_be_tested_anew() {
    let bench = bench();
    let id = bench.entries.create(&with_client(&CLIENT)).unwrap().0;
    let server = checked(&encrypted()).server;
    let pem = bench.entries.client_certificate(id).unwrap();
    let secrets = Secrets { password: None, client_certificate: pem.as_ref() };
    let basis = basis(&bench.entries, &server, secrets);
    assert!(bench.entries.record_run(id, Some(&basis), &run(1, 10, works())).unwrap());
    let verified = Standing::Verified { at_ms: START + 10 };
    assert_eq!(standing(&bench.entries, id), verified);
    for (change, expected) in [
        (SecretChange::Keep, verified.clone()),
        (set(&OTHER), Standing::Changed),
        (set(&CLIENT), verified.clone()),
        (SecretChange::Clear, Standing::Changed),
        (set(&CLIENT), verified.clone()),
    ] {
        bench.save(id, &encrypted(), change.clone()).unwrap();
        assert_eq!(standing(&bench.entries, id), expected, "{change:?}");
    }
    let version = bench.entries.content(id).unwrap().0;
    let version = bench.entries.set_client_certificate(id, version, Some(read(&OTHER))).unwrap();
    assert_eq!(standing(&bench.entries, id), Standing::Changed);
    bench.entries.set_client_certificate(id, version, Some(read(&CLIENT))).unwrap();
    assert_eq!(standing(&bench.entries, id), verified);
}

#[test]
fn one_that_cannot_be_used_is_refused_and_changes_nothing() {
    let bench = bench();
    let id = bench.entries.create(&with_client(&CLIENT)).unwrap().0;
    for wrong in ["", "no PEM", &CLIENT.pem(), &CLIENT.key.serialize_pem()] {
        let change = SecretChange::Set(Secret::new(wrong.into()));
        let Err(Problem::Invalid(errors)) = bench.save(id, &encrypted(), change.clone()) else { panic!("saved: {wrong}") };
        assert!(errors.get(Field::ClientCertificate).is_some() && errors.iter().count() == 1);
        let created = bench.entries.create(&Checked { client_certificate: change, ..checked(&draft("another")) });
        assert!(matches!(created, Err(Problem::Invalid(_))));
    }
    assert_eq!((bench.stored(id), names(&bench.entries)), (Some(kept(&CLIENT)), vec!["mail".to_owned()]));
}

#[test]
fn the_trash_takes_it_along_and_gives_it_back() {
    let bench = bench();
    let id = bench.entries.create(&with_client(&CLIENT)).unwrap().0;
    let undo = bench.entries.trash(&[id], None).unwrap();
    assert_eq!(bench.entries.client_certificate(id), Err(Problem::NoSuchEntry(id)));
    let bench = bench.reopened();
    bench.entries.undo(undo.batch).unwrap();
    assert_eq!(bench.stored(id), Some(kept(&CLIENT)));

    let (store, entries, clock) = over_memory(RedbStore::create(Box::new(Memory::default())).unwrap());
    let id = entries.create(&with_client(&CLIENT)).unwrap().0;
    entries.trash(&[id], None).unwrap();
    assert_eq!(World::of(&*store).unwrap().client_certificates.len(), 1);
    clock.forward(UNDO_MS + UNDO_GRACE_MS + 1);
    assert_eq!(entries.purge(), Ok(1));
    assert!(World::of(&*store).unwrap().client_certificates.is_empty());
}

#[test]
fn a_sealed_one_opens_only_where_it_belongs() {
    const FIELD: SecretField = SecretField::ClientCertificate;
    let (store, entries, _) = over_memory(RedbStore::create(Box::new(Memory::default())).unwrap());
    let store: &dyn Store = &*store;
    let first = entries.create(&with_client(&CLIENT)).unwrap().0;
    let mut draft = encrypted();
    (draft.name, draft.default) = ("second".into(), false);
    let second = entries.create(&Checked { client_certificate: set(&OTHER), ..with_password(&draft, "password") }).unwrap().0;
    for (of, field) in [(second, FIELD), (second, SecretField::Password)] {
        let sealed = store.reading(|tx| Ok(tx.secret(of, field)?)).unwrap().unwrap();
        store.writing(|tx| Ok(tx.put_secret(first, FIELD, &sealed)?)).unwrap();
        let Err(Problem::Corrupt { detail }) = entries.client_certificate(first) else { panic!("it opened") };
        assert!(detail.starts_with("the client certificate of server 1: "), "{detail}");
    }
    assert_eq!(entries.client_certificate(second).unwrap().map(|pem| pem.expose().to_owned()), Some(kept(&OTHER)));
}

#[test]
fn one_that_ends_soon_is_told() {
    let bench = bench();
    let soon = Made::ending("soon", 3);
    let id = bench.entries.create(&with_client(&soon)).unwrap().0;
    let expiring = all(&bench.entries).rows.remove(0).expiring;
    assert_eq!(expiring.len(), 1);
    assert_eq!((expiring[0].role, expiring[0].subject.as_str()), (Needed::Client, "CN=soon"));
    assert_eq!(bench.entries.entry(id).unwrap().expiring, expiring);
    bench.save(id, &encrypted(), set(&CLIENT)).unwrap();
    assert_eq!(bench.entries.entry(id).unwrap().expiring, []);
}
