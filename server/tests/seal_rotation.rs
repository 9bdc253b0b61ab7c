//! Keys are replaced while everything stays readable: cut short between any two transactions or changes of files, the next start
//! reads every password with the key file of before or the new one, and the next run comes to its end.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::entry::EntryId;
use domain::error::Problem;
use domain::run::Standing;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use server::data::Data;
use server::data_dir::{DataDir, StartError};
use server::entries::Secrets;
use server::key_file::KeySource;
use server::ports::SystemRandom;
use server::rotation::{RotateError, Step, rotate};
use server::seal::KeyName;
use server::store::{RedbStore, SecretField, Store};
use server::vault::{RESEALED_AT_ONCE, Vault};
use store_support::memory::Memory;
use store_support::*;

/// More than two transactions take, the last of them not full.
const MANY: u64 = 2 * RESEALED_AT_ONCE as u64 + 44;

fn password_of(id: u64) -> String {
    format!("password of {id}")
}

/// A data directory with so many entries and their passwords, and its own key.
fn data_dir(entries: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::default();
    let store = RedbStore::create(Box::new(memory.clone())).unwrap();
    let vault = vault(&store);
    fill(&store, entries);
    let port: &dyn Store = &store;
    port.writing(|tx| {
        for id in 1..=entries {
            vault.put(tx, EntryId(id), SecretField::Password, &password_of(id).into_secret())?;
        }
        Ok(())
    })
    .unwrap();
    drop(store);
    put_private(&dir.path().join("postroom.redb"), &memory.bytes());
    put_private(&dir.path().join("postroom.key"), &KEY);
    dir
}

fn put_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

trait IntoSecret {
    fn into_secret(self) -> domain::secret::Secret;
}

impl IntoSecret for String {
    fn into_secret(self) -> domain::secret::Secret {
        domain::secret::Secret::new(self)
    }
}

/// A copy that is of its own.
fn copy(of: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(of).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

fn start(dir: &Path, named: Option<&Path>) -> Result<Data, StartError> {
    let key = KeySource::choose(None, named, dir);
    Data::open(&DataDir::open(dir)?, &key, TestClock::new(), Arc::new(SystemRandom))
}

fn every_password_is_right(data: &Data, entries: u64, when: &str) {
    for id in 1..=entries {
        assert_eq!(password(data.entries(), EntryId(id)), Some(password_of(id)), "{when}: {id}");
    }
}

/// The keys that the database has and those its secrets name, from the file itself.
fn keys(dir: &Path) -> (Vec<String>, BTreeSet<[u8; 6]>) {
    const KEYS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("keys");
    const SECRETS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("secrets");
    let database = Database::open(dir.join("postroom.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let names = transaction.open_table(KEYS).unwrap();
    let names = names.iter().unwrap().map(|line| {
        let name = line.unwrap().0.value().to_vec();
        let (purpose, number) = name.split_last_chunk::<4>().unwrap();
        format!("{} {}", String::from_utf8_lossy(purpose), u32::from_be_bytes(*number))
    });
    let secrets = transaction.open_table(SECRETS).unwrap();
    let used = secrets.iter().unwrap().map(|line| *line.unwrap().1.value().first_chunk().unwrap());
    (names.collect(), used.collect())
}

/// Counts the steps that are taken, and ends the run at one of them.
fn until(end: usize, taken: &Cell<usize>) -> impl FnMut(Step) -> Result<(), Problem> {
    move |_| {
        taken.set(taken.get() + 1);
        if taken.get() == end { Err(Problem::Internal) } else { Ok(()) }
    }
}

const WHOLE: usize = usize::MAX;

#[test]
fn a_rotation_replaces_every_key_and_leaves_no_secret_with_one_of_before() {
    let dir = data_dir(MANY);
    let before = fs::read(dir.path().join("postroom.key")).unwrap();
    let old = copy(dir.path());
    let data = start(dir.path(), None).unwrap();
    let mut steps = Vec::new();
    let rotated = rotate(&data, None, &mut |step| {
        steps.push(step);
        Ok(())
    })
    .unwrap();
    assert_eq!((rotated.secrets.count, rotated.secrets.unopened.len(), rotated.replaced), (MANY, 0, true));
    assert_eq!(rotated.key, KeySource::Own(dir.path().join("postroom.key")));
    let full = RESEALED_AT_ONCE as u64;
    let sealed = |done| Step::Sealed { done, total: MANY };
    assert_eq!(steps[..4], [Step::DataKeyMade, sealed(full), sealed(2 * full), sealed(MANY)]);
    let new_file = dir.path().join("postroom.key.new");
    assert_eq!(
        steps[4..],
        [Step::DataKeysRetired, Step::KeyWritten { path: new_file.clone() }, Step::KeysWrapped, Step::KeyInPlace]
    );
    every_password_is_right(&data, MANY, "at once");
    drop(data);

    assert_eq!(keys(dir.path()), (vec!["fingerprints 1".into(), "secrets 2".into()], [[2, 1, 0, 0, 0, 2]].into()));
    assert!(!new_file.exists());
    let after = fs::read(dir.path().join("postroom.key")).unwrap();
    assert_ne!(after, before);
    every_password_is_right(&start(dir.path(), None).unwrap(), MANY, "after a start");

    // Neither key opens what the other is for.
    put_private(&dir.path().join("postroom.key"), &before);
    assert!(matches!(start(dir.path(), None).err(), Some(StartError::KeyWrong { .. })));
    put_private(&old.path().join("postroom.key"), &after);
    assert!(matches!(start(old.path(), None).err(), Some(StartError::KeyWrong { .. })));
    put_private(&old.path().join("postroom.key"), &before);
    every_password_is_right(&start(old.path(), None).unwrap(), MANY, "what was backed up");
}

#[test]
fn cut_short_at_any_step_everything_is_readable_and_the_next_run_ends_it() {
    let dir = data_dir(MANY);
    for end in 1..=8 {
        let when = format!("ended at step {end}");
        let dir = copy(dir.path());
        let data = start(dir.path(), None).unwrap();
        let taken = Cell::new(0);
        assert_eq!(rotate(&data, None, &mut until(end, &taken)), Err(RotateError::Store(Problem::Internal)), "{when}");
        every_password_is_right(&data, MANY, &format!("{when}, still running"));
        let (id, _) = data.entries().create(&with_password(&draft("meanwhile"), "of meanwhile")).unwrap();
        drop(data);

        let data = start(dir.path(), None).unwrap();
        every_password_is_right(&data, MANY, &when);
        assert!(!dir.path().join("postroom.key.new").exists(), "{when}: the start tidied up");
        assert_eq!(rotate(&data, None, &mut until(WHOLE, &taken)).unwrap().secrets.count, MANY + 1, "{when}");
        drop(data);

        let data = start(dir.path(), None).unwrap();
        every_password_is_right(&data, MANY, &format!("{when}, then completed"));
        assert_eq!(password(data.entries(), id).as_deref(), Some("of meanwhile"));
        drop(data);
        let (names, used) = keys(dir.path());
        assert_eq!((names.len(), used.len()), (2, 1), "{when}: {names:?}");
    }
    let data = start(dir.path(), None).unwrap();
    let taken = Cell::new(0);
    rotate(&data, None, &mut until(WHOLE, &taken)).unwrap();
    assert_eq!(taken.get(), 8, "there are no more steps");
}

#[test]
fn without_a_start_in_between_the_next_run_ends_it_too() {
    let dir = data_dir(3);
    for (end, again) in (1..=6).flat_map(|end| (1..=7).map(move |again| (end, again))) {
        let when = format!("step {end}, then {again}");
        let dir = copy(dir.path());
        let data = start(dir.path(), None).unwrap();
        rotate(&data, None, &mut until(end, &Cell::new(0))).unwrap_err();
        let second = rotate(&data, None, &mut until(again, &Cell::new(0)));
        assert_eq!(second.is_ok(), again == 7, "{when}");
        every_password_is_right(&data, 3, &when);
        drop(data);
        every_password_is_right(&start(dir.path(), None).unwrap(), 3, &format!("{when}, after a start"));
        if second.is_ok() {
            assert_eq!(keys(dir.path()).0.len(), 2, "{when}");
        }
    }
}

#[test]
fn the_key_moves_to_a_file_that_is_named_and_from_there_to_another() {
    let dir = data_dir(3);
    let outer = tempfile::tempdir().unwrap();
    let (first, second) = (outer.path().join("first"), outer.path().join("second"));
    for end in 1..=6 {
        let dir = copy(dir.path());
        let _ = fs::remove_file(&first);
        let data = start(dir.path(), None).unwrap();
        rotate(&data, Some(&first), &mut until(end, &Cell::new(0))).unwrap_err();
        drop(data);
        let opens: Vec<_> = [None, Some(first.as_path())]
            .into_iter()
            .filter(|named| {
                let data = start(dir.path(), *named);
                if let Ok(data) = &data {
                    every_password_is_right(data, 3, &format!("step {end}"));
                }
                data.is_ok()
            })
            .collect();
        assert_eq!(opens.len(), 1, "step {end}: one of the two opens everything");
    }

    let _ = fs::remove_file(&first);
    let data = start(dir.path(), None).unwrap();
    let rotated = rotate(&data, Some(&first), &mut |_| Ok(())).unwrap();
    assert_eq!((rotated.key, rotated.replaced), (KeySource::Named(first.clone()), true));
    assert!(!dir.path().join("postroom.key").exists(), "it opened nothing any more");
    assert_eq!(rotate(&data, Some(&first), &mut |_| Ok(())), Err(RotateError::SameKey(first.clone())));
    let kept = rotate(&data, None, &mut |_| Ok(())).unwrap();
    assert_eq!((kept.key, kept.replaced), (KeySource::Named(first.clone()), false), "the administrator's file is his own affair");
    drop(data);

    assert!(matches!(start(dir.path(), None).err(), Some(StartError::KeyMissing { key: KeySource::Own(_) })));
    let data = start(dir.path(), Some(&first)).unwrap();
    rotate(&data, Some(&second), &mut |_| Ok(())).unwrap();
    drop(data);
    assert_eq!(start(dir.path(), Some(&first)).err(), Some(StartError::KeyWrong { key: KeySource::Named(first.clone()) }));
    assert!(first.exists(), "it wasn't ours");
    every_password_is_right(&start(dir.path(), Some(&second)).unwrap(), 3, "with the second");
}

#[test]
fn a_new_key_that_can_not_be_used_changes_nothing() {
    let dir = data_dir(3);
    let outer = tempfile::tempdir().unwrap();
    let short: PathBuf = outer.path().join("short");
    put_private(&short, &[1; 16]);
    let data = start(dir.path(), None).unwrap();
    for file in [short, outer.path().join("missing/below")] {
        assert!(matches!(rotate(&data, Some(&file), &mut |_| panic!("a step")), Err(RotateError::Key(_))), "{file:?}");
    }
    drop(data);
    assert_eq!(keys(dir.path()).0, ["fingerprints 1", "secrets 1"]);
    assert_eq!(fs::read(dir.path().join("postroom.key")).unwrap(), KEY);
}

#[test]
fn what_does_not_open_is_told_and_keeps_its_key_until_it_is_entered_anew() {
    const SECRETS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("secrets");
    let dir = data_dir(3);
    let database = Database::open(dir.path().join("postroom.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut secrets = transaction.open_table(SECRETS).unwrap();
        let key = [2_u64.to_be_bytes().as_slice(), b"password"].concat();
        let mut blob = secrets.get(key.as_slice()).unwrap().unwrap().value().to_vec();
        blob[50] ^= 1;
        secrets.insert(key.as_slice(), blob.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);

    let data = start(dir.path(), None).unwrap();
    let rotated = rotate(&data, None, &mut |_| Ok(())).unwrap();
    assert_eq!((rotated.secrets.count, rotated.secrets.unopened), (2, vec![(EntryId(2), SecretField::Password)]));
    for id in [1, 3] {
        assert_eq!(password(data.entries(), EntryId(id)), Some(password_of(id)));
    }
    drop(data);
    assert_eq!(keys(dir.path()).0, ["fingerprints 1", "secrets 1", "secrets 2"]);

    let data = start(dir.path(), None).unwrap();
    let (version, content) = data.entries().content(EntryId(2)).unwrap();
    let draft = domain::smtp_server::ServerDraft { sender: "scan1@example.com".into(), ..draft(content.name().as_str()) };
    data.entries().save(EntryId(2), version, &with_password(&draft, "entered anew")).unwrap();
    assert!(rotate(&data, None, &mut |_| Ok(())).unwrap().secrets.unopened.is_empty());
    assert_eq!(password(data.entries(), EntryId(2)).as_deref(), Some("entered anew"));
    drop(data);
    assert_eq!(keys(dir.path()).0, ["fingerprints 1", "secrets 3"]);
}

#[test]
fn a_stolen_database_gives_nothing_without_its_key() {
    let dir = data_dir(3);
    let data = start(dir.path(), None).unwrap();
    rotate(&data, None, &mut |_| Ok(())).unwrap();
    drop(data);
    let bytes = fs::read(dir.path().join("postroom.redb")).unwrap();
    let kek = KeySource::Own(dir.path().join("postroom.key")).load().unwrap();
    let store = RedbStore::open(Box::new(Memory::of(bytes.clone()))).unwrap();
    let vault = Vault::open(&store, Arc::new(kek), Arc::new(SystemRandom)).unwrap();
    let port: &dyn Store = &store;
    let keys = port.reading(|tx| Ok(vault.keys(tx).unwrap())).unwrap();
    assert_eq!(keys.len(), 2);
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|found| found == part);
    assert!(holds(b"server-00001.example.com"), "the search works");
    for (name, key) in keys {
        assert!(!holds(&key.bytes()[..8]), "{name}");
    }
    for secret in [KEY.as_slice(), &fs::read(dir.path().join("postroom.key")).unwrap(), b"password of"] {
        assert!(!holds(secret));
    }

    let thief = tempfile::tempdir().unwrap();
    put_private(&thief.path().join("postroom.redb"), &bytes);
    assert!(matches!(start(thief.path(), None).err(), Some(StartError::KeyMissing { .. })));
    for key in [[0; 32], KEY] {
        put_private(&thief.path().join("postroom.key"), &key);
        assert!(matches!(start(thief.path(), None).err(), Some(StartError::KeyWrong { .. })));
    }
    assert_eq!(fs::read(thief.path().join("postroom.redb")).unwrap(), bytes, "nothing was made anew");
}

type Bytes<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

#[test]
fn keys_that_were_taken_away_or_changed_are_damage_and_never_made_anew() {
    const KEYS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("keys");
    let whole = data_dir(3);
    let damaged = |change: &dyn Fn(&mut Bytes<'_>)| {
        let dir = copy(whole.path());
        let database = Database::open(dir.path().join("postroom.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        change(&mut transaction.open_table(KEYS).unwrap());
        transaction.commit().unwrap();
        drop(database);
        let before = fs::read(dir.path().join("postroom.redb")).unwrap();
        let error = start(dir.path(), None).err().expect("it must not start");
        assert!(matches!(error, StartError::DatabaseDamaged { .. }), "{error:?}");
        assert_eq!(fs::read(dir.path().join("postroom.redb")).unwrap(), before);
    };
    let name = |of: KeyName| [of.purpose.key().as_bytes(), &of.number.to_be_bytes()].concat();
    damaged(&|keys| keys.retain(|_, _| false).unwrap());
    for of in [KeyName::FINGERPRINTS, KeyName::secrets(1)] {
        damaged(&|keys| drop(keys.remove(name(of).as_slice()).unwrap()));
        damaged(&|keys| {
            let mut wrapped = keys.get(name(of).as_slice()).unwrap().unwrap().value().to_vec();
            wrapped[40] ^= 1;
            keys.insert(name(of).as_slice(), wrapped.as_slice()).unwrap();
        });
    }
}

#[test]
fn two_rotations_at_once_are_one_too_many() {
    let dir = data_dir(3);
    let data = start(dir.path(), None).unwrap();
    let mut refused = 0;
    rotate(&data, None, &mut |_| {
        refused += usize::from(rotate(&data, None, &mut |_| Ok(())) == Err(RotateError::Busy));
        Ok(())
    })
    .unwrap();
    assert_eq!(refused, 6, "at each step");
}

#[test]
fn databases_of_before_there_were_keys_are_sealed_anew_and_what_was_verified_stays_so() {
    for schema in 1..=server::store::SCHEMA_VERSION {
        let file = format!("{}/tests/data/schema-{schema}.redb", env!("CARGO_MANIFEST_DIR"));
        let dir = tempfile::tempdir().unwrap();
        put_private(&dir.path().join("postroom.key"), &KEY);
        put_private(&dir.path().join("postroom.redb"), &fs::read(file).unwrap());
        let check = |data: &Data, when: &str| {
            assert_eq!(password(data.entries(), EntryId(1)).as_deref(), Some("correct horse"), "schema {schema}, {when}");
            if schema >= 2 {
                assert!(matches!(standing(data.entries(), EntryId(1)), Standing::Verified { .. }), "schema {schema}, {when}");
            }
        };
        let data = start(dir.path(), None).unwrap();
        check(&data, "at once");
        drop(data);
        assert_eq!(keys(dir.path()), (vec!["fingerprints 1".into(), "secrets 1".into()], [[2, 1, 0, 0, 0, 1]].into()));
        let data = start(dir.path(), None).unwrap();
        rotate(&data, None, &mut |_| Ok(())).unwrap();
        check(&data, "rotated");
        let offer = all(data.entries()).undo.unwrap();
        data.entries().undo(offer.batch).unwrap();
        assert_eq!(password(data.entries(), EntryId(4)).as_deref(), Some("battery staple"), "from the trash");
        if schema >= 2 {
            // The same settings have the same fingerprint under whatever keys.
            let (_, content) = data.entries().content(EntryId(1)).unwrap();
            let password = "correct horse".to_owned().into_secret();
            let secrets = Secrets { password: Some(&password), client_certificate: None };
            let basis = basis(data.entries(), content.server().unwrap(), secrets);
            data.entries().record_run(EntryId(1), Some(&basis), &run(9, 9, fails())).unwrap();
            assert!(matches!(standing(data.entries(), EntryId(1)), Standing::Failing { .. }));
        }
    }
}
