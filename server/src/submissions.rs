//! Messages that applications hand over: taken over part by part ([`Taking`]), sent through the entry they are for, and remembered
//! ([`History`]). A message is on record before anything is said to a mail server, so that it is known of whatever happens then; and
//! what became of it is on record before whoever handed it over hears of it.

mod history;
mod plan;
mod taking;
mod test_file;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use app::backend::Caller;
use async_trait::async_trait;
use bytes::Bytes;
use domain::address::Mailbox;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::link::LinkId;
use domain::link::block::with_links;
use domain::link::safe_name;
use domain::smtp_server::{Envelope, SmtpServer};
use domain::submission::{
    DEFAULT_KEPT_DAYS, Ended, Handling, LinkMade, Message, Submission, SubmissionId, SubmissionReport, Verdict,
};
use futures::stream::BoxStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::activity::DAY_MS;
use crate::couriers::{Couriers, Delivery};
use crate::entries::Entries;
use crate::files::{FileId, Files, StoredFile};
use crate::links::{self, Links};
use crate::mailer::{self, Content, Mailer, Outgoing, Part};
use crate::ports::Random;
use crate::sign_ins::SignIns;
use crate::store::LinkRecord;

pub use history::History;
pub use taking::Taking;

use plan::Ready;
use taking::Received;

/// How many messages are taken over at the same time; further ones are refused.
const MAX_TAKEN: usize = 64;
/// How long messages that are being sent may take to end with the program.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Sends what applications hand over.
pub struct Submissions {
    entries: Arc<Entries>,
    couriers: Arc<Couriers>,
    sign_ins: Arc<SignIns>,
    links: Arc<Links>,
    random: Arc<dyn Random + Send + Sync>,
    taken: Arc<Semaphore>,
    sending: Arc<Sending>,
    kept_days: u16,
}

/// Counts the messages that are being sent.
#[derive(Default)]
struct Sending {
    count: AtomicUsize,
    ended: Notify,
}

/// One of them, as long as it lives.
struct OneOfThem(Arc<Sending>);

impl Sending {
    fn begin(self: &Arc<Self>) -> OneOfThem {
        self.count.fetch_add(1, Ordering::SeqCst);
        OneOfThem(Arc::clone(self))
    }

    async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for OneOfThem {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_waiters();
    }
}

/// The links that stand for the files of a message.
#[derive(Default)]
struct Linked {
    records: Vec<LinkRecord>,
    made: Vec<LinkMade>,
}

/// A stored file, as the mailer reads it.
struct Attached {
    files: Arc<dyn Files>,
    id: FileId,
    size: u64,
}

#[async_trait]
impl Content for Attached {
    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let opened = self.files.open(&self.id, 0, self.size).await;
        opened.map_err(|problem| io::Error::other(domain::words::problem(&problem)))
    }
}

impl Submissions {
    /// Sends through `mailer`; files lie meanwhile where those of `links` do.
    pub fn new(
        entries: Arc<Entries>,
        mailer: Arc<Mailer>,
        sign_ins: Arc<SignIns>,
        links: Arc<Links>,
        random: Arc<dyn Random + Send + Sync>,
    ) -> Self {
        Self {
            entries,
            couriers: Arc::new(Couriers::new(mailer)),
            sign_ins,
            links,
            random,
            taken: Arc::new(Semaphore::new(MAX_TAKEN)),
            sending: Arc::default(),
            kept_days: DEFAULT_KEPT_DAYS,
        }
    }

    /// Remembers messages for so many days.
    #[must_use]
    pub fn with_kept_days(self, kept_days: u16) -> Self {
        Self { kept_days, ..self }
    }

    /// What is remembered.
    pub fn history(&self) -> History {
        History::new(Arc::clone(self.entries.store()), Arc::clone(self.entries.clock()), self.kept_days)
    }

    /// Ends with the program: messages that wait for their turn aren't sent, those that were begun may end, but not for ever.
    pub async fn close(&self) {
        self.couriers.close().await;
        if tokio::time::timeout(LAST_WORDS, self.sending.idle()).await.is_err() {
            tracing::warn!("stopped although messages weren't on record yet");
        }
    }

    /// Sends a message, in a task of its own: whoever waits for it may go.
    fn start(self: &Arc<Self>, ready: Ready, received: Vec<Received>) -> JoinHandle<Result<SubmissionReport, Problem>> {
        let (one, submissions) = (self.sending.begin(), Arc::clone(self));
        let task = async move {
            let (sent, keeps_files) = submissions.carry_out(ready, &received).await;
            if !keeps_files {
                submissions.remove(received).await;
            }
            drop(one);
            sent
        };
        tokio::spawn(task.in_current_span())
    }

    /// Sends it, and says whether its files are needed from now on.
    async fn carry_out(&self, ready: Ready, received: &[Received]) -> (Result<SubmissionReport, Problem>, bool) {
        let linked = match ready.handling {
            Handling::Attach => Linked::default(),
            Handling::Link => self.link(&ready, received),
        };
        let has_links = !linked.records.is_empty();
        let sent = self.send(ready, received, linked).await;
        // Where nobody knows whether somebody has the links, they stay.
        let keeps_files = has_links && sent.as_ref().is_ok_and(|report| report.verdict != Verdict::NotSent);
        (sent, keeps_files)
    }

    async fn send(&self, ready: Ready, received: &[Received], linked: Linked) -> Result<SubmissionReport, Problem> {
        let Ready { entry, mut submission, handling, mut planned, caller } = ready;
        let Linked { records, made } = linked;
        let language = planned.test.server.attachments.link_language;
        (submission.text, submission.html) = with_links(submission.text.take(), submission.html.take(), language, &made);
        let attached = if handling == Handling::Attach { received } else { &[] };
        let message = self.compose(&submission, attached)?;
        let record = self.record(entry, planned.test.server.name.to_string(), &submission, &caller, received, message.size());
        let envelope = Envelope { from: submission.from.clone(), to: submission.recipients(), attachment: None };
        let host = planned.test.server.host.to_string();
        if let (Some(key), true) = (planned.basis.settings, planned.shares_tokens) {
            planned.test.tokens = Some(self.sign_ins.source(entry, &planned.test.server, key, None));
        }
        // On record before anything is said.
        let record = self
            .entries
            .blocking(move |entries| {
                entries.store().writing(|tx| {
                    let mut record = Message { id: SubmissionId(tx.new_number()?), ..record.clone() };
                    for (file, link) in record.files.iter_mut().zip(&records) {
                        let link = LinkRecord { submission: record.id, ..link.clone() };
                        file.link = Some(links::put(tx, &link)?);
                    }
                    tx.put_message(&record)?;
                    Ok(record)
                })
            })
            .await?;
        let began = Instant::now();
        let carried = self.couriers.send(entry, &planned.basis, planned.test, envelope, message).await;
        let Delivery { finished, events } = match carried {
            Ok(delivery) => delivery,
            Err(problem) => return self.take_back(record, problem).await,
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut record = Message { ended: Some(Ended::of(&finished, &host, took_ms)), ..record };
        let (id, report) = (record.id, report(&record, made));
        // Nobody was ever sent them.
        let unsent: Vec<LinkId> = match Verdict::of(finished.outcome) {
            Verdict::NotSent => record.files.iter_mut().filter_map(|file| file.link.take()).collect(),
            Verdict::Sent | Verdict::Unknown => Vec::new(),
        };
        tracing::info!(message = id.0, entry = entry.0, outcome = ?finished.outcome, stage = ?finished.stage, "sent for an application");
        let kept = self.entries.blocking(move |entries| {
            entries.store().writing(|tx| {
                links::discard(tx, &unsent)?;
                tx.put_message(&record)?;
                Ok(tx.put_message_events(record.id, &events)?)
            })
        });
        // What is said is true all the same. The record says that nobody knows, once the program starts anew.
        if let Err(problem) = kept.await {
            tracing::error!(message = id.0, ?problem, "can't write down what became of a message");
        }
        report.ok_or(Problem::Internal)
    }

    /// Forgets a message that nobody took, and its links.
    async fn take_back(&self, record: Message, problem: Problem) -> Result<SubmissionReport, Problem> {
        let forgotten = self.entries.blocking(move |entries| {
            let unsent: Vec<LinkId> = record.files.iter().filter_map(|file| file.link).collect();
            entries.store().writing(|tx| {
                links::discard(tx, &unsent)?;
                Ok(tx.remove_message(record.id)?)
            })
        });
        if let Err(problem) = forgotten.await {
            tracing::error!(?problem, "can't forget a message that wasn't sent");
        }
        Err(problem)
    }

    /// What stands for the files, not kept yet.
    fn link(&self, ready: &Ready, received: &[Received]) -> Linked {
        let server: &SmtpServer = &ready.planned.test.server;
        let expires_ms = self.entries.now_ms().saturating_add(u64::from(server.attachments.link_days) * DAY_MS);
        let mut linked = Linked::default();
        for file in received {
            let (made, record) = self.linked(&file.name, &file.stored, server, expires_ms);
            linked.made.push(made);
            linked.records.push(LinkRecord { entry: ready.entry, sender: ready.submission.from.to_string(), ..record });
        }
        linked
    }

    /// A link to a stored file, and how it is kept.
    fn linked(&self, name: &str, stored: &StoredFile, server: &SmtpServer, expires_ms: u64) -> (LinkMade, LinkRecord) {
        let (token, digest) = self.links.draw();
        let StoredFile { id, size, sha256, .. } = stored.clone();
        let name = safe_name(name);
        let made = LinkMade { name: name.clone(), size, url: self.links.url(&token), expires_ms };
        let record = LinkRecord {
            submission: SubmissionId(0),
            entry: EntryId(0),
            server: server.name.to_string(),
            file: Some(id),
            name,
            size,
            sha256,
            sender: String::new(),
            language: server.attachments.link_language,
            created_ms: self.entries.now_ms(),
            expires_ms,
            revoked_ms: None,
            downloads: 0,
            last: Vec::new(),
            digest,
        };
        (made, record)
    }

    fn compose(&self, submission: &Submission, received: &[Received]) -> Result<mailer::Message<'static>, Problem> {
        let mut random = [0; 16];
        self.random.fill(&mut random);
        let outgoing = Outgoing {
            from: &submission.from,
            reply_to: &submission.reply_to,
            to: &submission.to,
            cc: &submission.cc,
            subject: &submission.subject,
            text: submission.text.as_deref(),
            html: submission.html.as_deref(),
            attachments: received.iter().map(|file| self.part(file)).collect(),
            now: self.entries.clock().now(),
            random,
        };
        // Every mailbox has a domain: that was checked.
        outgoing.compose().map_err(|_| Problem::Internal)
    }

    fn part(&self, file: &Received) -> Part {
        let StoredFile { id, size, .. } = file.stored.clone();
        let content = Arc::new(Attached { files: Arc::clone(self.links.files()), id, size });
        Part { name: file.name.clone(), content_type: file.content_type.clone(), size, content }
    }

    fn record(
        &self,
        entry: EntryId,
        server: String,
        submission: &Submission,
        caller: &Caller,
        received: &[Received],
        size: u64,
    ) -> Message {
        let shown = |mailboxes: &[Mailbox]| mailboxes.iter().map(ToString::to_string).collect();
        Message {
            id: SubmissionId(0),
            at_ms: self.entries.now_ms(),
            who: caller.who.clone(),
            address: caller.address.clone(),
            entry,
            server,
            source: submission.source,
            from: submission.from.to_string(),
            overridden: submission.overridden.as_ref().map(ToString::to_string),
            reply_to: shown(&submission.reply_to),
            recipients: shown(&submission.recipients()),
            subject: submission.subject.clone(),
            size,
            files: received.iter().map(Received::sent_file).collect(),
            ended: None,
        }
    }

    /// Removes files that nobody needs any more.
    async fn remove(&self, received: Vec<Received>) {
        for file in received {
            if let Err(problem) = self.links.files().remove(&file.stored.id).await {
                // The sweep finds it.
                tracing::warn!(?problem, "can't remove a file yet");
            }
        }
    }
}

/// What whoever handed a message over is told; nothing before it has ended.
fn report(message: &Message, links: Vec<LinkMade>) -> Option<SubmissionReport> {
    let ended = message.ended.clone()?;
    let verdict = Verdict::of(ended.outcome);
    let links = if verdict == Verdict::NotSent { Vec::new() } else { links };
    Some(SubmissionReport {
        error: verdict.error(),
        id: message.id,
        server: message.server.clone(),
        verdict,
        message: ended.headline,
        stage: ended.stage,
        security: ended.security,
        reply: ended.reply,
        queue_id: ended.queue_id,
        recipients: ended.recipients,
        partial: ended.partial,
        cause: ended.cause,
        links,
        diagnosis: ended.diagnosis,
        elapsed_ms: ended.took_ms,
    })
}
