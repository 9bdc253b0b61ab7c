//! What a form brought when it was posted without the program's help, given back to the page that shows it again. Never a
//! password.

use domain::error::ApiError;
use domain::smtp_server::{ServerDraft, TestDraft};
use serde::{Deserialize, Serialize};

use crate::api::TestReport;

/// What was posted and what came of it. The page's resource carries it to the browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Submitted {
    /// The list: undoing failed.
    List {
        /// Why.
        error: ApiError,
    },
    /// Adding an entry failed.
    New {
        /// The name that was typed.
        name: String,
        /// Why.
        error: ApiError,
    },
    /// Trashing failed.
    Trash {
        /// Why.
        error: ApiError,
    },
    /// An entry's page: saving failed, or a test ran.
    Entry(Box<SubmittedEntry>),
}

/// What an entry's page brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubmittedEntry {
    /// The form as typed.
    pub draft: ServerDraft,
    /// The test's form as typed.
    pub test: TestDraft,
    /// Whether a password had been typed: it has to be typed again.
    pub password_typed: bool,
    /// What is wrong.
    pub error: Option<ApiError>,
    /// What a test found.
    pub report: Option<TestReport>,
}

impl Submitted {
    /// What was posted to the page that is being rendered, if anything.
    pub fn current() -> Option<Self> {
        #[cfg(feature = "ssr")]
        let submitted = leptos::prelude::use_context();
        #[cfg(not(feature = "ssr"))]
        let submitted = None;
        submitted
    }
}
