//! The part of the backend that is about trust.

use app::api::Saved;
use app::backend::{Certificates, Edit};
use async_trait::async_trait;
use domain::access::Act;
use domain::entry::{EntryId, Version};
use domain::error::Problem;
use domain::secret::Secret;
use domain::smtp_server::PasswordDraft;
use domain::transcript::headline;
use domain::trust::{Fate, FindingKind, Inspection, NewPin, Presented, Preview, TrustId, TrustPage, TrustTrashPlan, TrustUndo};
use zeroize::Zeroizing;

use super::{Local, resolve, start};
use crate::certificate::summary;
use crate::entries::{Entries, read_client_certificate};
use crate::mailer::{Inspected, Mode, TestRun, system_authorities};
use crate::trust::to_pem;

#[async_trait]
impl Certificates for Local {
    async fn trusted(&self) -> Result<TrustPage, Problem> {
        self.may_with(Act::See, &[])?;
        self.entries.blocking(|entries| entries.trusted().page(&system_authorities())).await
    }

    async fn preview(&self, file: Vec<u8>, password: Secret) -> Result<Preview, Problem> {
        self.may_with(Act::Change, &[])?;
        let file = Zeroizing::new(file);
        self.entries.blocking(move |entries| entries.trusted().preview(&file, &password)).await
    }

    async fn add_authorities(&self, pem: String, only: Option<Vec<String>>) -> Result<Vec<TrustId>, Problem> {
        self.may_freshly(Act::Change, &[])?;
        let by = self.caller.display();
        self.entries.blocking(move |entries| entries.trusted().add_authorities(&pem, only.as_deref(), &by)).await
    }

    async fn pin(&self, pin: NewPin) -> Result<TrustId, Problem> {
        self.may_freshly(Act::Change, &[])?;
        let by = self.caller.display();
        self.entries.blocking(move |entries| entries.trusted().pin(&pin, &by)).await
    }

    async fn set_outlives(&self, id: TrustId, outlives: bool) -> Result<(), Problem> {
        self.may_freshly(Act::Change, &[])?;
        self.entries.blocking(move |entries| entries.trusted().set_outlives(id, outlives)).await
    }

    async fn set_system_roots(&self, on: bool) -> Result<(), Problem> {
        self.may_freshly(Act::Change, &[])?;
        self.entries.blocking(move |entries| entries.trusted().set_system_roots(on)).await
    }

    async fn trust_trash_plan(&self, ids: Vec<TrustId>) -> Result<TrustTrashPlan, Problem> {
        self.may_with(Act::Change, &[])?;
        self.entries.blocking(move |entries| entries.trusted().trash_plan(&ids)).await
    }

    async fn trash_trusted(&self, ids: Vec<TrustId>) -> Result<TrustUndo, Problem> {
        self.may_freshly(Act::Change, &[])?;
        self.entries.blocking(move |entries| entries.trusted().trash(&ids)).await
    }

    async fn undo_trusted(&self, batch: u64) -> Result<Vec<TrustId>, Problem> {
        self.may_freshly(Act::Change, &[])?;
        self.entries.blocking(move |entries| entries.trusted().undo(batch)).await
    }

    async fn export_trusted(&self, ids: Vec<TrustId>) -> Result<String, Problem> {
        self.may_with(Act::See, &[])?;
        self.entries.blocking(move |entries| entries.trusted().export(&ids)).await
    }

    async fn inspect(&self, id: Option<EntryId>, edit: Edit) -> Result<Inspection, Problem> {
        self.may_with(Act::Test, id.as_slice())?;
        let (server, trust) = self
            .entries
            .blocking(move |entries| {
                let draft = resolve(start(entries, id)?, edit)?.draft.only_what_leads_there();
                let server = draft.check(&PasswordDraft::default()).map_err(Problem::Invalid)?.server;
                Ok((server, entries.trusted().known()?.trust()))
            })
            .await?;
        let run = TestRun { trust: Some(trust), ..TestRun::new(server.clone(), None, Mode::Check(None)) };
        let (inspected, events) = self.runs.inspect(run).await;
        self.entries
            .blocking(move |entries| {
                let host = server.host.to_string();
                let issuer = issuer(entries, &inspected)?;
                let Inspected { finished, chain, findings, .. } = inspected;
                Ok(Inspection {
                    headline: headline(&finished, &host),
                    host,
                    port: server.port,
                    chain: chain.iter().map(|der| Presented { certificate: summary(der), pem: to_pem(der) }).collect(),
                    findings,
                    issuer,
                    pinned: entries.trusted().pinned(&server.host, server.port)?,
                    events,
                    now_ms: entries.now_ms(),
                })
            })
            .await
    }

    async fn set_client_certificate(&self, id: EntryId, base: Version, file: Option<(Vec<u8>, Secret)>) -> Result<Saved, Problem> {
        self.may_with(Act::Change, &[id])?;
        let file = file.map(|(file, password)| (Zeroizing::new(file), password));
        self.entries
            .blocking(move |entries| {
                let certificate = file.map(|(file, password)| read_client_certificate(&file, &password)).transpose();
                let certificate = certificate.map_err(Problem::Invalid)?;
                let sha256 = certificate.as_ref().map(|certificate| certificate.summary().sha256);
                let version = entries.set_client_certificate(id, base, certificate)?;
                tracing::info!(entry = id.0, version = version.0, sha256, "saved, with this client certificate or none");
                Ok(Saved { id, version })
            })
            .await
    }
}

/// The place of the issuer's certificate where trusting it would help: nobody vouches yet, and it may be trusted.
fn issuer(entries: &Entries, inspected: &Inspected) -> Result<Option<usize>, Problem> {
    let nobody_vouches = |kind| matches!(kind, FindingKind::UnknownIssuer | FindingKind::SelfSigned);
    let Some(at) = inspected.issuer.filter(|_| inspected.findings.iter().any(|finding| nobody_vouches(finding.kind))) else {
        return Ok(None);
    };
    let fate = inspected.chain.get(at).map(|der| entries.trusted().fate(der)).transpose()?;
    Ok(fate.filter(|fate| *fate == Fate::New).map(|_| at))
}
