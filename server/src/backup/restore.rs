//! Restoring: a back-up becomes a data directory again. All of it is read and checked before anything is touched; then a new
//! database is made beside the one there is, opened and checked, and takes its place in one step.

use std::fs::{self, File};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::activity::{Deed, Happening};
use domain::error::Problem;
use domain::secret::Secret;
use domain::words;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::Manifest;
use super::container::{Header, ReadError, Reader};
use super::passphrase::derive;
use super::rows::{self, Counted, Line};
use crate::activity::{self, By};
use crate::data::{start_error, start_problem, vault_error};
use crate::data_dir::{DataDir, StartError, database_in, plain};
use crate::key_file::KeySource;
use crate::ports::{Clock, Random};
use crate::seal::{Kek, Key, KeyName};
use crate::store::{DatabaseFile, Record, Row, SCHEMA_VERSION, Store};
use crate::vault::{Unopened, Vault};

/// Rows that one transaction keeps, at most.
const ROWS_AT_ONCE: usize = 512;
/// Bytes of rows that one transaction keeps, about.
const BYTES_AT_ONCE: usize = 4 << 20;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many entries.
    pub entries: u64,
    /// How many secrets.
    pub secrets: u64,
    /// How many of them don't open; they didn't when they were backed up, either.
    pub unopened: u64,
    /// When the back-up was made: milliseconds since 1970.
    pub made_ms: u64,
    /// Whether secrets were left out of it.
    pub without_secrets: bool,
    /// Where the database is that was there before.
    pub aside: Option<PathBuf>,
    /// Whether a key was made for it.
    pub made_key: bool,
}

/// Why nothing was restored. What was there is as it was.
#[derive(Debug)]
pub enum RestoreError {
    /// There are data already, and nobody said that they may be replaced.
    Exists {
        /// The database.
        path: PathBuf,
    },
    /// It is no back-up.
    NotABackup,
    /// A later program wrote it.
    Newer,
    /// The passphrase is another one.
    WrongPassphrase,
    /// It was cut off or changed.
    Damaged {
        /// What doesn't fit.
        detail: String,
    },
    /// It can't be read.
    In(io::Error),
    /// There is no passphrase to be had.
    NoPassphrase(String),
    /// The data directory can't be used.
    Start(StartError),
}

impl From<ReadError> for RestoreError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotABackup => Self::NotABackup,
            ReadError::Newer => Self::Newer,
            ReadError::WrongPassphrase => Self::WrongPassphrase,
            ReadError::Damaged(detail) => Self::Damaged { detail: detail.into() },
            ReadError::In(error) => Self::In(error),
        }
    }
}

impl From<StartError> for RestoreError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// Where to.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The data directory; made if it is missing.
    pub data_dir: &'a Path,
    /// Where its key-encryption key is; made if it is missing and the data directory's own.
    pub key: KeySource,
    /// Whether a database that is there may be moved aside.
    pub overwrite: bool,
}

/// Restores what is in `file`; `passphrase` is asked where it needs one.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    file: &File,
    passphrase: &mut dyn FnMut() -> Result<Secret, String>,
    target: &Target<'_>,
    clock: &dyn Clock,
    random: &Arc<dyn Random + Send + Sync>,
) -> Result<Restored, RestoreError> {
    let database = database_in(target.data_dir);
    check_room(&database, target.overwrite)?;
    let mut input = file;
    let header = Header::read(&mut input)?;
    let key = header.salt().map(|salt| passphrase().map(|passphrase| derive(&passphrase, &salt)));
    let key = key.transpose().map_err(RestoreError::NoPassphrase)?;
    let begin = input.stream_position().map_err(RestoreError::In)?;
    let again = || {
        let mut input = file;
        input.seek(SeekFrom::Start(begin)).map_err(RestoreError::In)?;
        Ok::<_, RestoreError>(Reader::new(BufReader::new(input), &header, key.as_ref()))
    };
    let mut keys = Vec::new();
    let manifest = walk(again()?, &mut |line| {
        if let Line::Key { name, key } = line {
            keys.push((name, key));
        }
        Ok(())
    })?;

    let dir = DataDir::open(target.data_dir)?;
    let disk = |problem: Problem| RestoreError::Start(start_problem(&dir, problem));
    // Somebody may have started there meanwhile.
    let exists = check_room(&database, target.overwrite)?;
    let made_key = matches!(target.key.load(), Err(StartError::KeyMissing { .. }));
    let kek = Arc::new(target.key.load_or_make(&dir, &**random)?);
    let aside = exists.then(|| free_name(&database, clock)).transpose()?;

    let draft = DatabaseFile::new(&dir).draft().map_err(disk)?;
    let store = draft.create().map_err(|error| disk(error.into()))?;
    load(again()?, &store, &disk)?;
    drop(store);
    // Opened as a start would: what an earlier program backed up is brought to the schema of this one.
    let store = draft.open().map_err(|error| start_error(&dir, error))?;
    if manifest.secrets {
        put_keys(&store, &keys, &kek, &**random).map_err(disk)?;
    } else {
        Vault::create(&store, &kek, &**random).and_then(|()| forget_secrets(&store)).map_err(disk)?;
    }
    let vault = Vault::open(&store, kek, Arc::clone(random)).map_err(|error| vault_error(&dir, &target.key, error))?;
    let (entries, secrets, unopened) = count(&store, &vault).map_err(disk)?;
    let detail =
        format!("As of {}, {}.", words::utc(manifest.made_ms), if manifest.secrets { "with secrets" } else { "without secrets" });
    let what = Happening { detail, ..By::command_line().did(Deed::Restored) };
    let now_ms = clock.now_ms();
    (&store as &dyn Store).writing(|tx| Ok(activity::record(tx, now_ms, &what)?)).map_err(disk)?;
    drop(store);
    draft.put_in_place(aside.as_deref()).map_err(disk)?;
    let Manifest { made_ms, secrets: with_secrets, .. } = manifest;
    Ok(Restored { entries, secrets, unopened, made_ms, without_secrets: !with_secrets, aside, made_key })
}

/// Whether there is a database that may be moved aside.
fn check_room(database: &Path, overwrite: bool) -> Result<bool, RestoreError> {
    match fs::exists(database) {
        Ok(true) if !overwrite => Err(RestoreError::Exists { path: database.to_owned() }),
        Ok(exists) => Ok(exists),
        Err(error) => Err(StartError::Disk { path: database.to_owned(), detail: plain(&error) }.into()),
    }
}

/// A name beside the database's that nothing has, with the time in it.
fn free_name(database: &Path, clock: &dyn Clock) -> Result<PathBuf, RestoreError> {
    let disk = |error: &io::Error| StartError::Disk { path: database.to_owned(), detail: plain(error) };
    let now = OffsetDateTime::from(clock.now());
    let (date, time) = (now.date(), now.time());
    let (hour, minute, second) = time.as_hms();
    let base = format!("postroom.redb.until-{date}T{hour:02}-{minute:02}-{second:02}Z");
    for number in 1..100 {
        let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        let path = database.with_file_name(name);
        if !fs::exists(&path).map_err(|error| disk(&error))? {
            return Ok(path);
        }
    }
    Err(disk(&io::ErrorKind::AlreadyExists.into()).into())
}

/// Goes through a back-up from its beginning to its very end.
fn walk<R: io::Read>(
    mut reader: Reader<R>,
    visit: &mut dyn FnMut(Line) -> Result<(), RestoreError>,
) -> Result<Manifest, RestoreError> {
    let damaged = |detail: &str| RestoreError::Damaged { detail: detail.into() };
    let manifest: Manifest = serde_json::from_slice(reader.first()?).map_err(|_| damaged("its beginning can't be read"))?;
    if manifest.schema > SCHEMA_VERSION {
        return Err(RestoreError::Newer);
    }
    let mut counted = Counted::default();
    loop {
        let line = rows::read(&mut reader)?;
        match &line {
            Line::Row { .. } => counted.rows += 1,
            Line::Key { .. } => counted.keys += 1,
            Line::End(of) => {
                if *of != counted {
                    return Err(damaged("something is missing in it"));
                }
                reader.end()?;
                return Ok(manifest);
            }
        }
        visit(line)?;
    }
}

/// Puts the rows of a back-up into a new store, a few in each transaction.
fn load<R: io::Read>(reader: Reader<R>, store: &dyn Store, disk: &dyn Fn(Problem) -> RestoreError) -> Result<(), RestoreError> {
    let mut waiting = Waiting::default();
    walk(reader, &mut |line| {
        if let Line::Row { table, key, value } = line {
            waiting.bytes += key.len() + value.len();
            waiting.rows.push((table, key, value));
            if waiting.rows.len() >= ROWS_AT_ONCE || waiting.bytes >= BYTES_AT_ONCE {
                return waiting.put(store).map_err(disk);
            }
        }
        Ok(())
    })?;
    waiting.put(store).map_err(disk)
}

/// Rows for the next transaction.
#[derive(Default)]
struct Waiting {
    rows: Vec<(String, Vec<u8>, Zeroizing<Vec<u8>>)>,
    bytes: usize,
}

impl Waiting {
    fn put(&mut self, store: &dyn Store) -> Result<(), Problem> {
        store.writing(|tx| {
            for (table, key, value) in &self.rows {
                tx.load(Row { table, key, value })?;
            }
            Ok(())
        })?;
        *self = Self::default();
        Ok(())
    }
}

/// Wraps the keys of a back-up for this machine.
fn put_keys(store: &dyn Store, keys: &[(KeyName, Key)], kek: &Kek, random: &dyn Random) -> Result<(), Problem> {
    store.writing(|tx| {
        for (name, key) in keys {
            tx.put_key(*name, &kek.wrap(*name, key, random))?;
        }
        Ok(())
    })
}

/// Where the secrets were left out, nothing says that there are any.
fn forget_secrets(store: &dyn Store) -> Result<(), Problem> {
    let mut ids = Vec::new();
    store.reading(|tx| {
        ids.clear();
        tx.scan(&mut |line| {
            ids.push(line.id);
            ControlFlow::Continue(())
        })?;
        ids.extend(tx.batches()?.into_iter().flat_map(|(_, batch)| batch.entries).map(|(id, _)| id));
        Ok(())
    })?;
    for ids in ids.chunks(ROWS_AT_ONCE) {
        store.writing(|tx| {
            for id in ids {
                let (entry, trashed) = (tx.entry(*id)?, tx.trashed(*id)?);
                if let Some(record) = entry.filter(|record| record.client_certificate.is_some()) {
                    tx.put(*id, &Record { client_certificate: None, ..record })?;
                }
                if let Some(record) = trashed.filter(|record| record.client_certificate.is_some()) {
                    tx.put_trashed(*id, &Record { client_certificate: None, ..record })?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// How many entries and secrets there are, and how many of those don't open.
fn count(store: &dyn Store, vault: &Vault) -> Result<(u64, u64, u64), Problem> {
    store.reading(|tx| {
        let (mut secrets, mut unopened, mut after) = (0, 0, None);
        loop {
            let batch = tx.secrets(after, ROWS_AT_ONCE)?;
            let Some((id, field, _)) = batch.last() else { break };
            after = Some((*id, *field));
            for (id, field, _) in batch {
                secrets += 1;
                match vault.get(tx, id, field) {
                    Ok(_) => {}
                    Err(Unopened::Sealed(_)) => unopened += 1,
                    Err(Unopened::Store(error)) => return Err(error.into()),
                }
            }
        }
        Ok((tx.count()?, secrets, unopened))
    })
}
