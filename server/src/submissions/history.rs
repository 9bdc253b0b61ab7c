//! What is remembered of messages: who sent what to whom through which entry, and how it ended. Neither texts nor files are.

use std::ops::ControlFlow;
use std::sync::Arc;

use domain::entry::EntryId;
use domain::error::Problem;
use domain::submission::{Ended, Message, MessageView, MessagesPage, MessagesQuery, PAGE, SubmissionId};
use domain::transcript::Outcome;

use crate::activity::{DAY_MS, day};
use crate::ports::Clock;
use crate::store::{Store, Write};

/// The most messages that are looked at for a page. Where nothing was found by then, the next page goes on from there.
const MAX_SCANNED: usize = 20_000;
/// The most characters of what is searched for.
const MAX_SEARCH: usize = 200;
/// The most messages that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: usize = 500;

/// The messages that are remembered.
pub struct History {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock + Send + Sync>,
    kept_days: u16,
}

impl History {
    /// Those in `store`, which are forgotten after so many days.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock + Send + Sync>, kept_days: u16) -> Self {
        Self { store, clock, kept_days }
    }

    /// A page of what `query` finds, the newest first; only for these entries, where any are named.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for a day that is none; or as the store.
    pub fn page(&self, query: &MessagesQuery, only: Option<&[EntryId]>) -> Result<MessagesPage, Problem> {
        let filter = Filter::of(query)?;
        let covers = |entry| only.is_none_or(|only| only.contains(&entry));
        let now_ms = self.clock.now_ms();
        self.store.reading(|tx| {
            let (mut messages, mut next, mut scanned) = (Vec::<Message>::new(), None, 0);
            tx.messages_back(query.before, &mut |message| {
                if scanned == MAX_SCANNED {
                    next = Some(SubmissionId(message.id.0 + 1));
                    return ControlFlow::Break(());
                }
                scanned += 1;
                if !covers(message.entry) || !filter.finds(&message) {
                    return ControlFlow::Continue(());
                }
                if messages.len() == PAGE {
                    next = messages.last().map(|last| last.id);
                    return ControlFlow::Break(());
                }
                messages.push(message);
                ControlFlow::Continue(())
            })?;
            Ok(MessagesPage { messages, next, total: tx.count_messages()?, kept_days: self.kept_days, now_ms })
        })
    }

    /// One message, if it is for one of these entries.
    ///
    /// # Errors
    /// [`Problem::NoSuchMessage`]; or as the store.
    pub fn message(&self, id: SubmissionId, only: Option<&[EntryId]>) -> Result<MessageView, Problem> {
        let now_ms = self.clock.now_ms();
        self.store.reading(|tx| {
            let message = tx.message(id)?.filter(|message| only.is_none_or(|only| only.contains(&message.entry)));
            let message = message.ok_or(Problem::NoSuchMessage(id))?;
            Ok(MessageView { message, events: tx.message_events(id)?, now_ms })
        })
    }

    /// Ends what was being sent when the program ended at once: nobody knows whether it arrived. Returns how many there were.
    ///
    /// # Errors
    /// As the store.
    pub fn settle(&self) -> Result<usize, Problem> {
        if self.store.reading(|tx| Ok(tx.sending()?))?.is_empty() {
            return Ok(0);
        }
        self.store.writing(|tx| {
            let sending = tx.sending()?;
            for id in &sending {
                if let Some(message) = tx.message(*id)? {
                    tx.put_message(&Message { ended: Some(Ended::interrupted()), ..message })?;
                }
            }
            Ok(sending.len())
        })
    }

    /// Forgets what is older than the days that messages are kept, a part at a time. What is being sent stays. Returns how many went.
    ///
    /// # Errors
    /// As the store.
    pub fn forget(&self) -> Result<u64, Problem> {
        let Some(oldest) = self.clock.now_ms().checked_sub(u64::from(self.kept_days) * DAY_MS) else { return Ok(0) };
        let mut gone = 0;
        loop {
            if self.store.reading(|tx| due(tx, oldest, 1))?.is_empty() {
                return Ok(gone);
            }
            let went = self.store.writing(|tx| forget(tx, oldest))?;
            gone += went as u64;
            if went < FORGOTTEN_AT_ONCE {
                return Ok(gone);
            }
        }
    }
}

fn forget(tx: &mut dyn Write, oldest: u64) -> Result<usize, Problem> {
    let due = due(&*tx, oldest, FORGOTTEN_AT_ONCE)?;
    for id in &due {
        tx.remove_message(*id)?;
    }
    Ok(due.len())
}

/// The first messages that go.
fn due(tx: &(impl crate::store::Read + ?Sized), oldest: u64, max: usize) -> Result<Vec<SubmissionId>, Problem> {
    let mut due = Vec::new();
    tx.messages_from(&mut |message| {
        if message.at_ms >= oldest || due.len() == max {
            return ControlFlow::Break(());
        }
        if message.ended.is_some() {
            due.push(message.id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(due)
}

/// A query, read.
struct Filter {
    needle: String,
    server: String,
    outcome: Option<Outcome>,
    from_ms: u64,
    until_ms: u64,
}

impl Filter {
    fn of(query: &MessagesQuery) -> Result<Self, Problem> {
        let MessagesQuery { search, outcome, server, from, to, before: _ } = query;
        let needle: String = search.trim().chars().take(MAX_SEARCH).collect();
        Ok(Self {
            needle: needle.to_lowercase(),
            server: server.trim().to_lowercase(),
            outcome: *outcome,
            from_ms: day(from)?.unwrap_or(0),
            until_ms: day(to)?.map_or(u64::MAX, |day| day + DAY_MS),
        })
    }

    fn finds(&self, message: &Message) -> bool {
        let ended = message.ended.as_ref();
        self.outcome.is_none_or(|outcome| ended.is_some_and(|ended| ended.outcome == outcome))
            && (self.from_ms..self.until_ms).contains(&message.at_ms)
            && (self.server.is_empty() || message.server.to_lowercase() == self.server)
            && (self.needle.is_empty() || self.is_in(message))
    }

    fn is_in(&self, message: &Message) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.needle);
        let ended = message.ended.as_ref();
        has(&message.from)
            || message.overridden.as_deref().is_some_and(has)
            || message.recipients.iter().any(|recipient| has(recipient))
            || has(&message.subject)
            || has(&message.server)
            || has(message.who.name())
            || message.files.iter().any(|file| has(&file.name))
            || ended.and_then(|ended| ended.queue_id.as_deref()).is_some_and(has)
    }
}
