//! The ordered events of one SMTP session, secrets redacted: what the page shows, the API streams and `send-test` prints.

use serde::{Deserialize, Serialize};

use crate::diagnosis::Diagnosis;

/// A stage of a session, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "RFC 5321's own words")]
pub enum Stage {
    Resolve,
    Connect,
    Greeting,
    Ehlo,
    Starttls,
    Tls,
    Auth,
    MailFrom,
    RcptTo,
    Data,
    Accepted,
    Quit,
}

/// What protected a session, as it really was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Nothing.
    #[default]
    #[serde(rename = "plaintext")]
    Plaintext,
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "tls1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "tls1.3")]
    Tls13,
}

/// A server's reply (RFC 5321 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The enhanced status code (RFC 3463), such as `5.7.8`.
    pub enhanced: Option<String>,
    /// The text of all lines, joined by line feeds; foreign bytes as `\xNN`.
    pub text: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The server accepted the message for at least one recipient.
    Sent,
    /// Nothing was to be sent, and everything up to there works.
    Checked,
    /// It failed; nothing was handed over.
    Failed,
    /// The message was handed over and the reply was lost.
    Unknown,
    /// Somebody cancelled it before anything was handed over.
    Cancelled,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientResult {
    /// The address as it went over the wire.
    pub address: String,
    /// Whether the server took it.
    pub accepted: bool,
    /// What it said.
    pub reply: Option<Reply>,
}

/// One thing that happened. `elapsed_ms` counts from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// When: milliseconds.
    pub elapsed_ms: u64,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A stage begins.
    Begun {
        /// Which.
        stage: Stage,
    },
    /// A line that we sent, secrets redacted.
    Sent {
        /// In which stage.
        stage: Stage,
        /// The line without its end.
        line: String,
        /// Whether it was encrypted on the way.
        encrypted: bool,
    },
    /// A line that the server sent.
    Received {
        /// In which stage.
        stage: Stage,
        /// The line without its end, foreign bytes escaped.
        line: String,
        /// Whether it was encrypted on the way.
        encrypted: bool,
    },
    /// A stage ended well.
    Passed {
        /// Which.
        stage: Stage,
        /// What to know of it, such as the address or the cipher; empty where there is nothing.
        detail: String,
    },
    /// Something the administrator should know although the run goes on.
    Warning {
        /// In which stage.
        stage: Stage,
        /// The sentence.
        message: String,
    },
    /// The last event of every run.
    Finished(Finished),
}

/// How a run ended, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// The stage it ended in.
    pub stage: Stage,
    /// What protected it.
    pub security: Security,
    /// The server's last reply.
    pub reply: Option<Reply>,
    /// What a failure means, and what to do.
    pub diagnosis: Option<Diagnosis>,
    /// What became of each recipient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientResult>,
    /// Whether some recipients were refused although it was sent.
    #[serde(default)]
    pub partial: bool,
    /// The id under which the server queued the message, where its reply names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
}
