//! What can go wrong when something is asked of the program, as data ([`Problem`]) and as the API says it ([`ApiError`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{AccessError, AccessField, Act};
use crate::diagnosis::Diagnosis;
use crate::entry::{EntryId, Version};
use crate::field::FieldErrors;
use crate::link::LinkId;
use crate::run::RunId;
use crate::smtp_server::ServerOut;
use crate::submission::{SubmissionError, SubmissionField, SubmissionId};
use crate::trust::{Fate, ImportError, TrustId};
use crate::words;

/// Why a request was not carried out. Unless a variant says otherwise, nothing was changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// Fields are wrong.
    Invalid(FieldErrors),
    /// What came could not be read at all.
    Malformed {
        /// What the reader said; shown, never matched on.
        detail: String,
    },
    /// More bytes than are taken.
    TooLarge {
        /// How many are taken.
        max: u64,
    },
    /// The body took too long to arrive.
    TooSlow,
    /// There is no such entry (any more).
    NoSuchEntry(EntryId),
    /// There is no such run (any more).
    NoSuchRun(RunId),
    /// The address takes another HTTP method.
    WrongMethod {
        /// Which.
        allowed: &'static str,
    },
    /// Nothing was chosen.
    NothingChosen,
    /// There is nothing at this address.
    NoSuchPage,
    /// Somebody saved in between.
    Stale(Box<Stale>),
    /// Too late to undo, or undone already.
    UndoGone,
    /// A name of what was trashed has been given to another entry since.
    UndoNameTaken {
        /// The name.
        name: String,
    },
    /// There can't be more entries.
    TooManyEntries {
        /// How many there can be.
        max: u64,
    },
    /// There is no such trusted certificate (any more).
    NoSuchCertificate(TrustId),
    /// A file of certificates can't be read.
    NotImported(ImportError),
    /// No certificate was chosen.
    NoCertificateChosen,
    /// There can't be more trusted certificates.
    TooManyCertificates {
        /// How many there can be.
        max: u64,
    },
    /// What was given to be trusted isn't one certificate.
    NotOneCertificate,
    /// It can't be trusted as an authority.
    NotTrustable(Fate),
    /// Nobody is signed in, or not any more.
    NotSignedIn,
    /// Name, password or code are wrong; nothing says which.
    SignInRefused,
    /// Too many attempts failed.
    WaitBefore {
        /// How long to wait: seconds.
        seconds: u64,
    },
    /// Too much is asked for at once.
    Busy,
    /// The account or token may not do this.
    NotAllowed {
        /// What it comes to.
        act: Act,
    },
    /// The password has to be typed again before this.
    ConfirmPassword,
    /// A sign-in at a sign-in service came to nothing.
    SignInFailed(Box<Diagnosis>),
    /// A sign-in at a sign-in service can't be finished (any more).
    SignInGone,
    /// A link can't be used (any more).
    LinkGone,
    /// A code was wrong, at switching the second factor on.
    CodeWrong,
    /// Fields about access are wrong.
    InvalidAccess(Vec<(AccessField, AccessError)>),
    /// Nobody could look after Postroom any more.
    LastAdministrator,
    /// There is no such account, session or token (any more).
    NoSuchAccess,
    /// There can't be more accounts or tokens.
    TooManyAccess {
        /// How many there can be.
        max: u64,
    },
    /// Fields of a submission are wrong. Nothing was sent, and no file of it is kept.
    InvalidSubmission(Vec<(SubmissionField, SubmissionError)>),
    /// There is no such message (any more).
    NoSuchMessage(SubmissionId),
    /// There is no such link (any more).
    NoSuchLink(LinkId),
    /// There is no room for files: what may be kept of them is, or the disk is nearly full.
    NoRoom {
        /// What may be kept: bytes; `None` where it is the disk.
        quota: Option<u64>,
    },
    /// A file of servers can't be taken in.
    NotImportable {
        /// Why, in a sentence.
        detail: String,
    },
    /// The request came from another site.
    CrossOrigin,
    /// It came unencrypted, and not through a proxy that was named.
    NotThroughProxy,
    /// The page was asked for under a name that isn't ours.
    WrongHost {
        /// The name, shortened.
        host: String,
    },
    /// The disk is full.
    DiskFull,
    /// The disk failed.
    Disk {
        /// What the system said.
        detail: String,
    },
    /// The disk failed while something was being saved, and it can't be told yet whether it was.
    OutcomeUnknown {
        /// What the system said.
        detail: String,
    },
    /// A stored record can't be read.
    Corrupt {
        /// Which, and why.
        detail: String,
    },
    /// Something that should not happen; the log has it under the request id.
    Internal,
}

/// A save that started from a version that is no longer the stored one.
#[derive(Clone, Debug, PartialEq)]
pub struct Stale {
    /// What is stored now.
    pub version: Version,
    /// Its fields; `None` while the entry is incomplete.
    pub current: Option<ServerOut>,
}

/// An error as the API and the pages say it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiError {
    /// The kind, for programs.
    pub error: ErrorKind,
    /// What happened, what was not done, and what to do.
    pub message: String,
    /// A sentence for each field that is wrong, by its key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// With [`ErrorKind::Stale`]: the version stored now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<Version>,
    /// With [`ErrorKind::Stale`]: what is stored now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Box<ServerOut>>,
    /// With [`ErrorKind::SignInFailed`]: what that means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Box<Diagnosis>>,
}

/// The kinds of error, each with its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "as in `Problem`")]
pub enum ErrorKind {
    Invalid,
    Malformed,
    WrongMethod,
    TooLarge,
    TooSlow,
    NotFound,
    Stale,
    UndoGone,
    UndoNameTaken,
    TooManyEntries,
    TooManyCertificates,
    NotSignedIn,
    SignInRefused,
    WaitBefore,
    Busy,
    NotAllowed,
    ConfirmPassword,
    LinkGone,
    SignInFailed,
    SignInGone,
    LastAdministrator,
    CrossOrigin,
    WrongHost,
    DiskFull,
    Storage,
    Internal,
    /// A message was not sent, to nobody.
    NotSent,
    /// Nobody knows whether a message was sent.
    SentUnknown,
    /// The browser could not reach the program.
    Unreachable,
}

impl ErrorKind {
    /// The HTTP status that fits (RFC 9110 section 15).
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 422,
            Self::Malformed => 400,
            Self::WrongMethod => 405,
            Self::TooLarge => 413,
            Self::TooSlow => 408,
            Self::NotFound => 404,
            Self::Stale | Self::UndoNameTaken | Self::TooManyEntries | Self::TooManyCertificates | Self::LastAdministrator => 409,
            Self::UndoGone | Self::LinkGone | Self::SignInGone => 410,
            Self::SignInFailed | Self::NotSent => 502,
            Self::SentUnknown => 504,
            Self::NotSignedIn | Self::SignInRefused => 401,
            Self::WaitBefore => 429,
            Self::Busy => 503,
            Self::CrossOrigin | Self::NotAllowed | Self::ConfirmPassword => 403,
            Self::WrongHost => 421,
            Self::DiskFull => 507,
            Self::Storage | Self::Internal | Self::Unreachable => 500,
        }
    }
}

impl Problem {
    /// The kind, for programs.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_)
            | Self::NothingChosen
            | Self::NotImported(_)
            | Self::NoCertificateChosen
            | Self::NotOneCertificate
            | Self::NotTrustable(_)
            | Self::CodeWrong
            | Self::InvalidAccess(_)
            | Self::TooManyAccess { .. }
            | Self::InvalidSubmission(_)
            | Self::NotImportable { .. } => ErrorKind::Invalid,
            Self::Malformed { .. } => ErrorKind::Malformed,
            Self::WrongMethod { .. } => ErrorKind::WrongMethod,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::TooSlow => ErrorKind::TooSlow,
            Self::NoSuchEntry(_)
            | Self::NoSuchRun(_)
            | Self::NoSuchCertificate(_)
            | Self::NoSuchPage
            | Self::NoSuchAccess
            | Self::NoSuchMessage(_)
            | Self::NoSuchLink(_) => ErrorKind::NotFound,
            Self::Stale(_) => ErrorKind::Stale,
            Self::UndoGone => ErrorKind::UndoGone,
            Self::UndoNameTaken { .. } => ErrorKind::UndoNameTaken,
            Self::TooManyEntries { .. } => ErrorKind::TooManyEntries,
            Self::TooManyCertificates { .. } => ErrorKind::TooManyCertificates,
            Self::NotSignedIn => ErrorKind::NotSignedIn,
            Self::SignInRefused => ErrorKind::SignInRefused,
            Self::WaitBefore { .. } => ErrorKind::WaitBefore,
            Self::Busy => ErrorKind::Busy,
            Self::NotAllowed { .. } => ErrorKind::NotAllowed,
            Self::ConfirmPassword => ErrorKind::ConfirmPassword,
            Self::LinkGone => ErrorKind::LinkGone,
            Self::SignInFailed(_) => ErrorKind::SignInFailed,
            Self::SignInGone => ErrorKind::SignInGone,
            Self::LastAdministrator => ErrorKind::LastAdministrator,
            Self::CrossOrigin | Self::NotThroughProxy => ErrorKind::CrossOrigin,
            Self::WrongHost { .. } => ErrorKind::WrongHost,
            Self::DiskFull | Self::NoRoom { .. } => ErrorKind::DiskFull,
            Self::Disk { .. } | Self::OutcomeUnknown { .. } | Self::Corrupt { .. } => ErrorKind::Storage,
            Self::Internal => ErrorKind::Internal,
        }
    }
}

impl ApiError {
    /// An error without anything but its kind; the message is to be filled in.
    pub fn new(error: ErrorKind) -> Self {
        Self { error, message: String::new(), fields: BTreeMap::new(), current_version: None, current: None, diagnosis: None }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let mut error = Self { message: words::problem(&problem), ..Self::new(problem.kind()) };
        match problem {
            Problem::Invalid(fields) => error.fields = fields.sentences(),
            Problem::InvalidAccess(fields) => {
                error.fields = fields.iter().map(|(field, why)| (field.key().into(), words::access_error(*field, *why))).collect();
            }
            Problem::InvalidSubmission(fields) => {
                error.fields = fields.iter().map(|(field, why)| (field.key().into(), why.sentence(*field))).collect();
            }
            Problem::CodeWrong => {
                error.fields.insert(AccessField::Code.key().into(), error.message.clone());
            }
            Problem::SignInFailed(diagnosis) => error.diagnosis = Some(diagnosis),
            Problem::Stale(stale) => {
                error.current_version = Some(stale.version);
                error.current = stale.current.map(Box::new);
            }
            _ => {}
        }
        error
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}
