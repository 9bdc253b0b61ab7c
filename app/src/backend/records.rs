//! The part of the port that is about what was done, and about taking entries out and in.

use async_trait::async_trait;
use domain::activity::{ActivityPage, ActivityQuery, ExportFormat};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::exchange::{ExportSecrets, ImportPlan, Imported};

use super::Events;

/// What was done, and entries as a file.
#[async_trait]
pub trait Records: Send + Sync {
    /// A page of the activity.
    async fn activity(&self, query: ActivityQuery) -> Result<ActivityPage, Problem>;
    /// All of the activity that `query` finds, the oldest first, in parts as they are read.
    async fn export_activity(&self, query: ActivityQuery, format: ExportFormat) -> Result<Events<Vec<u8>>, Problem>;
    /// Entries as JSON, or all of them where none are named.
    async fn export_servers(&self, ids: Vec<EntryId>, secrets: ExportSecrets) -> Result<String, Problem>;
    /// What taking in such a file would do. Nothing is kept.
    async fn plan_import(&self, file: Vec<u8>) -> Result<ImportPlan, Problem>;
    /// Takes it in, or those of it at these places: all of them or none.
    async fn import_servers(&self, text: String, only: Option<Vec<usize>>) -> Result<Imported, Problem>;
}
