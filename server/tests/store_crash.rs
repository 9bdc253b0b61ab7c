//! The machine dies at the N-th sync, for every N of a series of operations: whatever of the unsynced writes reached the
//! disk, the reopened file holds what was acknowledged, and of the operation that was under way all or nothing.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::io;
use std::sync::{Arc, Mutex};

use domain::entry::EntryId;
use domain::error::Problem;
use redb::StorageBackend;
use server::seal::{Kek, Key};
use server::store::{Backends, OpenError, SecretField, Store};
use server::vault::Vault;
use store_support::memory::{self, Memory};
use store_support::world::{Operation, SCRIPTS, World, bench, new_file, start, worlds};
use store_support::*;

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

/// A disk that remembers what is durable, and dies at a sync.
#[derive(Clone, Debug)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Change>,
    syncs: u64,
    dies_at: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => memory::write(bytes, *offset, data),
            Self::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
        }
    }
}

impl Disk {
    fn new(bytes: Vec<u8>, dies_at: u64) -> Self {
        Self(Arc::new(Mutex::new(State { live: bytes.clone(), durable: bytes, pending: Vec::new(), syncs: 0, dies_at })))
    }

    fn syncs(&self) -> u64 {
        self.0.lock().unwrap().syncs
    }

    fn alive<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        if state.syncs >= state.dies_at { Err(io::Error::other("the machine is off")) } else { work(&mut state) }
    }

    /// Files that the crash may have left: nothing, everything, or a part of what wasn't synced.
    fn remains(&self) -> Vec<Vec<u8>> {
        let state = self.0.lock().unwrap();
        let image = |chosen: &dyn Fn(usize) -> bool| {
            let mut bytes = state.durable.clone();
            let changes = state.pending.iter().enumerate().filter(|(at, _)| chosen(*at));
            changes.for_each(|(_, change)| change.apply(&mut bytes));
            bytes
        };
        let count = state.pending.len();
        let mut images: Vec<_> = (0..=count).map(|prefix| image(&|at| at < prefix)).collect();
        images.extend((0..count).map(|lost| image(&|at| at != lost)));
        images.extend((0..count).map(|only| image(&|at| at == only)));
        for seed in 0..8_u64 {
            images.push(torn(&state, seed));
        }
        images.dedup();
        images
    }
}

/// Of each write, some sectors arrived.
fn torn(state: &State, seed: u64) -> Vec<u8> {
    let mut bytes = state.durable.clone();
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut roll = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice.is_multiple_of(2)
    };
    for change in &state.pending {
        match change {
            Change::Write(offset, data) => {
                for (at, sector) in data.chunks(SECTOR).enumerate() {
                    if roll() {
                        memory::write(&mut bytes, offset + (at * SECTOR) as u64, sector);
                    }
                }
            }
            length @ Change::Length(_) => length.apply(&mut bytes),
        }
    }
    bytes
}

impl Backends for Disk {
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError> {
        Ok(Box::new(self.clone()))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.alive(|state| Ok(state.live.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.alive(|state| memory::read(&state.live, offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Length(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.alive(|state| {
            state.syncs += 1;
            if state.syncs >= state.dies_at {
                return Err(io::Error::other("the machine goes off"));
            }
            state.durable.clone_from(&state.live);
            state.pending.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }
}

impl Disk {
    fn change(&self, change: Change) -> io::Result<()> {
        self.alive(|state| {
            change.apply(&mut state.live);
            state.pending.push(change);
            Ok(())
        })
    }
}

/// Runs a script until the disk dies; how many operations were acknowledged.
fn run(disk: &Disk, script: &[Operation]) -> usize {
    let Ok(store) = start(disk.clone()) else { return 0 };
    let (_, entries, clock) = bench(store);
    script.iter().take_while(|operation| operation(&entries, &clock).is_ok()).count()
}

#[test]
fn a_crash_at_any_sync_leaves_old_or_new() {
    let new = new_file();
    for script in SCRIPTS {
        let worlds = worlds(start(Memory::of(new.clone())).unwrap(), script);
        let whole = Disk::new(new.clone(), u64::MAX);
        assert_eq!(run(&whole, script), script.len());
        let syncs = whole.syncs();
        assert!(syncs > 2 * script.len() as u64, "{syncs}");

        let (mut images, mut went_through) = (0, 0);
        for dies_at in 1..=syncs {
            let disk = Disk::new(new.clone(), dies_at);
            let acknowledged = run(&disk, script);
            for (number, image) in disk.remains().into_iter().enumerate() {
                let store = start(Memory::of(image)).unwrap_or_else(|error| panic!("sync {dies_at}, image {number}: {error:?}"));
                let world = World::of(&store).unwrap();
                let found = worlds[acknowledged..].iter().take(2).position(|expected| *expected == world);
                assert!(found.is_some(), "sync {dies_at}, image {number}, after {acknowledged} operations: {world:#?}");
                images += 1;
                went_through += found.unwrap();

                let (store, entries, _) = bench(store);
                let (id, _) = entries.create(&with_password(&draft("after-the-crash"), "secret")).unwrap();
                assert_eq!(World::of(&*store).unwrap().passwords[&id], "secret");
            }
        }
        assert!(images > 300, "{images}");
        assert!(went_through > 0, "some crash came after the point of no return");
    }
}

#[test]
fn a_crash_while_the_last_one_is_repaired_loses_nothing() {
    let new = new_file();
    for script in SCRIPTS {
        let worlds = worlds(start(Memory::of(new.clone())).unwrap(), script);
        let whole = Disk::new(new.clone(), u64::MAX);
        run(&whole, script);
        for dies_at in (1..=whole.syncs()).step_by(3) {
            let disk = Disk::new(new.clone(), dies_at);
            let acknowledged = run(&disk, script);
            let image = disk.remains().pop().unwrap();
            let expected = World::of(&start(Memory::of(image.clone())).unwrap()).unwrap();
            assert!(worlds[acknowledged..].iter().take(2).any(|world| *world == expected));
            for again_at in 1.. {
                let disk = Disk::new(image.clone(), again_at);
                let opened = start(disk.clone());
                let done = opened.is_ok();
                drop(opened);
                for image in disk.remains() {
                    let found = World::of(&start(Memory::of(image)).unwrap()).unwrap();
                    assert_eq!(found, expected, "sync {dies_at}, then {again_at}");
                }
                if done {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_crash_while_keys_are_replaced_loses_no_password() {
    let memory = Memory::of(new_file());
    let (_, entries, _) = bench(start(memory.clone()).unwrap());
    for number in 1..=3 {
        entries.create(&with_password(&draft(&format!("server-{number}")), &format!("password {number}"))).unwrap();
    }
    drop(entries);
    let before = memory.bytes();
    let next = || Arc::new(Kek::new(Key::new([7; 32].into())));
    let open = |store: &dyn Store, kek| Vault::open(store, kek, Arc::new(TestRandom::default()));
    let replace = |disk: &Disk| -> Result<(), Problem> {
        let store = start(disk.clone()).map_err(|_| Problem::Internal)?;
        let store: &dyn Store = &store;
        let vault = open(store, Arc::new(kek())).map_err(|_| Problem::Internal)?;
        vault.add_data_key(store)?;
        vault.finish(store, &mut |_, _| Ok(()))?;
        vault.rewrap(store, next())
    };
    let whole = Disk::new(before.clone(), u64::MAX);
    replace(&whole).unwrap();
    let (mut by_old, mut by_new) = (0, 0);
    for dies_at in 1..=whole.syncs() {
        let disk = Disk::new(before.clone(), dies_at);
        let replaced = replace(&disk);
        for (number, image) in disk.remains().into_iter().enumerate() {
            let store = start(Memory::of(image)).unwrap_or_else(|error| panic!("sync {dies_at}, image {number}: {error:?}"));
            let store: &dyn Store = &store;
            let (old, new) = (open(store, Arc::new(kek())), open(store, next()));
            assert!(old.is_ok() != new.is_ok(), "sync {dies_at}, image {number}: one key or the other");
            assert!(replaced.is_err() || new.is_ok(), "what was acknowledged is there");
            by_old += u32::from(old.is_ok());
            by_new += u32::from(new.is_ok());
            let vault = old.or(new).unwrap();
            for id in 1..=3 {
                let secret = store.reading(|tx| Ok(vault.get(tx, EntryId(id), SecretField::Password).unwrap())).unwrap();
                assert_eq!(secret.unwrap().expose(), format!("password {id}"), "sync {dies_at}, image {number}");
            }
        }
    }
    assert!(by_old > 20 && by_new > 0, "{by_old} {by_new}");
}
