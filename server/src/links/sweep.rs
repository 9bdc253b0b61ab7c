//! What becomes of links that have ended and of files that nobody needs. A record gives its file up before the file goes, so whatever is
//! cut short leaves a file without a link, which the next sweep finds, and never a link without its file.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use domain::error::Problem;
use domain::link::{DAY_MS, LinkId, LinkState, REMEMBERED_DAYS};

use super::Links;
use crate::files::FileId;
use crate::store::LinkRecord;

/// How often links are looked through.
pub const EVERY: Duration = Duration::from_hours(1);
/// How long a file may be without a link: it may be about to get one.
const ORPHAN: Duration = Duration::from_hours(1);
/// The most records that are changed in one transaction.
const AT_ONCE: usize = 1_000;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Links whose time was over, and that gave up their file.
    pub ended: u64,
    /// Links that had ended long ago, and are forgotten.
    pub forgotten: u64,
    /// Files that no link stood for.
    pub orphans: u64,
}

/// What is due at one instant.
#[derive(Default)]
struct Due {
    ended: Vec<LinkId>,
    old: Vec<LinkId>,
    /// The files of links that go on, or that are still to be ended.
    kept: HashSet<FileId>,
}

impl Links {
    /// Removes the files of links that have ended, forgets those that ended long ago, and removes files that no link stands for.
    ///
    /// # Errors
    /// As the store and the files. What was removed until then stays so, and the next sweep goes on.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, Problem> {
        let mut swept = Swept::default();
        loop {
            let (ended, forgotten, files) = self.blocking(Self::end_some).await?;
            self.remove_files(files).await;
            swept.ended += ended;
            swept.forgotten += forgotten;
            if ended + forgotten == 0 {
                break;
            }
        }
        self.throttle.forget(self.clock.now_ms());
        // First those that are in use: what leaves them with a link is found there then.
        let mut keep = self.in_use.ids();
        keep.extend(self.blocking(|links| Ok(links.due()?.kept)).await?);
        swept.orphans = self.files.sweep(&keep, ORPHAN).await?;
        Ok(swept)
    }

    /// Sweeps now and then every hour, as long as it is polled.
    pub async fn keep_sweeping(self: Arc<Self>) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match self.sweep().await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(Swept { ended, forgotten, orphans }) => tracing::info!(ended, forgotten, orphans, "swept links"),
                Err(problem) => tracing::warn!(?problem, "can't sweep links"),
            }
        }
    }

    fn due(&self) -> Result<Due, Problem> {
        let now_ms = self.clock.now_ms();
        self.store.reading(|tx| {
            let mut due = Due::default();
            tx.links_back(None, &mut |id, record| {
                let ended = record.state(now_ms) != LinkState::Live;
                if is_old(&record, now_ms) {
                    due.old.push(id);
                } else if ended && record.file.is_some() {
                    due.ended.push(id);
                }
                due.kept.extend(record.file);
                ControlFlow::Continue(())
            })?;
            Ok(due)
        })
    }

    /// Ends and forgets what is due, up to a number. Says how many, and the files to remove.
    fn end_some(&self) -> Result<(u64, u64, Vec<FileId>), Problem> {
        let Due { ended, old, .. } = self.due()?;
        if ended.is_empty() && old.is_empty() {
            return Ok((0, 0, Vec::new()));
        }
        let now_ms = self.clock.now_ms();
        self.store.writing(|tx| {
            let (mut count, mut files) = ((0, 0), Vec::new());
            for id in ended.iter().take(AT_ONCE) {
                // It may have been extended in between.
                let Some(mut record) = tx.link(*id)?.filter(|record| record.state(now_ms) != LinkState::Live) else { continue };
                files.extend(record.file.take());
                tx.put_link(*id, &record)?;
                count.0 += 1;
            }
            for id in old.iter().take(AT_ONCE) {
                let Some(record) = tx.link(*id)?.filter(|record| is_old(record, now_ms)) else { continue };
                files.extend(record.file);
                tx.remove_link(*id)?;
                count.1 += 1;
            }
            Ok((count.0, count.1, files))
        })
    }
}

/// Whether a link ended so long ago that nobody asks for it any more.
fn is_old(record: &LinkRecord, now_ms: u64) -> bool {
    let ended_ms = record.revoked_ms.unwrap_or(record.expires_ms);
    now_ms.checked_sub(REMEMBERED_DAYS * DAY_MS).is_some_and(|limit| ended_ms <= limit) && record.state(now_ms) != LinkState::Live
}
