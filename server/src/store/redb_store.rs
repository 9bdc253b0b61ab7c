//! The store in one redb file: opening it without harming what isn't ours, transactions, and going on after the disk
//! failed.
//!
//! redb refuses everything after its first I/O error until the file is opened anew. This does so at once, and then
//! looks whether the transaction that failed is there: every one counts itself in `meta`. Commits have two phases (the
//! pages are synced before the header points to them), so a failed sync leaves the state before it, not a guess.

use std::fs::{self, File};
use std::io;
use std::ops::{Bound, ControlFlow};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use domain::access::AccountId;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::link::LinkId;
use domain::run::{Run, RunId, RunSummary};
use domain::submission::{Message, SubmissionId};
use domain::transcript::Event;
use domain::trust::TrustId;
use redb::backends::FileBackend;
use redb::{
    BackendError, Builder, Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, Table,
    TableHandle, WriteTransaction,
};

use super::rehearsal::Rehearsal;
use super::schema::{
    self, ACCOUNTS, ACTIVITY, Definition, INVITATIONS, KEYS, LINK_TOKENS, LINKS, MESSAGE_EVENTS, MESSAGES, META,
    META_ACTIVITY_FIRST, META_ACTIVITY_NEXT, META_COMMITS, META_DEFAULT, META_KEY_CHECK, META_LAST_RUN, META_NEXT, META_SCHEMA,
    META_SENDING, META_SYSTEM_OFF, META_TRUST_EPOCH, MIGRATIONS, Migration, NAMES, PASSWORDS, PROOFS, RUNS, SECRETS, SERVERS,
    SESSIONS, TOKENS, TRANSCRIPTS, TRASH, TRASHED, TRUST_TRASH, TRUSTED,
};
use super::{
    AccountRecord, ActivityHead, Batch, Digest, IndexLine, InvitationRecord, LeftOut, LinkRecord, PasswordRecord, Proof, Read,
    Record, Row, SecretField, SessionRecord, Store, StoreError, StoredLine, TokenRecord, TrustBatch, TrustRecord, Write, codec,
};
use crate::data_dir::{DataDir, plain, private_file};
use crate::seal::KeyName;

/// Memory for pages: bytes. The index of 10,000 entries fits with room to spare; the system caches the file besides.
const CACHE: usize = 16 << 20;
/// What a redb file starts with.
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// Where the bytes of the database are; asked again whenever it has to be opened anew. Tests put failing ones here.
pub trait Backends: Send + Sync {
    /// The bytes, to read and to write.
    ///
    /// # Errors
    /// Why they can't be had.
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError>;
}

/// Why a database can't be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It has no bytes at all.
    Empty,
    /// It isn't a database of this program.
    Foreign,
    /// It was cut off or changed.
    Damaged {
        /// What doesn't fit.
        detail: String,
    },
    /// A later program wrote it.
    Newer {
        /// The schema it has.
        found: u64,
    },
    /// Another process has it open.
    InUse,
    /// The disk failed or is full.
    Disk(StoreError),
}

/// The database's file in the data directory.
#[derive(Clone, Debug)]
pub struct DatabaseFile {
    dir: DataDir,
}

impl DatabaseFile {
    /// The one of `dir`.
    pub fn new(dir: &DataDir) -> Self {
        Self { dir: dir.clone() }
    }

    /// Whether there is anything under its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn exists(&self) -> io::Result<bool> {
        fs::exists(self.dir.database())
    }

    /// Makes a new database: under another name until `prepare` is done and everything is durable, so that there never
    /// is a half-made one.
    ///
    /// # Errors
    /// What `prepare` says, or what went wrong with the disk.
    pub fn create(&self, prepare: impl FnOnce(&dyn Store) -> Result<(), Problem>) -> Result<(), Problem> {
        let draft = self.draft()?;
        let store = draft.create()?;
        prepare(&store)?;
        drop(store);
        draft.put_in_place(None)
    }

    /// Begins a database that takes the place of what is there when it is done.
    ///
    /// # Errors
    /// What went wrong with the disk.
    pub fn draft(&self) -> Result<Draft, Problem> {
        let path = self.dir.path().join("postroom.redb.new");
        let made = private_file().create(true).truncate(true).open(&path);
        made.map_err(|error| Problem::from(io_error(&error)))?;
        Ok(Draft { dir: self.dir.clone(), path, in_place: false })
    }
}

impl Backends for DatabaseFile {
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError> {
        open_file(&self.dir.database())
    }
}

/// A database under another name, which goes unless it is put in place.
#[derive(Debug)]
pub struct Draft {
    dir: DataDir,
    path: PathBuf,
    in_place: bool,
}

impl Draft {
    /// Makes its tables.
    ///
    /// # Errors
    /// What went wrong with the disk.
    pub fn create(&self) -> Result<RedbStore, StoreError> {
        RedbStore::create(Box::new(DraftFile(self.path.clone())))
    }

    /// Opens it as [`RedbStore::open`] does.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self) -> Result<RedbStore, OpenError> {
        RedbStore::open(Box::new(DraftFile(self.path.clone())))
    }

    /// Makes it durable, and then puts it where the database is: what was there has the name `aside` from then on. At any moment
    /// there is one or the other.
    ///
    /// # Errors
    /// What went wrong with the disk.
    pub fn put_in_place(mut self, aside: Option<&Path>) -> Result<(), Problem> {
        let disk = |error: io::Error| Problem::from(io_error(&error));
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(disk)?;
        if let Some(aside) = aside {
            // A second name first. Where there are no such names, there is none for a moment.
            let database = self.dir.database();
            fs::hard_link(&database, aside).or_else(|_| fs::rename(&database, aside)).map_err(disk)?;
        }
        fs::rename(&self.path, self.dir.database()).map_err(disk)?;
        self.in_place = true;
        self.dir.sync().map_err(disk)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

struct DraftFile(PathBuf);

impl Backends for DraftFile {
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError> {
        open_file(&self.0)
    }
}

fn open_file(path: &PathBuf) -> Result<Box<dyn StorageBackend>, OpenError> {
    let disk = |error: io::Error| OpenError::Disk(io_error(&error));
    if !fs::metadata(path).map_err(disk)?.is_file() {
        return Err(OpenError::Foreign);
    }
    let file = private_file().read(true).open(path).map_err(disk)?;
    let backend = FileBackend::new(file).map_err(|error| open_error(error.into()))?;
    Ok(Box::new(backend))
}

/// The store.
pub struct RedbStore {
    files: Box<dyn Backends>,
    current: RwLock<Current>,
    /// Held by a writer until the outcome of its transaction is known.
    writing: Mutex<()>,
}

struct Current {
    database: Option<Opened>,
    /// Counts the times it was opened.
    epoch: u64,
}

enum Opened {
    /// The real one.
    Real(Database),
    /// The disk takes no writes, not even those that opening needs: a rehearsal stands in, to read from.
    StandIn(Database),
}

impl Opened {
    const fn database(&self) -> &Database {
        match self {
            Self::Real(database) | Self::StandIn(database) => database,
        }
    }

    const fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }
}

/// A transaction that was not kept.
enum Failure {
    /// It never came to be committed.
    Before(Problem),
    /// Committing failed; it would have been the one with this number.
    Committing(Problem, u64),
}

impl RedbStore {
    /// A new store where there are no bytes yet.
    ///
    /// # Errors
    /// What went wrong with the disk.
    pub fn create(files: Box<dyn Backends>) -> Result<Self, StoreError> {
        let backend = files.open().map_err(store_error_of_open)?;
        let database = Builder::new().set_cache_size(CACHE).create_with_backend(Boxed(backend)).map_err(failed)?;
        let mut transaction = database.begin_write().map_err(failed)?;
        transaction.set_two_phase_commit(true);
        schema::create(&transaction).map_err(store_error)?;
        transaction.commit().map_err(failed)?;
        Ok(Self::new(files, database))
    }

    /// The store that is there, brought to the schema of this program.
    ///
    /// Opening a redb file writes to it, and repairs it after a crash: [`RedbStore::rehearse`] tells before whether that
    /// goes well.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(files: Box<dyn Backends>) -> Result<Self, OpenError> {
        let database = connect(files.open()?, Trust::Yes)?;
        contained(|| migrate(&database, MIGRATIONS)).unwrap_or_else(|| Err(unknown_damage()))?;
        Ok(Self::new(files, database))
    }

    /// The store as it would be after [`RedbStore::open`], with every page checked, in memory: nothing is written.
    ///
    /// # Errors
    /// [`OpenError`], where `open` would have harmed the file or failed.
    pub fn rehearse(files: &dyn Backends) -> Result<Self, OpenError> {
        let database = rehearsal(files)?;
        contained(|| migrate(&database, MIGRATIONS)).unwrap_or_else(|| Err(unknown_damage()))?;
        Ok(Self::new(Box::new(NoMore), database))
    }

    fn new(files: Box<dyn Backends>, database: Database) -> Self {
        Self { files, current: RwLock::new(Current { database: Some(Opened::Real(database)), epoch: 0 }), writing: Mutex::new(()) }
    }

    /// The database to read from; opened anew if it has to be.
    fn readable(&self) -> Result<RwLockReadGuard<'_, Current>, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.database.is_some() {
            return Ok(current);
        }
        let epoch = current.epoch;
        drop(current);
        let reopened = self.reopen(epoch);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.database.is_some() { Ok(current) } else { reopened.map(|()| current) }
    }

    /// The database to write to; opened anew if it has to be.
    fn writable(&self) -> Result<RwLockReadGuard<'_, Current>, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.database.as_ref().is_some_and(Opened::is_real) {
            return Ok(current);
        }
        let epoch = current.epoch;
        drop(current);
        self.reopen(epoch)?;
        Ok(self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the database anew, unless somebody has done so since `epoch`. If that fails, there is a stand-in to read
    /// from, if it can be had.
    fn reopen(&self, epoch: u64) -> Result<(), StoreError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.epoch != epoch && current.database.as_ref().is_some_and(Opened::is_real) {
            return Ok(());
        }
        if current.database.as_ref().is_some_and(Opened::is_real) {
            // It tries to write once more, in vain; where it panicked, its locks may be poisoned.
            let old = current.database.take();
            contained(move || drop(old));
        }
        current.epoch += 1;
        let error = match self.files.open().and_then(|backend| connect(backend, Trust::Yes)) {
            Ok(database) => {
                current.database = Some(Opened::Real(database));
                tracing::warn!("The database was opened anew after an error of the disk");
                return Ok(());
            }
            Err(error) => store_error_of_open(error),
        };
        if current.database.is_none() {
            current.database = rehearsal(&*self.files).ok().map(Opened::StandIn);
            tracing::error!(?error, readable = current.database.is_some(), "The database can't be written to");
        }
        Err(error)
    }

    /// How many transactions were committed.
    fn commits(&self) -> Result<u64, Problem> {
        let current = self.readable()?;
        let database = current.database.as_ref().ok_or(Problem::Internal)?.database();
        contained(|| Ok(View::reading(&database.begin_read().map_err(failed)?)?.number(META_COMMITS)?))
            .unwrap_or(Err(Problem::Internal))
    }
}

impl Store for RedbStore {
    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<(), Problem>) -> Result<(), Problem> {
        let mut again = true;
        loop {
            let current = self.readable()?;
            let database = current.database.as_ref().ok_or(Problem::Internal)?.database();
            let result = contained(|| {
                let transaction = database.begin_read().map_err(failed)?;
                work(&View::reading(&transaction)?)
            });
            let problem = match result {
                Some(Err(problem)) if is_of_the_disk(&problem) => problem,
                Some(result) => return result,
                None => Problem::Internal,
            };
            let epoch = current.epoch;
            drop(current);
            let _ = self.reopen(epoch);
            // It may have failed for what an earlier transaction met with.
            if !is_of_the_disk(&problem) || !std::mem::take(&mut again) {
                return Err(problem);
            }
        }
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<(), Problem>) -> Result<(), Problem> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut again = true;
        loop {
            let current = self.writable()?;
            let database = current.database.as_ref().ok_or(Problem::Internal)?.database();
            let failure = match contained(|| write(database, work)) {
                Some(Ok(())) => return Ok(()),
                Some(Err(Failure::Before(problem))) if !is_of_the_disk(&problem) => return Err(problem),
                Some(Err(failure)) => failure,
                None => Failure::Before(Problem::Internal),
            };
            let worth_another = matches!(&failure, Failure::Before(problem) if is_of_the_disk(problem));
            let epoch = current.epoch;
            drop(current);
            let reopened = self.reopen(epoch);
            match failure {
                // It may have failed for what an earlier transaction met with.
                Failure::Before(problem) if !worth_another || reopened.is_err() || !std::mem::take(&mut again) => {
                    return Err(problem);
                }
                Failure::Before(_) => {}
                Failure::Committing(problem, number) => {
                    return match (self.commits(), reopened) {
                        // Opening it has synced the header that points to the new state.
                        (Ok(commits), Ok(())) if commits >= number => Ok(()),
                        // The header points to the old state, and nobody will write the other one any more.
                        (Ok(commits), _) if commits < number => Err(problem),
                        // The header points to the new state, but may not have reached the disk; or it is unreadable.
                        _ => Err(Problem::OutcomeUnknown { detail: words_of(&problem) }),
                    };
                }
            }
        }
    }
}

fn write(database: &Database, work: &mut dyn FnMut(&mut dyn Write) -> Result<(), Problem>) -> Result<(), Failure> {
    let before = |error: StoreError| Failure::Before(error.into());
    let mut transaction = database.begin_write().map_err(|error| before(failed(error)))?;
    transaction.set_two_phase_commit(true);
    let mut view = View::writing(&transaction).map_err(before)?;
    work(&mut view).map_err(Failure::Before)?;
    let number = view.count_up(META_COMMITS).map_err(before)? + 1;
    drop(view);
    match contained(|| transaction.commit()) {
        Some(result) => result.map_err(|error| Failure::Committing(failed(error).into(), number)),
        None => Err(Failure::Committing(Problem::Internal, number)),
    }
}

const fn is_of_the_disk(problem: &Problem) -> bool {
    matches!(problem, Problem::DiskFull | Problem::Disk { .. })
}

fn words_of(problem: &Problem) -> String {
    match problem {
        Problem::Disk { detail } => detail.clone(),
        _ => "it is full".into(),
    }
}

/// Whether the pages of a file are believed, or each is checked.
enum Trust {
    Yes,
    No,
}

fn connect(backend: Box<dyn StorageBackend>, trust: Trust) -> Result<Database, OpenError> {
    let disk = |error: io::Error| OpenError::Disk(io_error(&error));
    let len = backend.len().map_err(disk)?;
    if len == 0 {
        // redb would make it a new database.
        return Err(OpenError::Empty);
    }
    let mut start = vec![0; MAGIC.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
    backend.read(0, &mut start).map_err(disk)?;
    if !MAGIC.starts_with(&start) {
        return Err(OpenError::Foreign);
    }
    if start.len() < MAGIC.len() {
        return Err(OpenError::Damaged { detail: "the file is cut off".into() });
    }
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(matches!(trust, Trust::No));
    contained(|| builder.create_with_backend(Boxed(backend))).ok_or_else(unknown_damage)?.map_err(|error| open_error(error.into()))
}

/// The database as it would be if it was opened, every page checked, in memory.
fn rehearsal(files: &dyn Backends) -> Result<Database, OpenError> {
    let rehearsal = Rehearsal::new(files.open()?).map_err(|error| OpenError::Disk(io_error(&error)))?;
    connect(Box::new(rehearsal), Trust::No)
}

/// Brings the schema up to `1 + migrations.len()`, in one transaction.
fn migrate(database: &Database, migrations: &[Migration]) -> Result<(), OpenError> {
    let known = 1 + migrations.len() as u64;
    let found = schema_version(&database.begin_read().map_err(|error| open_error(error.into()))?)?;
    if found > known {
        return Err(OpenError::Newer { found });
    }
    let Some(missing) = found.checked_sub(1).and_then(|from| migrations.get(usize::try_from(from).ok()?..)) else {
        return Err(OpenError::Foreign);
    };
    if missing.is_empty() {
        return Ok(());
    }
    let mut transaction = database.begin_write().map_err(|error| open_error(error.into()))?;
    transaction.set_two_phase_commit(true);
    for migration in missing {
        migration(&transaction).map_err(open_error_of_store)?;
    }
    let mut meta = transaction.open_table(META).map_err(|error| open_error(error.into()))?;
    meta.insert(META_SCHEMA, codec::number(known).as_slice()).map_err(|error| open_error(error.into()))?;
    drop(meta);
    transaction.commit().map_err(|error| open_error(error.into()))
}

fn schema_version(transaction: &ReadTransaction) -> Result<u64, OpenError> {
    // Another program's redb file has no such table, or one of other types.
    let meta = match transaction.open_table(META) {
        Err(redb::TableError::Storage(error)) => return Err(open_error(error.into())),
        Err(_) => return Err(OpenError::Foreign),
        Ok(meta) => meta,
    };
    let value = meta.get(META_SCHEMA).map_err(|error| open_error(error.into()))?.ok_or(OpenError::Foreign)?;
    codec::read_number(value.value()).map_err(open_error_of_store)
}

/// The tables in a transaction.
struct View<T> {
    meta: T,
    servers: T,
    names: T,
    secrets: T,
    trash: T,
    trashed: T,
    runs: T,
    transcripts: T,
    proofs: T,
    certificates: T,
    trust_trash: T,
    keys: T,
    accounts: T,
    passwords: T,
    sessions: T,
    tokens: T,
    invitations: T,
    activity: T,
    messages: T,
    message_events: T,
    links: T,
    link_tokens: T,
}

type Bytes = &'static [u8];

/// Everything that happened in a run, as it is kept.
#[derive(serde::Serialize, serde::Deserialize)]
struct Transcript {
    entry: EntryId,
    events: Vec<Event>,
}

impl View<ReadOnlyTable<Bytes, Bytes>> {
    fn reading(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        let table = |definition| transaction.open_table(definition).map_err(failed);
        Ok(Self {
            meta: table(META)?,
            servers: table(SERVERS)?,
            names: table(NAMES)?,
            secrets: table(SECRETS)?,
            trash: table(TRASH)?,
            trashed: table(TRASHED)?,
            runs: table(RUNS)?,
            transcripts: table(TRANSCRIPTS)?,
            proofs: table(PROOFS)?,
            certificates: table(TRUSTED)?,
            trust_trash: table(TRUST_TRASH)?,
            keys: table(KEYS)?,
            accounts: table(ACCOUNTS)?,
            passwords: table(PASSWORDS)?,
            sessions: table(SESSIONS)?,
            tokens: table(TOKENS)?,
            invitations: table(INVITATIONS)?,
            activity: table(ACTIVITY)?,
            messages: table(MESSAGES)?,
            message_events: table(MESSAGE_EVENTS)?,
            links: table(LINKS)?,
            link_tokens: table(LINK_TOKENS)?,
        })
    }
}

impl<'t> View<Table<'t, Bytes, Bytes>> {
    fn writing(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let table = |definition| transaction.open_table(definition).map_err(failed);
        Ok(Self {
            meta: table(META)?,
            servers: table(SERVERS)?,
            names: table(NAMES)?,
            secrets: table(SECRETS)?,
            trash: table(TRASH)?,
            trashed: table(TRASHED)?,
            runs: table(RUNS)?,
            transcripts: table(TRANSCRIPTS)?,
            proofs: table(PROOFS)?,
            certificates: table(TRUSTED)?,
            trust_trash: table(TRUST_TRASH)?,
            keys: table(KEYS)?,
            accounts: table(ACCOUNTS)?,
            passwords: table(PASSWORDS)?,
            sessions: table(SESSIONS)?,
            tokens: table(TOKENS)?,
            invitations: table(INVITATIONS)?,
            activity: table(ACTIVITY)?,
            messages: table(MESSAGES)?,
            message_events: table(MESSAGE_EVENTS)?,
            links: table(LINKS)?,
            link_tokens: table(LINK_TOKENS)?,
        })
    }

    /// Each table with its name.
    fn tables_mut(&mut self) -> [(Definition, &mut Table<'t, Bytes, Bytes>); 22] {
        [
            (META, &mut self.meta),
            (SERVERS, &mut self.servers),
            (NAMES, &mut self.names),
            (SECRETS, &mut self.secrets),
            (TRASH, &mut self.trash),
            (TRASHED, &mut self.trashed),
            (RUNS, &mut self.runs),
            (TRANSCRIPTS, &mut self.transcripts),
            (PROOFS, &mut self.proofs),
            (TRUSTED, &mut self.certificates),
            (TRUST_TRASH, &mut self.trust_trash),
            (KEYS, &mut self.keys),
            (ACCOUNTS, &mut self.accounts),
            (PASSWORDS, &mut self.passwords),
            (SESSIONS, &mut self.sessions),
            (TOKENS, &mut self.tokens),
            (INVITATIONS, &mut self.invitations),
            (ACTIVITY, &mut self.activity),
            (MESSAGES, &mut self.messages),
            (MESSAGE_EVENTS, &mut self.message_events),
            (LINKS, &mut self.links),
            (LINK_TOKENS, &mut self.link_tokens),
        ]
    }

    /// The number in `meta`, which is one more from now on.
    fn count_up(&mut self, name: &'static [u8]) -> Result<u64, StoreError> {
        let number = self.number(name)?;
        put(&mut self.meta, name, &codec::number(number + 1))?;
        Ok(number)
    }

    /// Notes whether a message is being sent.
    fn note_sending(&mut self, id: SubmissionId, is_being_sent: bool) -> Result<(), StoreError> {
        let mut sending = self.sending()?;
        let was = sending.contains(&id);
        if was == is_being_sent {
            return Ok(());
        }
        if is_being_sent {
            sending.push(id);
        } else {
            sending.retain(|other| *other != id);
        }
        put(&mut self.meta, META_SENDING, &codec::value(&sending)?)
    }

    fn remove_from_index(&mut self, id: EntryId) -> Result<(), StoreError> {
        match self.entry(id)? {
            Some(old) => remove(&mut self.names, old.content.name().key().as_bytes()),
            None => Ok(()),
        }
    }
}

fn put(table: &mut Table<'_, Bytes, Bytes>, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    table.insert(key, value).map(|_| ()).map_err(failed)
}

fn remove(table: &mut Table<'_, Bytes, Bytes>, key: &[u8]) -> Result<(), StoreError> {
    table.remove(key).map(|_| ()).map_err(failed)
}

/// What a table holds, for who leaves some of it out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Nothing that is secret.
    Plain,
    /// Secrets, or what is made of them.
    Secrets,
    /// Wrapped keys, and what isn't to come back with a back-up.
    Keys,
}

impl<T: ReadableTable<Bytes, Bytes>> View<T> {
    /// Each table with its name and what it holds. A new one belongs here and in `tables_mut`.
    const fn tables(&self) -> [(Definition, Holds, &T); 22] {
        [
            (META, Holds::Plain, &self.meta),
            (SERVERS, Holds::Plain, &self.servers),
            (NAMES, Holds::Plain, &self.names),
            (SECRETS, Holds::Secrets, &self.secrets),
            (TRASH, Holds::Plain, &self.trash),
            (TRASHED, Holds::Plain, &self.trashed),
            (RUNS, Holds::Plain, &self.runs),
            (TRANSCRIPTS, Holds::Plain, &self.transcripts),
            (PROOFS, Holds::Secrets, &self.proofs),
            (TRUSTED, Holds::Plain, &self.certificates),
            (TRUST_TRASH, Holds::Plain, &self.trust_trash),
            (KEYS, Holds::Keys, &self.keys),
            (ACCOUNTS, Holds::Plain, &self.accounts),
            (PASSWORDS, Holds::Secrets, &self.passwords),
            (SESSIONS, Holds::Keys, &self.sessions),
            (TOKENS, Holds::Secrets, &self.tokens),
            (INVITATIONS, Holds::Keys, &self.invitations),
            (ACTIVITY, Holds::Plain, &self.activity),
            (MESSAGES, Holds::Plain, &self.messages),
            (MESSAGE_EVENTS, Holds::Plain, &self.message_events),
            // What they lead to isn't in a back-up.
            (LINKS, Holds::Keys, &self.links),
            (LINK_TOKENS, Holds::Keys, &self.link_tokens),
        ]
    }

    fn number(&self, name: &[u8]) -> Result<u64, StoreError> {
        match self.meta.get(name).map_err(failed)? {
            Some(value) => codec::read_number(value.value()),
            None => Err(codec::corrupt("meta", "a number is missing")),
        }
    }

    /// What `read` makes of each line of an entry's history, newest first.
    fn history<R>(&self, id: EntryId, read: impl Fn(&[u8], &[u8]) -> Result<R, StoreError>) -> Result<Vec<R>, StoreError> {
        let (first, last) = (codec::run_key(id, RunId(0)), codec::run_key(id, RunId(u64::MAX)));
        let lines = self.runs.range(first.as_slice()..=last.as_slice()).map_err(failed)?;
        let line = |line: Result<(redb::AccessGuard<'_, Bytes>, redb::AccessGuard<'_, Bytes>), redb::StorageError>| {
            let (key, value) = line.map_err(failed)?;
            read(key.value(), value.value())
        };
        lines.rev().map(line).collect()
    }

    /// All of a table whose keys are numbers; `what` says what it holds, should that be unreadable.
    fn numbered<R: serde::de::DeserializeOwned>(table: &T, what: &str) -> Result<Vec<(u64, R)>, StoreError> {
        let mut all = Vec::new();
        for line in table.iter().map_err(failed)? {
            let (number, value) = line.map_err(failed)?;
            all.push((codec::read_number(number.value())?, codec::read_value(what, value.value())?));
        }
        Ok(all)
    }

    /// All of a table whose keys are digests.
    fn digested<R: serde::de::DeserializeOwned>(table: &T, what: &str) -> Result<Vec<(Digest, R)>, StoreError> {
        let mut all = Vec::new();
        for line in table.iter().map_err(failed)? {
            let (digest, value) = line.map_err(failed)?;
            all.push((codec::digest(digest.value())?, codec::read_value(what, value.value())?));
        }
        Ok(all)
    }

    /// One value of a table; `what` says what it is, should it be unreadable.
    fn one<R: serde::de::DeserializeOwned>(table: &T, key: &[u8], what: &str) -> Result<Option<R>, StoreError> {
        let value = table.get(key).map_err(failed)?;
        value.map(|value| codec::read_value(what, value.value())).transpose()
    }

    fn chain_end(&self, name: &[u8]) -> Result<(u64, Digest), StoreError> {
        match self.meta.get(name).map_err(failed)? {
            Some(value) => codec::read_chain_end(value.value()),
            None => Err(codec::corrupt("meta", "an end of the activity is missing")),
        }
    }

    fn record(table: &T, id: EntryId) -> Result<Option<Record>, StoreError> {
        let value = table.get(codec::number(id.0).as_slice()).map_err(failed)?;
        value.map(|value| codec::read_value(&format!("server {id}"), value.value())).transpose()
    }
}

impl<T: ReadableTable<Bytes, Bytes>> Read for View<T> {
    fn count(&self) -> Result<u64, StoreError> {
        self.servers.len().map_err(failed)
    }

    fn default(&self) -> Result<Option<EntryId>, StoreError> {
        let value = self.meta.get(META_DEFAULT).map_err(failed)?;
        value.map(|value| codec::read_number(value.value()).map(EntryId)).transpose()
    }

    fn entry(&self, id: EntryId) -> Result<Option<Record>, StoreError> {
        Self::record(&self.servers, id)
    }

    fn id_of(&self, name_key: &str) -> Result<Option<EntryId>, StoreError> {
        let line = self.names.get(name_key.as_bytes()).map_err(failed)?;
        line.map(|line| codec::read_index_line(line.value()).map(|line| line.id)).transpose()
    }

    fn scan(&self, visit: &mut dyn FnMut(IndexLine<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        for line in self.names.iter().map_err(failed)? {
            let (_, line) = line.map_err(failed)?;
            if visit(codec::read_index_line(line.value())?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn secret(&self, id: EntryId, field: SecretField) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed = self.secrets.get(codec::secret_key(id, field).as_slice()).map_err(failed)?;
        Ok(sealed.map(|sealed| sealed.value().to_vec()))
    }

    fn batches(&self) -> Result<Vec<(u64, Batch)>, StoreError> {
        Self::numbered(&self.trash, "the trash")
    }

    fn trashed(&self, id: EntryId) -> Result<Option<Record>, StoreError> {
        Self::record(&self.trashed, id)
    }

    fn run_ids(&self, id: EntryId) -> Result<Vec<RunId>, StoreError> {
        self.history(id, |key, _| codec::read_run_key(key))
    }

    fn runs(&self, id: EntryId) -> Result<Vec<RunSummary>, StoreError> {
        self.history(id, |_, line| codec::read_value(&format!("the history of server {id}"), line))
    }

    fn run(&self, run: RunId) -> Result<Option<(EntryId, Run)>, StoreError> {
        let Some(value) = self.transcripts.get(codec::number(run.0).as_slice()).map_err(failed)? else { return Ok(None) };
        let Transcript { entry, events } = codec::read_value(&format!("run {run}"), value.value())?;
        let line = self.runs.get(codec::run_key(entry, run).as_slice()).map_err(failed)?;
        let line = line.ok_or_else(|| codec::corrupt(&format!("run {run}"), "it isn't in the history"))?;
        let summary = codec::read_value(&format!("the history of server {entry}"), line.value())?;
        Ok(Some((entry, Run { summary, events })))
    }

    fn message(&self, id: SubmissionId) -> Result<Option<Message>, StoreError> {
        Self::one(&self.messages, &codec::number(id.0), &format!("message {id}"))
    }

    fn message_events(&self, id: SubmissionId) -> Result<Vec<Event>, StoreError> {
        let events = Self::one(&self.message_events, &codec::number(id.0), &format!("what happened to message {id}"))?;
        Ok(events.unwrap_or_default())
    }

    fn sending(&self) -> Result<Vec<SubmissionId>, StoreError> {
        Ok(Self::one(&self.meta, META_SENDING, "the messages that are being sent")?.unwrap_or_default())
    }

    fn count_messages(&self) -> Result<u64, StoreError> {
        self.messages.len().map_err(failed)
    }

    fn messages_back(
        &self,
        before: Option<SubmissionId>,
        visit: &mut dyn FnMut(Message) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let end = before.map(|before| codec::number(before.0));
        let end = end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_slice()));
        for line in self.messages.range::<&[u8]>((Bound::Unbounded, end)).map_err(failed)?.rev() {
            let (_, value) = line.map_err(failed)?;
            if visit(codec::read_value("a message", value.value())?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn messages_from(&self, visit: &mut dyn FnMut(Message) -> ControlFlow<()>) -> Result<(), StoreError> {
        for line in self.messages.iter().map_err(failed)? {
            let (_, value) = line.map_err(failed)?;
            if visit(codec::read_value("a message", value.value())?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn link(&self, id: LinkId) -> Result<Option<LinkRecord>, StoreError> {
        Self::one(&self.links, &codec::number(id.0), &format!("link {id}"))
    }

    fn link_of(&self, digest: &Digest) -> Result<Option<LinkId>, StoreError> {
        let id = self.link_tokens.get(digest.as_slice()).map_err(failed)?;
        id.map(|id| codec::read_number(id.value()).map(LinkId)).transpose()
    }

    fn count_links(&self) -> Result<u64, StoreError> {
        self.links.len().map_err(failed)
    }

    fn links_back(
        &self,
        before: Option<LinkId>,
        visit: &mut dyn FnMut(LinkId, LinkRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let end = before.map(|before| codec::number(before.0));
        let end = end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_slice()));
        for line in self.links.range::<&[u8]>((Bound::Unbounded, end)).map_err(failed)?.rev() {
            let (id, value) = line.map_err(failed)?;
            if visit(LinkId(codec::read_number(id.value())?), codec::read_value("a link", value.value())?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last_run(&self) -> Result<u64, StoreError> {
        self.number(META_LAST_RUN)
    }

    fn proof(&self, id: EntryId) -> Result<Option<Proof>, StoreError> {
        let value = self.proofs.get(codec::number(id.0).as_slice()).map_err(failed)?;
        value.map(|value| codec::read_value(&format!("the standing of server {id}"), value.value())).transpose()
    }

    fn scan_proofs(&self, visit: &mut dyn FnMut(EntryId, Proof)) -> Result<(), StoreError> {
        for line in self.proofs.iter().map_err(failed)? {
            let (id, proof) = line.map_err(failed)?;
            let id = EntryId(codec::read_number(id.value())?);
            visit(id, codec::read_value(&format!("the standing of server {id}"), proof.value())?);
        }
        Ok(())
    }

    fn trusted(&self) -> Result<Vec<(TrustId, TrustRecord)>, StoreError> {
        let certificates = Self::numbered(&self.certificates, "a trusted certificate")?;
        Ok(certificates.into_iter().map(|(id, record)| (TrustId(id), record)).collect())
    }

    fn trust_batches(&self) -> Result<Vec<(u64, TrustBatch)>, StoreError> {
        Self::numbered(&self.trust_trash, "the trash of certificates")
    }

    fn trusts_system(&self) -> Result<bool, StoreError> {
        Ok(self.meta.get(META_SYSTEM_OFF).map_err(failed)?.is_none())
    }

    fn trust_epoch(&self) -> Result<u64, StoreError> {
        self.number(META_TRUST_EPOCH)
    }

    fn dump(&self, left_out: LeftOut, visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        for (definition, holds, table) in self.tables() {
            if holds == Holds::Keys || (holds == Holds::Secrets && left_out == LeftOut::Secrets) {
                continue;
            }
            for line in table.iter().map_err(failed)? {
                let (key, value) = line.map_err(failed)?;
                if visit(Row { table: definition.name(), key: key.value(), value: value.value() }).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn count_secrets(&self) -> Result<u64, StoreError> {
        self.secrets.len().map_err(failed)
    }

    fn secrets(
        &self,
        after: Option<(EntryId, SecretField)>,
        max: usize,
    ) -> Result<Vec<(EntryId, SecretField, Vec<u8>)>, StoreError> {
        let after = after.map(|(id, field)| codec::secret_key(id, field));
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let lines = self.secrets.range::<&[u8]>((from, Bound::Unbounded)).map_err(failed)?;
        let line = |line: Result<(redb::AccessGuard<'_, Bytes>, redb::AccessGuard<'_, Bytes>), redb::StorageError>| {
            let (key, sealed) = line.map_err(failed)?;
            let (id, field) = codec::read_secret_key(key.value())?;
            Ok((id, field, sealed.value().to_vec()))
        };
        lines.take(max).map(line).collect()
    }

    fn keys(&self) -> Result<Vec<(KeyName, Vec<u8>)>, StoreError> {
        let mut keys = Vec::new();
        for line in self.keys.iter().map_err(failed)? {
            let (name, wrapped) = line.map_err(failed)?;
            keys.push((codec::read_key_key(name.value())?, wrapped.value().to_vec()));
        }
        Ok(keys)
    }

    fn key(&self, name: KeyName) -> Result<Option<Vec<u8>>, StoreError> {
        let wrapped = self.keys.get(codec::key_key(name).as_slice()).map_err(failed)?;
        Ok(wrapped.map(|wrapped| wrapped.value().to_vec()))
    }

    fn key_check(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(META_KEY_CHECK).map_err(failed)?.map(|sealed| sealed.value().to_vec()))
    }

    fn accounts(&self) -> Result<Vec<(AccountId, AccountRecord)>, StoreError> {
        let accounts = Self::numbered(&self.accounts, "an account")?;
        Ok(accounts.into_iter().map(|(id, record)| (AccountId(id), record)).collect())
    }

    fn account(&self, id: AccountId) -> Result<Option<AccountRecord>, StoreError> {
        Self::one(&self.accounts, &codec::number(id.0), "an account")
    }

    fn account_password(&self, id: AccountId) -> Result<Option<PasswordRecord>, StoreError> {
        Self::one(&self.passwords, &codec::number(id.0), "the password of an account")
    }

    fn sessions(&self) -> Result<Vec<(Digest, SessionRecord)>, StoreError> {
        Self::digested(&self.sessions, "a session")
    }

    fn session(&self, digest: &Digest) -> Result<Option<SessionRecord>, StoreError> {
        Self::one(&self.sessions, digest, "a session")
    }

    fn tokens(&self) -> Result<Vec<(Digest, TokenRecord)>, StoreError> {
        Self::digested(&self.tokens, "an API token")
    }

    fn token(&self, digest: &Digest) -> Result<Option<TokenRecord>, StoreError> {
        Self::one(&self.tokens, digest, "an API token")
    }

    fn invitations(&self) -> Result<Vec<(Digest, InvitationRecord)>, StoreError> {
        Self::digested(&self.invitations, "a link")
    }

    fn activity_head(&self) -> Result<ActivityHead, StoreError> {
        let (first, before) = self.chain_end(META_ACTIVITY_FIRST)?;
        let (next, last) = self.chain_end(META_ACTIVITY_NEXT)?;
        Ok(ActivityHead { first, before, next, last })
    }

    fn activity_back(
        &self,
        before: Option<u64>,
        visit: &mut dyn FnMut(StoredLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let end = before.map(codec::number);
        let end = end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_slice()));
        let lines = self.activity.range::<&[u8]>((Bound::Unbounded, end)).map_err(failed)?;
        for line in lines.rev() {
            let (number, line) = line.map_err(failed)?;
            let (hash, json) = codec::read_line(line.value())?;
            if visit(StoredLine { number: codec::read_number(number.value())?, hash, json }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn activity_from(&self, from: u64, visit: &mut dyn FnMut(StoredLine<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        let from = codec::number(from);
        for line in self.activity.range::<&[u8]>((Bound::Included(from.as_slice()), Bound::Unbounded)).map_err(failed)? {
            let (number, line) = line.map_err(failed)?;
            let (hash, json) = codec::read_line(line.value())?;
            if visit(StoredLine { number: codec::read_number(number.value())?, hash, json }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Write for View<Table<'_, Bytes, Bytes>> {
    fn new_number(&mut self) -> Result<u64, StoreError> {
        self.count_up(META_NEXT)
    }

    fn set_default(&mut self, id: Option<EntryId>) -> Result<(), StoreError> {
        match id {
            Some(id) => put(&mut self.meta, META_DEFAULT, &codec::number(id.0)),
            None => remove(&mut self.meta, META_DEFAULT),
        }
    }

    fn put(&mut self, id: EntryId, record: &Record) -> Result<(), StoreError> {
        self.remove_from_index(id)?;
        put(&mut self.names, record.content.name().key().as_bytes(), &codec::index_line(id, record))?;
        put(&mut self.servers, &codec::number(id.0), &codec::value(record)?)
    }

    fn remove(&mut self, id: EntryId) -> Result<(), StoreError> {
        self.remove_from_index(id)?;
        remove(&mut self.servers, &codec::number(id.0))
    }

    fn put_secret(&mut self, id: EntryId, field: SecretField, sealed: &[u8]) -> Result<(), StoreError> {
        put(&mut self.secrets, &codec::secret_key(id, field), sealed)
    }

    fn remove_secret(&mut self, id: EntryId, field: SecretField) -> Result<(), StoreError> {
        remove(&mut self.secrets, &codec::secret_key(id, field))
    }

    fn put_batch(&mut self, number: u64, batch: &Batch) -> Result<(), StoreError> {
        put(&mut self.trash, &codec::number(number), &codec::value(batch)?)
    }

    fn remove_batch(&mut self, number: u64) -> Result<(), StoreError> {
        remove(&mut self.trash, &codec::number(number))
    }

    fn put_trashed(&mut self, id: EntryId, record: &Record) -> Result<(), StoreError> {
        put(&mut self.trashed, &codec::number(id.0), &codec::value(record)?)
    }

    fn remove_trashed(&mut self, id: EntryId) -> Result<(), StoreError> {
        remove(&mut self.trashed, &codec::number(id.0))
    }

    fn put_run(&mut self, id: EntryId, run: &Run) -> Result<(), StoreError> {
        let number = run.summary.id;
        if number.0 > self.number(META_LAST_RUN)? {
            put(&mut self.meta, META_LAST_RUN, &codec::number(number.0))?;
        }
        put(&mut self.runs, &codec::run_key(id, number), &codec::value(&run.summary)?)?;
        let transcript = Transcript { entry: id, events: run.events.clone() };
        put(&mut self.transcripts, &codec::number(number.0), &codec::value(&transcript)?)
    }

    fn remove_run(&mut self, id: EntryId, run: RunId) -> Result<(), StoreError> {
        remove(&mut self.runs, &codec::run_key(id, run))?;
        remove(&mut self.transcripts, &codec::number(run.0))
    }

    fn put_message(&mut self, message: &Message) -> Result<(), StoreError> {
        self.note_sending(message.id, message.ended.is_none())?;
        put(&mut self.messages, &codec::number(message.id.0), &codec::value(message)?)
    }

    fn put_message_events(&mut self, id: SubmissionId, events: &[Event]) -> Result<(), StoreError> {
        put(&mut self.message_events, &codec::number(id.0), &codec::value(&events)?)
    }

    fn remove_message(&mut self, id: SubmissionId) -> Result<(), StoreError> {
        self.note_sending(id, false)?;
        remove(&mut self.messages, &codec::number(id.0))?;
        remove(&mut self.message_events, &codec::number(id.0))
    }

    fn put_link(&mut self, id: LinkId, record: &LinkRecord) -> Result<(), StoreError> {
        put(&mut self.link_tokens, &record.digest, &codec::number(id.0))?;
        put(&mut self.links, &codec::number(id.0), &codec::value(record)?)
    }

    fn remove_link(&mut self, id: LinkId) -> Result<(), StoreError> {
        if let Some(record) = self.link(id)? {
            remove(&mut self.link_tokens, &record.digest)?;
        }
        remove(&mut self.links, &codec::number(id.0))
    }

    fn put_proof(&mut self, id: EntryId, proof: &Proof) -> Result<(), StoreError> {
        put(&mut self.proofs, &codec::number(id.0), &codec::value(proof)?)
    }

    fn remove_proof(&mut self, id: EntryId) -> Result<(), StoreError> {
        remove(&mut self.proofs, &codec::number(id.0))
    }

    fn put_trusted(&mut self, id: TrustId, record: &TrustRecord) -> Result<(), StoreError> {
        self.count_up(META_TRUST_EPOCH)?;
        put(&mut self.certificates, &codec::number(id.0), &codec::value(record)?)
    }

    fn remove_trusted(&mut self, id: TrustId) -> Result<(), StoreError> {
        self.count_up(META_TRUST_EPOCH)?;
        remove(&mut self.certificates, &codec::number(id.0))
    }

    fn put_trust_batch(&mut self, number: u64, batch: &TrustBatch) -> Result<(), StoreError> {
        put(&mut self.trust_trash, &codec::number(number), &codec::value(batch)?)
    }

    fn remove_trust_batch(&mut self, number: u64) -> Result<(), StoreError> {
        remove(&mut self.trust_trash, &codec::number(number))
    }

    fn set_trusts_system(&mut self, trusts: bool) -> Result<(), StoreError> {
        self.count_up(META_TRUST_EPOCH)?;
        if trusts { remove(&mut self.meta, META_SYSTEM_OFF) } else { put(&mut self.meta, META_SYSTEM_OFF, &[]) }
    }

    fn load(&mut self, row: Row<'_>) -> Result<(), StoreError> {
        let found = self.tables_mut().into_iter().find(|(definition, _)| definition.name() == row.table);
        let (_, table) = found.ok_or_else(|| codec::corrupt(row.table, "this program doesn't know such a table"))?;
        put(table, row.key, row.value)
    }

    fn put_key(&mut self, name: KeyName, wrapped: &[u8]) -> Result<(), StoreError> {
        put(&mut self.keys, &codec::key_key(name), wrapped)
    }

    fn remove_key(&mut self, name: KeyName) -> Result<(), StoreError> {
        remove(&mut self.keys, &codec::key_key(name))
    }

    fn remove_key_check(&mut self) -> Result<(), StoreError> {
        remove(&mut self.meta, META_KEY_CHECK)
    }

    fn put_account(&mut self, id: AccountId, record: &AccountRecord) -> Result<(), StoreError> {
        put(&mut self.accounts, &codec::number(id.0), &codec::value(record)?)
    }

    fn remove_account(&mut self, id: AccountId) -> Result<(), StoreError> {
        remove(&mut self.passwords, &codec::number(id.0))?;
        remove(&mut self.accounts, &codec::number(id.0))
    }

    fn set_account_password(&mut self, id: AccountId, password: Option<&PasswordRecord>) -> Result<(), StoreError> {
        match password {
            Some(password) => put(&mut self.passwords, &codec::number(id.0), &codec::value(password)?),
            None => remove(&mut self.passwords, &codec::number(id.0)),
        }
    }

    fn put_session(&mut self, digest: &Digest, record: &SessionRecord) -> Result<(), StoreError> {
        put(&mut self.sessions, digest, &codec::value(record)?)
    }

    fn remove_session(&mut self, digest: &Digest) -> Result<(), StoreError> {
        remove(&mut self.sessions, digest)
    }

    fn put_token(&mut self, digest: &Digest, record: &TokenRecord) -> Result<(), StoreError> {
        put(&mut self.tokens, digest, &codec::value(record)?)
    }

    fn remove_token(&mut self, digest: &Digest) -> Result<(), StoreError> {
        remove(&mut self.tokens, digest)
    }

    fn put_invitation(&mut self, digest: &Digest, record: &InvitationRecord) -> Result<(), StoreError> {
        put(&mut self.invitations, digest, &codec::value(record)?)
    }

    fn remove_invitation(&mut self, digest: &Digest) -> Result<(), StoreError> {
        remove(&mut self.invitations, digest)
    }

    fn append_activity(&mut self, hash: &Digest, line: &[u8]) -> Result<(), StoreError> {
        let (next, _) = self.chain_end(META_ACTIVITY_NEXT)?;
        put(&mut self.activity, &codec::number(next), &[hash.as_slice(), line].concat())?;
        put(&mut self.meta, META_ACTIVITY_NEXT, &codec::chain_end(next + 1, hash))
    }

    fn forget_activity(&mut self, first: u64) -> Result<(), StoreError> {
        let (next, _) = self.chain_end(META_ACTIVITY_NEXT)?;
        let (mut kept, mut before) = self.chain_end(META_ACTIVITY_FIRST)?;
        while kept < first.min(next) {
            let key = codec::number(kept);
            if let Some(line) = self.activity.remove(key.as_slice()).map_err(failed)? {
                (before, _) = codec::read_line(line.value())?;
            }
            kept += 1;
        }
        put(&mut self.meta, META_ACTIVITY_FIRST, &codec::chain_end(kept, &before))
    }
}

/// `None` where it panicked: redb does on pages that were changed under it, and one request must not end all others.
fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

pub(super) fn failed(error: impl Into<redb::Error>) -> StoreError {
    store_error(error.into())
}

fn store_error(error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => io_error(&error),
        redb::Error::Corrupted(detail) => StoreError::Corrupt { detail },
        error @ (redb::Error::Backend(_)
        | redb::Error::PreviousIo
        | redb::Error::DatabaseClosed
        | redb::Error::DatabaseAlreadyOpen
        | redb::Error::LockPoisoned(_)) => StoreError::Disk { detail: error.to_string() },
        error => StoreError::Internal { detail: error.to_string() },
    }
}

fn io_error(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => StoreError::Full,
        _ => StoreError::Disk { detail: plain(error) },
    }
}

fn open_error(error: redb::Error) -> OpenError {
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::InUse,
        redb::Error::Io(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            OpenError::Damaged { detail: plain(&error) }
        }
        redb::Error::UpgradeRequired(version) => OpenError::Damaged { detail: format!("file format {version}") },
        error => open_error_of_store(store_error(error)),
    }
}

fn open_error_of_store(error: StoreError) -> OpenError {
    match error {
        StoreError::Full | StoreError::Disk { .. } => OpenError::Disk(error),
        StoreError::Corrupt { detail } | StoreError::Internal { detail } => OpenError::Damaged { detail },
    }
}

fn store_error_of_open(error: OpenError) -> StoreError {
    match error {
        OpenError::Disk(error) => error,
        OpenError::Damaged { detail } => StoreError::Corrupt { detail },
        OpenError::Empty => StoreError::Corrupt { detail: "the database is empty".into() },
        OpenError::Foreign | OpenError::Newer { .. } => StoreError::Corrupt { detail: "the database was replaced".into() },
        OpenError::InUse => StoreError::Disk { detail: "another process uses the database".into() },
    }
}

fn unknown_damage() -> OpenError {
    OpenError::Damaged { detail: "its pages contradict each other".into() }
}

/// A rehearsal is never opened a second time.
struct NoMore;

impl Backends for NoMore {
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError> {
        Err(OpenError::Disk(StoreError::Disk { detail: "a rehearsal failed".into() }))
    }
}

/// A boxed backend is one, too.
#[derive(Debug)]
struct Boxed(Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    fn database() -> Database {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        schema::create(&transaction).unwrap();
        let mut meta = transaction.open_table(META).unwrap();
        put(&mut meta, META_SCHEMA, &codec::number(1)).unwrap();
        drop(meta);
        transaction.commit().unwrap();
        database
    }

    fn mark(transaction: &WriteTransaction, name: &[u8]) -> Result<(), StoreError> {
        let mut meta = transaction.open_table(META).map_err(failed)?;
        assert!(meta.get(name).unwrap().is_none(), "it ran before");
        put(&mut meta, name, b"done")
    }

    const FIRST: Migration = |transaction| mark(transaction, b"first");
    const SECOND: Migration = |transaction| mark(transaction, b"second");
    const FAILING: Migration = |transaction| {
        mark(transaction, b"second")?;
        Err(StoreError::Corrupt { detail: "it doesn't fit".into() })
    };

    /// The schema, and whether each of the migrations left its mark.
    fn state(database: &Database) -> (u64, bool, bool) {
        let transaction = database.begin_read().unwrap();
        let meta = transaction.open_table(META).unwrap();
        let marked = |name: &[u8]| meta.get(name).unwrap().is_some();
        (schema_version(&transaction).unwrap(), marked(b"first"), marked(b"second"))
    }

    #[test]
    fn migrations_run_once_each_and_in_order() {
        let database = database();
        assert_eq!(migrate(&database, &[]), Ok(()));
        assert_eq!(state(&database), (1, false, false));
        assert_eq!(migrate(&database, &[FIRST]), Ok(()));
        assert_eq!(state(&database), (2, true, false));
        assert_eq!(migrate(&database, &[FIRST, SECOND]), Ok(()));
        assert_eq!(state(&database), (3, true, true));
        assert_eq!(migrate(&database, &[FIRST, SECOND]), Ok(()));
        assert_eq!(migrate(&database, &[FIRST]), Err(OpenError::Newer { found: 3 }));
        assert_eq!(state(&database), (3, true, true));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_of_those_before_it() {
        let database = database();
        assert_eq!(migrate(&database, &[FIRST, FAILING]), Err(OpenError::Damaged { detail: "it doesn't fit".into() }));
        assert_eq!(state(&database), (1, false, false));
    }
}
