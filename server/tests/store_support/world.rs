//! Everything that is stored, to compare; and a series of operations that uses all of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use domain::entry::{EntryId, UNDO_MS};
use domain::error::Problem;
use domain::run::{Run, RunId};
use server::entries::{Entries, UNDO_GRACE_MS};
use server::seal::Sealer;
use server::store::{Backends, Batch, OpenError, Proof, Record, RedbStore, SecretField, Store};
use zeroize::Zeroizing;

use super::{KEY, TestClock, checked, draft, fails, name, over, ran, run, with_password, works};

/// Ids that the tests don't get beyond.
const MANY: u64 = 60;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) entries: BTreeMap<EntryId, Record>,
    pub(crate) passwords: BTreeMap<EntryId, String>,
    pub(crate) default: Option<EntryId>,
    pub(crate) batches: Vec<(u64, Batch)>,
    pub(crate) trashed: BTreeMap<EntryId, Record>,
    pub(crate) runs: BTreeMap<EntryId, Vec<Run>>,
    pub(crate) proofs: BTreeMap<EntryId, Proof>,
    pub(crate) last_run: u64,
}

impl World {
    /// All there is in `store`, after a check that it agrees with itself.
    pub(crate) fn of(store: &dyn Store) -> Result<Self, Problem> {
        let sealer = Sealer::new(Zeroizing::new(KEY));
        store.reading(|tx| {
            let mut world = Self { default: tx.default()?, batches: tx.batches()?, last_run: tx.last_run()?, ..Self::default() };
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
                let field = SecretField::Password;
                if let Some(sealed) = tx.secret(id, field)? {
                    let secret = sealer.open(field.place(id), &sealed).expect("it opens");
                    world.passwords.insert(id, secret.expose().to_owned());
                }
            }
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
        let batched: Vec<_> = self.batches.iter().flat_map(|(_, batch)| batch.entries.iter().map(|(id, _)| *id)).collect();
        assert_eq!(batched.len(), self.trashed.len(), "the batches and the trash");
        assert!(batched.iter().all(|id| self.trashed.contains_key(id)));
    }
}

/// The store as a start of the program finds it.
pub(crate) fn start(files: impl Backends + 'static) -> Result<RedbStore, OpenError> {
    RedbStore::rehearse(&files)?;
    RedbStore::open(Box::new(files))
}

/// One operation; the clock says what it set it to, so that it can be run again.
pub(crate) type Operation = fn(&Entries, &TestClock) -> Result<(), Problem>;

/// Creates, saves, renames, tests, trashes, brings back and purges. Ids are drawn in order, so each knows the ids before it.
pub(crate) const SCRIPT: &[Operation] = &[
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

/// What is stored after each operation of the script, from nothing on.
pub(crate) fn worlds(store: RedbStore) -> Vec<World> {
    let (store, entries, clock) = bench(store);
    let mut worlds = vec![World::of(&*store).unwrap()];
    for operation in SCRIPT {
        operation(&entries, &clock).unwrap();
        worlds.push(World::of(&*store).unwrap());
    }
    worlds
}
