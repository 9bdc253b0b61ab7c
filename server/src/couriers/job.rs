//! A message on its way to a connection, and what is told of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::smtp_server::Envelope;
use domain::transcript::{Cause, Event, Finished, Outcome, Security, Stage, What};
use domain::words;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Delivery;
use crate::mailer::{Message, TestRun};

/// A message that is to be sent.
pub(super) struct Job {
    pub(super) number: u64,
    /// What a connection for it is made with.
    pub(super) run: Arc<TestRun>,
    pub(super) envelope: Envelope,
    pub(super) message: Message<'static>,
    answer: oneshot::Sender<Delivery>,
    since: Instant,
    /// What happened for it.
    pub(super) events: Vec<Event>,
    /// Whether it was tried before.
    pub(super) is_repeated: bool,
}

impl Job {
    pub(super) fn new(
        number: u64,
        run: Arc<TestRun>,
        envelope: Envelope,
        message: Message<'static>,
        answer: oneshot::Sender<Delivery>,
    ) -> Self {
        Self { number, run, envelope, message, answer, since: Instant::now(), events: Vec::new(), is_repeated: false }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.answer.is_closed()
    }

    /// It wasn't begun, and never will be.
    pub(super) fn cancel(self) {
        let finished = Finished { cause: Some(Cause::Cancelled), ..Finished::new(Outcome::Cancelled, Stage::Resolve) };
        let end = Event { what: What::Finished(finished.clone()), elapsed_ms: self.elapsed_ms() };
        self.deliver(finished, vec![end]);
    }

    /// That was all. Whoever waited may be gone.
    pub(super) fn deliver(mut self, finished: Finished, mut events: Vec<Event>) {
        self.events.append(&mut events);
        let _gone = self.answer.send(Delivery { finished, events: self.events });
    }

    /// It goes through a connection that was there.
    pub(super) fn note_kept(&mut self, security: Security) {
        self.note(What::Passed { stage: Stage::Connect, detail: words::kept_connection(security) });
    }

    /// It has to go through another connection, as the one that was kept was closed.
    pub(super) fn repeat(&mut self, events: Vec<Event>) {
        self.is_repeated = true;
        self.keep(events);
        self.note(What::Warning { stage: Stage::MailFrom, message: words::CONNECTION_WAS_CLOSED.into() });
    }

    /// The server has enough connections.
    pub(super) fn note_refused(&mut self, finished: &Finished, events: Vec<Event>) {
        self.keep(events);
        self.note(What::Warning { stage: finished.stage, message: words::ENOUGH_CONNECTIONS.into() });
    }

    /// Events of something that wasn't the end.
    fn keep(&mut self, events: Vec<Event>) {
        self.events.extend(events.into_iter().filter(|event| !matches!(event.what, What::Finished(_))));
    }

    fn note(&mut self, what: What) {
        let elapsed_ms = self.elapsed_ms();
        self.events.push(Event { what, elapsed_ms });
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Delivery {
    /// Nobody knows what became of it.
    pub(super) fn unknown() -> Self {
        let finished = Finished { cause: Some(Cause::Broken), ..Finished::new(Outcome::Unknown, Stage::Accepted) };
        Self { events: vec![Event { what: What::Finished(finished.clone()), elapsed_ms: 0 }], finished }
    }
}

/// What a connection tells, for the job that it is used for.
pub(super) struct Tape {
    events: Vec<Event>,
    /// When it began, for the job: milliseconds.
    offset_ms: u64,
}

impl Tape {
    /// What is told from now on is the job's.
    pub(super) fn begin(job: &Job) -> Self {
        Self { events: Vec::new(), offset_ms: job.elapsed_ms() }
    }

    pub(super) fn of(tape: &Mutex<Self>) -> MutexGuard<'_, Self> {
        tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push(Event { elapsed_ms: event.elapsed_ms.saturating_add(self.offset_ms), ..event });
    }

    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

/// Whether a kept connection was over before anything of the message was said: the server closed it, or said goodbye (421).
pub(super) fn was_closed_before(finished: &Finished) -> bool {
    let goodbye = finished.cause == Some(Cause::Rejected) && finished.reply.as_ref().is_some_and(|reply| reply.code == 421);
    finished.outcome == Outcome::Failed
        && matches!(finished.stage, Stage::MailFrom | Stage::RcptTo)
        && (goodbye || matches!(finished.cause, Some(Cause::Closed | Cause::Broken)))
}

/// Whether a server refuses a connection only because it has enough of them, or can't take one now (RFC 5321 section 3.8,
/// RFC 3463 sections 3.4 and 3.8).
pub(super) fn has_enough(finished: &Finished) -> bool {
    let Some(reply) = &finished.reply else { return false };
    let is_early = matches!(finished.stage, Stage::Greeting | Stage::Ehlo);
    let enhanced = reply.enhanced.as_deref().unwrap_or_default();
    reply.code == 421 || is_early && (400..500).contains(&reply.code) && matches!(enhanced, "4.7.0" | "4.3.2")
}

#[cfg(test)]
mod tests {
    use domain::transcript::Reply;

    use super::*;

    fn ended(stage: Stage, cause: Cause, reply: Option<(u16, &str)>) -> Finished {
        let reply = reply.map(|(code, enhanced)| Reply { code, enhanced: Some(enhanced.into()), text: String::new() });
        Finished { cause: Some(cause), reply, ..Finished::new(Outcome::Failed, stage) }
    }

    #[test]
    fn a_message_is_tried_again_only_where_nothing_of_it_was_said() {
        let table = [
            (ended(Stage::MailFrom, Cause::Closed, None), true),
            (ended(Stage::MailFrom, Cause::Broken, None), true),
            (ended(Stage::MailFrom, Cause::Rejected, Some((421, "4.4.2"))), true),
            (ended(Stage::RcptTo, Cause::Rejected, Some((421, "4.7.0"))), true),
            (ended(Stage::MailFrom, Cause::Rejected, Some((550, "5.7.1"))), false),
            (ended(Stage::MailFrom, Cause::Rejected, Some((451, "4.7.1"))), false),
            (ended(Stage::MailFrom, Cause::Timeout, None), false),
            (ended(Stage::MailFrom, Cause::OutOfStep, None), false),
            (ended(Stage::Data, Cause::Closed, None), false),
            (ended(Stage::Data, Cause::Rejected, Some((421, "4.7.0"))), false),
            (ended(Stage::Accepted, Cause::Rejected, Some((421, "4.7.0"))), false),
            (Finished { outcome: Outcome::Unknown, ..ended(Stage::Accepted, Cause::Closed, None) }, false),
        ];
        for (finished, expected) in table {
            assert_eq!(was_closed_before(&finished), expected, "{finished:?}");
        }
    }

    #[test]
    fn enough_connections_are_told_from_other_refusals() {
        let rejected = |stage, code, enhanced| ended(stage, Cause::Rejected, Some((code, enhanced)));
        let table = [
            (rejected(Stage::Greeting, 421, "4.3.2"), true),
            (rejected(Stage::Auth, 421, "4.7.0"), true),
            (rejected(Stage::Greeting, 450, "4.7.0"), true),
            (rejected(Stage::Ehlo, 452, "4.3.2"), true),
            (rejected(Stage::Auth, 454, "4.7.0"), false),
            (rejected(Stage::Greeting, 450, "4.7.1"), false),
            (rejected(Stage::Greeting, 554, "5.7.1"), false),
            (rejected(Stage::Auth, 535, "5.7.8"), false),
            (ended(Stage::Connect, Cause::ConnectionRefused, None), false),
        ];
        for (finished, expected) in table {
            assert_eq!(has_enough(&finished), expected, "{finished:?}");
        }
    }
}
