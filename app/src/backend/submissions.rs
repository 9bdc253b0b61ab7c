//! The part of the port that is about messages that applications hand over.

use async_trait::async_trait;
use bytes::Bytes;
use domain::error::Problem;
use domain::submission::{MessageView, MessagesPage, MessagesQuery, SubmissionId, SubmissionReport, TextPart};

/// Messages that applications hand over, and what became of them.
#[async_trait]
pub trait Submissions: Send + Sync {
    /// Begins to take a message over.
    async fn take_message(&self) -> Result<Box<dyn Handover>, Problem>;
    /// A page of what was sent.
    async fn messages(&self, query: MessagesQuery) -> Result<MessagesPage, Problem>;
    /// One message with everything that happened to it.
    async fn message(&self, id: SubmissionId) -> Result<MessageView, Problem>;
}

/// A message that is being handed over, part by part. Dropping it before [`Handover::send`] leaves nothing behind: nothing is sent, and
/// no file of it is kept.
#[async_trait]
pub trait Handover: Send {
    /// Takes a part that is text.
    fn put(&mut self, part: TextPart);
    /// Begins a file; the one before has ended.
    async fn begin_file(&mut self, name: String, content_type: String) -> Result<(), Problem>;
    /// The next bytes of the file.
    async fn push(&mut self, bytes: Bytes) -> Result<(), Problem>;
    /// Sends what was handed over, and waits for what the server says of it. Whoever stops waiting changes nothing: it is sent, and
    /// [`Submissions::message`] tells what became of it.
    async fn send(self: Box<Self>) -> Result<SubmissionReport, Problem>;
}
