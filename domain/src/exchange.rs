//! Entries as a file that another Postroom, or this one later, can take in: what an import would do, before it does it.

use serde::{Deserialize, Serialize};

use crate::activity::Change;
use crate::entry::EntryId;

/// The most bytes of such a file.
pub const MAX_FILE: usize = 4 << 20;

/// What becomes of secrets in an export. They themselves never go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportSecrets {
    /// They are left out; an import keeps those that are there.
    #[default]
    LeftOut,
    /// `{"env": "POSTROOM_SECRET_…"}` stands in their place: an import on the machine reads them from there.
    Env,
}

/// What an import would do with one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ImportFate {
    /// It is new.
    Added,
    /// One of that name is there and gets other values.
    Changed {
        /// Which.
        changes: Vec<Change>,
    },
    /// One of that name is there and already like this.
    Unchanged,
    /// It can't be taken in.
    Refused {
        /// Why, a sentence for each field or for all of it.
        sentences: Vec<String>,
    },
}

/// One server of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportItem {
    /// Its place in the file, from 0.
    pub at: usize,
    /// Its name, as far as it has one.
    pub name: String,
    /// What becomes of it.
    pub fate: ImportFate,
    /// Whether its password has to be entered afterwards: it has a username, and no password comes with it or stays.
    pub needs_password: bool,
}

/// What an import would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPlan {
    /// The servers, in the order of the file.
    pub items: Vec<ImportItem>,
    /// The name of the default server from then on, where it would be another one.
    pub default: Option<String>,
    /// The file itself without secrets, so that what was looked at is what is taken in.
    pub text: String,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Those that are new.
    pub added: Vec<EntryId>,
    /// Those that have other values now.
    pub changed: Vec<EntryId>,
    /// Those that were like this already.
    pub unchanged: u64,
}
