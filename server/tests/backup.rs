//! What is backed up is restored, all of it and as of one instant; what is cut off or changed is refused with nothing touched; and
//! what is left out isn't there.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use domain::access::Who;
use domain::activity::Deed;
use domain::entry::EntryId;
use domain::run::Standing;
use domain::secret::Secret;
use server::backup::container::{Protection, SALT, Writer};
use server::backup::passphrase::derive;
use server::backup::restore::{RestoreError, Restored, Target, restore};
use server::backup::{self, Manifest};
use server::data_dir::{DataDir, StartError};
use server::key_file::KeySource;
use server::ports::{Random, SystemRandom};
use server::store::{DatabaseFile, RedbStore, SCHEMA_VERSION, Store};
use store_support::world::World;
use store_support::*;

const PASSPHRASE: &str = "four words that nobody knows";
const CANARY: &str = "canary-5t6Yh!-in-the-coal-mine-of-the-back-up";

fn passphrase() -> Protection {
    let salt = [7; SALT];
    Protection::Passphrase { salt, key: derive(&Secret::new(PASSPHRASE.into()), &salt) }
}

fn put_key(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("postroom.key"), KEY).unwrap();
    #[cfg(unix)]
    fs::set_permissions(dir.join("postroom.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// A data directory with something of everything, and the canary for a password.
fn data_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    put_key(dir.path());
    let file = format!("{}/tests/data/schema-{SCHEMA_VERSION}.redb", env!("CARGO_MANIFEST_DIR"));
    fs::copy(file, dir.path().join("postroom.redb")).unwrap();
    open(dir.path(), &TestClock::new()).unwrap().create(&with_password(&draft("canary"), CANARY)).unwrap();
    dir
}

fn store_of(dir: &Path) -> RedbStore {
    RedbStore::open(Box::new(DatabaseFile::new(&DataDir::open(dir).unwrap()))).unwrap()
}

fn world(dir: &Path) -> World {
    World::of(&store_of(dir)).unwrap()
}

/// The same where something was restored: the last line of its activity, which is whole, says so.
fn restored_world(dir: &Path) -> World {
    let chain = open(dir, &TestClock::new()).unwrap().activity().verify(None).unwrap();
    assert!(chain.is_whole(), "{chain:?}");
    let mut world = world(dir);
    let line = world.activity.pop().unwrap();
    assert_eq!((line.what.deed, line.what.who), (Deed::Restored, Who::CommandLine));
    world
}

/// A back-up of a data directory, beside it.
fn back_up(dir: &Path, protection: &Protection) -> PathBuf {
    let path = dir.join("the-back-up");
    let store = store_of(dir);
    let summary =
        backup::write(&store, &vault(&store), protection, &SystemRandom, START, &mut File::create(&path).unwrap()).unwrap();
    assert_eq!(summary.entries, 4);
    assert_eq!(summary.secrets.is_some(), protection.is_secret());
    path
}

fn restore_to(data_dir: &Path, file: &Path, overwrite: bool) -> Result<Restored, RestoreError> {
    restore_with(data_dir, file, overwrite, PASSPHRASE)
}

fn restore_with(data_dir: &Path, file: &Path, overwrite: bool, passphrase: &str) -> Result<Restored, RestoreError> {
    let target = Target { data_dir, key: KeySource::choose(None, None, data_dir), overwrite };
    let random: Arc<dyn Random + Send + Sync> = Arc::new(SystemRandom);
    restore(&File::open(file).unwrap(), &mut || Ok(Secret::new(passphrase.to_owned())), &target, &*TestClock::new(), &random)
}

/// Every file below a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|found| found == part)
}

#[test]
fn everything_is_there_again_and_sealed_with_the_key_of_the_new_machine() {
    let dir = data_dir();
    let before = world(dir.path());
    assert!(
        !before.runs.is_empty() && !before.trusted.is_empty() && !before.trashed.is_empty(),
        "there is something of everything"
    );
    assert_eq!((before.passwords.len(), before.client_certificates.len()), (3, 1));
    let file = back_up(dir.path(), &passphrase());

    // The key of before is of no use, and none is needed.
    let outer = tempfile::tempdir().unwrap();
    let new = outer.path().join("made/for/it");
    let restored = restore_to(&new, &file, false).unwrap();
    assert_eq!((restored.entries, restored.secrets, restored.unopened), (4, 4, 0));
    assert_eq!((restored.made_ms, restored.without_secrets, restored.made_key), (START, false, true));
    assert_ne!(fs::read(new.join("postroom.key")).unwrap(), KEY);
    let entries = open(&new, &TestClock::new()).unwrap();
    assert_eq!(names(&entries), ["azure", "bare", "canary", "Full"]);
    assert_eq!(password(&entries, EntryId(1)).as_deref(), Some("correct horse"));
    assert_eq!(
        standing(&entries, EntryId(1)),
        Standing::Verified { at_ms: START },
        "with the fingerprints that it was verified by"
    );
    assert!(entries.client_certificate(EntryId(3)).unwrap().is_some());
    let offer = all(&entries).undo.unwrap();
    entries.undo(offer.batch).unwrap();
    assert_eq!(password(&entries, EntryId(4)).as_deref(), Some("battery staple"), "from the trash");
    drop(entries);

    let same = outer.path().join("same");
    put_key(&same);
    assert!(!restore_to(&same, &file, false).unwrap().made_key, "a key that is there is used");
    assert_eq!(restored_world(&same), before);
    let mut files: Vec<_> = contents(&same).into_keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    files.sort();
    assert_eq!(files, ["postroom.key", "postroom.lock", "postroom.redb"]);
    #[cfg(unix)]
    for file in files {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(same.join(&file)).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn without_secrets_nothing_of_them_is_in_the_file_and_everything_else_is() {
    let dir = data_dir();
    let before = world(dir.path());
    let file = back_up(dir.path(), &Protection::Checksum);
    let bytes = fs::read(&file).unwrap();
    assert!(holds(&bytes, b"canary.example.com"), "the search works");
    let store = store_of(dir.path());
    let port: &dyn Store = &store;
    let (secrets, keys) = port.reading(|tx| Ok((tx.secrets(None, 100)?, tx.keys()?))).unwrap();
    assert_eq!((secrets.len(), keys.len()), (4, 2));
    let mut needles = vec![CANARY.as_bytes().to_vec(), KEY.to_vec()];
    needles.extend(secrets.into_iter().map(|(_, _, blob)| blob[30..].to_vec()));
    needles.extend(keys.into_iter().map(|(_, wrapped)| wrapped[26..].to_vec()));
    needles.extend(before.proofs.values().filter_map(|proof| proof.saved).map(|print| String::from(print).into_bytes()));
    assert!(needles.len() > 10);
    for needle in needles {
        assert!(!holds(&bytes, &needle), "{}", String::from_utf8_lossy(&needle));
        assert!(!holds(&bytes, base64::engine::general_purpose::STANDARD_NO_PAD.encode(&needle).as_bytes()));
    }
    drop(store);

    let new = dir.path().join("new");
    let restored = restore_to(&new, &file, false).unwrap();
    assert_eq!((restored.entries, restored.secrets, restored.without_secrets), (4, 0, true));
    let entries = open(&new, &TestClock::new()).unwrap();
    assert_eq!(names(&entries), ["azure", "bare", "canary", "Full"]);
    let view = entries.entry(EntryId(3)).unwrap();
    assert!(view.client_certificate.is_none(), "nothing says that there is one");
    assert_eq!(password(&entries, EntryId(1)), None);
    assert_eq!(standing(&entries, EntryId(1)), Standing::Never);
    assert_eq!(entries.history(EntryId(1)).unwrap().runs.len(), 2);
    drop(entries);
    let store: &dyn Store = &store_of(&new);
    store
        .reading(|tx| {
            assert_eq!(tx.trusted()?.into_iter().collect::<BTreeMap<_, _>>(), before.trusted);
            assert_eq!((tx.batches()?, tx.default()?, tx.last_run()?), (before.batches.clone(), before.default, before.last_run));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_file_with_a_passphrase_shows_nothing_at_all() {
    let dir = data_dir();
    let bytes = fs::read(back_up(dir.path(), &passphrase())).unwrap();
    for part in [CANARY, "canary", "example.com", "secrets", "postroom v2"] {
        assert!(!holds(&bytes, part.as_bytes()), "{part}");
    }
}

#[test]
fn a_back_up_is_of_the_instant_it_began() {
    /// Something is changed while it is written.
    struct Meanwhile<'a> {
        out: Vec<u8>,
        change: &'a mut dyn FnMut(),
    }
    impl Write for Meanwhile<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            (self.change)();
            self.out.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let dir = data_dir();
    let before = world(dir.path());
    let store = Arc::new(store_of(dir.path()));
    let vault = Arc::new(vault(&*store));
    let entries = server::entries::Entries::new(store.clone(), vault.clone(), TestClock::new());
    let mut changes = 0;
    let mut change = || {
        changes += 1;
        entries.create(&with_password(&draft(&format!("meanwhile-{changes}")), "a later password")).unwrap();
    };
    let mut out = Meanwhile { out: Vec::new(), change: &mut change };
    backup::write(&*store, &vault, &passphrase(), &SystemRandom, START, &mut out).unwrap();
    let file = dir.path().join("file");
    fs::write(&file, &out.out).unwrap();
    assert!(changes > 2, "{changes}");
    assert_eq!(all(&entries).total, 4 + changes);
    let new = dir.path().join("new");
    put_key(&new);
    restore_to(&new, &file, false).unwrap();
    assert_eq!(restored_world(&new), before);
}

#[test]
fn what_is_there_is_replaced_only_when_told_and_then_moved_aside() {
    let dir = data_dir();
    let file = back_up(dir.path(), &passphrase());
    let backed_up = world(dir.path());
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    entries.create(&with_password(&draft("later"), "a later password")).unwrap();
    drop(entries);
    let later = world(dir.path());

    let before = contents(dir.path());
    assert!(matches!(restore_to(dir.path(), &file, false), Err(RestoreError::Exists { .. })));
    assert_eq!(contents(dir.path()), before);
    let held = DataDir::open(dir.path()).unwrap();
    assert!(matches!(restore_to(dir.path(), &file, true), Err(RestoreError::Start(StartError::InUse { .. }))));
    drop(held);
    assert_eq!(contents(dir.path()), before);

    let aside = restore_to(dir.path(), &file, true).unwrap().aside.unwrap();
    assert_eq!(restored_world(dir.path()), backed_up);
    let second = restore_to(dir.path(), &file, true).unwrap().aside.unwrap();
    assert_ne!(aside, second, "each has a name of its own");
    let was = tempfile::tempdir().unwrap();
    put_key(was.path());
    fs::copy(aside, was.path().join("postroom.redb")).unwrap();
    assert_eq!(world(was.path()), later, "nothing is lost");

    // Without the key it was sealed with there is one more reason to restore.
    fs::remove_file(dir.path().join("postroom.key")).unwrap();
    assert!(restore_to(dir.path(), &file, true).unwrap().made_key);
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    let canary = all(&entries).rows.into_iter().find(|row| row.name == "canary").unwrap();
    assert_eq!(password(&entries, canary.id).as_deref(), Some(CANARY));
}

#[test]
fn cut_off_or_changed_anywhere_it_is_refused_and_nothing_is_touched() {
    let dir = data_dir();
    let outer = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], what: &str| {
        let file = outer.path().join("file");
        fs::write(&file, bytes).unwrap();
        let new = outer.path().join("new");
        let error = restore_to(&new, &file, false).expect_err(what);
        assert!(!new.exists(), "{what}");
        let before = contents(dir.path());
        restore_to(dir.path(), &file, true).expect_err(what);
        assert_eq!(contents(dir.path()), before, "{what}");
        error
    };
    for (protection, step) in [(passphrase(), 60_013), (Protection::Checksum, 6_007)] {
        let whole = fs::read(back_up(dir.path(), &protection)).unwrap();
        let places = [0, 16, 17, 20, 40, 60, 100, 200, whole.len() - 1].into_iter().chain((300..whole.len()).step_by(step));
        for at in places {
            let mut changed = whole.clone();
            changed[at] ^= 0x20;
            refused(&changed, &format!("byte {at}"));
            refused(&whole[..at], &format!("cut to {at}"));
        }
        assert!(matches!(refused(&[whole.as_slice(), b"\n"].concat(), "one more"), RestoreError::Damaged { .. }));
    }
    assert!(matches!(refused(b"", "nothing"), RestoreError::NotABackup));
    assert!(matches!(refused(&fs::read(dir.path().join("postroom.redb")).unwrap(), "a database"), RestoreError::NotABackup));
}

#[test]
fn a_wrong_passphrase_and_a_newer_back_up_are_told_apart() {
    let dir = data_dir();
    let file = back_up(dir.path(), &passphrase());
    let new = dir.path().join("new");
    assert!(matches!(restore_with(&new, &file, false, "four words that somebody knows"), Err(RestoreError::WrongPassphrase)));
    assert!(matches!(restore_with(&new, &file, false, ""), Err(RestoreError::WrongPassphrase)));

    let manifest = Manifest { schema: SCHEMA_VERSION + 1, made_ms: 0, program: "9.9.9".into(), secrets: false };
    let mut writer = Writer::new(File::create(&file).unwrap(), &Protection::Checksum, &SystemRandom).unwrap();
    serde_json::to_writer(&mut writer, &manifest).unwrap();
    writer.cut().unwrap();
    writer.finish().unwrap();
    assert!(matches!(restore_to(&new, &file, false), Err(RestoreError::Newer)));
    assert!(!new.exists());
}

#[test]
fn what_a_killed_restore_left_is_in_nobodys_way() {
    let dir = data_dir();
    let file = back_up(dir.path(), &passphrase());
    let before = world(dir.path());
    fs::write(dir.path().join("postroom.redb.new"), "half a database").unwrap();
    assert_eq!(world(dir.path()), before, "a start doesn't look at it");
    // Between the two names of the old database and the new one in its place.
    fs::hard_link(dir.path().join("postroom.redb"), dir.path().join("postroom.redb.until-killed")).unwrap();
    assert_eq!(world(dir.path()), before);
    restore_to(dir.path(), &file, true).unwrap();
    assert_eq!(restored_world(dir.path()), before);
    assert!(!dir.path().join("postroom.redb.new").exists());
}
