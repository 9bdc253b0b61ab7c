//! The pages. A page is data, which the server finds before it renders, and a view of it. A live page has the same view in
//! the browser: its data travels in the document. A plain one is forms and links, and stays as the server rendered it.

mod entry;
mod list;
mod new;
#[cfg(feature = "ssr")]
mod plain;
mod visitor;

use domain::entry::{EntryView, ListPage, Version};
use domain::error::ApiError;
use domain::run::{Run, RunSummary};
use domain::smtp_server::{ServerDraft, TestDraft};
#[cfg(feature = "ssr")]
use domain::trust::Inspection;
use either_of::EitherOf4;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::api::TestReport;

pub use entry::{INSPECTED, Trusting};
#[cfg(feature = "ssr")]
pub use plain::{ARRIVED, AccessPage, Arrived, OwnForm, Plain, TypedToken};
pub(crate) use visitor::Rights;
#[cfg(feature = "ssr")]
pub use visitor::Visitor;

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
    /// One entry.
    Entry(Box<EntryData>),
    /// A page that the browser leaves as it came.
    Plain,
    /// What a plain page shows: only the server makes a view of it.
    #[cfg(feature = "ssr")]
    #[serde(skip)]
    Of(Box<Plain>),
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
    /// What looking at the server's certificate came to.
    pub look: Option<Look>,
}

/// What looking at a server's certificate came to. Like a plain page, the browser leaves it as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Look {
    /// What the server presents.
    Found {
        /// All of it.
        #[cfg(feature = "ssr")]
        #[serde(skip)]
        found: Option<Box<Inspection>>,
    },
    /// Something of it was trusted just now.
    Trusted,
}

/// The parts of the site.
#[cfg(feature = "ssr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Servers,
    Messages,
    Certificates,
    Links,
    Accounts,
    Tokens,
    Activity,
    Own,
}

#[cfg(feature = "ssr")]
impl Page {
    /// The part of the site it belongs to, and whether it is that part's own page.
    pub(crate) fn section(&self) -> Option<(Section, bool)> {
        match self {
            Self::List { .. } => Some((Section::Servers, true)),
            Self::New { .. } | Self::Entry(_) => Some((Section::Servers, false)),
            Self::Plain => None,
            Self::Of(plain) => plain.section(),
        }
    }

    /// Why what was asked for was not done.
    pub fn refused(&self) -> Option<&ApiError> {
        match self {
            Self::List { refused, .. } | Self::New { refused, .. } => refused.as_ref(),
            Self::Entry(data) => data.submitted.as_ref().and_then(|s| s.refused.as_ref()),
            Self::Plain => None,
            Self::Of(plain) => plain.refused(),
        }
    }

    /// The document's title.
    pub fn title(&self) -> String {
        let page = match self {
            Self::List { .. } => "Mail SMTP servers",
            Self::New { .. } => "Add SMTP server",
            Self::Entry(data) => &data.view.name,
            Self::Plain => return "Postroom".into(),
            Self::Of(plain) => return format!("{} · Postroom", plain.title()),
        };
        format!("{page} · Postroom")
    }

    /// The HTTP status of the page.
    pub fn status(&self) -> u16 {
        if let Self::Of(plain) = self
            && let Some(status) = plain.status()
        {
            return status;
        }
        self.refused().map_or(200, |error| error.error.status())
    }

    /// What the browser gets of it: nothing of a plain page.
    pub(crate) fn for_browser(&self) -> Self {
        if matches!(self, Self::Of(_)) { Self::Plain } else { self.clone() }
    }
}

/// The view of a page.
#[component]
pub(crate) fn PageView(page: Page) -> impl IntoView {
    match page {
        Page::List { search, list, refused } => EitherOf4::A(view! { <list::List search list refused/> }),
        Page::New { name, refused } => EitherOf4::B(view! { <new::New name refused/> }),
        Page::Entry(data) => EitherOf4::C(view! { <entry::Entry data=*data/> }),
        Page::Plain => EitherOf4::D(view! { <div>{plain_content(None)}</div> }),
        #[cfg(feature = "ssr")]
        Page::Of(plain) => EitherOf4::D(view! { <div>{plain_content(Some(plain))}</div> }),
    }
}

/// What stands in a plain page.
#[cfg(feature = "ssr")]
fn plain_content(plain: Option<Box<Plain>>) -> impl IntoView {
    plain.map(|plain| view! { <plain::PlainView plain=*plain/> })
}

/// What stands in a plain page is there already, and stays.
#[cfg(not(feature = "ssr"))]
fn plain_content(_: Option<()>) {}

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
