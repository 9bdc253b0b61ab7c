//! The fields of a submission and what can be wrong with them, as data.

use crate::address::AddressError;
use crate::fax::FaxError;
use crate::submission::{MAX_ATTACHMENTS, MAX_RECIPIENTS, MAX_SUBJECT, MAX_TEXT, TooBig};
use crate::words;

/// A field of a submission, as JSON, forms and errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubmissionField {
    /// The entry's name.
    Server,
    /// The sender.
    From,
    /// Recipients.
    To,
    /// More of them.
    Cc,
    /// More of them, which nobody sees.
    Bcc,
    /// Whom an answer is for.
    ReplyTo,
    /// The subject.
    Subject,
    /// The text.
    Text,
    /// The same as HTML.
    Html,
    /// What hands it over.
    Source,
    /// The files.
    Attachments,
}

impl SubmissionField {
    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::From => "from",
            Self::To => "to",
            Self::Cc => "cc",
            Self::Bcc => "bcc",
            Self::ReplyTo => "reply_to",
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
            Self::Source => "source",
            Self::Attachments => "attachments",
        }
    }
}

/// What is wrong with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmissionError {
    /// There is no such entry.
    NoSuchServer {
        /// The name that came.
        name: String,
    },
    /// There is no default.
    NoDefault,
    /// The entry isn't set up yet.
    Incomplete {
        /// Its name.
        name: String,
    },
    /// It is missing, and the entry has no sender address.
    NoSender,
    /// Nobody is to receive it.
    NoRecipient,
    /// There are too many recipients.
    TooManyRecipients {
        /// How many came.
        count: usize,
    },
    /// An address can't be read.
    Address(AddressError),
    /// An address has no domain.
    AddressWithoutDomain,
    /// A control character stands in it.
    Control {
        /// Which.
        character: char,
    },
    /// It is too long.
    TooLong,
    /// It is neither missing nor a source that there is.
    NoSuchSource {
        /// What came.
        text: String,
    },
    /// There are too many files.
    TooManyFiles {
        /// How many came.
        count: usize,
    },
    /// The files are more than the entry takes.
    TooBig(TooBig),
    /// A file isn't base64 (RFC 4648 section 4).
    NotBase64 {
        /// Its name.
        name: String,
    },
    /// A fax gateway takes no such file.
    NotFaxable {
        /// Its name.
        name: String,
    },
    /// A fax gateway takes no links.
    FaxTooBig(TooBig),
    /// A recipient of a fax is no fax number.
    Fax(FaxError),
}

impl SubmissionError {
    /// What is wrong, and what to do.
    pub fn sentence(&self, field: SubmissionField) -> String {
        match self {
            Self::NoSuchServer { name } => format!(
                "There is no server “{}” here, or the token isn't for it. Use the name of one, or leave it out for the default.",
                words::quote(name)
            ),
            Self::NoDefault => "There is no default server yet. Name one, or set one up.".into(),
            Self::Incomplete { name } => format!("The server {name} isn't set up yet. Open it and save it first."),
            Self::NoSender => "Name the sender, or give the server a sender address.".into(),
            Self::NoRecipient => "Name at least one recipient in to, cc or bcc.".into(),
            Self::TooManyRecipients { count } => {
                format!("{count} recipients are too many. Use at most {MAX_RECIPIENTS} in one message.")
            }
            Self::Address(error) => error.sentence(),
            Self::AddressWithoutDomain => "An address has no domain. Add @ and the domain, such as @example.com.".into(),
            Self::Control { character } => {
                format!("The control character U+{:04X} can't stand here. Leave it out.", u32::from(*character))
            }
            Self::TooLong if field == SubmissionField::Subject => format!("Use at most {MAX_SUBJECT} characters."),
            Self::TooLong => format!("Use at most {} bytes here, and attach what is longer.", words::grouped(MAX_TEXT as u64)),
            Self::NoSuchSource { text } => format!(
                "“{}” is no source. Use bpm-mail-node for a mail node of a workflow, and leave it out otherwise.",
                words::quote(text)
            ),
            Self::TooManyFiles { count } => format!("{count} files are too many. Use at most {MAX_ATTACHMENTS} in one message."),
            Self::TooBig(TooBig { encoded, threshold }) => format!(
                "The files would have {} bytes as they are sent, and the server takes {}. Send less, raise “Max attachment threshold \
                 size”, or switch “Attachment as URL enabled” on.",
                words::grouped(*encoded),
                words::grouped(*threshold)
            ),
            Self::NotBase64 { name } => {
                format!("The content of “{}” isn't base64. Encode it, without line breaks.", words::quote(name))
            }
            Self::NotFaxable { name } => {
                format!("“{}” is neither PDF nor TIFF, and a fax gateway takes nothing else. Convert it first.", words::quote(name))
            }
            Self::FaxTooBig(TooBig { encoded, threshold }) => format!(
                "The files would have {} bytes as they are sent, and the server takes {}. A fax can't have links: send less, or raise \
                 “Max attachment threshold size”.",
                words::grouped(*encoded),
                words::grouped(*threshold)
            ),
            Self::Fax(error) => error.sentence(),
        }
    }
}
