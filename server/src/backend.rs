//! What the program does: the [`Backend`] of pages, forms and the API, over the entries and the mailer.

use std::sync::Arc;
use std::time::Duration;

use app::api::{Saved, Trashed};
use app::backend::{Backend, Caller, Certificates, Edit, Events, LiveRun, Typed};
use async_trait::async_trait;
use domain::entry::{EntryId, EntryPage, EntryView, ListPage, ListQuery, MAX_HEIRS, TrashPlan, Version};
use domain::error::{Problem, Stale};
use domain::field::{Field, FieldError, FieldErrors};
use domain::name::Name;
use domain::run::{BatchEvent, History, Run, RunId};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, PasswordDraft, SecretInput, ServerDraft, ServerPatch, TestDraft};
use domain::trust::{Inspection, NewPin, Preview, TrustId, TrustPage, TrustTrashPlan, TrustUndo};
use domain::words;

use crate::entries::Entries;
use crate::mailer::{Mailer, TestRun};
use crate::runs::{PATIENCE, Planned, Runs};

/// The backend over the data directory of this process.
pub struct Local {
    entries: Arc<Entries>,
    runs: Arc<Runs>,
    patience: Duration,
}

impl Local {
    /// A backend over what is stored and what sends.
    ///
    /// # Errors
    /// As the store.
    pub fn new(entries: Arc<Entries>, mailer: Mailer) -> Result<Self, Problem> {
        let runs = Arc::new(Runs::new(Arc::clone(&entries), mailer)?);
        Ok(Self { entries, runs, patience: PATIENCE })
    }

    /// Waits `patience` for a reader that takes nothing of what it asked to watch.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Ends the tests that run; see [`Runs::close`].
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        let runs = Arc::clone(&self.runs);
        async move { runs.close().await }
    }

    /// Runs `work` where it may block: every call of the store waits for the disk.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Entries) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let entries = Arc::clone(&self.entries);
        tokio::task::spawn_blocking(move || work(&entries)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call of the store broke off");
            Err(Problem::Internal)
        })
    }
}

#[async_trait]
impl Backend for Local {
    async fn list(&self, query: ListQuery) -> Result<ListPage, Problem> {
        self.stored(move |entries| entries.list(&query)).await
    }

    async fn suggest_name(&self) -> Result<String, Problem> {
        self.stored(Entries::suggest_name).await
    }

    async fn entry(&self, id: EntryId) -> Result<EntryView, Problem> {
        self.stored(move |entries| entries.entry(id)).await
    }

    async fn create(&self, patch: ServerPatch) -> Result<Saved, Problem> {
        self.stored(move |entries| {
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
        self.stored(move |entries| {
            let view = entries.entry(id)?;
            if view.version != base {
                return Err(Problem::Stale(Box::new(Stale { version: view.version, current: view.server })));
            }
            let checked = check(view.draft(), edit)?;
            let version = entries.save(id, base, &checked)?;
            tracing::info!(entry = id.0, version = version.0, "saved");
            Ok(Saved { id, version })
        })
        .await
    }

    async fn trash_plan(&self, ids: Vec<EntryId>) -> Result<TrashPlan, Problem> {
        self.stored(move |entries| {
            let mut plan = entries.trash_plan(&ids)?;
            plan.heirs.truncate(MAX_HEIRS);
            Ok(plan)
        })
        .await
    }

    async fn trash(&self, ids: Vec<EntryId>, new_default: Option<EntryId>) -> Result<Trashed, Problem> {
        self.stored(move |entries| {
            let next = entries.after(&ids)?;
            let undo = entries.trash(&ids, new_default)?;
            tracing::info!(entries = undo.names.len(), batch = undo.batch, "trashed");
            Ok(Trashed { undo, next })
        })
        .await
    }

    async fn undo(&self, batch: u64) -> Result<Vec<EntryId>, Problem> {
        self.stored(move |entries| {
            let ids = entries.undo(batch)?;
            tracing::info!(entries = ids.len(), batch, "restored");
            Ok(ids)
        })
        .await
    }

    async fn entry_page(&self, id: EntryId, run: Option<RunId>) -> Result<EntryPage, Problem> {
        self.stored(move |entries| entries.page(id, run)).await
    }

    async fn start_test(&self, id: Option<EntryId>, edit: Edit, test: TestDraft, caller: Caller) -> Result<LiveRun, Problem> {
        let planned = self.stored(move |entries| plan(entries, id, edit, &test, caller)).await?;
        Ok(self.runs.start(planned))
    }

    async fn cancel(&self, run: RunId) -> Result<bool, Problem> {
        Ok(self.runs.cancel(run))
    }

    async fn history(&self, id: EntryId) -> Result<History, Problem> {
        self.stored(move |entries| entries.history(id)).await
    }

    async fn run(&self, run: RunId) -> Result<Run, Problem> {
        self.stored(move |entries| entries.run(run)).await
    }

    async fn test_all(&self, ids: Option<Vec<EntryId>>, caller: Caller) -> Result<Events<BatchEvent>, Problem> {
        let ids = self.stored(move |entries| entries.choose(ids.as_deref())).await?;
        Ok(self.runs.check_all(ids, caller, self.patience))
    }
}

#[async_trait]
impl Certificates for Local {
    async fn trusted(&self) -> Result<TrustPage, Problem> {
        Err(Problem::Internal)
    }
    async fn preview(&self, _: Vec<u8>, _: Secret) -> Result<Preview, Problem> {
        Err(Problem::Internal)
    }
    async fn add_authorities(&self, _: String, _: Option<Vec<String>>, _: Caller) -> Result<Vec<TrustId>, Problem> {
        Err(Problem::Internal)
    }
    async fn pin(&self, _: NewPin, _: Caller) -> Result<TrustId, Problem> {
        Err(Problem::Internal)
    }
    async fn set_outlives(&self, _: TrustId, _: bool) -> Result<(), Problem> {
        Err(Problem::Internal)
    }
    async fn set_system_roots(&self, _: bool) -> Result<(), Problem> {
        Err(Problem::Internal)
    }
    async fn trust_trash_plan(&self, _: Vec<TrustId>) -> Result<TrustTrashPlan, Problem> {
        Err(Problem::Internal)
    }
    async fn trash_trusted(&self, _: Vec<TrustId>) -> Result<TrustUndo, Problem> {
        Err(Problem::Internal)
    }
    async fn undo_trusted(&self, _: u64) -> Result<Vec<TrustId>, Problem> {
        Err(Problem::Internal)
    }
    async fn export_trusted(&self, _: Vec<TrustId>) -> Result<String, Problem> {
        Err(Problem::Internal)
    }
    async fn inspect(&self, _: Option<EntryId>, _: Edit, _: Caller) -> Result<Inspection, Problem> {
        Err(Problem::Internal)
    }
    async fn set_client_certificate(&self, _: EntryId, _: Version, _: Option<(Vec<u8>, Secret)>) -> Result<Saved, Problem> {
        Err(Problem::Internal)
    }
}

/// What a test of `edit` runs: with the stored password, where it belongs to the same server and account.
fn plan(entries: &Entries, id: Option<EntryId>, edit: Edit, test: &TestDraft, caller: Caller) -> Result<Planned, Problem> {
    let start = match id {
        Some(id) => entries.entry(id)?.draft(),
        None => ServerDraft::new("test"),
    };
    let (draft, password) = resolve(start, edit)?;
    let checked = draft.check(&password);
    let (checked, mode) = match (checked, test.check(&draft)) {
        (Ok(checked), Ok(mode)) => (checked, mode),
        (checked, mode) => {
            let mut errors = checked.err().unwrap_or_default();
            errors.merge(mode.err().unwrap_or_default());
            return Err(Problem::Invalid(errors));
        }
    };
    let password = match (checked.password, id) {
        (SecretChange::Set(secret), _) => Some(secret),
        (SecretChange::Keep, Some(id)) => entries.password_for(id, &checked.server)?,
        _ => None,
    };
    let settings = entries.fingerprint(&checked.server, password.as_ref());
    Ok(Planned {
        entry: id,
        test: TestRun { server: checked.server, credential: password.map(Into::into), mode, trust: None, client: None },
        settings,
        caller,
        one_of_many: false,
    })
}

/// The entry that `edit` makes of `start`, or every field's problem.
fn check(start: ServerDraft, edit: Edit) -> Result<Checked, Problem> {
    let (draft, password) = resolve(start, edit)?;
    draft.check(&password).map_err(Problem::Invalid)
}

fn resolve(mut start: ServerDraft, edit: Edit) -> Result<(ServerDraft, PasswordDraft), Problem> {
    match edit {
        Edit::Form(typed) => {
            let Typed { mut draft, password, default_was } = *typed;
            if default_was == Some(draft.default) {
                draft.default = start.default;
            }
            Ok((draft, password))
        }
        Edit::Patch(patch) => {
            start.apply(&patch);
            // The web never reads the environment: whoever may save an entry could send himself any variable.
            let password = password_of(&patch, |_| None).map_err(Problem::Invalid)?;
            Ok((start, password))
        }
    }
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
