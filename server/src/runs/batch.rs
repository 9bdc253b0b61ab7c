//! Checking many entries: each a run of its own, a few at once.

use std::sync::Arc;

use app::backend::{Caller, Events};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::run::{BatchEvent, Standing};
use domain::transcript::{Finished, Outcome, What, headline};
use domain::words;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc::{Sender, channel};
use tracing::Instrument as _;

use super::{Planned, Runs};
use crate::entries::Entries;
use crate::mailer::{Mode, TestRun};

/// The most entries that are checked at once. It leaves places for those who try a single one meanwhile.
pub(super) const MAX_AT_ONCE: usize = 8;
/// Events that wait for a slow reader; after that no further entry's turn comes. Runs that were begun go on.
const WAITING: usize = 64;

/// What became of an entry's turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Checked,
    Failed,
    Skipped,
}

impl Runs {
    /// Checks the connection of `ids` as they are saved. Dropping the events stops it.
    pub fn check_all(self: &Arc<Self>, ids: Vec<EntryId>, caller: Caller) -> Events<BatchEvent> {
        let (tell, told) = channel(WAITING);
        let runs = Arc::clone(self);
        let task = async move {
            tokio::select! {
                // With this everything below is dropped, and so cancelled.
                () = tell.closed() => {}
                () = runs.take_turns(ids, &caller, &tell) => {}
            }
        };
        tokio::spawn(task.in_current_span());
        Box::pin(stream::unfold(told, |mut told| async move { told.recv().await.map(|event| (event, told)) }))
    }

    async fn take_turns(self: &Arc<Self>, ids: Vec<EntryId>, caller: &Caller, tell: &Sender<BatchEvent>) {
        let turns = ids.into_iter().map(|id| self.turn(id, caller, tell));
        let turns: Vec<Turn> = stream::iter(turns).buffer_unordered(MAX_AT_ONCE).collect().await;
        let count = |of| turns.iter().filter(|turn| **turn == of).count() as u64;
        let (checked, failed, skipped) = (count(Turn::Checked), count(Turn::Failed), count(Turn::Skipped));
        let _ = tell.send(BatchEvent::Summary { checked, failed, skipped }).await;
    }

    async fn turn(self: &Arc<Self>, id: EntryId, caller: &Caller, tell: &Sender<BatchEvent>) -> Turn {
        // Shared by all who check many at the same time.
        let Ok(_place) = self.batches.acquire().await else { return Turn::Skipped };
        if self.live().closing {
            return Turn::Skipped;
        }
        let caller = caller.clone();
        let (name, planned) = match self.stored(move |entries| plan(entries, id, caller)).await {
            Ok(Some(planned)) => planned,
            Ok(None) | Err(Problem::NoSuchEntry(_)) => return Turn::Skipped,
            Err(problem) => {
                let headline = words::problem(&problem);
                self.tell_end(id, Outcome::Failed, headline, tell).await;
                return Turn::Failed;
            }
        };
        let mut live = self.start(planned);
        let _ = tell.send(BatchEvent::Begun { id, name, run: live.run }).await;
        let mut end = None;
        while let Some(event) = live.events.next().await {
            match event.what {
                What::Begun { stage } => {
                    let _ = tell.send(BatchEvent::Stage { id, stage }).await;
                }
                What::Finished(finished) => end = Some(finished),
                _ => {}
            }
        }
        let Some(Finished { outcome, .. }) = end else { return Turn::Failed };
        let headline = end.map(|finished| headline(&finished, &live.host)).unwrap_or_default();
        self.tell_end(id, outcome, headline, tell).await;
        match outcome {
            Outcome::Sent | Outcome::Checked => Turn::Checked,
            Outcome::Failed | Outcome::Unknown => Turn::Failed,
            Outcome::Cancelled => Turn::Skipped,
        }
    }

    async fn tell_end(&self, id: EntryId, outcome: Outcome, headline: String, tell: &Sender<BatchEvent>) {
        let standing: Standing = self.stored(move |entries| entries.standing(id)).await.unwrap_or_default();
        let _ = tell.send(BatchEvent::Finished { id, outcome, headline, standing }).await;
    }

    /// Runs `work` where it may block.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Entries) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let entries = Arc::clone(&self.entries);
        tokio::task::spawn_blocking(move || work(&entries)).await.unwrap_or(Err(Problem::Internal))
    }
}

/// The check of an entry as it is saved, with its name; `None` where it isn't set up.
fn plan(entries: &Entries, id: EntryId, caller: Caller) -> Result<Option<(String, Planned)>, Problem> {
    let (_, content) = entries.content(id)?;
    let Some(server) = content.server().cloned() else { return Ok(None) };
    let password = entries.password_for(id, &server)?;
    let settings = entries.fingerprint(&server, password.as_ref());
    let name = server.name.to_string();
    let test = TestRun { server, credential: password.map(Into::into), mode: Mode::Check(None) };
    Ok(Some((name, Planned { entry: Some(id), test, settings, caller })))
}
