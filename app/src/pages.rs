//! The pages. A page is data, which the server finds before it renders, and a view of it, which is the same in the
//! browser: the data travels in the document.

mod entry;
mod list;
mod new;
mod trash;

use domain::entry::{EntryView, ListPage, TrashPlan, Version};
use domain::error::ApiError;
use domain::run::{Run, RunSummary};
use domain::smtp_server::{ServerDraft, TestDraft};
use domain::trust::{Inspection, Preview, TrustPage, TrustTrashPlan};
use either_of::EitherOf5;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::api::TestReport;

/// What a page shows. `refused` is why a form that was posted to the page changed nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Page {
    /// "Mail SMTP servers".
    List {
        /// What was searched for.
        search: String,
        /// The rows.
        list: ListPage,
        /// Why undoing or opening failed.
        refused: Option<ApiError>,
    },
    /// "Add SMTP server".
    New {
        /// The suggested or typed name.
        name: String,
        /// Why it was not added.
        refused: Option<ApiError>,
    },
    /// The question before trashing.
    Trash {
        /// What would go.
        plan: TrashPlan,
        /// The search of the list it came from.
        search: String,
        /// The page of the list it came from.
        number: u32,
        /// Why nothing was trashed.
        refused: Option<ApiError>,
    },
    /// One entry.
    Entry(Box<EntryData>),
    /// "Certificates".
    Certificates {
        /// What is trusted.
        trust: TrustPage,
        /// What was done just now, in a sentence.
        done: Option<String>,
        /// Why something was not done.
        refused: Option<ApiError>,
    },
    /// "Add certificates".
    Import {
        /// What was given would add this.
        preview: Option<Preview>,
        /// Why it can't be read or added.
        refused: Option<ApiError>,
    },
    /// The question before trashing certificates.
    TrashCertificates {
        /// What would go.
        plan: TrustTrashPlan,
        /// Why nothing was trashed.
        refused: Option<ApiError>,
    },
    /// The client certificate of an entry.
    ClientCertificate {
        /// The entry.
        view: EntryView,
        /// Why it was not kept or removed.
        refused: Option<ApiError>,
        /// Now: milliseconds since 1970.
        now_ms: u64,
    },
    /// The page could not be made.
    Failed(ApiError),
}

/// What the page of an entry shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryData {
    /// What is stored.
    pub view: EntryView,
    /// What was posted to the page, if it comes back.
    pub submitted: Option<Submitted>,
    /// Whether it was saved just now.
    pub saved: bool,
    /// Its last runs, newest first.
    pub runs: Vec<RunSummary>,
    /// The run that the address names (`?run=N`).
    pub shown: Option<Run>,
    /// Whether the address names a run that isn't kept any more.
    pub run_gone: bool,
    /// Now, for "5 minutes ago": milliseconds since 1970.
    pub now_ms: u64,
}

/// What an entry's page brought, given back to it. Never a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// The version that the edit started from.
    pub base: Version,
    /// The form as typed.
    pub draft: ServerDraft,
    /// The test's form as typed.
    pub test: TestDraft,
    /// Whether a password had been typed: it has to be typed again.
    pub password_typed: bool,
    /// Why it was not saved or tested.
    pub refused: Option<ApiError>,
    /// What a test found.
    pub report: Option<TestReport>,
    /// What the server presents.
    pub inspection: Option<Inspection>,
    /// What was trusted just now, in a sentence.
    pub trusted: Option<String>,
}

impl Page {
    /// The document's title.
    pub fn title(&self) -> String {
        let page = match self {
            Self::List { .. } => "Mail SMTP servers",
            Self::New { .. } => "Add SMTP server",
            Self::Trash { .. } => "Trash servers",
            Self::Entry(data) => &data.view.name,
            Self::Certificates { .. } => "Certificates",
            Self::Import { .. } => "Add certificates",
            Self::TrashCertificates { .. } => "Trash certificates",
            Self::ClientCertificate { view, .. } => return format!("Client certificate of {} · Postroom", view.name),
            Self::Failed(_) => "That didn't work",
        };
        format!("{page} · Postroom")
    }

    /// The HTTP status of the page.
    pub fn status(&self) -> u16 {
        let refused = match self {
            Self::List { refused, .. }
            | Self::New { refused, .. }
            | Self::Trash { refused, .. }
            | Self::Certificates { refused, .. }
            | Self::Import { refused, .. }
            | Self::TrashCertificates { refused, .. }
            | Self::ClientCertificate { refused, .. } => refused.as_ref(),
            Self::Entry(data) => data.submitted.as_ref().and_then(|s| s.refused.as_ref()),
            Self::Failed(error) => Some(error),
        };
        refused.map_or(200, |error| error.error.status())
    }
}

/// The view of a page.
#[component]
pub(crate) fn PageView(page: Page) -> impl IntoView {
    match page {
        Page::List { search, list, refused } => EitherOf5::A(view! { <list::List search list refused/> }),
        Page::Certificates { .. } | Page::Import { .. } | Page::TrashCertificates { .. } | Page::ClientCertificate { .. } => {
            EitherOf5::E(view! { <Failed error=domain::error::Problem::Internal.into()/> })
        }
        Page::New { name, refused } => EitherOf5::B(view! { <new::New name refused/> }),
        Page::Trash { plan, search, number, refused } => EitherOf5::C(view! { <trash::Trash plan search number refused/> }),
        Page::Entry(data) => EitherOf5::D(view! { <entry::Entry data=*data/> }),
        Page::Failed(error) => EitherOf5::E(view! { <Failed error/> }),
    }
}

/// A page that could not be made, with the way back.
#[component]
fn Failed(error: ApiError) -> impl IntoView {
    view! {
        <div class="page narrow">
            <h1>"That didn't work"</h1>
            <p>{error.message}</p>
            <p><a class="button" href="/">"Mail SMTP servers"</a></p>
        </div>
    }
}

/// Percent-encodes text for the query of an address (RFC 3986 section 2.1).
pub fn encode_query(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
        out
    })
}
