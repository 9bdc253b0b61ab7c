//! Messages that applications hand over (`POST /api/v1/messages`), and what became of them: pages, and the routes of the API.

use std::time::Duration;

use app::backend::Handover;
use app::pages::Plain;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest as _, Multipart, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::access::Act;
use domain::error::{ApiError, ErrorKind, Problem};
use domain::submission::{MAX_JSON, MAX_TEXT, MessagesQuery, SubmissionError, SubmissionField, SubmissionId, SubmissionReport};
use domain::transcript::Outcome;
use domain::words;
use http::{Method, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer};

use super::pages::failed;
use super::routes::{Need, Routes};
use super::{Visit, admit, api_error, is_object, status};

/// How long the next bytes of a message may let themselves be waited for.
const NEXT_WITHIN: Duration = Duration::from_secs(30);
/// How long a message may take to arrive: a large one over a slow line.
const WHOLE_WITHIN: Duration = Duration::from_hours(2);
/// The most parts of a message: files, and addresses one by one.
const MAX_PARTS: usize = 1_000;
/// The most bytes of all parts that are text: two of them may be long.
const MAX_TEXTS: usize = 2 * MAX_TEXT + (1 << 20);
/// The keys of `GET /api/v1/messages`.
const LIST_KEYS: &[&str] = &["search", "outcome", "server", "from", "to", "before"];

pub(super) fn routes(routes: Routes) -> Routes {
    const SEE: Need = Need::Act(Act::See);
    routes
        .get("/messages", SEE, list)
        .get("/messages/{id}", SEE, message)
        .get("/api/v1/messages", SEE, list_api)
        .stream("/api/v1/messages", Need::Act(Act::Submit), submit_api)
        .api("/api/v1/messages/{id}", Method::GET, SEE, message_api)
}

/// `POST /api/v1/messages`: a message to be sent. The answer waits for what the mail server says of it.
async fn submit_api(visit: Visit, request: Request) -> Response {
    match tokio::time::timeout(WHOLE_WITHIN, submit(&visit, request)).await {
        Ok(Ok(handover)) => match handover.send().await {
            Ok(report) => answer(report),
            Err(problem) => api_error(problem),
        },
        Ok(Err(problem)) => api_error(problem),
        Err(_) => api_error(Problem::TooSlow),
    }
}

fn answer(report: SubmissionReport) -> Response {
    let code = report.verdict.error().map_or(200, ErrorKind::status);
    (status(code), Json(report)).into_response()
}

/// Takes a message over, in JSON or in parts.
async fn submit(visit: &Visit, request: Request) -> Result<Box<dyn Handover>, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" => of_json(visit, request.into_body()).await,
        "multipart/form-data" => of_parts(visit, request).await,
        _ => Err(malformed("a message comes as application/json or as multipart/form-data")),
    }
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::Malformed { detail: detail.into() }
}

/// A message in JSON; a list of addresses may be one text.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct JsonMessage {
    server: String,
    from: String,
    #[serde(deserialize_with = "one_or_many")]
    to: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    cc: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    bcc: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    reply_to: Vec<String>,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    source: String,
    attachments: Vec<JsonFile>,
}

/// A file in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile {
    name: String,
    #[serde(default)]
    content_type: String,
    /// Base64 (RFC 4648 section 4).
    content: String,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    })
}

impl JsonMessage {
    fn texts(&mut self) -> Vec<(SubmissionField, String)> {
        use SubmissionField::{Bcc, Cc, From, Html, ReplyTo, Server, Source, Subject, Text, To};
        let mut texts = Vec::new();
        for (field, list) in [(To, &mut self.to), (Cc, &mut self.cc), (Bcc, &mut self.bcc), (ReplyTo, &mut self.reply_to)] {
            texts.extend(std::mem::take(list).into_iter().map(|text| (field, text)));
        }
        for (field, text) in
            [(Server, &mut self.server), (From, &mut self.from), (Subject, &mut self.subject), (Source, &mut self.source)]
        {
            texts.push((field, std::mem::take(text)));
        }
        texts.extend(self.text.take().map(|text| (Text, text)));
        texts.extend(self.html.take().map(|html| (Html, html)));
        texts
    }
}

async fn of_json(visit: &Visit, body: Body) -> Result<Box<dyn Handover>, Problem> {
    let reading = Limited::new(body, MAX_JSON).collect();
    let body = match tokio::time::timeout(NEXT_WITHIN, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Problem::TooLarge { max: MAX_JSON as u64 }),
        Ok(Err(_)) => return Err(malformed("the connection broke off")),
        Err(_) => return Err(Problem::TooSlow),
    };
    // An array would be taken for the members in their order.
    if !is_object(&body) {
        return Err(malformed("expected a JSON object"));
    }
    let mut message: JsonMessage = serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
    let mut handover = visit.backend.take_message().await?;
    for part in message.texts() {
        handover.put(part);
    }
    for JsonFile { name, content_type, content } in message.attachments {
        let bytes = STANDARD.decode(content.as_bytes()).map_err(|_| {
            let error = SubmissionError::NotBase64 { name: name.clone() };
            Problem::InvalidSubmission(vec![(SubmissionField::Attachments, error)])
        })?;
        handover.begin_file(name, content_type).await?;
        handover.push(Bytes::from(bytes)).await?;
    }
    Ok(handover)
}

/// A message in parts (RFC 7578). Files are handed on as they arrive.
async fn of_parts(visit: &Visit, request: Request) -> Result<Box<dyn Handover>, Problem> {
    let torn = || malformed("the parts of the message can't be told apart, or the connection broke off");
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| torn())?;
    let mut handover = visit.backend.take_message().await?;
    let (mut count, mut texts) = (0, 0);
    loop {
        let part = tokio::time::timeout(NEXT_WITHIN, parts.next_field()).await.map_err(|_| Problem::TooSlow)?;
        let Some(mut part) = part.map_err(|_| torn())? else { return Ok(handover) };
        count += 1;
        if count > MAX_PARTS {
            return Err(malformed(format!("the message has more than {MAX_PARTS} parts")));
        }
        let field = field_of(part.name().unwrap_or_default())?;
        let is_file = field == SubmissionField::Attachments;
        if is_file {
            let name = part.file_name().unwrap_or_default().to_owned();
            handover.begin_file(name, part.content_type().unwrap_or_default().to_owned()).await?;
        }
        let mut text = Vec::new();
        loop {
            let bytes = tokio::time::timeout(NEXT_WITHIN, part.chunk()).await.map_err(|_| Problem::TooSlow)?;
            let Some(bytes) = bytes.map_err(|_| torn())? else { break };
            if is_file {
                handover.push(bytes).await?;
                continue;
            }
            texts += bytes.len();
            if texts > MAX_TEXTS {
                return Err(Problem::TooLarge { max: MAX_TEXTS as u64 });
            }
            text.extend_from_slice(&bytes);
        }
        if !is_file {
            let text = String::from_utf8(text).map_err(|_| malformed(format!("“{}” isn't UTF-8", field.key())))?;
            handover.put((field, text));
        }
    }
}

fn field_of(name: &str) -> Result<SubmissionField, Problem> {
    Ok(match name {
        "server" => SubmissionField::Server,
        "from" => SubmissionField::From,
        "to" => SubmissionField::To,
        "cc" => SubmissionField::Cc,
        "bcc" => SubmissionField::Bcc,
        "reply_to" => SubmissionField::ReplyTo,
        "subject" => SubmissionField::Subject,
        "text" => SubmissionField::Text,
        "html" => SubmissionField::Html,
        "source" => SubmissionField::Source,
        "attachments" | "attachment" => SubmissionField::Attachments,
        other => {
            let known = "server, from, to, cc, bcc, reply_to, subject, text, html, source, attachments";
            return Err(malformed(format!("unknown part `{}`, expected one of {known}", words::quote(other))));
        }
    })
}

/// What an address says of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MessagesAddress {
    search: String,
    outcome: String,
    server: String,
    from: String,
    to: String,
    before: String,
}

type Address = Result<Query<MessagesAddress>, QueryRejection>;

fn read(address: Address) -> Result<MessagesQuery, Problem> {
    let MessagesAddress { search, outcome, server, from, to, before } =
        address.map(|query| query.0).map_err(|_| malformed("the address can't be read"))?;
    let outcome = match outcome.as_str() {
        "" => None,
        "sent" => Some(Outcome::Sent),
        "failed" => Some(Outcome::Failed),
        "unknown" => Some(Outcome::Unknown),
        "cancelled" => Some(Outcome::Cancelled),
        _ => return Err(malformed("“outcome” is sent, failed, unknown or cancelled")),
    };
    let before = match before.as_str() {
        "" => None,
        number => Some(SubmissionId(number.parse().map_err(|_| malformed("“before” is a number"))?)),
    };
    Ok(MessagesQuery { search, outcome, server, from, to, before })
}

async fn list(visit: Visit, address: Address) -> Response {
    let (query, refused) = match read(address) {
        Ok(query) => (query, None),
        Err(problem) => (MessagesQuery::default(), Some(ApiError::from(problem))),
    };
    let page = match visit.backend.messages(query.clone()).await {
        Ok(found) => Plain::Messages { found: Some(found), query, refused }.into(),
        // What was typed stays, to be put right.
        Err(problem @ Problem::Malformed { .. }) => Plain::Messages { found: None, query, refused: Some(problem.into()) }.into(),
        Err(problem) => failed(problem),
    };
    visit.show(page).await
}

async fn message(visit: Visit, Path(id): Path<String>) -> Response {
    let found = match id.parse() {
        Ok(id) => visit.backend.message(SubmissionId(id)).await,
        Err(_) => Err(Problem::NoSuchPage),
    };
    let page = match found {
        Ok(view) => Plain::Message(Box::new(view)).into(),
        Err(problem) => failed(problem),
    };
    visit.show(page).await
}

/// `GET /api/v1/messages`: a page of what was sent.
async fn list_api(visit: Visit, address: Address, request: Request) -> Response {
    if let Err(refused) = admit(request, &Method::GET, LIST_KEYS).await {
        return refused;
    }
    let query = match read(address) {
        Ok(query) => query,
        Err(problem) => return api_error(problem),
    };
    match visit.backend.messages(query).await {
        Ok(page) => Json(page).into_response(),
        Err(problem) => api_error(problem),
    }
}

/// `GET /api/v1/messages/{id}`: one message, with everything that happened to it.
async fn message_api(visit: Visit, Path(id): Path<String>, request: Request) -> Response {
    if let Err(refused) = admit(request, &Method::GET, &[]).await {
        return refused;
    }
    let found = match id.parse() {
        Ok(id) => visit.backend.message(SubmissionId(id)).await,
        Err(_) => Err(Problem::NoSuchPage),
    };
    match found {
        Ok(view) => Json(view).into_response(),
        Err(problem) => api_error(problem),
    }
}
