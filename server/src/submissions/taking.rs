//! A message on its way in, part by part. Its files go to where files are kept as they arrive; nothing of them stays unless the
//! message is sent with links.

use std::mem;
use std::sync::Arc;

use app::backend::{Caller, Handover};
use async_trait::async_trait;
use bytes::Bytes;
use domain::error::Problem;
use domain::fax::fax_document;
use domain::file_name::safe_file_name;
use domain::submission::{
    MAX_ATTACHMENTS, SentFile, SubmissionDraft, SubmissionError, SubmissionField, SubmissionReport, TextPart,
};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::Submissions;
use super::plan::{Arrived, Ready};
use crate::entries::Entries;
use crate::files::{Held, Incoming, StoredFile};

/// A message that is being handed over.
pub struct Taking {
    submissions: Arc<Submissions>,
    /// On behalf of whoever hands it over.
    entries: Arc<Entries>,
    caller: Caller,
    draft: SubmissionDraft,
    received: Vec<Received>,
    open: Option<Open>,
    _place: OwnedSemaphorePermit,
}

/// A file that is arriving.
struct Open {
    name: String,
    content_type: String,
    incoming: Box<dyn Incoming>,
}

/// A file that has arrived, and that no sweep takes as long as this lives.
pub(super) struct Received {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) stored: StoredFile,
    _held: Held,
}

impl Received {
    fn arrived(&self) -> Arrived {
        let StoredFile { size, head, .. } = &self.stored;
        Arrived { name: self.name.clone(), size: *size, document: fax_document(head) }
    }

    pub(super) fn sent_file(&self) -> SentFile {
        SentFile { name: self.name.clone(), size: self.stored.size, link: None }
    }
}

impl Submissions {
    /// Begins to take a message over.
    ///
    /// # Errors
    /// [`Problem::Busy`] where too many are taken over at the same time.
    pub fn take(self: &Arc<Self>, entries: Arc<Entries>, caller: Caller) -> Result<Taking, Problem> {
        let place = Arc::clone(&self.taken).try_acquire_owned().map_err(|_| Problem::Busy)?;
        let submissions = Arc::clone(self);
        let draft = SubmissionDraft::default();
        Ok(Taking { submissions, entries, caller, draft, received: Vec::new(), open: None, _place: place })
    }
}

impl Taking {
    async fn end_file(&mut self) -> Result<(), Problem> {
        let Some(Open { name, content_type, incoming }) = self.open.take() else { return Ok(()) };
        let stored = incoming.finish().await?;
        let held = self.submissions.links.in_use().hold(stored.id.clone());
        self.received.push(Received { name, content_type, stored, _held: held });
        Ok(())
    }
}

/// Whoever goes before the message is whole leaves no file behind.
impl Drop for Taking {
    fn drop(&mut self) {
        let received = mem::take(&mut self.received);
        if let (false, Ok(runtime)) = (received.is_empty(), Handle::try_current()) {
            let submissions = Arc::clone(&self.submissions);
            runtime.spawn(async move { submissions.remove(received).await });
        }
    }
}

#[async_trait]
impl Handover for Taking {
    fn put(&mut self, part: TextPart) {
        self.draft.put(part);
    }

    async fn begin_file(&mut self, name: String, content_type: String) -> Result<(), Problem> {
        self.end_file().await?;
        if self.received.len() >= MAX_ATTACHMENTS {
            let error = SubmissionError::TooManyFiles { count: MAX_ATTACHMENTS + 1 };
            return Err(Problem::InvalidSubmission(vec![(SubmissionField::Attachments, error)]));
        }
        let incoming = self.submissions.links.files().begin().await?;
        self.open = Some(Open { name: safe_file_name(&name), content_type, incoming });
        Ok(())
    }

    async fn push(&mut self, bytes: Bytes) -> Result<(), Problem> {
        match &mut self.open {
            Some(open) => open.incoming.push(bytes).await,
            None => Err(Problem::Internal),
        }
    }

    async fn send(mut self: Box<Self>) -> Result<SubmissionReport, Problem> {
        self.end_file().await?;
        let (submissions, entries, caller) = (Arc::clone(&self.submissions), Arc::clone(&self.entries), self.caller.clone());
        let (draft, received) = (mem::take(&mut self.draft), mem::take(&mut self.received));
        // What is whole needs no place among those that are arriving.
        drop(self);
        let files: Vec<Arrived> = received.iter().map(Received::arrived).collect();
        let ready = tokio::task::spawn_blocking(move || Ready::of(&entries, &caller, draft, &files)).await;
        let ready = match ready.unwrap_or(Err(Problem::Internal)) {
            Ok(ready) => ready,
            Err(problem) => {
                submissions.remove(received).await;
                return Err(problem);
            }
        };
        submissions.start(ready, received).await.unwrap_or_else(|error| {
            tracing::error!(%error, "sending a message broke off");
            Err(Problem::Internal)
        })
    }
}
