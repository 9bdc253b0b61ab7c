//! Entries as the list and the pages see them.

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::oauth::SignInView;
use crate::run::{Run, RunSummary, Standing};
use crate::smtp_server::{Has, Protocol, ServerDraft, ServerOut, SmtpServer, StartTls};
use crate::trust::Expiring;

/// Identifies an entry for ever; never used again after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub u64);

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the saves of an entry; the first is 1. An edit carries the version it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

/// What the store holds of one entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A name only, just added: never the default, never used to send.
    Incomplete {
        /// The name.
        name: crate::name::Name,
    },
    /// Everything that is needed.
    Ready(Box<SmtpServer>),
}

impl Content {
    /// The entry's name.
    pub fn name(&self) -> &crate::name::Name {
        match self {
            Self::Incomplete { name } => name,
            Self::Ready(server) => &server.name,
        }
    }

    /// The server, if the entry is complete.
    pub fn server(&self) -> Option<&SmtpServer> {
        match self {
            Self::Incomplete { .. } => None,
            Self::Ready(server) => Some(server),
        }
    }
}

/// One entry for its page and the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryView {
    /// Its id.
    pub id: EntryId,
    /// The version it has; an edit sends it back.
    pub version: Version,
    /// Its name.
    pub name: String,
    /// Its fields; `None` for one that was just added: "Not set up yet".
    pub server: Option<ServerOut>,
    /// Whether there is a default at all; where there is none, the next entry to be completed becomes it.
    pub any_default: bool,
    /// What the tests say of it as it is saved.
    pub standing: Standing,
    /// Its client certificate, without the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Certificate>,
    /// The certificates it needs that end within [`crate::certificate::EXPIRES_SOON_DAYS`], or have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expiring: Vec<Expiring>,
    /// How its sign-in at a sign-in service stands; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInView>,
}

impl EntryView {
    /// The view of what is stored.
    pub fn of(id: EntryId, version: Version, content: &Content, default: Option<EntryId>, has: Has, standing: Standing) -> Self {
        Self {
            id,
            version,
            name: content.name().to_string(),
            server: content.server().map(|server| ServerOut::of(server, default == Some(id), has)),
            any_default: default.is_some(),
            standing,
            client_certificate: None,
            expiring: Vec::new(),
            sign_in: None,
        }
    }

    /// What the form shows.
    pub fn draft(&self) -> ServerDraft {
        let mut draft = self.server.as_ref().map_or_else(|| ServerDraft::new(&self.name), ServerDraft::of);
        draft.default |= !self.any_default;
        draft
    }

    /// Whether a password is stored.
    pub fn has_password(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.has_password)
    }
}

/// One entry with its history, for its page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryPage {
    /// What is stored.
    pub view: EntryView,
    /// Its last runs, newest first, at most [`crate::run::MAX_RUNS`].
    pub runs: Vec<RunSummary>,
    /// The run that was asked for, if it is one of them.
    pub shown: Option<Run>,
    /// Now, for "5 minutes ago": milliseconds since 1970.
    pub now_ms: u64,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The entry.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// Whether it is the default.
    pub is_default: bool,
    /// What is known of it once it is set up.
    pub server: Option<RowServer>,
    /// What the tests say of it as it is saved.
    pub standing: Standing,
    /// As in [`EntryView::expiring`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expiring: Vec<Expiring>,
    /// As in [`EntryView::sign_in`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInView>,
}

/// What a row shows of a complete entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowServer {
    /// `smtp` or `smtps`.
    pub protocol: String,
    /// What is done with STARTTLS; only with SMTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
    /// `host:port`.
    pub target: String,
    /// The account, empty where it does not sign in.
    pub username: String,
    /// The sender address, empty where it has none.
    pub sender: String,
    /// Whether it is a fax gateway.
    pub fax: bool,
}

impl RowServer {
    /// The row of `server`.
    pub fn of(server: &SmtpServer) -> Self {
        Self {
            protocol: server.protocol.key().into(),
            starttls: match server.protocol {
                Protocol::Smtp { starttls, .. } => Some(starttls),
                Protocol::Smtps => None,
            },
            target: server.host.with_port(server.port),
            username: server.username().unwrap_or_default().into(),
            sender: server.sender.as_ref().map(|s| s.mailbox.to_string()).unwrap_or_default(),
            fax: server.kind == crate::smtp_server::Kind::Fax,
        }
    }

    /// Whether a search for `needle` (in lower case) finds it.
    pub fn matches(&self, needle: &str) -> bool {
        [&self.target, &self.username, &self.sender].iter().any(|text| text.to_lowercase().contains(needle))
    }
}

/// What the list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Text that name, target, username or sender must contain; empty for all. Case does not count.
    pub search: String,
    /// The page, from 1; one that is too high shows the last.
    pub page: u32,
}

/// Rows on one page of the list.
pub const PAGE_SIZE: u32 = 50;
/// The most characters of a search.
pub const MAX_SEARCH: usize = 200;

/// A page of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPage {
    /// The rows, by name.
    pub rows: Vec<Row>,
    /// Entries in all.
    pub total: u64,
    /// Entries that the search finds.
    pub matching: u64,
    /// The page shown, from 1.
    pub page: u32,
    /// The pages there are, at least 1.
    pub pages: u32,
    /// What was trashed just now and can be brought back.
    pub undo: Option<UndoOffer>,
    /// Now, for "5 minutes ago": milliseconds since 1970.
    pub now_ms: u64,
}

/// What can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoOffer {
    /// Names the trashing.
    pub batch: u64,
    /// The names of what went.
    pub names: Vec<String>,
    /// How long it can still be undone: milliseconds.
    pub left_ms: u64,
}

/// What the question before trashing shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashPlan {
    /// What would go.
    pub going: Vec<(EntryId, String)>,
    /// Who may take the default's place; empty where the default stays or nobody is left. The first is suggested. On a page
    /// at most [`MAX_HEIRS`].
    pub heirs: Vec<(EntryId, String)>,
}

/// The most entries that are offered to take the default's place: more are no choice but a heap.
pub const MAX_HEIRS: usize = 200;

/// How long trashing can be undone: milliseconds. Long enough to notice, short enough that a password is soon gone.
pub const UNDO_MS: u64 = 10_000;
