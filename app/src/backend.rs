//! The port to everything that happens: pages, server functions and forms all go through it.

mod access;
mod certificates;
mod links;
mod records;
mod sign_ins;
mod submissions;

use std::pin::Pin;
use std::sync::Arc;

pub use access::{Access, Caller, Gate, Made, Offer, Origin, SessionState, Shown, SignedIn, Welcome};
use async_trait::async_trait;
pub use certificates::Certificates;
use domain::entry::{EntryId, EntryPage, EntryView, ListPage, ListQuery, TrashPlan, Version};
use domain::error::Problem;
use domain::run::{BatchEvent, History, Run, RunId};
use domain::smtp_server::{PasswordDraft, ServerDraft, ServerPatch, TestDraft};
use domain::transcript::{Event, What, headline};
use futures::{Stream, StreamExt};
use leptos::prelude::use_context;
pub use links::Links;
pub use records::Records;
pub use sign_ins::{Arriving, Leaving, SignInPage, SignIns};
pub use submissions::{Handover, Submissions};

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

/// A test that runs. It goes on by itself; dropping this stands for somebody who went away: the run is cancelled unless the
/// message was begun, and recorded all the same.
pub struct LiveRun {
    /// Names it, to cancel it or to look at it later.
    pub run: RunId,
    /// The host that is tested, for [`headline`].
    pub host: String,
    /// What happens, as it happens. The last event is `finished`; by then the run is recorded.
    pub events: Events<Event>,
}

/// Events as they happen. However slowly they are taken, what they tell of goes on: a transcript is capped, and so is what waits
/// here.
pub type Events<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

impl LiveRun {
    /// Waits for the end.
    ///
    /// # Errors
    /// [`Problem::Internal`] where it broke off.
    pub async fn report(self) -> Result<TestReport, Problem> {
        let events: Vec<Event> = self.events.collect().await;
        match events.last().map(|event| &event.what) {
            Some(What::Finished(finished)) => Ok(TestReport { headline: headline(finished, &self.host), events }),
            _ => Err(Problem::Internal),
        }
    }
}

/// What the program does, for one who asks ([`Access::caller`]). Each call checks whether he may, and is complete when it returns: what it
/// says is saved is on the disk, together with the line of the activity that tells of it.
#[async_trait]
pub trait Backend: Access + Certificates + Links + Records + SignIns + Submissions + Send + Sync {
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
    /// One entry with its history, and the whole of one run if that is asked for and still kept.
    async fn entry_page(&self, id: EntryId, run: Option<RunId>) -> Result<EntryPage, Problem>;
    /// Starts to try what is typed, saved or not. `id` names the entry whose stored values and password it may use, and whose
    /// history it goes into.
    async fn start_test(&self, id: Option<EntryId>, edit: Edit, test: TestDraft) -> Result<LiveRun, Problem>;
    /// Tries what is typed, to the end.
    async fn test(&self, id: Option<EntryId>, edit: Edit, test: TestDraft) -> Result<TestReport, Problem> {
        self.start_test(id, edit, test).await?.report().await
    }
    /// Stops a run at once, in whatever it does. Whether there was anything to stop.
    async fn cancel(&self, run: RunId) -> Result<bool, Problem>;
    /// The history of an entry.
    async fn history(&self, id: EntryId) -> Result<History, Problem>;
    /// A run that is over.
    async fn run(&self, run: RunId) -> Result<Run, Problem>;
    /// Starts to check the connection of these entries, or of all, as they are saved. Dropping the events stops it.
    async fn test_all(&self, ids: Option<Vec<EntryId>>) -> Result<Events<BatchEvent>, Problem>;
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
