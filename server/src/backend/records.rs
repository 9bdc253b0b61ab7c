//! The part of the backend that is about what was done, and about taking entries out and in.

use std::time::Duration;

use app::backend::{Events, Records};
use async_trait::async_trait;
use domain::access::Act;
use domain::activity::{ActivityPage, ActivityQuery, Deed, ExportFormat};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::exchange::{ExportSecrets, ImportPlan, Imported, MAX_FILE};
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::channel;

use super::Local;
use crate::activity::{Activity, Unheard, last_words};
use crate::entries::{Plan, Variables};
use crate::exchange;

/// How many parts of an export may wait for a slow reader. What is read meanwhile can't be overwritten, so nobody holds it for long.
const WAITING: usize = 4;
/// How long a reader of an export may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

#[async_trait]
impl Records for Local {
    async fn activity(&self, query: ActivityQuery) -> Result<ActivityPage, Problem> {
        self.may_with(Act::Manage, &[])?;
        self.entries.blocking(move |entries| entries.activity().page(&query)).await
    }

    async fn export_activity(&self, query: ActivityQuery, format: ExportFormat) -> Result<Events<Vec<u8>>, Problem> {
        self.may_with(Act::Manage, &[])?;
        let activity = self
            .entries
            .blocking(move |entries| {
                Activity::check(&query)?;
                entries.tell(Deed::ActivityExported, if format == ExportFormat::Csv { "As CSV." } else { "As JSON lines." })?;
                Ok((entries.activity(), query))
            })
            .await?;
        let (give, given) = channel(WAITING);
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let (activity, query) = activity;
            let mut tell = |part: Vec<u8>| match runtime.block_on(tokio::time::timeout(PATIENCE, give.send(part))) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(Unheard),
            };
            if let Err(problem) = activity.export(&query, format, &mut tell) {
                tracing::warn!(?problem, "an export of the activity broke off");
                // So that nobody takes a part for all of it.
                let _ = tell(last_words(&problem, format));
            }
        });
        Ok(Box::pin(stream::unfold(given, |mut given| async move { given.recv().await.map(|part| (part, given)) })))
    }

    async fn export_servers(&self, ids: Vec<EntryId>, secrets: ExportSecrets) -> Result<String, Problem> {
        self.may_with(Act::See, &ids)?;
        self.entries
            .blocking(move |entries| {
                let (file, count) = entries.export(&ids, secrets)?;
                tracing::info!(count, "exported");
                Ok(file)
            })
            .await
    }

    async fn plan_import(&self, file: Vec<u8>) -> Result<ImportPlan, Problem> {
        self.may_with(Act::Change, &[])?;
        self.entries
            .blocking(move |entries| {
                let servers = exchange::read(&file, MAX_FILE)?;
                exchange::refuse_secrets(&servers)?;
                // As it was read: what was looked at is what is taken in, and it is no longer than it has to be.
                let text = serde_json::to_string(&servers).map_err(|_| Problem::Internal)?;
                let Plan { items, default } = entries.plan_import(&servers, &Variables::new())?;
                Ok(ImportPlan { items, default, text })
            })
            .await
    }

    async fn import_servers(&self, text: String, only: Option<Vec<usize>>) -> Result<Imported, Problem> {
        self.may_with(Act::Change, &[])?;
        let imported = self.entries.blocking(move |entries| {
            let servers = exchange::read(text.as_bytes(), MAX_FILE)?;
            exchange::refuse_secrets(&servers)?;
            let imported = entries.import(&servers, only.as_deref(), &Variables::new())?;
            tracing::info!(added = imported.added.len(), changed = imported.changed.len(), "imported");
            Ok(imported)
        });
        let imported = imported.await?;
        for id in &imported.changed {
            self.runs.sign_ins().changed(*id);
        }
        Ok(imported)
    }
}
