//! The data of one Postroom, opened: its directory, its store, the vault with the secrets, and the entries over them. What the
//! program and the command line do to all of it at once starts from here.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};

use domain::error::Problem;

use crate::access::{Accounts, Cost};
use crate::data_dir::{DataDir, StartError, plain};
use crate::entries::Entries;
use crate::files::{Folder, Limits};
use crate::key_file::{self, KeySource};
use crate::ports::{Clock, Random};
use crate::seal::Kek;
use crate::store::{DatabaseFile, OpenError, RedbStore, SCHEMA_VERSION, Store};
use crate::vault::{Vault, VaultError};

/// What is open as long as this lives.
pub struct Data {
    dir: DataDir,
    /// Held while keys are replaced.
    key: Mutex<KeySource>,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    entries: Arc<Entries>,
    accounts: Arc<Accounts>,
    /// Where people reach it, once it serves.
    base: OnceLock<String>,
    random: Arc<dyn Random + Send + Sync>,
    made_key: bool,
}

impl Data {
    /// Opens a data directory; the first time, its key and database are made. What was left half-done is done: another key takes
    /// the place of one, and expired trash goes.
    ///
    /// # Errors
    /// [`StartError`]. A database that was there is as it was then.
    pub fn open(
        dir: &DataDir,
        key: &KeySource,
        clock: Arc<dyn Clock + Send + Sync>,
        random: Arc<dyn Random + Send + Sync>,
    ) -> Result<Self, StartError> {
        let file = DatabaseFile::new(dir);
        let failed = |error| start_error(dir, error);
        let locked = |error| vault_error(dir, key, error);
        let exists = file.exists().map_err(|error| StartError::Disk { path: dir.database(), detail: plain(&error) })?;
        let made_key = !exists && matches!(key.load(), Err(StartError::KeyMissing { .. }));
        let found = if exists {
            let candidates = Candidates::load(dir, key)?;
            let rehearsed = RedbStore::rehearse(&file).map_err(failed)?;
            candidates.choose(&rehearsed, &random).map_err(locked)?
        } else {
            let kek = key.load_or_make(dir, &*random)?;
            file.create(|store| Vault::create(store, &kek, &*random)).map_err(|problem| start_problem(dir, problem))?;
            Found { kek: Arc::new(kek), is_next: false }
        };
        let store: Arc<dyn Store> = Arc::new(RedbStore::open(Box::new(file)).map_err(failed)?);
        let vault = Arc::new(Vault::open(&*store, found.kek, Arc::clone(&random)).map_err(locked)?);
        if matches!(key, KeySource::Own(_)) {
            settle_next(dir, found.is_next);
        }
        finish_keys(&vault, &*store).map_err(|problem| start_problem(dir, problem))?;
        let entries = Arc::new(Entries::new(Arc::clone(&store), Arc::clone(&vault), clock));
        entries.purge().map_err(|problem| start_problem(dir, problem))?;
        entries.trusted().purge().map_err(|problem| start_problem(dir, problem))?;
        let accounts = Arc::new(Accounts::new(&entries, Arc::clone(&random), Cost::PRODUCTION));
        let key = Mutex::new(key.clone());
        Ok(Self { dir: dir.clone(), key, store, vault, entries, accounts, base: OnceLock::new(), random, made_key })
    }

    /// The entries.
    pub const fn entries(&self) -> &Arc<Entries> {
        &self.entries
    }

    /// The accounts.
    pub const fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// Says where people reach it from now on: links begin so.
    pub fn serves_at(&self, base: String) {
        let _said_before = self.base.set(base);
    }

    /// Where people reach it, where it serves.
    pub fn base(&self) -> Option<&str> {
        self.base.get().map(String::as_str)
    }

    /// Opens the folder of the files that download links stand for.
    ///
    /// # Errors
    /// [`StartError::Disk`].
    pub fn files(&self, limits: Limits) -> Result<Folder, StartError> {
        let path = self.dir.attachments();
        Folder::open(&path, limits, Arc::clone(&self.random)).map_err(|error| StartError::Disk { path, detail: plain(&error) })
    }

    /// Where it lies.
    pub const fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Whether this start made the key: somebody should know where it is.
    pub const fn made_key(&self) -> bool {
        self.made_key
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// Where the key-encryption key is, for whoever replaces keys; `None` while somebody else does.
    pub(crate) fn key(&self) -> Option<MutexGuard<'_, KeySource>> {
        match self.key.try_lock() {
            Ok(key) => Some(key),
            // Whatever broke off: keys are replaced in steps that each leave everything readable.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The key-encryption keys that may be the right one: where a replacement was cut short, the next one may be it already.
struct Candidates {
    current: Arc<Kek>,
    next: Option<Arc<Kek>>,
}

/// The right one.
struct Found {
    kek: Arc<Kek>,
    is_next: bool,
}

impl Candidates {
    fn load(dir: &DataDir, key: &KeySource) -> Result<Self, StartError> {
        let next = match key {
            KeySource::Own(_) => key_file::load_next(dir).map(Arc::new),
            KeySource::Credential(_) | KeySource::Named(_) => None,
        };
        Ok(Self { current: Arc::new(key.load()?), next })
    }

    fn choose(self, store: &dyn Store, random: &Arc<dyn Random + Send + Sync>) -> Result<Found, VaultError> {
        match (Vault::open(store, Arc::clone(&self.current), Arc::clone(random)), self.next) {
            (Err(VaultError::WrongKey), Some(next)) => {
                Vault::open(store, Arc::clone(&next), Arc::clone(random))?;
                Ok(Found { kek: next, is_next: true })
            }
            (Err(error), _) => Err(error),
            (Ok(_), _) => Ok(Found { kek: self.current, is_next: false }),
        }
    }
}

/// Ends a replacement of the key that was cut short: the next key is the one, or it is none.
fn settle_next(dir: &DataDir, is_next: bool) {
    let settled = if is_next { key_file::promote_next(dir) } else { key_file::discard_next(dir) };
    if let Err(error) = settled {
        // The next start tries again; until then both files say the same as now.
        tracing::warn!(%error, "can't tidy up the key's files");
    }
}

/// Goes on with what was left of sealing secrets with another key. Only a disk that fails can keep that from ending, and then
/// everything is readable as it is.
fn finish_keys(vault: &Vault, store: &dyn Store) -> Result<(), Problem> {
    if !vault.is_unfinished(store)? {
        return Ok(());
    }
    match vault.finish(store, &mut |_, _| Ok(())) {
        Ok(resealed) if resealed.unopened.is_empty() => {
            tracing::info!(count = resealed.count, "sealed secrets with the newest key");
        }
        Ok(resealed) => tracing::warn!(unopened = resealed.unopened.len(), "some sealed secrets don't open; enter them anew"),
        Err(problem) => tracing::warn!(?problem, "can't seal all secrets with the newest key yet"),
    }
    Ok(())
}

pub(crate) fn vault_error(dir: &DataDir, key: &KeySource, error: VaultError) -> StartError {
    match error {
        VaultError::WrongKey => StartError::KeyWrong { key: key.clone() },
        VaultError::Damaged { detail } => StartError::DatabaseDamaged { path: dir.database(), detail },
        VaultError::Store(problem) => start_problem(dir, problem),
    }
}

pub(crate) fn start_error(dir: &DataDir, error: OpenError) -> StartError {
    let path = dir.database();
    match error {
        OpenError::Empty => StartError::DatabaseEmpty { path },
        OpenError::Foreign => StartError::DatabaseForeign { path },
        OpenError::Damaged { detail } => StartError::DatabaseDamaged { path, detail },
        OpenError::Newer { found } => StartError::DatabaseNewer { path, found, known: SCHEMA_VERSION },
        OpenError::InUse => StartError::InUse { path: dir.path().to_owned() },
        OpenError::Disk(error) => start_problem(dir, error.into()),
    }
}

pub(crate) fn start_problem(dir: &DataDir, problem: Problem) -> StartError {
    let path = dir.database();
    match problem {
        Problem::DiskFull => StartError::Disk { path, detail: "the disk is full".into() },
        Problem::Disk { detail } | Problem::OutcomeUnknown { detail } => StartError::Disk { path, detail },
        Problem::Corrupt { detail } => StartError::DatabaseDamaged { path, detail },
        _ => StartError::DatabaseDamaged { path, detail: "it can't be read".into() },
    }
}
