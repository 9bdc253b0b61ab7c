//! What the program does: the [`Backend`] of pages, forms and the API, over the entries and the mailer.

mod access;
mod certificates;
mod links;
mod records;
mod sign_ins;
mod submissions;

use std::sync::Arc;
use std::time::Duration;

use app::api::{Saved, Trashed};
use app::backend::{Backend, Caller, Edit, Events, LiveRun, Typed};
use async_trait::async_trait;
use domain::access::Act;
use domain::entry::{EntryId, EntryPage, EntryView, ListPage, ListQuery, MAX_HEIRS, TrashPlan, Version};
use domain::error::{Problem, Stale};
use domain::field::{Field, FieldError, FieldErrors};
use domain::name::Name;
use domain::run::{BatchEvent, History, Run, RunId};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, PasswordDraft, SecretInput, ServerDraft, ServerPatch, TestDraft};
use domain::words;

use crate::access::{Accounts, Cost};
use crate::entries::{Entries, read_client_certificate};
use crate::files::NoFiles;
use crate::links::Links;
use crate::mailer::Mailer;
use crate::ports::SystemRandom;
use crate::runs::{Keys, PATIENCE, Planned, Runs};
use crate::sign_ins::SignIns;
use crate::submissions::Submissions;

/// What the data directory of this process comes to: the way in, and what those who are in share.
pub struct House {
    entries: Arc<Entries>,
    accounts: Arc<Accounts>,
    runs: Arc<Runs>,
    links: Arc<Links>,
    submissions: Arc<Submissions>,
    patience: Duration,
}

impl House {
    /// A house over what is stored and what sends, and over the accounts that are stored beside the entries.
    ///
    /// # Errors
    /// As the store.
    pub fn new(entries: Arc<Entries>, mailer: Mailer) -> Result<Self, Problem> {
        let runs = Arc::new(Runs::new(Arc::clone(&entries), mailer)?);
        let accounts = Arc::new(Accounts::new(&entries, Arc::new(SystemRandom), Cost::PRODUCTION));
        let links = Arc::new(Links::new(&entries, Arc::new(NoFiles), Arc::new(SystemRandom)));
        let submissions = Arc::new(submissions(&entries, &runs, &links));
        Ok(Self { entries, accounts, runs, links, submissions, patience: PATIENCE })
    }

    /// Takes messages with files, which lie where those of `links` do, and makes links of them; remembers messages for so many days.
    /// Without this it takes none that has any.
    #[must_use]
    pub fn with_links(mut self, links: Arc<Links>, kept_days: u16) -> Self {
        self.submissions = Arc::new(submissions(&self.entries, &self.runs, &links).with_kept_days(kept_days));
        self.links = links;
        self
    }

    /// The messages that are sent for applications.
    pub const fn submissions(&self) -> &Arc<Submissions> {
        &self.submissions
    }

    /// Lets in by these.
    #[must_use]
    pub fn with_accounts(mut self, accounts: Arc<Accounts>) -> Self {
        self.accounts = accounts;
        self
    }

    /// Waits `patience` for a reader that takes nothing of what it asked to watch.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The backend of one who asks.
    pub fn local(&self, caller: Caller) -> Local {
        Local {
            entries: Arc::new(self.entries.on_behalf_of(&caller)),
            accounts: Arc::clone(&self.accounts),
            runs: Arc::clone(&self.runs),
            links: Arc::clone(&self.links),
            submissions: Arc::clone(&self.submissions),
            patience: self.patience,
            caller,
        }
    }

    /// The sign-ins of mailboxes.
    pub fn sign_ins(&self) -> &Arc<SignIns> {
        self.runs.sign_ins()
    }

    /// Ends the tests that run ([`Runs::close`]) and the messages that are sent ([`Submissions::close`]), then what is said to sign-in
    /// services ([`SignIns::settle`]).
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        let (runs, submissions) = (Arc::clone(&self.runs), Arc::clone(&self.submissions));
        async move {
            tokio::join!(runs.close(), submissions.close());
            runs.sign_ins().settle().await;
        }
    }
}

/// The backend of one who asks.
pub struct Local {
    /// On his behalf.
    entries: Arc<Entries>,
    accounts: Arc<Accounts>,
    runs: Arc<Runs>,
    links: Arc<Links>,
    submissions: Arc<Submissions>,
    patience: Duration,
    caller: Caller,
}

fn submissions(entries: &Arc<Entries>, runs: &Runs, links: &Arc<Links>) -> Submissions {
    Submissions::new(Arc::clone(entries), runs.mailer(), Arc::clone(runs.sign_ins()), Arc::clone(links), Arc::new(SystemRandom))
}

impl Local {
    /// Refuses what the caller may not do, with any entry.
    fn may(&self, act: Act) -> Result<(), Problem> {
        if self.caller.permit.allows(act) { Ok(()) } else { Err(self.refusal(act)) }
    }

    /// Refuses what the caller may not do with these entries.
    fn may_with(&self, act: Act, entries: &[EntryId]) -> Result<(), Problem> {
        if self.caller.permit.allows_with(act, entries) { Ok(()) } else { Err(self.refusal(act)) }
    }

    /// The same, and asks for the password where it wasn't typed lately. A token has none: whoever has it may.
    fn may_freshly(&self, act: Act, entries: &[EntryId]) -> Result<(), Problem> {
        self.may_with(act, entries)?;
        if self.caller.session.is_none_or(|session| session.fresh) { Ok(()) } else { Err(Problem::ConfirmPassword) }
    }

    /// Why the caller may not. That he tried is written down, by itself: he has his answer.
    fn refusal(&self, act: Act) -> Problem {
        if self.caller.permit.role.is_none() {
            return Problem::NotSignedIn;
        }
        let (accounts, caller) = (Arc::clone(&self.accounts), self.caller.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(problem) = accounts.note_refusal(&caller, act) {
                tracing::warn!(?problem, "can't write down what was refused");
            }
        });
        Problem::NotAllowed { act }
    }
}

#[async_trait]
impl Backend for Local {
    async fn list(&self, query: ListQuery) -> Result<ListPage, Problem> {
        self.may(Act::See)?;
        self.entries.blocking(move |entries| entries.list(&query)).await
    }

    async fn suggest_name(&self) -> Result<String, Problem> {
        self.may_with(Act::Change, &[])?;
        self.entries.blocking(Entries::suggest_name).await
    }

    async fn entry(&self, id: EntryId) -> Result<EntryView, Problem> {
        self.may_with(Act::See, &[id])?;
        self.entries.blocking(move |entries| entries.entry(id)).await
    }

    async fn create(&self, patch: ServerPatch) -> Result<Saved, Problem> {
        self.may_with(Act::Change, &[])?;
        self.entries
            .blocking(move |entries| {
                let name = patch.name.clone().unwrap_or_default();
                let (id, version) = if (ServerPatch { name: patch.name.clone(), ..ServerPatch::default() }) == patch {
                    let name = Name::parse(&name).map_err(|error| invalid(Field::Name, error))?;
                    entries.create_named(&name)?
                } else {
                    entries.create(&check(ServerDraft::new(&name), Edit::Patch(Box::new(patch)))?)?
                };
                tracing::info!(entry = id.0, "added");
                Ok(Saved { id, version })
            })
            .await
    }

    async fn save(&self, id: EntryId, base: Version, edit: Edit) -> Result<Saved, Problem> {
        self.may_with(Act::Change, &[id])?;
        let saved = self.entries.blocking(move |entries| {
            let view = entries.entry(id)?;
            if view.version != base {
                return Err(Problem::Stale(Box::new(Stale { version: view.version, current: view.server })));
            }
            let checked = check(view.draft(), edit)?;
            let version = entries.save(id, base, &checked)?;
            tracing::info!(entry = id.0, version = version.0, "saved");
            Ok(Saved { id, version })
        });
        let saved = saved.await?;
        // Tokens are for what was saved before.
        self.runs.sign_ins().changed(id);
        Ok(saved)
    }

    async fn trash_plan(&self, ids: Vec<EntryId>) -> Result<TrashPlan, Problem> {
        self.may_with(Act::Change, &ids)?;
        self.entries
            .blocking(move |entries| {
                let mut plan = entries.trash_plan(&ids)?;
                plan.heirs.truncate(MAX_HEIRS);
                Ok(plan)
            })
            .await
    }

    async fn trash(&self, ids: Vec<EntryId>, new_default: Option<EntryId>) -> Result<Trashed, Problem> {
        self.may_with(Act::Change, &ids)?;
        let sign_ins = Arc::clone(self.runs.sign_ins());
        // What is granted just now is kept before the entry goes: it may come back.
        sign_ins.idle(&ids).await;
        let going = ids.clone();
        let trashed = self
            .entries
            .blocking(move |entries| {
                let next = entries.after(&ids)?;
                let undo = entries.trash(&ids, new_default)?;
                tracing::info!(entries = undo.names.len(), batch = undo.batch, "trashed");
                Ok(Trashed { undo, next })
            })
            .await?;
        for id in going {
            sign_ins.forget(id);
        }
        Ok(trashed)
    }

    async fn undo(&self, batch: u64) -> Result<Vec<EntryId>, Problem> {
        self.may_with(Act::Change, &[])?;
        self.entries
            .blocking(move |entries| {
                let ids = entries.undo(batch)?;
                tracing::info!(entries = ids.len(), batch, "restored");
                Ok(ids)
            })
            .await
    }

    async fn entry_page(&self, id: EntryId, run: Option<RunId>) -> Result<EntryPage, Problem> {
        self.may_with(Act::See, &[id])?;
        self.entries.blocking(move |entries| entries.page(id, run)).await
    }

    async fn start_test(&self, id: Option<EntryId>, edit: Edit, test: TestDraft) -> Result<LiveRun, Problem> {
        self.may_with(Act::Test, id.as_slice())?;
        let caller = self.caller.clone();
        let mut planned = self.entries.blocking(move |entries| plan(entries, id, edit, &test, caller)).await?;
        planned.test.link = self.submissions.test_link(id, &planned.test).await?;
        Ok(self.runs.start(planned))
    }

    async fn cancel(&self, run: RunId) -> Result<bool, Problem> {
        self.may(Act::Test)?;
        let limited = self.caller.permit.entries.is_some();
        if limited && self.runs.entry_of(run).is_none_or(|entry| !self.caller.permit.covers(entry)) {
            return Ok(false);
        }
        Ok(self.runs.cancel(run))
    }

    async fn history(&self, id: EntryId) -> Result<History, Problem> {
        self.may_with(Act::See, &[id])?;
        self.entries.blocking(move |entries| entries.history(id)).await
    }

    async fn run(&self, run: RunId) -> Result<Run, Problem> {
        self.may(Act::See)?;
        self.entries.blocking(move |entries| entries.run(run)).await
    }

    async fn test_all(&self, ids: Option<Vec<EntryId>>) -> Result<Events<BatchEvent>, Problem> {
        match &ids {
            Some(ids) => self.may_with(Act::Test, ids)?,
            None => self.may(Act::Test)?,
        }
        let ids = self
            .entries
            .blocking(move |entries| {
                let ids = entries.choose(ids.as_deref())?;
                entries.tell_check_of(&ids)?;
                Ok(ids)
            })
            .await?;
        Ok(self.runs.check_all(ids, self.caller.clone(), self.patience))
    }
}

/// What a test of `edit` runs: with the stored secrets, where they may be used for that.
fn plan(entries: &Entries, id: Option<EntryId>, edit: Edit, test: &TestDraft, caller: Caller) -> Result<Planned, Problem> {
    let resolved = resolve(start(entries, id)?, edit)?;
    let mode = test.check(&resolved.draft);
    let (checked, mode) = match (resolved.check(), mode) {
        (Ok(checked), Ok(mode)) => (checked, mode),
        (checked, mode) => {
            let mut errors = checked.err().unwrap_or_default();
            errors.merge(mode.err().unwrap_or_default());
            return Err(Problem::Invalid(errors));
        }
    };
    let Checked { server, password, client_certificate, .. } = checked;
    let password = match (password, id) {
        (SecretChange::Set(secret), _) => Some(secret),
        (SecretChange::Keep, Some(id)) => entries.password_for(id, &server)?,
        _ => None,
    };
    let client_certificate = match (client_certificate, id) {
        (SecretChange::Set(pem), _) => Some(pem),
        (SecretChange::Keep, Some(id)) => entries.client_certificate(id)?,
        _ => None,
    };
    let planned = Planned::new(entries, id, server, Keys { password, client_certificate }, mode, caller)?;
    entries.tell_test(id, &planned.test.server, &planned.test.mode)?;
    Ok(planned)
}

/// What an edit starts from.
fn start(entries: &Entries, id: Option<EntryId>) -> Result<ServerDraft, Problem> {
    match id {
        Some(id) => Ok(entries.entry(id)?.draft()),
        None => Ok(ServerDraft::new("test")),
    }
}

/// The entry that `edit` makes of `start`, or every field's problem.
fn check(start: ServerDraft, edit: Edit) -> Result<Checked, Problem> {
    resolve(start, edit)?.check().map_err(Problem::Invalid)
}

/// What an edit comes to.
struct Resolved {
    draft: ServerDraft,
    password: PasswordDraft,
    /// As it is to be kept, or what is wrong with it.
    client_certificate: Result<SecretChange, FieldErrors>,
}

impl Resolved {
    /// The entry, or every field's problem.
    fn check(self) -> Result<Checked, FieldErrors> {
        match (self.draft.check(&self.password), self.client_certificate) {
            (Ok(checked), Ok(client_certificate)) => Ok(Checked { client_certificate, ..checked }),
            (checked, client_certificate) => {
                let mut errors = checked.err().unwrap_or_default();
                errors.merge(client_certificate.err().unwrap_or_default());
                Err(errors)
            }
        }
    }
}

fn resolve(mut start: ServerDraft, edit: Edit) -> Result<Resolved, Problem> {
    match edit {
        Edit::Form(typed) => {
            let Typed { mut draft, password, default_was } = *typed;
            if default_was == Some(draft.default) {
                draft.default = start.default;
            }
            Ok(Resolved { draft, password, client_certificate: Ok(SecretChange::Keep) })
        }
        Edit::Patch(patch) => {
            start.apply(&patch);
            // The web never reads the environment: whoever may save an entry could send himself any variable.
            let password = password_of(&patch, |_| None).map_err(Problem::Invalid)?;
            let client_certificate = client_certificate_of(&patch, |_| None);
            Ok(Resolved { draft: start, password, client_certificate })
        }
    }
}

/// What a patch says of the client certificate, as it is to be kept. `variable` resolves `{"env": NAME}` where that is allowed.
///
/// # Errors
/// [`FieldError::PasswordVariable`] where a variable can't be used; [`FieldError::ClientCertificate`] if it can't be used itself.
pub fn client_certificate_of(patch: &ServerPatch, variable: impl Fn(&str) -> Option<Secret>) -> Result<SecretChange, FieldErrors> {
    let pem = match &patch.client_certificate {
        None => return Ok(SecretChange::Keep),
        Some(None) => return Ok(SecretChange::Clear),
        Some(Some(SecretInput::Value(pem))) => pem.clone(),
        Some(Some(SecretInput::Env(name))) => variable(name)
            .ok_or_else(|| FieldErrors::one(Field::ClientCertificate, FieldError::PasswordVariable { name: words::quote(name) }))?,
    };
    read_client_certificate(pem.expose().as_bytes(), &Secret::default()).map(|certificate| SecretChange::Set(certificate.to_pem()))
}

/// The password fields that a patch stands for. `variable` resolves `{"env": NAME}` where that is allowed.
///
/// # Errors
/// [`FieldError::PasswordVariable`] where a variable can't be used.
pub fn password_of(patch: &ServerPatch, variable: impl Fn(&str) -> Option<Secret>) -> Result<PasswordDraft, FieldErrors> {
    let secret = match &patch.password {
        None => return Ok(PasswordDraft::default()),
        Some(None) => return Ok(PasswordDraft { remove: true, ..PasswordDraft::default() }),
        Some(Some(SecretInput::Value(secret))) => secret.clone(),
        Some(Some(SecretInput::Env(name))) => variable(name)
            .ok_or_else(|| FieldErrors::one(Field::Password, FieldError::PasswordVariable { name: words::quote(name) }))?,
    };
    Ok(PasswordDraft { password: secret.clone(), confirm: secret, remove: false })
}

fn invalid(field: Field, error: FieldError) -> Problem {
    Problem::Invalid(FieldErrors::one(field, error))
}
