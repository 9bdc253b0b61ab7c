//! Renewal: once a day, so that a sign-in neither dies of old age nor unnoticed.

use std::sync::Arc;
use std::time::Duration;

use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::SignInView;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::tokens::Wanted;
use super::{Saved, SignIns};

/// How often it is looked which sign-ins are due.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// How old the last token may be: milliseconds.
const DAY_MS: u64 = 86_400_000;

impl SignIns {
    /// Renews what is due, for ever.
    pub async fn keep_alive(self: Arc<Self>) {
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(problem) = self.renew_due().await {
                tracing::warn!(?problem, "can't look which sign-ins are due");
            }
        }
    }

    /// Renews each sign-in that wasn't since yesterday, and tries those again that fail, unless it was tried lately. How many
    /// tokens were granted.
    ///
    /// # Errors
    /// As the store, before anything was asked.
    pub async fn renew_due(self: &Arc<Self>) -> Result<usize, Problem> {
        let due = self.entries.blocking(|entries| entries.sign_ins_due(entries.now_ms().saturating_sub(DAY_MS))).await?;
        let mut granted = 0;
        for id in due {
            // What is older than a day is renewed although it may still count; what failed waits its time.
            let since = self.works(id).await.then(Instant::now);
            granted += usize::from(self.granted(id, since).await.is_ok());
        }
        Ok(granted)
    }

    async fn works(&self, id: EntryId) -> bool {
        let view = self.entries.blocking(move |entries| entries.entry(id)).await;
        view.is_ok_and(|view| view.sign_in.and_then(|sign_in| sign_in.note).is_some_and(|note| note.failing.is_none()))
    }

    /// Asks for a token of `id` now, and says how its sign-in stands after that.
    ///
    /// # Errors
    /// [`Problem::SignInFailed`], [`Problem::NoSuchEntry`], or as the store.
    pub async fn renew(self: &Arc<Self>, id: EntryId) -> Result<SignInView, Problem> {
        self.granted(id, Some(Instant::now())).await?;
        let view = self.entries.blocking(move |entries| entries.entry(id)).await?;
        Ok(view.sign_in.unwrap_or_default())
    }

    async fn granted(self: &Arc<Self>, id: EntryId, since: Option<Instant>) -> Result<(), Problem> {
        let saved = self.saved(id).await?;
        let Saved { server, client, key, .. } = &saved;
        let wanted = Wanted { entry: id, server: server.clone(), key: *key, since };
        let granted = self.token(wanted, client, None).await;
        granted.map(|_| ()).map_err(|trouble| saved.failed(&trouble, &[]))
    }
}
