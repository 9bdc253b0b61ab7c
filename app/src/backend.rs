//! The port to everything that happens: pages, server functions and forms all go through it.

use std::sync::Arc;

use async_trait::async_trait;
use domain::entry::{EntryId, EntryView, ListPage, ListQuery, TrashPlan, Version};
use domain::error::Problem;
use domain::smtp_server::{PasswordDraft, ServerDraft, ServerPatch, TestDraft};
use leptos::prelude::use_context;

use crate::api::{Saved, TestReport, Trashed};

/// What is to become of an entry: JSON from the API, or a form as it was typed.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Missing keys keep their value.
    Patch(Box<ServerPatch>),
    /// Every field is there.
    Form(Box<Typed>),
}

/// A form as it was typed.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The fields.
    pub draft: ServerDraft,
    /// The password fields.
    pub password: PasswordDraft,
    /// Whether the entry was the default when the page was made. Only a change of it counts: the default is not a part of
    /// the entry that its version guards.
    pub default_was: Option<bool>,
}

/// What the program does. Each call is complete when it returns: what it says is saved is on the disk.
#[async_trait]
pub trait Backend: Send + Sync {
    /// A page of the list.
    async fn list(&self, query: ListQuery) -> Result<ListPage, Problem>;
    /// A free name for the next entry.
    async fn suggest_name(&self) -> Result<String, Problem>;
    /// One entry.
    async fn entry(&self, id: EntryId) -> Result<EntryView, Problem>;
    /// Adds an entry: incomplete if only a name is given, complete otherwise.
    async fn create(&self, patch: ServerPatch) -> Result<Saved, Problem>;
    /// Saves an edit that started from version `base`.
    async fn save(&self, id: EntryId, base: Version, edit: Edit) -> Result<Saved, Problem>;
    /// What trashing these would mean.
    async fn trash_plan(&self, ids: Vec<EntryId>) -> Result<TrashPlan, Problem>;
    /// Trashes entries; can be undone for a while.
    async fn trash(&self, ids: Vec<EntryId>, new_default: Option<EntryId>) -> Result<Trashed, Problem>;
    /// Takes a trashing back.
    async fn undo(&self, batch: u64) -> Result<Vec<EntryId>, Problem>;
    /// Tries what is typed, saved or not. `id` names the entry whose stored values and password it may use.
    async fn test(&self, id: Option<EntryId>, edit: Edit, test: TestDraft) -> Result<TestReport, Problem>;
}

/// The backend of this request.
///
/// # Errors
/// [`Problem::Internal`] where none was provided: a mistake in the wiring.
pub fn backend() -> Result<Arc<dyn Backend>, Problem> {
    use_context::<Arc<dyn Backend>>().ok_or(Problem::Internal)
}

/// The addresses of the built assets; empty in a build without them.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    /// The module that loads the program.
    pub script: Option<String>,
    /// The program.
    pub wasm: Option<String>,
    /// The style sheet.
    pub stylesheet: Option<String>,
    /// The icon.
    pub icon: Option<String>,
}
