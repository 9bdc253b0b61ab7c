//! What the program finds in its data directory: whatever is not its own or not whole keeps it from starting, with one
//! sentence, and stays as it is to the byte.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::entry::UNDO_MS;
use redb::{Database, TableDefinition};
use server::data::Data;
use server::data_dir::{DataDir, StartError};
use server::entries::{Entries, UNDO_GRACE_MS};
use server::key_file::KeySource;
use server::store::SCHEMA_VERSION;
use store_support::*;

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");

/// A data directory with two entries and a password, closed.
fn data_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    entries.create(&with_password(&draft("mail"), "hunter2hunter2")).unwrap();
    entries.create_named(&name("other")).unwrap();
    dir
}

fn database(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("postroom.redb")
}

fn key(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("postroom.key")
}

fn own(path: &Path) -> KeySource {
    KeySource::Own(path.to_owned())
}

/// Every file of a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).map(|path| (path.clone(), fs::read(path).ok())).collect()
}

/// Refused, and nothing was touched.
fn refused(dir: &Path) -> StartError {
    let before = contents(dir);
    let error = open(dir, &TestClock::new()).err().expect("it must not start");
    assert_eq!(contents(dir), before, "{error}");
    let sentence = error.to_string();
    assert!(sentence.ends_with('.') && !sentence.contains(['\n', '"']) && sentence.len() < 400, "{sentence}");
    assert!(error.exit_code() >= 3);
    error
}

fn is_damaged(error: &StartError) -> bool {
    matches!(error, StartError::DatabaseDamaged { .. })
}

#[test]
fn a_new_directory_is_made_for_the_owner_only() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("a/b");
    drop(open(&dir, &TestClock::new()).unwrap());
    let files: Vec<_> = contents(&dir).into_keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(files, ["postroom.key", "postroom.lock", "postroom.redb"]);
    assert_eq!(fs::read(dir.join("postroom.key")).unwrap().len(), 32);
    #[cfg(unix)]
    for (file, expected) in [("", 0o700), ("postroom.key", 0o600), ("postroom.lock", 0o600), ("postroom.redb", 0o600)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(dir.join(file)).unwrap().permissions().mode() & 0o777, expected, "{file:?}");
    }
}

#[test]
fn what_an_interrupted_first_start_left_is_used_or_made_anew() {
    let whole = data_dir();
    let dir = tempfile::tempdir().unwrap();
    fs::copy(key(&whole), key(&dir)).unwrap();
    fs::write(dir.path().join("postroom.key.new"), "half").unwrap();
    fs::write(dir.path().join("postroom.redb.new"), "redb and then nothing").unwrap();
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    assert_eq!(all(&entries).total, 0);
    assert_eq!(fs::read(key(&dir)).unwrap(), fs::read(key(&whole)).unwrap(), "a whole key is kept");
}

#[test]
fn a_file_that_is_no_database_of_ours_is_refused() {
    let foreign: [(&str, &[u8]); 4] = [
        ("text", b"This is my shopping list.\n"),
        ("SQLite", b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20"),
        ("zeros", &[0; 8192]),
        ("one byte", b"x"),
    ];
    for (what, bytes) in foreign {
        let dir = data_dir();
        fs::write(database(&dir), bytes).unwrap();
        assert_eq!(refused(dir.path()), StartError::DatabaseForeign { path: database(&dir) }, "{what}");
    }

    let dir = data_dir();
    fs::write(database(&dir), "").unwrap();
    assert_eq!(refused(dir.path()), StartError::DatabaseEmpty { path: database(&dir) });

    let dir = data_dir();
    fs::remove_file(database(&dir)).unwrap();
    fs::create_dir(database(&dir)).unwrap();
    assert_eq!(refused(dir.path()), StartError::DatabaseForeign { path: database(&dir) });
}

#[test]
fn another_programs_redb_file_is_refused() {
    const WORDS: TableDefinition<'_, &str, u64> = TableDefinition::new("words");
    const OTHER_META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    for table in [WORDS, OTHER_META] {
        let dir = data_dir();
        fs::remove_file(database(&dir)).unwrap();
        let other = Database::create(database(&dir)).unwrap();
        let transaction = other.begin_write().unwrap();
        transaction.open_table(table).unwrap().insert("answer", 42).unwrap();
        transaction.commit().unwrap();
        drop(other);
        assert_eq!(refused(dir.path()), StartError::DatabaseForeign { path: database(&dir) });
    }
}

#[test]
fn a_newer_database_is_refused() {
    let dir = data_dir();
    let newer = Database::open(database(&dir)).unwrap();
    let transaction = newer.begin_write().unwrap();
    let found = SCHEMA_VERSION + 1;
    transaction.open_table(META).unwrap().insert(b"schema_version".as_slice(), found.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(newer);
    let expected = StartError::DatabaseNewer { path: database(&dir), found, known: SCHEMA_VERSION };
    assert_eq!(refused(dir.path()), expected);
}

#[test]
fn a_file_of_another_length_is_refused() {
    let dir = data_dir();
    let whole = fs::read(database(&dir)).unwrap();
    let lengths = [1, 8, 9, 10, 64, 100, 320, 4095, 4096, 8192, whole.len() / 2, whole.len() - 4096, whole.len() - 1];
    for length in lengths {
        fs::write(database(&dir), &whole[..length]).unwrap();
        let error = refused(dir.path());
        assert!(is_damaged(&error), "{length} of {} bytes: {error:?}", whole.len());
    }
    for more in [1, 4096, 5000] {
        fs::write(database(&dir), [whole.as_slice(), &vec![7; more]].concat()).unwrap();
        match open_untouched(&dir) {
            // A whole number of pages more is space that nothing refers to.
            Ok(()) => assert_eq!(more % 4096, 0),
            Err(error) => assert!(is_damaged(&error), "{more} more: {error:?}"),
        }
    }
}

/// Opened with everything in it, or refused without a touch.
fn open_untouched(dir: &tempfile::TempDir) -> Result<(), StartError> {
    let before = contents(dir.path());
    match open(dir.path(), &TestClock::new()) {
        Ok(entries) => {
            assert_eq!(names(&entries), ["mail", "other"]);
            assert_eq!(password(&entries, all(&entries).rows[0].id).as_deref(), Some("hunter2hunter2"));
            Ok(())
        }
        Err(error) => {
            assert_eq!(contents(dir.path()), before, "{error}");
            Err(error)
        }
    }
}

#[test]
fn changed_bytes_are_found_or_did_not_matter() {
    let dir = data_dir();
    let whole = fs::read(database(&dir)).unwrap();
    let mut refusals = 0;
    let header = 0..320;
    let pages = (320..whole.len()).step_by(509);
    for at in header.chain(pages) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(database(&dir), &bytes).unwrap();
        match open_untouched(&dir) {
            Ok(()) => {}
            Err(StartError::DatabaseDamaged { .. }) => refusals += 1,
            Err(StartError::DatabaseForeign { .. }) if at < 9 => refusals += 1,
            Err(error) => panic!("byte {at}: {error:?}"),
        }
    }
    assert!(refusals > 50, "{refusals}");
    let used = whole.windows(4).position(|bytes| bytes == b"mail").unwrap();
    let mut bytes = whole;
    bytes[used] = b'M';
    fs::write(database(&dir), &bytes).unwrap();
    assert!(is_damaged(&refused(dir.path())), "a changed record");
}

#[test]
fn the_key_must_be_whole_private_and_the_right_one() {
    let dir = data_dir();
    let path = key(&dir);
    let right = fs::read(&path).unwrap();
    for length in [0, 31, 33, 5000] {
        fs::write(&path, vec![1; length]).unwrap();
        assert_eq!(refused(dir.path()), StartError::KeyMalformed { key: own(&path), length: length as u64 });
    }
    fs::write(&path, [1; 32]).unwrap();
    assert_eq!(refused(dir.path()), StartError::KeyWrong { key: own(&path) });
    fs::remove_file(&path).unwrap();
    assert_eq!(refused(dir.path()), StartError::KeyMissing { key: own(&path) });
    assert!(!path.exists(), "no new key takes the place of a lost one");

    let other = data_dir_with_key(&[9; 32]);
    fs::copy(key(&other), &path).unwrap();
    assert_eq!(refused(dir.path()), StartError::KeyWrong { key: own(&path) });
    fs::write(&path, right).unwrap();
    open_untouched(&dir).unwrap();
}

fn data_dir_with_key(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(key(&dir), bytes).unwrap();
    #[cfg(unix)]
    fs::set_permissions(key(&dir), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    drop(open(dir.path(), &TestClock::new()).unwrap());
    dir
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = data_dir();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o622] {
        fs::set_permissions(key(&dir), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(refused(dir.path()), StartError::KeyExposed { key: own(&key(&dir)), mode });
    }
    fs::set_permissions(key(&dir), fs::Permissions::from_mode(0o400)).unwrap();
    open_untouched(&dir).unwrap();
}

#[test]
fn a_directory_belongs_to_one_process() {
    let dir = data_dir();
    let held = DataDir::open(dir.path()).unwrap();
    let in_use = StartError::InUse { path: dir.path().to_owned() };
    assert_eq!(refused(dir.path()), in_use);
    let random = Arc::new(TestRandom::default());
    let entries = Data::open(&held, &own(&held.key()), TestClock::new(), random).unwrap();
    drop(held);
    assert_eq!(open(dir.path(), &TestClock::new()).err(), Some(in_use.clone()), "the entries hold the directory, too");
    drop(entries);
    open_untouched(&dir).unwrap();

    let tool = Database::open(database(&dir)).unwrap();
    assert_eq!(open(dir.path(), &TestClock::new()).err(), Some(in_use), "redb's own lock counts, too");
    drop(tool);
    open_untouched(&dir).unwrap();
}

#[test]
fn a_directory_that_can_not_be_used_is_named() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("file");
    fs::write(&file, "text").unwrap();
    let mut places = vec![file.clone(), file.join("below"), PathBuf::from("/proc/postroom")];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let closed = outer.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        // Root may write everywhere.
        if fs::write(closed.join("probe"), "").is_err() {
            places.push(closed);
        }
    }
    for place in places {
        let error = open(&place, &TestClock::new()).err().expect("it must not start");
        assert!(matches!(&error, StartError::DirectoryUnusable { path, .. } if *path == place), "{error:?}");
        assert!(error.to_string().contains(place.to_str().unwrap()));
    }
    assert_eq!(fs::read(file).unwrap(), b"text");
}

#[test]
fn a_start_removes_expired_trash() {
    let dir = data_dir();
    let clock = TestClock::new();
    let entries = open(dir.path(), &clock).unwrap();
    let id = all(&entries).rows[0].id;
    entries.trash(&[id], None).unwrap();
    assert_eq!(secrets(&dir, entries), 1, "kept for undo");
    clock.forward(UNDO_MS + UNDO_GRACE_MS + 1);
    let entries = open(dir.path(), &clock).unwrap();
    assert_eq!(secrets(&dir, entries), 0);
}

/// How many secrets there are in the file.
fn secrets(dir: &tempfile::TempDir, entries: Entries) -> u64 {
    use redb::{ReadableDatabase, ReadableTableMetadata};
    drop(entries);
    let database = Database::open(database(dir)).unwrap();
    let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("secrets");
    database.begin_read().unwrap().open_table(table).unwrap().len().unwrap()
}

#[test]
fn no_file_holds_a_password() {
    use base64::Engine;
    const CANARY: &str = "canary-5t6Yh!-in-the-coal-mine-of-the-data-directory";
    let dir = tempfile::tempdir().unwrap();
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    let (id, version) = entries.create(&with_password(&draft("mail"), CANARY)).unwrap();
    let mut again = with_password(&draft("mail"), CANARY);
    again.default = true;
    entries.save(id, version, &again).unwrap();
    let needles = [CANARY.to_owned(), base64::engine::general_purpose::STANDARD.encode(CANARY), CANARY[..12].to_owned()];
    let absent = || {
        for (path, bytes) in contents(dir.path()) {
            for needle in &needles {
                assert!(!bytes.as_ref().unwrap().windows(needle.len()).any(|window| window == needle.as_bytes()), "{path:?}");
            }
        }
    };
    absent();
    entries.trash(&[id], None).unwrap();
    absent();
    drop(entries);
    absent();
    assert!(fs::read(database_of(dir.path())).unwrap().windows(16).any(|window| window == b"mail.example.com"), "the search works");
}

fn database_of(dir: &Path) -> PathBuf {
    dir.join("postroom.redb")
}
