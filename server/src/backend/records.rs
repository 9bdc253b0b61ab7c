//! The part of the backend that is about what was done, and about taking entries out and in.

use app::backend::{Events, Records};
use async_trait::async_trait;
use domain::activity::{ActivityPage, ActivityQuery, ExportFormat};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::exchange::{ExportSecrets, ImportPlan, Imported};

use super::Local;

#[async_trait]
impl Records for Local {
    async fn activity(&self, _: ActivityQuery) -> Result<ActivityPage, Problem> {
        Err(Problem::Internal)
    }

    async fn export_activity(&self, _: ActivityQuery, _: ExportFormat) -> Result<Events<Vec<u8>>, Problem> {
        Err(Problem::Internal)
    }

    async fn export_servers(&self, _: Vec<EntryId>, _: ExportSecrets) -> Result<String, Problem> {
        Err(Problem::Internal)
    }

    async fn plan_import(&self, _: Vec<u8>) -> Result<ImportPlan, Problem> {
        Err(Problem::Internal)
    }

    async fn import_servers(&self, _: String, _: Option<Vec<usize>>) -> Result<Imported, Problem> {
        Err(Problem::Internal)
    }
}
