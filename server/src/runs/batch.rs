//! Checking many entries: each a run of its own, a few at once.

use std::sync::Arc;
use std::time::Duration;

use app::backend::{Caller, Events};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::run::{BatchEvent, Standing};
use domain::transcript::{Cause, Outcome, What, headline};
use domain::words;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc::{Sender, channel};
use tracing::Instrument as _;

use super::{Keys, Planned, Runs};
use crate::entries::Entries;
use crate::mailer::Mode;

/// The most entries that are checked at once. It leaves places for those who try a single one meanwhile.
pub(super) const MAX_AT_ONCE: usize = 8;
/// Events that wait for a slow reader; after that no further entry's turn comes. Runs that were begun go on.
const WAITING: usize = 64;
/// How long a reader may take nothing although all of those wait: its places are others' then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What became of an entry's turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Checked,
    Failed,
    Skipped,
}

/// Nobody reads the events any more.
struct Unheard;

/// Tells whoever watches, and gives up where that takes longer than `patience`.
struct Teller {
    events: Sender<BatchEvent>,
    patience: Duration,
}

impl Teller {
    async fn tell(&self, event: BatchEvent) -> Result<(), Unheard> {
        match tokio::time::timeout(self.patience, self.events.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Unheard),
            Err(_) => {
                tracing::info!("stopped checking: nobody takes the events");
                Err(Unheard)
            }
        }
    }
}

impl Runs {
    /// Checks the connection of `ids` as they are saved. Dropping the events stops it, and so does not taking them for longer
    /// than `patience`: then they end without a summary.
    pub fn check_all(self: &Arc<Self>, ids: Vec<EntryId>, caller: Caller, patience: Duration) -> Events<BatchEvent> {
        let (events, told) = channel(WAITING);
        let tell = Teller { events, patience };
        let runs = Arc::clone(self);
        let task = async move {
            tokio::select! {
                // With this everything below is dropped, and so cancelled.
                () = tell.events.closed() => {}
                _ = runs.take_turns(ids, &caller, &tell) => {}
            }
        };
        tokio::spawn(task.in_current_span());
        Box::pin(stream::unfold(told, |mut told| async move { told.recv().await.map(|event| (event, told)) }))
    }

    async fn take_turns(self: &Arc<Self>, ids: Vec<EntryId>, caller: &Caller, tell: &Teller) -> Result<(), Unheard> {
        let turns = ids.into_iter().map(|id| self.turn(id, caller, tell));
        let turns: Vec<Turn> = stream::iter(turns).buffer_unordered(MAX_AT_ONCE).try_collect().await?;
        let count = |of| turns.iter().filter(|turn| **turn == of).count() as u64;
        let (checked, failed, skipped) = (count(Turn::Checked), count(Turn::Failed), count(Turn::Skipped));
        tell.tell(BatchEvent::Summary { checked, failed, skipped }).await
    }

    async fn turn(self: &Arc<Self>, id: EntryId, caller: &Caller, tell: &Teller) -> Result<Turn, Unheard> {
        // Shared by all who check many at the same time.
        let Ok(_place) = self.batches.acquire().await else { return Ok(Turn::Skipped) };
        if self.live().closing {
            return Ok(Turn::Skipped);
        }
        let caller = caller.clone();
        let (name, planned) = match self.entries.blocking(move |entries| plan(entries, id, caller)).await {
            Ok(Some(planned)) => planned,
            Ok(None) | Err(Problem::NoSuchEntry(_)) => return Ok(Turn::Skipped),
            Err(problem) => {
                let headline = words::problem(&problem);
                self.tell_end(id, Outcome::Failed, headline, tell).await?;
                return Ok(Turn::Failed);
            }
        };
        let mut live = self.start(planned);
        tell.tell(BatchEvent::Begun { id, name, run: live.run }).await?;
        let mut end = None;
        while let Some(event) = live.events.next().await {
            match event.what {
                What::Begun { stage } => tell.tell(BatchEvent::Stage { id, stage }).await?,
                What::Finished(finished) => end = Some(finished),
                _ => {}
            }
        }
        let Some(finished) = end else { return Ok(Turn::Failed) };
        self.tell_end(id, finished.outcome, headline(&finished, &live.host), tell).await?;
        Ok(match finished.outcome {
            Outcome::Sent | Outcome::Checked => Turn::Checked,
            // The entry can't be tested as it is: the network was never reached, and nothing is known of it.
            Outcome::Failed if finished.cause.is_some_and(Cause::is_configuration) => Turn::Skipped,
            Outcome::Failed | Outcome::Unknown => Turn::Failed,
            Outcome::Cancelled => Turn::Skipped,
        })
    }

    async fn tell_end(&self, id: EntryId, outcome: Outcome, headline: String, tell: &Teller) -> Result<(), Unheard> {
        let standing: Standing = self.entries.blocking(move |entries| entries.standing(id)).await.unwrap_or_default();
        tell.tell(BatchEvent::Finished { id, outcome, headline, standing }).await
    }
}

/// The check of an entry as it is saved, with its name; `None` where it isn't set up.
fn plan(entries: &Entries, id: EntryId, caller: Caller) -> Result<Option<(String, Planned)>, Problem> {
    let (_, content) = entries.content(id)?;
    let Some(server) = content.server().cloned() else { return Ok(None) };
    let keys = Keys::stored(entries, id, &server)?;
    let name = server.name.to_string();
    let planned = Planned::new(entries, Some(id), server, keys, Mode::Check(None), caller)?;
    Ok(Some((name, Planned { one_of_many: true, ..planned })))
}
