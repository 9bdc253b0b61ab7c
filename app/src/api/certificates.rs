//! The server functions about trust.

use domain::entry::EntryId;
use domain::smtp_server::ServerPatch;
#[cfg(feature = "ssr")]
use domain::trust::NewPin;
use domain::trust::{Inspection, TrustId, TrustPage, TrustUndo};
use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};

use super::Failure;
#[cfg(feature = "ssr")]
use crate::backend::{Edit, backend};

/// `GET /api/certificates`: what is trusted.
///
/// # Errors
/// What the backend says.
#[server(name = ListCertificates, prefix = "/api", endpoint = "certificates", input = GetUrl)]
pub async fn list_certificates() -> Result<TrustPage, Failure> {
    Ok(backend()?.trusted().await?)
}

/// `POST /api/certificates/add`: trusts the authorities in `pem`, or those of them that `only` names by SHA-256.
///
/// # Errors
/// What the backend says.
#[server(name = AddCertificates, prefix = "/api", endpoint = "certificates/add", input = Json)]
pub async fn add_certificates(pem: String, #[server(default)] only: Option<Vec<String>>) -> Result<Vec<TrustId>, Failure> {
    Ok(backend()?.add_authorities(pem, only).await?)
}

/// `POST /api/certificates/pin`: trusts one certificate for one host and port.
///
/// # Errors
/// What the backend says.
#[server(name = PinCertificate, prefix = "/api", endpoint = "certificates/pin", input = Json)]
pub async fn pin_certificate(
    host: String,
    port: u16,
    pem: String,
    #[server(default)] outlives: bool,
    #[server(default)] replace: bool,
) -> Result<TrustId, Failure> {
    Ok(backend()?.pin(NewPin { host, port, pem, outlives, replace }).await?)
}

/// `POST /api/certificates/outlives`: whether a pinned certificate is trusted outside of its dates.
///
/// # Errors
/// What the backend says.
#[server(name = SetOutlives, prefix = "/api", endpoint = "certificates/outlives", input = Json)]
pub async fn set_outlives(id: TrustId, outlives: bool) -> Result<(), Failure> {
    Ok(backend()?.set_outlives(id, outlives).await?)
}

/// `POST /api/certificates/system-roots`: whether the authorities of this machine are trusted.
///
/// # Errors
/// What the backend says.
#[server(name = SetSystemRoots, prefix = "/api", endpoint = "certificates/system-roots", input = Json)]
pub async fn set_system_roots(on: bool) -> Result<(), Failure> {
    Ok(backend()?.set_system_roots(on).await?)
}

/// `POST /api/certificates/trash`: trashes trusted certificates.
///
/// # Errors
/// What the backend says.
#[server(name = TrashCertificates, prefix = "/api", endpoint = "certificates/trash", input = Json)]
pub async fn trash_certificates(ids: Vec<TrustId>) -> Result<TrustUndo, Failure> {
    Ok(backend()?.trash_trusted(ids).await?)
}

/// `POST /api/certificates/undo`: takes a trashing back.
///
/// # Errors
/// What the backend says.
#[server(name = UndoCertificates, prefix = "/api", endpoint = "certificates/undo", input = Json)]
pub async fn undo_certificates(batch: u64) -> Result<Vec<TrustId>, Failure> {
    Ok(backend()?.undo_trusted(batch).await?)
}

/// `POST /api/servers/inspect`: what a server presents. Nobody signs in and nothing is sent.
///
/// # Errors
/// What the backend says. A server that can't be reached is no error: the inspection says so.
#[server(name = InspectServer, prefix = "/api", endpoint = "servers/inspect", input = Json)]
pub async fn inspect_server(
    #[server(default)] id: Option<EntryId>,
    #[server(default)] server: ServerPatch,
) -> Result<Inspection, Failure> {
    Ok(backend()?.inspect(id, Edit::Patch(Box::new(server))).await?)
}
