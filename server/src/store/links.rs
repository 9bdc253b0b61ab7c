//! What is kept of download links. What stands in their addresses is kept nowhere: only its digest is.

use domain::entry::EntryId;
use domain::link::{Download, Language, LinkState};
use domain::submission::SubmissionId;
use serde::{Deserialize, Serialize};

use super::Digest;
use super::codec::digest_text;
use crate::files::FileId;

/// A link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// The message it is in.
    pub submission: SubmissionId,
    /// The entry the message was sent through.
    pub entry: EntryId,
    /// The entry's name then.
    pub server: String,
    /// The file it stands for; `None` once the link has ended and its file is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// The name it is downloaded under ([`domain::link::safe_name`]).
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    #[serde(with = "digest_text")]
    pub sha256: [u8; 32],
    /// Who sent the message.
    pub sender: String,
    /// The language that its page speaks.
    #[serde(default)]
    pub language: Language,
    /// When it was made: milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends.
    pub expires_ms: u64,
    /// When somebody ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
    /// How often a download was begun.
    #[serde(default)]
    pub downloads: u64,
    /// The last downloads, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last: Vec<Download>,
    /// The digest of what stands in its address.
    #[serde(with = "digest_text")]
    pub digest: Digest,
}

impl LinkRecord {
    /// Whether it can be used at `now_ms`. One whose file was given up never can again, wherever the clock is set.
    pub const fn state(&self, now_ms: u64) -> LinkState {
        if self.revoked_ms.is_some() {
            LinkState::Revoked
        } else if self.file.is_none() || now_ms >= self.expires_ms {
            LinkState::Expired
        } else {
            LinkState::Live
        }
    }
}

impl std::fmt::Debug for LinkRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkRecord").field("submission", &self.submission).field("file", &self.file).finish_non_exhaustive()
    }
}
