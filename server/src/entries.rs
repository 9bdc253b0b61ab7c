//! The entries and their rules: unique names, one default, versions, passwords that stay with their server, trash and
//! undo. Each operation is one transaction. Where the records lie is the store's affair; who may ask, the caller's.

mod expiring;
mod import;
mod proof;
mod secrets;
mod sign_in;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use app::backend::Caller;
use domain::activity::{Change, Deed, Happening};
use domain::entry::{
    Content, EntryId, EntryPage, EntryView, ListPage, ListQuery, PAGE_SIZE, Row, RowServer, TrashPlan, UNDO_MS, UndoOffer, Version,
};
use domain::error::{Problem, Stale};
use domain::field::{Field, FieldError, FieldErrors};
use domain::name::Name;
use domain::run::{History, MAX_RUNS, Run, RunId, Standing};
use domain::secret::SecretChange;
use domain::smtp_server::{Checked, Has, ServerOut, SmtpServer};
use domain::transcript::{Finished, What};

pub use import::{Plan, Variables};
pub use proof::{Basis, Secrets};
pub use secrets::read_client_certificate;
pub use sign_in::{GrantedNote, Kept};

use self::secrets::Client;
use crate::activity::{self, Activity, By};
use crate::ports::Clock;
use crate::seal::Fingerprint;
use crate::store::{Batch, Proof, Read, Record, SecretField, Store, StoreError, Write};
use crate::trust::{Known, TrustedCertificates};
use crate::vault::Vault;

/// The most entries there can be. A list and a search stay fast with so many.
pub const MAX_ENTRIES: u64 = 20_000;
/// How much later than it says trash can still be restored: milliseconds. A press in the last moment takes time to arrive.
pub const UNDO_GRACE_MS: u64 = 5_000;

/// The entries, for one who asks: what he changes goes into the activity under his name.
pub struct Entries {
    store: Arc<dyn Store>,
    trusted: Arc<TrustedCertificates>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock + Send + Sync>,
    by: By,
    /// The only entries that whoever asks may see; all of them where nothing is said.
    only: Option<Vec<EntryId>>,
}

impl Entries {
    /// The entries in `store`, whose secrets `vault` keeps.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, clock: Arc<dyn Clock + Send + Sync>) -> Self {
        let trusted = Arc::new(TrustedCertificates::new(Arc::clone(&store), Arc::clone(&clock)));
        Self { store, trusted, vault, clock, by: By::default(), only: None }
    }

    /// The same entries, for one who asks.
    #[must_use]
    pub fn on_behalf_of(&self, caller: &Caller) -> Self {
        let by = By::caller(caller);
        Self {
            store: Arc::clone(&self.store),
            trusted: Arc::new(self.trusted.on_behalf_of(by.clone())),
            vault: Arc::clone(&self.vault),
            clock: Arc::clone(&self.clock),
            by,
            only: caller.permit.entries.clone(),
        }
    }

    /// Runs `work` where it may block: every call of the store waits for the disk.
    ///
    /// # Errors
    /// What `work` says; [`Problem::Internal`] where it broke off.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let entries = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&entries)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call of the store broke off");
            Err(Problem::Internal)
        })
    }

    /// The store they lie in.
    pub(crate) const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The vault of their secrets.
    pub(crate) const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// The clock they go by.
    pub(crate) const fn clock(&self) -> &Arc<dyn Clock + Send + Sync> {
        &self.clock
    }

    /// What was done.
    pub fn activity(&self) -> Activity {
        Activity::new(Arc::clone(&self.store), Arc::clone(&self.clock))
    }

    /// Adds a line to the activity in the transaction of what it tells of.
    fn note(&self, tx: &mut dyn Write, what: &Happening) -> Result<(), StoreError> {
        activity::record(tx, self.now_ms(), what)
    }

    /// The certificates that are trusted when entries connect.
    pub const fn trusted(&self) -> &Arc<TrustedCertificates> {
        &self.trusted
    }

    /// A page of the list, by name. Without a search only the records of the page are read; with one, the index is
    /// gone through once.
    ///
    /// # Errors
    /// As the store.
    pub fn list(&self, query: &ListQuery) -> Result<ListPage, Problem> {
        let needle = query.search.trim().to_lowercase();
        let now = self.now_ms();
        self.store.reading(|tx| {
            let total = match &self.only {
                None => tx.count()?,
                Some(_) => self.all_of(tx)?.len() as u64,
            };
            let mut found = Vec::new();
            let all = needle.is_empty() && self.only.is_none();
            if !all {
                tx.scan(&mut |line| {
                    if line.matches(&needle) && self.covers(line.id) {
                        found.push(line.id);
                    }
                    ControlFlow::Continue(())
                })?;
            }
            let matching = if all { total } else { found.len() as u64 };
            let pages = u32::try_from(matching.div_ceil(PAGE_SIZE.into())).unwrap_or(u32::MAX).max(1);
            let page = query.page.clamp(1, pages);
            let (skip, size) = (size_of_pages(page - 1), size_of_pages(1));
            let ids: Vec<EntryId> = if all { window(tx, skip, size)? } else { found.into_iter().skip(skip).take(size).collect() };
            let (default, known) = (tx.default()?, self.trusted.known_in(tx)?);
            let rows = ids.into_iter().map(|id| row(tx, id, default, &known, now)).collect::<Result<_, _>>()?;
            let undo = if self.only.is_none() { undo_offer(tx, now)? } else { None };
            Ok(ListPage { rows, total, matching, page, pages, undo, now_ms: now })
        })
    }

    /// Every entry that whoever asks may see, by name.
    fn all_of(&self, tx: &dyn Read) -> Result<Vec<EntryId>, StoreError> {
        let mut all = Vec::new();
        tx.scan(&mut |line| {
            if self.covers(line.id) {
                all.push(line.id);
            }
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Whether whoever asks may see an entry at all.
    fn covers(&self, id: EntryId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id))
    }

    /// The first of `mail`, `mail-2`, `mail-3` … that is free.
    ///
    /// # Errors
    /// As the store.
    pub fn suggest_name(&self) -> Result<String, Problem> {
        self.store.reading(|tx| {
            let mut failed = None;
            let name = Name::suggest(|key| tx.id_of(key).map_or_else(|error| failed.replace(error).is_some(), |id| id.is_some()));
            failed.map_or(Ok(name), |error| Err(error.into()))
        })
    }

    /// An entry for its page.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn entry(&self, id: EntryId) -> Result<EntryView, Problem> {
        let now_ms = self.now_ms();
        self.store.reading(|tx| view(tx, id, &*self.trusted.known_in(tx)?, now_ms))
    }

    /// An entry with its history, and the whole of `run` if that is one of its runs.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn page(&self, id: EntryId, run: Option<RunId>) -> Result<EntryPage, Problem> {
        let now_ms = self.now_ms();
        self.store.reading(|tx| {
            let view = view(tx, id, &*self.trusted.known_in(tx)?, now_ms)?;
            let shown = run.map(|run| tx.run(run)).transpose()?.flatten();
            let shown = shown.filter(|(of, _)| *of == id).map(|(_, run)| run);
            Ok(EntryPage { view, runs: tx.runs(id)?, shown, now_ms })
        })
    }

    /// What is stored of an entry, to check an edit against or to send with.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn content(&self, id: EntryId) -> Result<(Version, Content), Problem> {
        self.store.reading(|tx| record(tx, id).map(|record| (record.version, record.content)))
    }

    /// The entry of a name, whatever the case, if whoever asks may know of it.
    ///
    /// # Errors
    /// As the store.
    pub fn named(&self, name: &str) -> Result<Option<EntryId>, Problem> {
        let id = self.store.reading(|tx| Ok(tx.id_of(&name.to_ascii_lowercase())?))?;
        Ok(id.filter(|id| self.covers(*id)))
    }

    /// The default, if there is one.
    ///
    /// # Errors
    /// As the store.
    pub fn default_entry(&self) -> Result<Option<EntryId>, Problem> {
        self.store.reading(|tx| Ok(tx.default()?))
    }

    /// Adds an entry that has only a name.
    ///
    /// # Errors
    /// [`FieldError::NameTaken`], [`Problem::TooManyEntries`], or as the store.
    pub fn create_named(&self, name: &Name) -> Result<(EntryId, Version), Problem> {
        self.add(&Content::Incomplete { name: name.clone() }, false, &SecretChange::Clear, &Client::Clear)
    }

    /// Adds a complete entry. It becomes the default if it asks for it or there is none.
    ///
    /// # Errors
    /// As [`Entries::create_named`]; [`FieldError::ClientCertificate`] if that can't be used.
    pub fn create(&self, checked: &Checked) -> Result<(EntryId, Version), Problem> {
        let client = Client::of(&checked.client_certificate).map_err(Problem::Invalid)?;
        self.add(&Content::Ready(Box::new(checked.server.clone())), checked.default, &checked.password, &client)
    }

    fn add(
        &self,
        content: &Content,
        default: bool,
        password: &SecretChange,
        client: &Client,
    ) -> Result<(EntryId, Version), Problem> {
        self.store.writing(|tx| {
            let mut errors = FieldErrors::default();
            check_name(tx, content.name(), None, &mut errors)?;
            errors.or(()).map_err(Problem::Invalid)?;
            check_room(&*tx, 1)?;
            self.add_in(tx, content, default, password, client)
        })
    }

    /// Adds an entry whose name is free.
    fn add_in(
        &self,
        tx: &mut dyn Write,
        content: &Content,
        default: bool,
        password: &SecretChange,
        client: &Client,
    ) -> Result<(EntryId, Version), Problem> {
        let id = EntryId(tx.new_number()?);
        let version = Version(1);
        let client_certificate = client.summary(content.server(), None);
        tx.put(id, &Record { version, content: content.clone(), client_certificate, generations: BTreeMap::new() })?;
        let mut what = self.by.did(Deed::ServerAdded);
        what.subjects.push(told::server(id, content.name()));
        what.changes = told::changes(None, content);
        if let Some(server) = content.server() {
            self.settle_password(tx, id, server, password)?;
            self.settle_client(tx, id, server.has_use_for_client_certificate(), client)?;
            self.settle_proof(tx, id, server)?;
            what.changes.extend(told::secret_changes(Has::default(), server, password, client));
            if default || tx.default()?.is_none() {
                told::hand_over(tx, id, &mut what)?;
            }
        }
        self.note(tx, &what)?;
        Ok((id, version))
    }

    /// Saves an entry that was edited from version `base` on. It becomes the default if it asks for it or there is none.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`]; [`Problem::Stale`] if it has another version now; [`FieldError::NameTaken`];
    /// [`FieldError::LastDefault`] if it is the default and would be none any more;
    /// [`FieldError::PasswordForOtherServer`] if the stored password would go to another server or account;
    /// [`FieldError::ClientCertificate`] if that can't be used; or as the store.
    pub fn save(&self, id: EntryId, base: Version, checked: &Checked) -> Result<Version, Problem> {
        let server = &checked.server;
        let client = Client::of(&checked.client_certificate).map_err(Problem::Invalid)?;
        self.store.writing(|tx| {
            let old = record(tx, id)?;
            let default = tx.default()?;
            let has = has(&*tx, id)?;
            check_version(&old, base, default == Some(id), has)?;
            let mut errors = FieldErrors::default();
            check_name(tx, &server.name, Some(id), &mut errors)?;
            if default == Some(id) && !checked.default {
                errors.add(Field::Default, FieldError::LastDefault);
            }
            let keeps = has.password && checked.password == SecretChange::Keep && server.username().is_some();
            if keeps && !old.content.server().is_some_and(|old| old.shares_password_with(server)) {
                errors.add(Field::Password, FieldError::PasswordForOtherServer);
            }
            errors.or(()).map_err(Problem::Invalid)?;
            self.save_in(tx, id, old, has, checked, &client)
        })
    }

    /// Puts `checked` in place of what there is, `old` with the secrets it `has`. Whether that may be has been looked at.
    fn save_in(
        &self,
        tx: &mut dyn Write,
        id: EntryId,
        old: Record,
        has: Has,
        checked: &Checked,
        client: &Client,
    ) -> Result<Version, Problem> {
        let server = &checked.server;
        let version = Version(old.version.0 + 1);
        let client_certificate = client.summary(Some(server), old.client_certificate.as_ref());
        let content = Content::Ready(Box::new(server.clone()));
        // Before what it lies beside is replaced: what is sealed counts up in there.
        self.settle_sign_in(tx, id, old.content.server(), server)?;
        let generations = record(&*tx, id)?.generations;
        let mut what = self.by.did(Deed::ServerSaved);
        what.subjects.push(told::server(id, &server.name));
        what.changes = told::changes(Some(&old.content), &content);
        what.changes.extend(told::secret_changes(has, server, &checked.password, client));
        tx.put(id, &Record { version, content, client_certificate, generations })?;
        self.settle_password(tx, id, server, &checked.password)?;
        self.settle_client(tx, id, server.has_use_for_client_certificate(), client)?;
        self.settle_proof(tx, id, server)?;
        if checked.default || tx.default()?.is_none() {
            told::hand_over(tx, id, &mut what)?;
        }
        self.note(tx, &what)?;
        Ok(version)
    }

    /// What tells settings that were tested from others: of `server` with its secrets.
    pub fn fingerprint(&self, server: &SmtpServer, secrets: Secrets<'_>) -> Option<Fingerprint> {
        proof::fingerprint(self.vault.fingerprints(), server, secrets)
    }

    /// Whether exactly these settings are saved of `id`.
    ///
    /// # Errors
    /// As the store.
    pub fn is_saved(&self, id: EntryId, settings: Fingerprint) -> Result<bool, Problem> {
        self.store.reading(|tx| Ok(tx.proof(id)?.and_then(|proof| proof.saved) == Some(settings)))
    }

    /// Keeps a run of `id`, and what it says of the entry, made with what `basis` says; under the number of an earlier one in its
    /// place. Where what is trusted was changed meanwhile, it says nothing: it was about what counted before. Only the last [`MAX_RUNS`] are kept. In the trash an entry still has its history; a run of one that has gone for
    /// good meanwhile is dropped: whether it was kept.
    ///
    /// # Errors
    /// As the store.
    pub fn record_run(&self, id: EntryId, basis: Option<&Basis>, run: &Run) -> Result<bool, Problem> {
        self.store.writing(|tx| {
            let record = match tx.entry(id)? {
                Some(record) => Some(record),
                None => tx.trashed(id)?,
            };
            let Some(record) = record else { return Ok(false) };
            let epoch = tx.trust_epoch()?;
            tx.put_run(id, run)?;
            for old in tx.run_ids(id)?.into_iter().skip(MAX_RUNS) {
                tx.remove_run(id, old)?;
            }
            let basis = basis.filter(|basis| basis.trust_epoch == epoch);
            let settings = basis.and_then(|basis| Some((basis, basis.settings?)));
            if let (Some((basis, settings)), Some(finished)) = (settings, finished(run)) {
                let mut proof = tx.proof(id)?.unwrap_or_default();
                // An entry of before there were runs has none yet.
                let saved = record.content.server().map(|server| self.fingerprint_of_saved(tx, id, server)).transpose()?;
                proof.save(saved.flatten());
                proof.ran(settings, basis, finished, &run.summary);
                tx.put_proof(id, &proof)?;
            }
            Ok(true)
        })
    }

    /// The history of an entry.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn history(&self, id: EntryId) -> Result<History, Problem> {
        let now_ms = self.now_ms();
        self.store.reading(|tx| {
            let standing = standing(&record(tx, id)?, tx.proof(id)?.as_ref());
            Ok(History { standing, runs: tx.runs(id)?, now_ms })
        })
    }

    /// What the tests say of an entry as it is saved.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn standing(&self, id: EntryId) -> Result<Standing, Problem> {
        self.store.reading(|tx| Ok(standing(&record(tx, id)?, tx.proof(id)?.as_ref())))
    }

    /// A run that is kept.
    ///
    /// # Errors
    /// [`Problem::NoSuchRun`], also while its entry is in the trash; or as the store.
    pub fn run(&self, run: RunId) -> Result<Run, Problem> {
        self.store.reading(|tx| match tx.run(run)? {
            Some((id, found)) if self.covers(id) && tx.entry(id)?.is_some() => Ok(found),
            _ => Err(Problem::NoSuchRun(run)),
        })
    }

    /// The highest number that a run was kept under.
    ///
    /// # Errors
    /// As the store.
    pub fn last_run(&self) -> Result<RunId, Problem> {
        self.store.reading(|tx| Ok(RunId(tx.last_run()?)))
    }

    /// These entries, or all by name; each must be there.
    ///
    /// # Errors
    /// [`Problem::NothingChosen`], [`Problem::NoSuchEntry`], or as the store.
    pub fn choose(&self, ids: Option<&[EntryId]>) -> Result<Vec<EntryId>, Problem> {
        self.store.reading(|tx| {
            let mut all = Vec::new();
            match ids {
                Some([]) => return Err(Problem::NothingChosen),
                Some(ids) => {
                    for id in BTreeSet::from_iter(ids) {
                        record(tx, *id)?;
                        all.push(*id);
                    }
                }
                None => all = self.all_of(tx)?,
            }
            Ok(all)
        })
    }

    /// What trashing `ids` would do.
    ///
    /// # Errors
    /// [`Problem::NothingChosen`], [`Problem::NoSuchEntry`], or as the store.
    pub fn trash_plan(&self, ids: &[EntryId]) -> Result<TrashPlan, Problem> {
        self.store.reading(|tx| plan(tx, ids))
    }

    /// The entry that stands where the first of `ids` stands once they are gone: the next one by name, or the last.
    ///
    /// # Errors
    /// As the store.
    pub fn after(&self, ids: &[EntryId]) -> Result<Option<EntryId>, Problem> {
        let going: BTreeSet<EntryId> = ids.iter().copied().collect();
        self.store.reading(|tx| {
            let (mut passed, mut next) = (false, None);
            tx.scan(&mut |line| {
                if going.contains(&line.id) {
                    passed = true;
                    return ControlFlow::Continue(());
                }
                next = Some(line.id);
                if passed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            Ok(next)
        })
    }

    /// Trashes entries, all or none. If the default is among them and complete ones stay, `heir` takes its place;
    /// otherwise `heir` is not looked at.
    ///
    /// # Errors
    /// [`Problem::NothingChosen`]; [`Problem::NoSuchEntry`]; on [`Field::NewDefault`] [`FieldError::Required`] or
    /// [`FieldError::NotADefault`]; or as the store.
    pub fn trash(&self, ids: &[EntryId], heir: Option<EntryId>) -> Result<UndoOffer, Problem> {
        let trashed_ms = self.now_ms();
        self.store.writing(|tx| {
            let TrashPlan { going, heirs } = plan(tx, ids)?;
            let default = tx.default()?.filter(|default| going.iter().any(|(id, _)| id == default));
            let heir = match (default, heir) {
                (None, _) => None,
                (Some(_), None) if heirs.is_empty() => None,
                (Some(_), None) => return Err(invalid(Field::NewDefault, FieldError::Required)),
                (Some(_), Some(heir)) if heirs.iter().any(|(id, _)| *id == heir) => Some(heir),
                (Some(_), Some(_)) => return Err(invalid(Field::NewDefault, FieldError::NotADefault)),
            };
            if default.is_some() {
                tx.set_default(heir)?;
            }
            for (id, _) in &going {
                let record = record(tx, *id)?;
                tx.remove(*id)?;
                tx.put_trashed(*id, &record)?;
            }
            let batch = tx.new_number()?;
            let names = going.iter().map(|(_, name)| name.clone()).collect();
            let mut what = self.by.did(Deed::ServersTrashed);
            what.subjects = going.iter().map(|(id, name)| told::server(*id, name)).collect();
            what.changes.extend(new_default(tx, default, heir)?);
            self.note(tx, &what)?;
            tx.put_batch(batch, &Batch { trashed_ms, entries: going, default, heir })?;
            Ok(UndoOffer { batch, names, left_ms: UNDO_MS })
        })
    }

    /// Brings back what was trashed together, by [`UndoOffer::batch`]: entries, passwords, and the default unless
    /// another one was chosen since. Returns what came back, by name.
    ///
    /// # Errors
    /// [`Problem::UndoGone`], [`Problem::UndoNameTaken`], [`Problem::TooManyEntries`], or as the store.
    pub fn undo(&self, batch: u64) -> Result<Vec<EntryId>, Problem> {
        let now = self.now_ms();
        self.store.writing(|tx| {
            let found = tx.batches()?.into_iter().find(|(number, _)| *number == batch);
            let Some((number, batch)) = found.filter(|(_, batch)| !is_expired(batch.trashed_ms, now)) else {
                return Err(Problem::UndoGone);
            };
            check_room(&*tx, batch.entries.len() as u64)?;
            let mut first_complete = None;
            for (id, name) in &batch.entries {
                let Some(record) = tx.trashed(*id)? else {
                    return Err(Problem::Corrupt { detail: format!("server {id} is missing from the trash") });
                };
                if tx.id_of(&record.content.name().key())?.is_some() {
                    return Err(Problem::UndoNameTaken { name: name.clone() });
                }
                tx.put(*id, &record)?;
                tx.remove_trashed(*id)?;
                if record.content.server().is_some() {
                    first_complete = first_complete.or(Some(*id));
                }
            }
            tx.remove_batch(number)?;
            let default = tx.default()?;
            if batch.default.is_some() && default == batch.heir {
                tx.set_default(batch.default)?;
            } else if default.is_none() {
                // The batch had no default, but everything else has gone since.
                tx.set_default(first_complete)?;
            }
            let mut what = self.by.did(Deed::ServersRestored);
            what.subjects = batch.entries.iter().map(|(id, name)| told::server(*id, name)).collect();
            let now_default = tx.default()?;
            what.changes.extend(new_default(tx, default, now_default)?);
            self.note(tx, &what)?;
            Ok(batch.entries.iter().map(|(id, _)| *id).collect())
        })
    }

    /// Removes what can't be brought back any more, passwords and runs included. Returns how many entries went.
    ///
    /// # Errors
    /// As the store.
    pub fn purge(&self) -> Result<usize, Problem> {
        let now = self.now_ms();
        let expired = |tx: &dyn Read| -> Result<Vec<(u64, Batch)>, StoreError> {
            Ok(tx.batches()?.into_iter().filter(|(_, batch)| is_expired(batch.trashed_ms, now)).collect())
        };
        if self.store.reading(|tx| Ok(expired(tx)?))?.is_empty() {
            return Ok(0);
        }
        self.store.writing(|tx| {
            let mut gone = 0;
            for (number, batch) in expired(&*tx)? {
                for (id, _) in &batch.entries {
                    tx.remove_trashed(*id)?;
                    for field in SecretField::OF_ENTRY {
                        tx.remove_secret(*id, field)?;
                    }
                    for run in tx.run_ids(*id)? {
                        tx.remove_run(*id, run)?;
                    }
                    tx.remove_proof(*id)?;
                }
                tx.remove_batch(number)?;
                gone += batch.entries.len();
            }
            Ok(gone)
        })
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}

fn invalid(field: Field, error: FieldError) -> Problem {
    Problem::Invalid(FieldErrors::one(field, error))
}

fn record(tx: &(impl Read + ?Sized), id: EntryId) -> Result<Record, Problem> {
    tx.entry(id)?.ok_or(Problem::NoSuchEntry(id))
}

fn check_name(tx: &dyn Write, name: &Name, own: Option<EntryId>, errors: &mut FieldErrors) -> Result<(), Problem> {
    if let Some(other) = tx.id_of(&name.key())?.filter(|id| Some(*id) != own) {
        errors.add(Field::Name, FieldError::NameTaken { name: record(tx, other)?.content.name().to_string() });
    }
    Ok(())
}

fn check_version(record: &Record, base: Version, is_default: bool, has: Has) -> Result<(), Problem> {
    if record.version == base {
        return Ok(());
    }
    let current = record.content.server().map(|server| ServerOut::of(server, is_default, has));
    Err(Problem::Stale(Box::new(Stale { version: record.version, current })))
}

fn check_room(tx: &dyn Read, more: u64) -> Result<(), Problem> {
    if tx.count()? + more > MAX_ENTRIES { Err(Problem::TooManyEntries { max: MAX_ENTRIES }) } else { Ok(()) }
}

fn size_of_pages(pages: u32) -> usize {
    pages as usize * PAGE_SIZE as usize
}

/// `size` entries of the index after the first `skip`.
fn window(tx: &dyn Read, mut skip: usize, size: usize) -> Result<Vec<EntryId>, StoreError> {
    let mut ids = Vec::with_capacity(size);
    tx.scan(&mut |line| {
        if skip > 0 {
            skip -= 1;
        } else {
            ids.push(line.id);
        }
        if ids.len() == size { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(ids)
}

fn row(tx: &dyn Read, id: EntryId, default: Option<EntryId>, known: &Known, now_ms: u64) -> Result<Row, Problem> {
    let Some(record) = tx.entry(id)? else {
        return Err(Problem::Corrupt { detail: format!("the index names server {id}, which is missing") });
    };
    let proof = tx.proof(id)?;
    let standing = standing(&record, proof.as_ref());
    let expiring = expiring::of(&record, proof.as_ref(), known, now_ms);
    let sign_in = sign_in::view(tx, id, &record, proof.as_ref())?;
    let content = record.content;
    let server = content.server().map(RowServer::of);
    Ok(Row { id, name: content.name().to_string(), is_default: default == Some(id), server, standing, expiring, sign_in })
}

fn view(tx: &dyn Read, id: EntryId, known: &Known, now_ms: u64) -> Result<EntryView, Problem> {
    let record = record(tx, id)?;
    let (has, proof) = (has(tx, id)?, tx.proof(id)?);
    let standing = standing(&record, proof.as_ref());
    let view = EntryView::of(id, record.version, &record.content, tx.default()?, has, standing);
    let expiring = expiring::of(&record, proof.as_ref(), known, now_ms);
    let sign_in = sign_in::view(tx, id, &record, proof.as_ref())?;
    Ok(EntryView { client_certificate: record.client_certificate, expiring, sign_in, ..view })
}

/// Which secrets are kept of an entry.
fn has(tx: &(impl Read + ?Sized), id: EntryId) -> Result<Has, StoreError> {
    let kept = |field| Ok::<_, StoreError>(tx.secret(id, field)?.is_some());
    Ok(Has { password: kept(SecretField::Password)?, client_certificate: kept(SecretField::ClientCertificate)? })
}

/// What the tests say of an entry. One that isn't set up has no settings that they could say anything of.
fn standing(record: &Record, proof: Option<&Proof>) -> Standing {
    proof.filter(|_| record.content.server().is_some()).map(Proof::standing).unwrap_or_default()
}

fn finished(run: &Run) -> Option<&Finished> {
    match &run.events.last()?.what {
        What::Finished(finished) => Some(finished),
        _ => None,
    }
}

/// What would go, and who may be the default if that goes; both by name.
fn plan(tx: &(impl Read + ?Sized), ids: &[EntryId]) -> Result<TrashPlan, Problem> {
    let ids: BTreeSet<EntryId> = ids.iter().copied().collect();
    if ids.is_empty() {
        return Err(Problem::NothingChosen);
    }
    let mut going = Vec::with_capacity(ids.len());
    for id in &ids {
        let name = record(tx, *id)?.content.name().clone();
        going.push((name.key(), *id, name.to_string()));
    }
    going.sort();
    let mut heirs = Vec::new();
    if tx.default()?.is_some_and(|default| ids.contains(&default)) {
        tx.scan(&mut |line| {
            if line.complete && !ids.contains(&line.id) {
                heirs.push((line.id, line.name.to_owned()));
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(TrashPlan { going: going.into_iter().map(|(_, id, name)| (id, name)).collect(), heirs })
}

/// How much longer trash can be brought back: milliseconds, as it is offered; `None` once it isn't any more. A clock that was set
/// back makes trash no younger.
pub(crate) const fn undo_left_ms(trashed_ms: u64, now: u64) -> Option<u64> {
    match UNDO_MS.checked_sub(now.abs_diff(trashed_ms)) {
        Some(0) | None => None,
        left => left,
    }
}

/// Whether trash can't be brought back any more.
pub(crate) const fn is_expired(trashed_ms: u64, now: u64) -> bool {
    now.abs_diff(trashed_ms) > UNDO_MS + UNDO_GRACE_MS
}

/// That another entry is the default now, by their names.
fn new_default(tx: &mut dyn Write, old: Option<EntryId>, new: Option<EntryId>) -> Result<Option<Change>, StoreError> {
    let name = |id: Option<EntryId>| {
        let Some(id) = id else { return Ok(None) };
        let record = match tx.entry(id)? {
            Some(record) => Some(record),
            None => tx.trashed(id)?,
        };
        Ok::<_, StoreError>(record.map(|record| record.content.name().to_string()))
    };
    Ok(if old == new { None } else { Some(told::change(Field::NewDefault, name(old)?, name(new)?)) })
}

/// The latest trashing, while it can be undone.
fn undo_offer(tx: &dyn Read, now: u64) -> Result<Option<UndoOffer>, StoreError> {
    let mut batches = tx.batches()?.into_iter().rev();
    Ok(batches.find_map(|(number, batch)| {
        let left_ms = undo_left_ms(batch.trashed_ms, now)?;
        Some(UndoOffer { batch: number, left_ms, names: batch.entries.into_iter().map(|(_, name)| name).collect() })
    }))
}
