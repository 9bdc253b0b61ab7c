//! The server functions: the API that scripts use and that the pages call. Each takes its context, makes one
//! [`Backend`](crate::backend::Backend) call and returns.

#![expect(missing_docs, reason = "the macro makes a struct of each function's arguments; the function says what they are")]

mod certificates;
mod sign_ins;

use domain::access::Act;
use domain::entry::{EntryId, EntryView, ListPage, UndoOffer, Version};
use domain::error::{ApiError, ErrorKind, Problem};
use domain::run::{History, Run, RunId};
use domain::smtp_server::ServerPatch;
use domain::transcript::Event;
use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

pub use certificates::*;
pub use sign_ins::*;

#[cfg(feature = "ssr")]
use crate::backend::{Edit, backend};

/// An error as it travels: `{ "error", "message", "fields" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(pub ApiError);

impl Failure {
    fn of(error: ErrorKind, message: String) -> Self {
        Self(ApiError { message, ..ApiError::new(error) })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem.into())
    }
}

impl FromServerFnError for Failure {
    type Encoder = leptos::server_fn::codec::JsonEncoding;

    fn from_server_fn_error(value: ServerFnErrorErr) -> Self {
        match value {
            ServerFnErrorErr::Request(_) | ServerFnErrorErr::Response(_) => Self::of(
                ErrorKind::Unreachable,
                "Postroom doesn't answer. What was asked for may not have been done; check that it runs, then try again.".into(),
            ),
            ServerFnErrorErr::Args(detail)
            | ServerFnErrorErr::MissingArg(detail)
            | ServerFnErrorErr::Deserialization(detail)
            | ServerFnErrorErr::UnsupportedRequestMethod(detail) => Self(Problem::Malformed { detail }.into()),
            _ => Self(Problem::Internal.into()),
        }
    }
}

/// A save that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The entry.
    pub id: EntryId,
    /// The version it has now.
    pub version: Version,
}

/// A trashing that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trashed {
    /// How to take it back.
    #[serde(flatten)]
    pub undo: UndoOffer,
    /// The entry that now stands where the first trashed one stood.
    pub next: Option<EntryId>,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// The outcome in one sentence.
    pub headline: String,
    /// Everything that happened; the last event is `finished`.
    pub events: Vec<Event>,
}

/// The answer to a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Whether there was anything to stop. How the run ended says its last event.
    pub cancelled: bool,
}

/// What each server function comes to, and the keys it takes. An unknown one is an error: a misspelt `check_only` must not send
/// anything.
pub const KEYS: [(&str, Act, &[&str]); 22] = [
    ("/api/servers", Act::See, &["search", "page"]),
    ("/api/servers/get", Act::See, &["id"]),
    ("/api/servers/create", Act::Change, &["server"]),
    ("/api/servers/save", Act::Change, &["id", "version", "server"]),
    ("/api/servers/trash", Act::Change, &["ids", "new_default"]),
    ("/api/servers/undo", Act::Change, &["batch"]),
    ("/api/servers/test", Act::Test, &["id", "server", "from", "to", "attachment_bytes", "check_only"]),
    ("/api/servers/inspect", Act::Test, &["id", "server"]),
    ("/api/servers/renew", Act::Test, &["id"]),
    ("/api/servers/sign-out", Act::Change, &["id"]),
    ("/api/servers/device-code", Act::Change, &["id"]),
    ("/api/servers/device", Act::Change, &["id"]),
    ("/api/servers/runs", Act::See, &["id"]),
    ("/api/runs/get", Act::See, &["run"]),
    ("/api/runs/cancel", Act::Test, &["run"]),
    ("/api/certificates", Act::See, &[]),
    ("/api/certificates/add", Act::Change, &["pem", "only"]),
    ("/api/certificates/pin", Act::Change, &["host", "port", "pem", "outlives", "replace"]),
    ("/api/certificates/outlives", Act::Change, &["id", "outlives"]),
    ("/api/certificates/system-roots", Act::Change, &["on"]),
    ("/api/certificates/trash", Act::Change, &["ids"]),
    ("/api/certificates/undo", Act::Change, &["batch"]),
];

/// `GET /api/servers`: a page of the list.
///
/// # Errors
/// What the backend says.
#[server(name = ListServers, prefix = "/api", endpoint = "servers", input = GetUrl)]
pub async fn list_servers(
    #[server(default)] search: Option<String>,
    #[server(default)] page: Option<u32>,
) -> Result<ListPage, Failure> {
    let query = domain::entry::ListQuery { search: search.unwrap_or_default(), page: page.unwrap_or(1) };
    Ok(backend()?.list(query).await?)
}

/// `GET /api/servers/get`: one entry.
///
/// # Errors
/// What the backend says.
#[server(name = GetServer, prefix = "/api", endpoint = "servers/get", input = GetUrl)]
pub async fn get_server(id: EntryId) -> Result<EntryView, Failure> {
    Ok(backend()?.entry(id).await?)
}

/// `POST /api/servers/create`: adds an entry.
///
/// # Errors
/// What the backend says.
#[server(name = CreateServer, prefix = "/api", endpoint = "servers/create", input = Json)]
pub async fn create_server(server: ServerPatch) -> Result<Saved, Failure> {
    Ok(backend()?.create(server).await?)
}

/// `POST /api/servers/save`: saves an edit that started from `version`.
///
/// # Errors
/// What the backend says.
#[server(name = SaveServer, prefix = "/api", endpoint = "servers/save", input = Json)]
pub async fn save_server(id: EntryId, version: Version, server: ServerPatch) -> Result<Saved, Failure> {
    Ok(backend()?.save(id, version, Edit::Patch(Box::new(server))).await?)
}

/// `POST /api/servers/trash`: trashes entries.
///
/// # Errors
/// What the backend says.
#[server(name = TrashServers, prefix = "/api", endpoint = "servers/trash", input = Json)]
pub async fn trash_servers(ids: Vec<EntryId>, #[server(default)] new_default: Option<EntryId>) -> Result<Trashed, Failure> {
    Ok(backend()?.trash(ids, new_default).await?)
}

/// `POST /api/servers/undo`: takes a trashing back.
///
/// # Errors
/// What the backend says.
#[server(name = UndoTrash, prefix = "/api", endpoint = "servers/undo", input = Json)]
pub async fn undo_trash(batch: u64) -> Result<Vec<EntryId>, Failure> {
    Ok(backend()?.undo(batch).await?)
}

/// `POST /api/servers/test`: tries an entry, or what is typed over it.
///
/// # Errors
/// What the backend says. A failed test is no error: it is a report.
#[server(name = TestServer, prefix = "/api", endpoint = "servers/test", input = Json)]
pub async fn test_server(
    #[server(default)] id: Option<EntryId>,
    #[server(default)] server: ServerPatch,
    #[server(default)] from: String,
    #[server(default)] to: String,
    #[server(default)] attachment_bytes: Option<u64>,
    #[server(default)] check_only: bool,
) -> Result<TestReport, Failure> {
    let test = domain::smtp_server::TestDraft {
        from,
        to,
        attachment: attachment_bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
        check_only,
    };
    Ok(backend()?.test(id, Edit::Patch(Box::new(server)), test).await?)
}

/// `GET /api/servers/runs`: the history of an entry.
///
/// # Errors
/// What the backend says.
#[server(name = ListRuns, prefix = "/api", endpoint = "servers/runs", input = GetUrl)]
pub async fn list_runs(id: EntryId) -> Result<History, Failure> {
    Ok(backend()?.history(id).await?)
}

/// `GET /api/runs/get`: one run with everything that happened.
///
/// # Errors
/// What the backend says.
#[server(name = GetRun, prefix = "/api", endpoint = "runs/get", input = GetUrl)]
pub async fn get_run(run: RunId) -> Result<Run, Failure> {
    Ok(backend()?.run(run).await?)
}

/// `POST /api/runs/cancel`: stops a run at once.
///
/// # Errors
/// What the backend says. A run that is over is no error.
#[server(name = CancelRun, prefix = "/api", endpoint = "runs/cancel", input = Json)]
pub async fn cancel_run(run: RunId) -> Result<Cancelled, Failure> {
    Ok(Cancelled { cancelled: backend()?.cancel(run).await? })
}
