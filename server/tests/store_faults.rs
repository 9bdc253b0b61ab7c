//! The disk fails or is full, at the N-th write, for every N of a series of operations: the answer says so and is true,
//! reading goes on, nothing stored is lost, and once the disk works again, so does everything.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use app::backend::Origin;
use domain::access::{NewToken, Role, Who};
use domain::entry::{EntryId, ListQuery};
use domain::error::Problem;
use domain::secret::Secret;
use redb::StorageBackend;
use server::access::{Accounts, Cost};
use server::store::{Backends, OpenError, Store};
use store_support::memory::Memory;
use store_support::world::{Operation, SCRIPTS, World, bench, new_file, start, worlds};
use store_support::*;

/// A disk whose writes, syncs and changes of length fail from some time on.
#[derive(Clone, Debug)]
struct Disk {
    memory: Memory,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Faults {
    /// How many more go well.
    left: AtomicI64,
    /// How many fail after that.
    failing: AtomicI64,
    /// Reads fail, too.
    reads: Mutex<bool>,
    kind: io::ErrorKind,
}

impl Disk {
    fn new(bytes: Vec<u8>, left: i64, failing: i64, kind: io::ErrorKind) -> Self {
        let faults = Faults { left: AtomicI64::new(left), failing: AtomicI64::new(failing), reads: Mutex::new(false), kind };
        Self { memory: Memory::of(bytes), faults: Arc::new(faults) }
    }

    fn heal(&self) {
        self.faults.left.store(i64::MAX, Ordering::Relaxed);
        *self.faults.reads.lock().unwrap() = false;
    }

    fn may_change(&self) -> io::Result<()> {
        if self.faults.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        if self.faults.failing.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Err(self.faults.kind.into());
        }
        self.heal();
        Ok(())
    }

    fn may_read(&self) -> io::Result<()> {
        if *self.faults.reads.lock().unwrap() { Err(io::Error::other("unreadable sector")) } else { Ok(()) }
    }
}

impl Backends for Disk {
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError> {
        Ok(Box::new(self.clone()))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.may_read()?;
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.may_change()?;
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.may_change()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.may_change()?;
        self.memory.write(offset, data)
    }
}

const FOREVER: i64 = i64::MAX;

/// Runs a script, which leads through `worlds`, on a disk that fails after `left` changes, `failing` times. Returns whether it
/// failed at all.
fn run(new: &[u8], (script, worlds): (&[Operation], &[World]), left: i64, failing: i64, kind: io::ErrorKind) -> bool {
    let disk = Disk::new(new.to_vec(), FOREVER, failing, kind);
    let (store, entries, clock) = bench(start(disk.clone()).unwrap());
    disk.faults.left.store(left, Ordering::Relaxed);
    let mut failed = false;
    for (number, operation) in script.iter().enumerate() {
        let (old, new) = (&worlds[number], &worlds[number + 1]);
        let what = format!("{kind}, {failing} times from change {left} on, operation {number}");
        let expected = match operation(&entries, &clock) {
            Ok(()) => vec![new],
            Err(Problem::DiskFull) if kind == io::ErrorKind::StorageFull => vec![old],
            Err(Problem::Disk { .. }) if kind != io::ErrorKind::StorageFull => vec![old],
            Err(Problem::OutcomeUnknown { .. }) => vec![old, new],
            Err(problem) => panic!("{what}: {problem:?}"),
        };
        let found = World::of(&*store).unwrap_or_else(|problem| panic!("{what}: {problem:?}, reading"));
        assert!(expected.contains(&&found), "{what}: {found:#?}");
        if expected != [new] {
            failed = true;
            // As long as the disk fails, so does the operation; when it works, it goes on from what was there.
            disk.heal();
            assert_eq!(World::of(&*store).unwrap(), found, "{what}: healed");
            if found == *old {
                operation(&entries, &clock).unwrap_or_else(|problem| panic!("{what}: {problem:?}, healed"));
            }
            assert_eq!(World::of(&*store).unwrap(), *new, "{what}: again");
        }
    }
    drop((entries, store));
    let file = start(Memory::of(disk.memory.bytes())).unwrap();
    assert_eq!(World::of(&file).unwrap(), *worlds.last().unwrap());
    failed
}

/// Lets the disk fail from each change on.
fn run_all(failing: i64, kind: io::ErrorKind) {
    let new = new_file();
    for script in SCRIPTS {
        let worlds = worlds(start(Memory::of(new.clone())).unwrap(), script);
        let (mut failures, mut quiet) = (0, 0);
        // A failure that only hits what redb does for its own comfort changes nothing, so one quiet run is not the end.
        for left in 0.. {
            if run(&new, (script, &worlds), left, failing, kind) {
                (failures, quiet) = (failures + 1, 0);
            } else {
                quiet += 1;
            }
            if quiet == 10 {
                break;
            }
        }
        assert!(failures > 5 * script.len(), "{failures}");
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    run_all(FOREVER, io::ErrorKind::StorageFull);
}

#[test]
fn a_disk_that_is_full_for_a_moment_loses_nothing() {
    run_all(1, io::ErrorKind::StorageFull);
}

#[test]
fn a_failing_disk_loses_nothing() {
    run_all(2, io::ErrorKind::Other);
}

#[test]
fn a_full_disk_stays_readable_and_says_so_each_time() {
    let disk = Disk::new(new_file(), FOREVER, FOREVER, io::ErrorKind::StorageFull);
    let (store, entries, _) = bench(start(disk.clone()).unwrap());
    let (id, _) = entries.create(&with_password(&draft("mail"), "secret")).unwrap();
    let before = World::of(&*store).unwrap();
    disk.faults.left.store(0, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(entries.create_named(&name("more")), Err(Problem::DiskFull));
        assert_eq!(names(&entries), ["mail"]);
        assert_eq!(password(&entries, id).as_deref(), Some("secret"), "applications go on sending");
    }
    assert_eq!(World::of(&*store).unwrap(), before);
    disk.heal();
    entries.create_named(&name("more")).unwrap();
    assert_eq!(names(&entries), ["mail", "more"]);
    drop((entries, store));
    assert_eq!(World::of(&start(disk).unwrap()).unwrap().entries.len(), 2);
}

#[tokio::test]
async fn on_a_full_disk_whoever_is_let_in_stays_in() {
    let disk = Disk::new(new_file(), FOREVER, FOREVER, io::ErrorKind::StorageFull);
    let (_store, entries, clock) = bench(start(disk.clone()).unwrap());
    let accounts = Arc::new(Accounts::new(&entries, Arc::new(TestRandom::default()), Cost::TINY));
    let link = accounts.setup_link(Who::Postroom).unwrap().unwrap();
    let password = || Secret::new("violet anchor tundra".into());
    let session = accounts.accept(link, "anna".into(), password(), password(), Origin::default()).await.unwrap().session;
    let caller = accounts.enter(&session, "").unwrap().unwrap();
    let new = NewToken { name: "scanner".into(), role: Role::Viewer, entries: None, verbs: None, days: None };
    let token = accounts.make_token(&caller, &new).unwrap().secret;
    disk.faults.left.store(0, Ordering::Relaxed);
    clock.forward(2 * 60_000);
    assert!(accounts.enter(&session, "").unwrap().is_some());
    assert!(accounts.enter_token(&token, "").is_ok());
    assert_eq!(accounts.sign_in("anna".into(), password(), Origin::default()).await.unwrap_err(), Problem::DiskFull);
    disk.heal();
    assert!(accounts.sign_in("anna".into(), password(), Origin::default()).await.is_ok());
}

#[test]
fn an_unreadable_disk_is_an_error_until_it_is_readable() {
    let disk = Disk::new(new_file(), FOREVER, FOREVER, io::ErrorKind::Other);
    let (_, entries, _) = bench(start(disk.clone()).unwrap());
    entries.create_named(&name("mail")).unwrap();
    // What was read before stays in memory, so the store is made to look at the disk.
    disk.faults.left.store(0, Ordering::Relaxed);
    *disk.faults.reads.lock().unwrap() = true;
    assert!(matches!(entries.create_named(&name("more")), Err(Problem::Disk { .. } | Problem::OutcomeUnknown { .. })));
    assert!(matches!(entries.list(&ListQuery::default()), Err(Problem::Disk { .. })));
    disk.heal();
    assert!(names(&entries).contains(&"mail".to_owned()));
    entries.create_named(&name("other")).unwrap();
}

#[test]
fn a_mistake_in_one_transaction_ends_no_other() {
    let (store, entries, _) = bench(start(Memory::of(new_file())).unwrap());
    let store: &dyn Store = &*store;
    entries.create_named(&name("mail")).unwrap();
    let before = World::of(store).unwrap();
    let write = store.writing::<()>(|tx| {
        tx.remove(EntryId(1))?;
        panic!("a mistake of ours")
    });
    assert_eq!(write, Err(Problem::Internal));
    assert_eq!(store.reading::<()>(|_| panic!("a mistake of ours")), Err(Problem::Internal));
    assert_eq!(World::of(store).unwrap(), before);
    entries.create_named(&name("other")).unwrap();
    assert_eq!(names(&entries), ["mail", "other"]);
}

#[test]
fn a_refusal_keeps_nothing_of_what_was_written_before_it() {
    let (store, entries, _) = bench(start(Memory::of(new_file())).unwrap());
    let store: &dyn Store = &*store;
    entries.create_named(&name("mail")).unwrap();
    let before = World::of(store).unwrap();
    let refused = store.writing::<()>(|tx| {
        tx.remove(EntryId(1))?;
        Err(Problem::NothingChosen)
    });
    assert_eq!(refused, Err(Problem::NothingChosen));
    assert_eq!(World::of(store).unwrap(), before);
}
