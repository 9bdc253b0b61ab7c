//! Submissions: messages that applications hand over to be sent through an entry. What came ([`SubmissionDraft`]) becomes what is
//! sent ([`Submission`]) by the entry's rules, or every field's problem at once; what became of it is kept as a [`Message`],
//! without its text.

mod draft;
mod field;

use serde::{Deserialize, Serialize};

use crate::access::Who;
use crate::address::{AddrSpec, Mailbox};
use crate::diagnosis::Diagnosis;
use crate::entry::EntryId;
use crate::error::ErrorKind;
use crate::link::LinkId;
use crate::size::encoded_size;
use crate::smtp_server::Attachments;
use crate::transcript::{Cause, Event, Finished, Outcome, RecipientResult, Reply, Security, Stage, headline};

pub use draft::{SubmissionDraft, TextPart};
pub use field::{SubmissionError, SubmissionField};

/// The most recipients of a message: what Microsoft 365 takes of one.
pub const MAX_RECIPIENTS: usize = 500;
/// The most files of a message.
pub const MAX_ATTACHMENTS: usize = 100;
/// The most characters of a subject.
pub const MAX_SUBJECT: usize = 1_000;
/// The most bytes of a text, and of HTML.
pub const MAX_TEXT: usize = 4 << 20;
/// The most bytes of a message in JSON, base64 included. What is bigger comes in parts.
pub const MAX_JSON: usize = 1 << 20;
/// How many messages a page of the list has.
pub const PAGE: usize = 50;
/// The default for how long messages are remembered: days.
pub const DEFAULT_KEPT_DAYS: u16 = 30;

/// Identifies a submission for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubmissionId(pub u64);

impl std::fmt::Display for SubmissionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What hands a message over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Any application.
    #[default]
    Application,
    /// A mail node of a workflow: an entry may replace its sender.
    BpmMailNode,
}

/// A message without a mistake, as the entry's rules have it sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// What hands it over.
    pub source: Source,
    /// The sender, in the header and of the envelope. It has a domain.
    pub from: Mailbox,
    /// The sender that a mail node named, where the entry's takes its place.
    pub overridden: Option<Mailbox>,
    /// Whom an answer is for, where that isn't the sender.
    pub reply_to: Vec<Mailbox>,
    /// The recipients that everybody sees first.
    pub to: Vec<Mailbox>,
    /// The others that everybody sees.
    pub cc: Vec<Mailbox>,
    /// Those that nobody sees.
    pub bcc: Vec<Mailbox>,
    /// The subject, on one line.
    pub subject: String,
    /// The text.
    pub text: Option<String>,
    /// The same as HTML.
    pub html: Option<String>,
}

impl Submission {
    /// Whom the envelope names, each address once, in the order in which they came.
    pub fn recipients(&self) -> Vec<Mailbox> {
        let mut seen = std::collections::BTreeSet::new();
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc);
        all.filter(|mailbox| seen.insert(mailbox.addr().map(AddrSpec::to_wire))).cloned().collect()
    }
}

/// What becomes of a message's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// They go along.
    Attach,
    /// Links stand for all of them.
    Link,
}

/// Files that together are more than an entry takes: bytes as they would be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBig {
    /// What they come to.
    pub encoded: u64,
    /// What is taken.
    pub threshold: u64,
}

impl Attachments {
    /// What becomes of files of these sizes.
    ///
    /// # Errors
    /// They are too big, and become no links.
    pub fn handling(&self, sizes: impl IntoIterator<Item = u64>) -> Result<Handling, TooBig> {
        let (mut encoded, mut count) = (0_u64, 0_usize);
        for size in sizes {
            encoded = encoded.saturating_add(encoded_size(size));
            count += 1;
        }
        let threshold = self.threshold.bytes();
        // A threshold of 0 means every file, also one without a byte.
        let above = encoded > threshold || (threshold == 0 && self.as_url && count > 0);
        match (above, self.as_url) {
            (false, _) => Ok(Handling::Attach),
            (true, true) => Ok(Handling::Link),
            (true, false) => Err(TooBig { encoded, threshold }),
        }
    }
}

/// A file of a message, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The link that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
}

/// A submission as it is remembered. Neither its text nor its files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which.
    pub id: SubmissionId,
    /// When it was handed over: milliseconds since 1970.
    pub at_ms: u64,
    /// Who handed it over.
    pub who: Who,
    /// The IP address it came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The entry it was for.
    pub entry: EntryId,
    /// The entry's name then.
    pub server: String,
    /// What handed it over.
    #[serde(default)]
    pub source: Source,
    /// The sender.
    pub from: String,
    /// The sender that a mail node named, where the entry's took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<String>,
    /// Whom an answer is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_to: Vec<String>,
    /// The recipients, each once.
    pub recipients: Vec<String>,
    /// The subject.
    pub subject: String,
    /// Its bytes as it is sent.
    pub size: u64,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SentFile>,
    /// How it ended; `None` while it is being sent.
    #[serde(default)]
    pub ended: Option<Ended>,
}

/// How a submission ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// The stage it ended in.
    pub stage: Stage,
    /// What protected the connection.
    pub security: Security,
    /// Whether it went on unencrypted although the entry would have liked it to be encrypted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub downgraded: bool,
    /// Whether some recipients were refused although others were accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The server's last reply that matters to the outcome.
    pub reply: Option<Reply>,
    /// Why it was not sent, as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The id under which the server queued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// What became of each recipient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientResult>,
    /// What a failure means, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// How long it took: milliseconds.
    pub took_ms: u64,
    /// The result in one or two sentences.
    pub headline: String,
}

impl Ended {
    /// What a session that `finished` after `took_ms` comes to. `host` is the entry's.
    pub fn of(finished: &Finished, host: &str, took_ms: u64) -> Self {
        Self {
            outcome: finished.outcome,
            stage: finished.stage,
            security: finished.security,
            downgraded: finished.downgrade.is_some(),
            partial: finished.partial,
            reply: finished.reply.clone(),
            cause: finished.cause,
            queue_id: finished.queue_id.clone(),
            recipients: finished.recipients.clone(),
            diagnosis: finished.diagnosis.clone(),
            took_ms,
            headline: headline(finished, host),
        }
    }

    /// What is known of a message that was being sent when the program ended at once: nothing.
    pub fn interrupted() -> Self {
        Self {
            headline: "Unknown. Postroom ended while it was sending the message; the server may have it. Look into the \
                       recipient's mailbox before sending it again."
                .into(),
            ..Self::of(&Finished::new(Outcome::Unknown, Stage::Accepted), "", 0)
        }
    }
}

/// What is looked for among messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessagesQuery {
    /// Text in sender, recipients, subject, server, files or the server's id, whatever the case.
    pub search: String,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// Only those for this entry, by its name then.
    pub server: String,
    /// From this day (`2026-11-26`, UTC) on.
    pub from: String,
    /// To this day, and all of it.
    pub to: String,
    /// Only messages with a lower number: the next page.
    pub before: Option<SubmissionId>,
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesPage {
    /// They, newest first.
    pub messages: Vec<Message>,
    /// Where the next page begins ([`MessagesQuery::before`]); `None` at the end.
    pub next: Option<SubmissionId>,
    /// How many are remembered in all.
    pub total: u64,
    /// For how many days.
    pub kept_days: u16,
    /// Now.
    pub now_ms: u64,
}

/// A message with everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// It.
    pub message: Message,
    /// What happened, secrets redacted; empty while it is being sent.
    pub events: Vec<Event>,
    /// Now.
    pub now_ms: u64,
}

/// What whoever handed a message over is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionReport {
    /// Where it was not sent, or nobody knows: the kind, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorKind>,
    /// Which it is.
    pub id: SubmissionId,
    /// The entry's name.
    pub server: String,
    /// Sent, not sent, or unknown.
    pub verdict: Verdict,
    /// The same in a sentence or two: what happened, what was not done, and what to do.
    pub message: String,
    /// The stage it ended in.
    pub stage: Stage,
    /// What protected the connection.
    pub security: Security,
    /// The server's reply.
    pub reply: Option<Reply>,
    /// The id under which the server queued it.
    pub queue_id: Option<String>,
    /// What became of each recipient.
    pub recipients: Vec<RecipientResult>,
    /// Whether some recipients were refused although others were accepted.
    pub partial: bool,
    /// Why it was not sent, as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The links that stand for its files.
    pub links: Vec<LinkMade>,
    /// What a failure means, and what to do.
    pub diagnosis: Option<Diagnosis>,
    /// How long it took: milliseconds.
    pub elapsed_ms: u64,
}

/// A link that stands for a file, as whoever handed the file over is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkMade {
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Where it can be downloaded. It is said here and in the message, and nowhere else.
    pub url: String,
    /// When the link ends: milliseconds since 1970.
    pub expires_ms: u64,
}

/// Whether a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The server accepted it for at least one recipient.
    Sent,
    /// It was not sent, to nobody.
    NotSent,
    /// Nobody knows. It must not be sent again without a look into the mailbox.
    Unknown,
}

impl Verdict {
    /// What an outcome comes to.
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Sent => Self::Sent,
            Outcome::Unknown => Self::Unknown,
            Outcome::Checked | Outcome::Failed | Outcome::Cancelled => Self::NotSent,
        }
    }

    /// The kind of error that it is. Its HTTP status says that the mail server answered badly, or not in time.
    pub const fn error(self) -> Option<ErrorKind> {
        match self {
            Self::Sent => None,
            Self::NotSent => Some(ErrorKind::NotSent),
            Self::Unknown => Some(ErrorKind::SentUnknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Language;
    use crate::size::Size;

    #[test]
    fn files_go_along_become_links_or_are_refused() {
        let of = |as_url, threshold| Attachments {
            as_url,
            threshold: Size::from_bytes(threshold),
            link_days: 30,
            link_language: Language::English,
        };
        let line = encoded_size(57);
        for (attachments, sizes, expected) in [
            (of(false, 0), vec![], Ok(Handling::Attach)),
            (of(false, 0), vec![0], Ok(Handling::Attach)),
            (of(false, 0), vec![1], Err(TooBig { encoded: encoded_size(1), threshold: 0 })),
            (of(true, 0), vec![], Ok(Handling::Attach)),
            (of(true, 0), vec![0], Ok(Handling::Link)),
            (of(true, line), vec![57], Ok(Handling::Attach)),
            (of(true, line), vec![57, 1], Ok(Handling::Link)),
            (of(false, line), vec![57], Ok(Handling::Attach)),
            (of(false, line - 1), vec![57], Err(TooBig { encoded: line, threshold: line - 1 })),
            (of(false, u64::MAX), vec![u64::MAX, u64::MAX], Ok(Handling::Attach)),
        ] {
            assert_eq!(attachments.handling(sizes.clone()), expected, "{attachments:?} {sizes:?}");
        }
    }

    #[test]
    fn only_what_was_sent_is_called_sent() {
        for (outcome, verdict) in [
            (Outcome::Sent, Verdict::Sent),
            (Outcome::Unknown, Verdict::Unknown),
            (Outcome::Failed, Verdict::NotSent),
            (Outcome::Cancelled, Verdict::NotSent),
            (Outcome::Checked, Verdict::NotSent),
        ] {
            assert_eq!(Verdict::of(outcome), verdict);
        }
    }
}
