//! Answers that arrive while things happen: JSON, a line each, over POST.

use domain::error::{ApiError, ErrorKind};
use domain::ndjson::Lines;
use domain::run::RunId;
use gloo_net::http::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader};

use crate::api::Failure;

/// An answer that goes on.
pub struct Stream {
    reader: ReadableStreamDefaultReader,
    lines: Lines,
    /// The run it tells of.
    pub run: Option<RunId>,
}

/// Ends a stream from this side.
#[derive(Clone)]
pub struct Stop(AbortController);

impl Stop {
    /// Ends it. The server notices that nobody listens any more.
    pub fn now(&self) {
        self.0.abort();
    }
}

/// A way to end a stream that is to be opened; none where the browser has none.
pub fn stopper() -> Option<Stop> {
    AbortController::new().ok().map(Stop)
}

/// Asks for a stream.
///
/// # Errors
/// What the server says, or that it doesn't answer.
pub async fn open(path: &str, body: &impl Serialize, stop: Option<&Stop>) -> Result<Stream, Failure> {
    let body = serde_json::to_string(body).map_err(|_| broken())?;
    let request =
        Request::post(path).header("content-type", "application/json").abort_signal(stop.map(|stop| stop.0.signal()).as_ref());
    let response = request.body(body).map_err(|_| broken())?.send().await.map_err(|_| broken())?;
    if !response.ok() {
        return Err(refusal(&response).await);
    }
    let run = response.headers().get("postroom-run").and_then(|run| run.parse().ok()).map(RunId);
    let reader = response.body().ok_or_else(broken)?.get_reader().unchecked_into();
    Ok(Stream { reader, lines: Lines::default(), run })
}

impl Stream {
    /// Waits for more: what arrived, or nothing at the end or where the connection broke.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Vec<T> {
        let mut arrived = Vec::new();
        while arrived.is_empty() {
            let Ok(read) = JsFuture::from(self.reader.read()).await else { break };
            let value = js_sys::Reflect::get(&read, &JsValue::from_str("value")).unwrap_or_default();
            let Ok(piece) = value.dyn_into::<js_sys::Uint8Array>() else { break };
            let taken = self.lines.push(&piece.to_vec(), |line| arrived.extend(serde_json::from_slice(line).ok()));
            if taken.is_err() {
                break;
            }
        }
        arrived
    }
}

async fn refusal(response: &Response) -> Failure {
    let body = response.binary().await.unwrap_or_default();
    serde_json::from_slice(&body).map_or_else(|_| broken(), Failure)
}

/// The connection broke.
pub fn broken() -> Failure {
    Failure(ApiError {
        message: "Postroom doesn't answer any more. What was asked for may still go on; check that it runs, then reload this page."
            .into(),
        ..ApiError::new(ErrorKind::Unreachable)
    })
}
