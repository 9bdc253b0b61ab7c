//! What is told while it happens: a JSON object a line (`application/x-ndjson`), each sent at once. Everything that can be
//! refused is refused before the first byte; what fails later is an event.

use std::convert::Infallible;

use app::backend::{Edit, Events};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::smtp_server::{ServerPatch, TestDraft};
use futures::StreamExt as _;
use http::{HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Visit, admit, api_error, name};

/// The keys of `POST /api/servers/test`, watched live.
const TEST_KEYS: &[&str] = &["id", "server", "from", "to", "attachment_bytes", "check_only"];
/// The keys of `POST /api/servers/test-all`.
const TEST_ALL_KEYS: &[&str] = &["ids"];
/// The header that names the run, so that it can be cancelled.
const RUN: &str = "postroom-run";

#[derive(Deserialize)]
struct Test {
    id: Option<EntryId>,
    #[serde(default)]
    server: ServerPatch,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    attachment_bytes: Option<u64>,
    #[serde(default)]
    check_only: bool,
}

#[derive(Deserialize)]
struct TestAll {
    ids: Option<Vec<EntryId>>,
}

/// `POST /api/servers/test/live`: an [`Event`](domain::transcript::Event) a line; the header `Postroom-Run` names the run.
pub(super) async fn test(visit: Visit, request: Request) -> Response {
    let Test { id, server, from, to, attachment_bytes, check_only } = match read(request, TEST_KEYS).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let test = TestDraft { from, to, attachment: attachment_bytes.map(|bytes| bytes.to_string()).unwrap_or_default(), check_only };
    match visit.backend.start_test(id, Edit::Patch(Box::new(server)), test).await {
        Ok(live) => {
            let mut response = lines(live.events);
            response.headers_mut().insert(name(RUN), HeaderValue::from(live.run.0));
            response
        }
        Err(problem) => api_error(problem),
    }
}

/// `POST /api/servers/test-all`: a [`BatchEvent`](domain::run::BatchEvent) a line.
pub(super) async fn test_all(visit: Visit, request: Request) -> Response {
    let TestAll { ids } = match read(request, TEST_ALL_KEYS).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    match visit.backend.test_all(ids).await {
        Ok(events) => lines(events),
        Err(problem) => api_error(problem),
    }
}

/// The arguments of a request.
async fn read<T: DeserializeOwned>(request: Request, keys: &[&str]) -> Result<T, Response> {
    let (_, body) = admit(request, &Method::POST, keys).await?;
    let read = serde_json::from_slice(&body);
    let read = read.map_err(|error| api_error(Problem::Malformed { detail: error.to_string() }))?;
    Ok(read)
}

fn lines<T: Serialize + 'static>(events: Events<T>) -> Response {
    let body = Body::from_stream(events.map(|event| Ok::<_, Infallible>(line(&event))));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

fn line<T: Serialize>(event: &T) -> Bytes {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
