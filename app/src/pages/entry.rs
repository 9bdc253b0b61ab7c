//! An entry's page: its fields, saving them, and trying them out.

mod form;
mod history;
mod inspection;
#[cfg(feature = "ssr")]
mod panel;
mod report;
mod stale;

pub(super) use form::Entry;
pub use inspection::{INSPECTED, Trusting};
