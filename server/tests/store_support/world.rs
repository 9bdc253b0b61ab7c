//! Everything that is stored, to compare; and a series of operations that uses all of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use domain::activity::Line;
use domain::entry::{EntryId, UNDO_MS};
use domain::error::Problem;
use domain::run::{Run, RunId};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, ServerDraft};
use domain::trust::{Ground, NewPin, TrustId};
use server::entries::{Entries, Secrets, UNDO_GRACE_MS};
use server::store::{Backends, Batch, OpenError, Proof, Record, RedbStore, SecretField, Store, TrustBatch, TrustRecord};

use super::certificates::{CLIENT, FIRST, Made, OTHER, SECOND, SERVER};
use super::memory::Memory;
use super::{TestClock, basis, checked, draft, fails, name, over, ran, run, vault, with_password, works, works_by};

/// Ids that the tests don't get beyond.
const MANY: u64 = 60;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) entries: BTreeMap<EntryId, Record>,
    pub(crate) passwords: BTreeMap<EntryId, String>,
    pub(crate) client_certificates: BTreeMap<EntryId, String>,
    pub(crate) sign_ins: BTreeMap<EntryId, String>,
    pub(crate) default: Option<EntryId>,
    pub(crate) batches: Vec<(u64, Batch)>,
    pub(crate) trashed: BTreeMap<EntryId, Record>,
    pub(crate) runs: BTreeMap<EntryId, Vec<Run>>,
    pub(crate) proofs: BTreeMap<EntryId, Proof>,
    pub(crate) last_run: u64,
    pub(crate) trusted: BTreeMap<TrustId, TrustRecord>,
    pub(crate) trust_batches: Vec<(u64, TrustBatch)>,
    pub(crate) system: bool,
    pub(crate) trust_epoch: u64,
    pub(crate) activity: Vec<Line>,
}

impl World {
    /// All there is in `store`, after a check that it agrees with itself.
    pub(crate) fn of(store: &dyn Store) -> Result<Self, Problem> {
        let keyed = !store.reading(|tx| Ok(tx.keys()?))?.is_empty();
        let vault = keyed.then(|| vault(store));
        store.reading(|tx| {
            let mut world = Self {
                default: tx.default()?,
                batches: tx.batches()?,
                last_run: tx.last_run()?,
                trusted: tx.trusted()?.into_iter().collect(),
                trust_batches: tx.trust_batches()?,
                system: tx.trusts_system()?,
                trust_epoch: tx.trust_epoch()?,
                ..Self::default()
            };
            for id in (1..=MANY).map(EntryId) {
                world.entries.extend(tx.entry(id)?.map(|record| (id, record)));
                world.trashed.extend(tx.trashed(id)?.map(|record| (id, record)));
                world.proofs.extend(tx.proof(id)?.map(|proof| (id, proof)));
                let summaries = tx.runs(id)?;
                assert_eq!(summaries.iter().map(|summary| summary.id).collect::<Vec<_>>(), tx.run_ids(id)?);
                for summary in summaries {
                    let (of, run) = tx.run(summary.id)?.expect("a run of the history is there");
                    assert_eq!((of, &run.summary), (id, &summary), "the transcript and the history");
                    world.runs.entry(id).or_default().push(run);
                }
                for field in SecretField::OF_ENTRY {
                    let secret = vault.as_ref().and_then(|vault| vault.get(tx, id, field).expect("it opens"));
                    let Some(secret) = secret.map(|secret| secret.expose().to_owned()) else { continue };
                    match field {
                        SecretField::Password => world.passwords.insert(id, secret),
                        SecretField::ClientCertificate => world.client_certificates.insert(id, secret),
                        SecretField::SignIn => world.sign_ins.insert(id, secret),
                        SecretField::SecondFactor => unreachable!("no entry has one"),
                    };
                }
            }
            tx.activity_from(0, &mut |line| {
                world.activity.push(serde_json::from_slice(line.json).expect("a line can be read"));
                ControlFlow::Continue(())
            })?;
            let mut proofs = BTreeMap::new();
            tx.scan_proofs(&mut |id, proof| _ = proofs.insert(id, proof))?;
            assert_eq!(proofs, world.proofs, "proofs of nobody");
            let mut index = Vec::new();
            tx.scan(&mut |line| {
                index.push((line.id, line.name.to_owned(), line.complete));
                ControlFlow::Continue(())
            })?;
            assert_eq!(tx.count()?, world.entries.len() as u64);
            world.check(index);
            let kept: Vec<RunId> = world.runs.values().flatten().map(|run| run.summary.id).collect();
            for run in (1..=world.last_run).map(RunId) {
                assert_eq!(tx.run(run)?.is_some(), kept.contains(&run), "a transcript of nobody: {run}");
            }
            Ok(world)
        })
    }

    fn check(&self, mut index: Vec<(EntryId, String, bool)>) {
        assert!(index.is_sorted_by_key(|(_, name, _)| name.to_lowercase()), "{index:?}");
        index.sort();
        let line = |(id, record): (&EntryId, &Record)| (*id, record.content.name().to_string(), record.content.server().is_some());
        assert_eq!(index, self.entries.iter().map(line).collect::<Vec<_>>(), "the index and the entries");
        let complete = self.entries.values().any(|record| record.content.server().is_some());
        assert_eq!(self.default.is_some(), complete, "there is a default as soon as there can be one");
        if let Some(default) = self.default {
            assert!(self.entries[&default].content.server().is_some(), "the default is complete");
        }
        for id in self.passwords.keys().chain(self.runs.keys()).chain(self.proofs.keys()) {
            assert!(self.entries.contains_key(id) ^ self.trashed.contains_key(id), "a password, run or proof of nobody: {id}");
        }
        for (id, record) in &self.entries {
            assert!(record.content.server().is_none() || self.proofs.contains_key(id), "settings that nobody knows: {id}");
        }
        for (id, record) in self.entries.iter().chain(&self.trashed) {
            assert_eq!(record.client_certificate.is_some(), self.client_certificates.contains_key(id), "{id}");
            let encrypts = record.content.server().is_some_and(domain::smtp_server::SmtpServer::may_encrypt);
            assert!(encrypts || record.client_certificate.is_none(), "nobody would ever ask for it: {id}");
        }
        assert!(self.client_certificates.keys().all(|id| self.entries.contains_key(id) || self.trashed.contains_key(id)));
        let gone = self.trust_batches.iter().flat_map(|(_, batch)| &batch.certificates);
        assert!(gone.into_iter().all(|(id, _)| !self.trusted.contains_key(id)), "trusted and in the trash");
        let mut told: Vec<_> = self.trusted.values().map(trusted_for).collect();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), self.trusted.len(), "trusted twice for the same");
        let batched: Vec<_> = self.batches.iter().flat_map(|(_, batch)| batch.entries.iter().map(|(id, _)| *id)).collect();
        assert_eq!(batched.len(), self.trashed.len(), "the batches and the trash");
        assert!(batched.iter().all(|id| self.trashed.contains_key(id)));
    }
}

/// A certificate, and for which server.
pub(crate) fn trusted_for(record: &TrustRecord) -> (Vec<u8>, Option<(String, u16)>) {
    (record.der.clone(), record.pin.as_ref().map(|pin| (pin.host.clone(), pin.port)))
}

/// A new database, closed.
pub(crate) fn new_file() -> Vec<u8> {
    let memory = Memory::default();
    let store = RedbStore::create(Box::new(memory.clone())).unwrap();
    vault(&store);
    drop(store);
    memory.bytes()
}

/// The store as a start of the program finds it.
pub(crate) fn start(files: impl Backends + 'static) -> Result<RedbStore, OpenError> {
    RedbStore::rehearse(&files)?;
    RedbStore::open(Box::new(files))
}

/// One operation; the clock says what it set it to, so that it can be run again.
pub(crate) type Operation = fn(&Entries, &TestClock) -> Result<(), Problem>;

/// Creates, saves, renames, tests, trashes, brings back and purges. Ids are drawn in order, so each knows the ids before it.
const ENTRIES: &[Operation] = &[
    |entries, _| entries.create_named(&name("first")).map(drop),
    |entries, _| entries.create(&with_password(&draft("second"), "password two")).map(drop),
    |entries, _| {
        let mut draft = draft("First-Again");
        draft.default = true;
        entries.save(EntryId(1), entries.content(EntryId(1))?.0, &with_password(&draft, &"long ".repeat(200))).map(drop)
    },
    |entries, _| {
        let mut draft = draft("second");
        draft.host = "elsewhere.example.com".into();
        entries.save(EntryId(2), entries.content(EntryId(2))?.0, &with_password(&draft, "password two, new")).map(drop)
    },
    |entries, _| entries.create(&checked(&draft("third"))).map(drop),
    |entries, _| ran(entries, EntryId(1), (&draft("First-Again"), &"long ".repeat(200)), &run(1, 0, works())).map(drop),
    |entries, _| ran(entries, EntryId(2), (&draft("second"), "typed"), &run(2, 1, fails())).map(drop),
    |entries, _| entries.trash(&[EntryId(1), EntryId(3)], Some(EntryId(2))).map(drop),
    |entries, _| entries.create_named(&name("fourth")).map(drop),
    |entries, _| entries.undo(4).map(drop),
    |entries, _| ran(entries, EntryId(1), (&draft("first"), "typed"), &run(3, 2, fails())).map(drop),
    |entries, _| entries.trash(&[EntryId(2)], None).map(drop),
    |entries, clock| {
        clock.set(UNDO_MS + UNDO_GRACE_MS + 1);
        entries.purge().map(drop)
    },
    |entries, _| entries.create(&with_password(&draft("second"), "password of another second")).map(drop),
];

/// The same about certificates: trusts, pins, switches, trashes, brings back and purges, with an entry that is concerned.
const TRUST: &[Operation] = &[
    |entries, _| {
        let client = SecretChange::Set(Secret::new(CLIENT.pem_with_key()));
        entries.create(&Checked { client_certificate: client, ..with_password(&encrypted(), "password") }).map(drop)
    },
    |entries, _| entries.trusted().add_authorities(&(FIRST.pem() + &SECOND.pem()), None, "192.0.2.7").map(drop),
    |entries, _| {
        let server = checked(&encrypted()).server;
        let (password, client) = (entries.password_for(EntryId(1), &server)?, entries.client_certificate(EntryId(1))?);
        let basis = basis(entries, &server, Secrets { password: password.as_ref(), client_certificate: client.as_ref() });
        entries.record_run(EntryId(1), Some(&basis), &run(1, 3, works_by(Ground::Authority, &FIRST, &SERVER))).map(drop)
    },
    |entries, _| entries.trusted().set_system_roots(false),
    |entries, _| entries.trusted().pin(&pin(&SERVER, false), "192.0.2.7").map(drop),
    |entries, _| entries.trusted().pin(&pin(&OTHER, true), "192.0.2.7").map(drop),
    |entries, _| entries.trusted().trash(&[TrustId(2), TrustId(5)]).map(drop),
    |entries, _| entries.trusted().undo(6).map(drop),
    |entries, _| entries.trusted().set_outlives(TrustId(5), true),
    |entries, _| entries.trusted().trash(&[TrustId(3)]).map(drop),
    |entries, clock| {
        clock.set(UNDO_MS + UNDO_GRACE_MS + 1);
        entries.trusted().purge().map(drop)
    },
    |entries, _| entries.set_client_certificate(EntryId(1), entries.content(EntryId(1))?.0, None).map(drop),
];

/// Each is done from nothing on.
pub(crate) const SCRIPTS: [&[Operation]; 2] = [ENTRIES, TRUST];

/// The entry that certificates are about.
fn encrypted() -> ServerDraft {
    let mut draft = draft("second");
    draft.starttls = "enabled_and_required".into();
    draft
}

fn pin(made: &Made, replace: bool) -> NewPin {
    NewPin { host: "second.example.com".into(), port: 25, pem: made.pem(), outlives: false, replace }
}

/// The entries over `store`, and its clock.
pub(crate) fn bench(store: RedbStore) -> (Arc<RedbStore>, Entries, Arc<TestClock>) {
    let (store, clock) = (Arc::new(store), TestClock::new());
    let entries = over(Box::new(Shared(store.clone())), &clock);
    (store, entries, clock)
}

/// A store that the test looks into beside the entries.
struct Shared(Arc<RedbStore>);

impl Store for Shared {
    fn read(&self, work: &mut dyn FnMut(&dyn server::store::Read) -> Result<(), Problem>) -> Result<(), Problem> {
        self.0.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn server::store::Write) -> Result<(), Problem>) -> Result<(), Problem> {
        self.0.write(work)
    }
}

/// What is stored after each operation of a script, from nothing on.
pub(crate) fn worlds(store: RedbStore, script: &[Operation]) -> Vec<World> {
    let (store, entries, clock) = bench(store);
    let mut worlds = vec![World::of(&*store).unwrap()];
    for operation in script {
        operation(&entries, &clock).unwrap();
        worlds.push(World::of(&*store).unwrap());
    }
    worlds
}
