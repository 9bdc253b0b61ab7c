//! The vault: the secrets of entries and accounts as they lie in the store, and the keys they are sealed with. Each use is part of the
//! transaction of whoever uses it, so key and secret always fit together, also while another key takes over.
//!
//! What may be kept and who may use it is the rules' affair (`entries`, `access`); the bytes are `seal`'s.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use domain::access::AccountId;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::secret::Secret;

use crate::ports::Random;
use crate::seal::{DataKey, Fingerprints, Kek, Key, KeyName, KeyPurpose, Place, SealError, key_of};
use crate::store::{Read, Record, SecretField, Store, StoreError, Write};

/// How many secrets a transaction seals anew: it takes a few milliseconds, so nobody who saves meanwhile waits for long.
pub const RESEALED_AT_ONCE: usize = 256;

/// A key-check text opens here and nowhere else: what databases had before they had keys of their own.
const KEY_CHECK: Place = Place { purpose: "key-check", table: "meta", record: 0, field: "key_check", generation: 0 };

/// Seals and opens the secrets of one database.
pub struct Vault {
    keks: RwLock<Keks>,
    fingerprints: Fingerprints,
    random: Arc<dyn Random + Send + Sync>,
}

/// What wraps the keys.
struct Keks {
    current: Arc<Kek>,
    /// Another one that keys may be wrapped with: while one takes over from the other, and in what was read before it did.
    other: Option<Arc<Kek>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

/// Why the vault of a database doesn't open.
#[derive(Clone, Debug, PartialEq)]
pub enum VaultError {
    /// Its keys are wrapped with another key-encryption key.
    WrongKey,
    /// Its keys are missing or were changed.
    Damaged {
        /// What doesn't fit.
        detail: String,
    },
    /// It can't be read or written.
    Store(Problem),
}

impl From<Problem> for VaultError {
    fn from(problem: Problem) -> Self {
        Self::Store(problem)
    }
}

/// Why there is no secret to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// It is there and doesn't open.
    Sealed(SealError),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Unopened {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SealError> for Unopened {
    fn from(error: SealError) -> Self {
        Self::Sealed(error)
    }
}

/// What sealing anew came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many secrets were sealed anew.
    pub count: u64,
    /// Those that don't open. They were left as they are, and so was the key they name.
    pub unopened: Vec<(EntryId, SecretField)>,
}

impl Vault {
    /// Makes the keys of a new database, wrapped with `kek`.
    ///
    /// # Errors
    /// As the store.
    pub fn create(store: &dyn Store, kek: &Kek, random: &dyn Random) -> Result<(), Problem> {
        store.writing(|tx| {
            for name in [KeyName::secrets(1), KeyName::FINGERPRINTS] {
                tx.put_key(name, &kek.wrap(name, &Key::random(random), random))?;
            }
            Ok(())
        })
    }

    /// Opens the vault of `store` with `kek`. In a database of before there were keys in it, they are made; its secrets are
    /// sealed with them by [`Vault::finish`].
    ///
    /// # Errors
    /// [`VaultError`]; nothing was changed then.
    pub fn open(store: &dyn Store, kek: Arc<Kek>, random: Arc<dyn Random + Send + Sync>) -> Result<Self, VaultError> {
        let (keys, key_check) = store.reading(|tx| Ok((tx.keys()?, tx.key_check()?)))?;
        if let (true, Some(mark)) = (keys.is_empty(), key_check) {
            return Self::move_in(store, kek, &mark, random);
        }
        let opened: Vec<_> = keys.iter().map(|(name, wrapped)| (*name, kek.unwrap(*name, wrapped))).collect();
        let closed: Vec<_> = opened.iter().filter(|(_, key)| key.is_err()).map(|(name, _)| name).collect();
        match closed.as_slice() {
            [] => {}
            all if all.len() == keys.len() => return Err(VaultError::WrongKey),
            [first, ..] => return Err(VaultError::damaged(&format!("the key {first} was changed"))),
        }
        let fingerprints = opened.into_iter().find(|(name, _)| *name == KeyName::FINGERPRINTS).and_then(|(_, key)| key.ok());
        match fingerprints {
            Some(key) if newest(keys.iter().map(|(name, _)| *name)).is_some() => Ok(Self::new(kek, &key, random)),
            _ => Err(VaultError::damaged("it has no keys")),
        }
    }

    /// Makes the keys of a database whose secrets were sealed with what is `kek` now.
    fn move_in(store: &dyn Store, kek: Arc<Kek>, mark: &[u8], random: Arc<dyn Random + Send + Sync>) -> Result<Self, VaultError> {
        let [(v1, before), (_, fingerprints)] = kek.keys_of_version_1();
        match DataKey::new(v1, &before).open(KEY_CHECK, mark) {
            Ok(_) => {}
            Err(SealError::Refused) => return Err(VaultError::WrongKey),
            Err(error) => return Err(VaultError::damaged(&format!("the mark of its key: {error}"))),
        }
        let new = (KeyName::secrets(1), Key::random(&*random));
        store.writing(|tx| {
            for (name, key) in [(v1, &before), (KeyName::FINGERPRINTS, &fingerprints), (new.0, &new.1)] {
                tx.put_key(name, &kek.wrap(name, key, &*random))?;
            }
            tx.remove_key_check()?;
            Ok(())
        })?;
        Ok(Self::new(kek, &fingerprints, random))
    }

    fn new(kek: Arc<Kek>, fingerprints: &Key, random: Arc<dyn Random + Send + Sync>) -> Self {
        let keks = RwLock::new(Keks { current: kek, other: None });
        Self { keks, fingerprints: Fingerprints::new(fingerprints), random }
    }

    /// Makes fingerprints of what is secret.
    pub const fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// Keeps a secret of an entry or an account, in place of what was there.
    ///
    /// # Errors
    /// As the store; [`StoreError::Corrupt`] if its owner or the key is missing.
    pub fn put(&self, tx: &mut dyn Write, id: EntryId, field: SecretField, secret: &Secret) -> Result<(), StoreError> {
        let key = self.newest(&*tx)?;
        let generation = next_generation(tx, id, field)?;
        tx.put_secret(id, field, &key.seal(field.place(id, generation), secret, &*self.random))
    }

    /// Removes a secret, if there is one. Put back later, it would not open.
    ///
    /// # Errors
    /// As the store.
    pub fn remove(&self, tx: &mut dyn Write, id: EntryId, field: SecretField) -> Result<(), StoreError> {
        if tx.secret(id, field)?.is_some() {
            next_generation(tx, id, field)?;
            tx.remove_secret(id, field)?;
        }
        Ok(())
    }

    /// A secret of an account or an entry, also of one in the trash.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn get(&self, tx: &(impl Read + ?Sized), id: EntryId, field: SecretField) -> Result<Option<Secret>, Unopened> {
        tx.secret(id, field)?.map(|blob| self.open_blob(tx, id, field, &blob)).transpose()
    }

    fn open_blob(&self, tx: &(impl Read + ?Sized), id: EntryId, field: SecretField, blob: &[u8]) -> Result<Secret, Unopened> {
        let generation = generation(tx, id, field)?;
        let name = key_of(blob)?;
        let wrapped = tx.key(name)?.ok_or(SealError::UnknownKey(name.number))?;
        Ok(self.data_key(name, &wrapped)?.open(field.place(id, generation), blob)?)
    }

    fn data_key(&self, name: KeyName, wrapped: &[u8]) -> Result<DataKey, SealError> {
        self.unwrap(name, wrapped).map(|key| DataKey::new(name, &key))
    }

    fn unwrap(&self, name: KeyName, wrapped: &[u8]) -> Result<Key, SealError> {
        let keks = self.keks.read().unwrap_or_else(PoisonError::into_inner);
        match (&keks.other, keks.current.unwrap(name, wrapped)) {
            (Some(other), Err(SealError::Refused)) => other.unwrap(name, wrapped),
            (_, key) => key,
        }
    }

    /// Every key, to be backed up.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn keys(&self, tx: &dyn Read) -> Result<Vec<(KeyName, Key)>, Unopened> {
        tx.keys()?.into_iter().map(|(name, wrapped)| Ok((name, self.unwrap(name, &wrapped)?))).collect()
    }

    /// The key that new secrets are sealed with.
    fn newest(&self, tx: &(impl Read + ?Sized)) -> Result<DataKey, StoreError> {
        let corrupt = |detail: &str| StoreError::Corrupt { detail: format!("the keys: {detail}") };
        let keys = tx.keys()?;
        let name = newest(keys.iter().map(|(name, _)| *name)).ok_or_else(|| corrupt("there is none for secrets"))?;
        let wrapped = keys.into_iter().find(|(found, _)| *found == name).map(|(_, wrapped)| wrapped).unwrap_or_default();
        self.data_key(name, &wrapped).map_err(|_| corrupt("the one for secrets doesn't open"))
    }

    /// Adds a data key: what is sealed from now on is sealed with it.
    ///
    /// # Errors
    /// As the store.
    pub fn add_data_key(&self, store: &dyn Store) -> Result<(), Problem> {
        let kek = Arc::clone(&self.keks.read().unwrap_or_else(PoisonError::into_inner).current);
        let key = Key::random(&*self.random);
        store.writing(|tx| {
            let before = newest(tx.keys()?.into_iter().map(|(name, _)| name)).map_or(0, |name| name.number);
            let name = KeyName::secrets(before + 1);
            Ok(tx.put_key(name, &kek.wrap(name, &key, &*self.random))?)
        })
    }

    /// Whether there are keys that others have taken over from.
    ///
    /// # Errors
    /// As the store.
    pub fn is_unfinished(&self, store: &dyn Store) -> Result<bool, Problem> {
        let names: Vec<_> = store.reading(|tx| Ok(tx.keys()?))?.into_iter().map(|(name, _)| name).collect();
        Ok(names.iter().any(|name| is_old(*name, newest(names.iter().copied()))))
    }

    /// Seals every secret with the newest data key that isn't yet, a few in each transaction, and then removes the keys that
    /// none needs any more. `progress` hears how many of how many were looked at, after each transaction.
    ///
    /// It may break off anywhere: everything stays readable, and the next time goes on.
    ///
    /// # Errors
    /// What `progress` says, or as the store.
    pub fn finish(
        &self,
        store: &dyn Store,
        progress: &mut dyn FnMut(u64, u64) -> Result<(), Problem>,
    ) -> Result<Resealed, Problem> {
        let total = store.reading(|tx| Ok(tx.count_secrets()?))?;
        let mut resealed = Resealed::default();
        let (mut after, mut seen) = (None, 0);
        loop {
            let batch = store.writing(|tx| self.reseal(tx, after))?;
            resealed.count += batch.count;
            resealed.unopened.extend(batch.unopened);
            let Some(last) = batch.last else { break };
            (after, seen) = (Some(last), seen + batch.seen);
            progress(seen.min(total), total)?;
        }
        store.writing(|tx| retire(tx))?;
        Ok(resealed)
    }

    /// Seals the next few secrets after this one anew.
    fn reseal(&self, tx: &mut dyn Write, after: Option<(EntryId, SecretField)>) -> Result<Reseal, Problem> {
        let key = self.newest(&*tx)?;
        let mut batch = Reseal::default();
        for (id, field, blob) in tx.secrets(after, RESEALED_AT_ONCE)? {
            batch.last = Some((id, field));
            batch.seen += 1;
            if key_of(&blob).is_ok_and(|name| name == key.name()) {
                continue;
            }
            match self.open_blob(&*tx, id, field, &blob) {
                Ok(secret) => {
                    let generation = generation(&*tx, id, field)?;
                    tx.put_secret(id, field, &key.seal(field.place(id, generation), &secret, &*self.random))?;
                    batch.count += 1;
                }
                Err(Unopened::Sealed(_)) => batch.unopened.push((id, field)),
                Err(Unopened::Store(error)) => return Err(error.into()),
            }
        }
        Ok(batch)
    }

    /// The key-encryption key that keys are wrapped with.
    pub fn kek(&self) -> Arc<Kek> {
        Arc::clone(&self.keks.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// Finds out which key-encryption key counts, where that couldn't be told when one was to take over. Whether it is the other
    /// one, from now on the current.
    ///
    /// # Errors
    /// As the store.
    pub fn settle_kek(&self, store: &dyn Store) -> Result<bool, Problem> {
        let wrapped = store.reading(|tx| Ok(tx.keys()?))?;
        let mut keks = self.keks.write().unwrap_or_else(PoisonError::into_inner);
        let opens = |kek: &Kek| wrapped.iter().all(|(name, key)| kek.unwrap(*name, key).is_ok());
        let Some(other) = keks.other.clone().filter(|other| !opens(&keks.current) && opens(other)) else { return Ok(false) };
        keks.other = Some(std::mem::replace(&mut keks.current, other));
        Ok(true)
    }

    /// Wraps every key with `kek`, in one transaction. Until its outcome is known, and for whoever reads an earlier state, both
    /// key-encryption keys count.
    ///
    /// # Errors
    /// As the store; the keys are wrapped as before then, except as [`Problem::OutcomeUnknown`] says.
    pub fn rewrap(&self, store: &dyn Store, kek: Arc<Kek>) -> Result<(), Problem> {
        let before = {
            let mut keks = self.keks.write().unwrap_or_else(PoisonError::into_inner);
            keks.other = Some(Arc::clone(&kek));
            Arc::clone(&keks.current)
        };
        store.writing(|tx| {
            for (name, wrapped) in tx.keys()? {
                let key = before
                    .unwrap(name, &wrapped)
                    .map_err(|error| Problem::Corrupt { detail: format!("the key {name}: {error}") })?;
                tx.put_key(name, &kek.wrap(name, &key, &*self.random))?;
            }
            Ok(())
        })?;
        let mut keks = self.keks.write().unwrap_or_else(PoisonError::into_inner);
        *keks = Keks { current: kek, other: Some(before) };
        Ok(())
    }
}

impl VaultError {
    fn damaged(detail: &str) -> Self {
        Self::Damaged { detail: detail.to_owned() }
    }
}

/// What one transaction sealed anew.
#[derive(Default)]
struct Reseal {
    count: u64,
    seen: u64,
    unopened: Vec<(EntryId, SecretField)>,
    last: Option<(EntryId, SecretField)>,
}

/// Removes the keys that others have taken over from and that no secret names any more.
fn retire(tx: &mut dyn Write) -> Result<(), Problem> {
    let names: Vec<_> = tx.keys()?.into_iter().map(|(name, _)| name).collect();
    let newest = newest(names.iter().copied());
    let old: Vec<_> = names.into_iter().filter(|name| is_old(*name, newest)).collect();
    if old.is_empty() {
        return Ok(());
    }
    let (mut used, mut after) = (BTreeSet::new(), None);
    loop {
        let secrets = tx.secrets(after, RESEALED_AT_ONCE)?;
        let Some((id, field, _)) = secrets.last() else { break };
        after = Some((*id, *field));
        used.extend(secrets.iter().filter_map(|(_, _, blob)| key_of(blob).ok()));
    }
    for name in old.into_iter().filter(|name| !used.contains(name)) {
        tx.remove_key(name)?;
    }
    Ok(())
}

/// The data key that is used for what is new.
fn newest(names: impl Iterator<Item = KeyName>) -> Option<KeyName> {
    names.filter(|name| name.purpose == KeyPurpose::Secrets).max()
}

fn is_old(name: KeyName, newest: Option<KeyName>) -> bool {
    matches!(name.purpose, KeyPurpose::Secrets | KeyPurpose::SecretsV1) && Some(name) != newest
}

/// An entry, also one in the trash.
fn record(tx: &(impl Read + ?Sized), id: EntryId) -> Result<Option<Record>, StoreError> {
    match tx.entry(id)? {
        Some(record) => Ok(Some(record)),
        None => tx.trashed(id),
    }
}

/// The account that the secrets of this number belong to, where they are an account's.
const fn account_of(id: EntryId, field: SecretField) -> Option<AccountId> {
    match field {
        SecretField::SecondFactor => Some(AccountId(id.0)),
        SecretField::Password | SecretField::ClientCertificate | SecretField::SignIn => None,
    }
}

/// How often a secret was replaced or removed, as its owner's record says.
fn generation(tx: &(impl Read + ?Sized), id: EntryId, field: SecretField) -> Result<u64, StoreError> {
    Ok(match account_of(id, field) {
        Some(account) => tx.account(account)?.map_or(0, |record| record.generation),
        None => record(tx, id)?.map_or(0, |record| record.generation(field)),
    })
}

/// Counts a secret up, in its owner's record.
fn next_generation(tx: &mut dyn Write, id: EntryId, field: SecretField) -> Result<u64, StoreError> {
    let missing = |what: &str| StoreError::Corrupt { detail: format!("{what} {id} is missing") };
    if let Some(account) = account_of(id, field) {
        let mut record = tx.account(account)?.ok_or_else(|| missing("account"))?;
        record.generation += 1;
        tx.put_account(account, &record)?;
        return Ok(record.generation);
    }
    let mut record = tx.entry(id)?.ok_or_else(|| missing("server"))?;
    let generation = record.generation(field) + 1;
    record.generations.insert(field, generation);
    tx.put(id, &record)?;
    Ok(generation)
}
