//! The part of the port that is about trust: which certificates are accepted, and what servers present.

use async_trait::async_trait;
use domain::entry::{EntryId, Version};
use domain::error::Problem;
use domain::secret::Secret;
use domain::trust::{Inspection, NewPin, Preview, TrustId, TrustPage, TrustTrashPlan, TrustUndo};

use super::Edit;
use crate::api::Saved;

/// What can be done about trust. As with [`super::Backend`], what a call says is saved is on the disk; it counts from the next
/// connection on.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// What is trusted.
    async fn trusted(&self) -> Result<TrustPage, Problem>;
    /// What a file would add. Nothing is kept.
    async fn preview(&self, file: Vec<u8>, password: Secret) -> Result<Preview, Problem>;
    /// Trusts the authorities in `pem`; with `only`, those of these SHA-256. What is trusted already is left as it is. All or none.
    async fn add_authorities(&self, pem: String, only: Option<Vec<String>>) -> Result<Vec<TrustId>, Problem>;
    /// Trusts one certificate for one host and port.
    async fn pin(&self, pin: NewPin) -> Result<TrustId, Problem>;
    /// Whether a pinned certificate is trusted outside of its dates, too.
    async fn set_outlives(&self, id: TrustId, outlives: bool) -> Result<(), Problem>;
    /// Whether the authorities of this machine are trusted.
    async fn set_system_roots(&self, on: bool) -> Result<(), Problem>;
    /// What trashing these would mean.
    async fn trust_trash_plan(&self, ids: Vec<TrustId>) -> Result<TrustTrashPlan, Problem>;
    /// Trashes trusted certificates; can be undone for a while.
    async fn trash_trusted(&self, ids: Vec<TrustId>) -> Result<TrustUndo, Problem>;
    /// Takes a trashing back.
    async fn undo_trusted(&self, batch: u64) -> Result<Vec<TrustId>, Problem>;
    /// These as PEM, each under a comment that names it; all of them where none are named.
    async fn export_trusted(&self, ids: Vec<TrustId>) -> Result<String, Problem>;
    /// Fetches what the server of `edit` presents. Nobody signs in and nothing is sent.
    async fn inspect(&self, id: Option<EntryId>, edit: Edit) -> Result<Inspection, Problem>;
    /// Keeps the client certificate in `file` for an entry that was read at version `base`; `None` removes the one it has.
    async fn set_client_certificate(&self, id: EntryId, base: Version, file: Option<(Vec<u8>, Secret)>) -> Result<Saved, Problem>;
}
