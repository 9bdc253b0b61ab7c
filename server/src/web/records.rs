//! What was done, and servers as a file: pages, forms, downloads, and the routes of the API for them.

use std::convert::Infallible;

use app::pages::{Page, Plain};
use axum::body::Body;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Multipart, Query, RawQuery, Request};
use axum::response::{IntoResponse, Response};
use domain::access::Act;
use domain::activity::{ActivityQuery, Deed, ExportFormat};
use domain::entry::EntryId;
use domain::error::{ApiError, Problem};
use domain::exchange::{ExportSecrets, ImportPlan};
use domain::words;
use futures::StreamExt as _;
use http::{HeaderValue, Method, header};
use serde::Deserialize;

use super::forms::{Fields, Posted};
use super::pages::{failed, numbers};
use super::routes::{Need, Routes};
use super::upload::Upload;
use super::{Visit, admit, api_error, see_other};

/// The keys of `GET /api/activity`.
const ACTIVITY_KEYS: &[&str] = &["search", "who", "deed", "from", "to", "before"];
/// The keys of `GET /api/activity/export`.
const EXPORT_ACTIVITY_KEYS: &[&str] = &["search", "who", "deed", "from", "to", "format"];
/// The keys of `GET /api/servers/export`.
const EXPORT_KEYS: &[&str] = &["id", "secrets"];
/// The keys of `POST /api/servers/import-plan`.
const PLAN_KEYS: &[&str] = &["file"];
/// The keys of `POST /api/servers/import`.
const IMPORT_KEYS: &[&str] = &["file", "only"];

pub(super) fn routes(routes: Routes) -> Routes {
    const SEE: Need = Need::Act(Act::See);
    const CHANGE: Need = Need::Act(Act::Change);
    const MANAGE: Need = Need::Act(Act::Manage);
    routes
        .get("/activity", MANAGE, activity)
        .get("/activity/export", MANAGE, export_activity)
        .get("/servers/export", SEE, export)
        .get("/servers/import", CHANGE, import)
        .post("/servers/import", CHANGE, preview)
        .get("/servers/import/confirm", CHANGE, || async { see_other("/servers/import") })
        .post("/servers/import/confirm", CHANGE, confirm)
        .api("/api/activity", Method::GET, MANAGE, activity_api)
        .api("/api/activity/export", Method::GET, MANAGE, export_activity_api)
        .api("/api/servers/export", Method::GET, SEE, export_api)
        .api("/api/servers/import-plan", Method::POST, CHANGE, plan_api)
        .api("/api/servers/import", Method::POST, CHANGE, import_api)
}

/// What an address says of the activity.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ActivityAddress {
    search: String,
    who: String,
    deed: String,
    from: String,
    to: String,
    before: String,
    format: String,
}

impl ActivityAddress {
    /// # Errors
    /// [`Problem::Malformed`] for a deed or a number that is none.
    fn query(&self) -> Result<ActivityQuery, Problem> {
        let malformed = |detail: &str| Problem::Malformed { detail: detail.into() };
        let deed = match self.deed.as_str() {
            "" => None,
            key => Some(Deed::parse(key).ok_or_else(|| malformed("“deed” is none that there is"))?),
        };
        let before = match self.before.as_str() {
            "" => None,
            number => Some(number.parse().map_err(|_| malformed("“before” is a number"))?),
        };
        let [search, who, from, to] = [&self.search, &self.who, &self.from, &self.to].map(Clone::clone);
        Ok(ActivityQuery { search, who, deed, from, to, before })
    }

    fn format(&self) -> Result<ExportFormat, Problem> {
        match self.format.as_str() {
            "" | "csv" => Ok(ExportFormat::Csv),
            "jsonl" => Ok(ExportFormat::Jsonl),
            _ => Err(Problem::Malformed { detail: "“format” is csv or jsonl".into() }),
        }
    }
}

type Address = Result<Query<ActivityAddress>, QueryRejection>;

/// The address that was asked for, as far as it can be read.
fn read(address: Address) -> Result<ActivityAddress, Problem> {
    address.map(|query| query.0).map_err(|_| Problem::Malformed { detail: "the address can't be read".into() })
}

impl Visit {
    async fn activity_page(&self, query: ActivityQuery, refused: Option<ApiError>) -> Page {
        match self.backend.activity(query.clone()).await {
            Ok(activity) => Plain::Activity { activity: Some(activity), query, refused }.into(),
            // What was typed stays, to be put right.
            Err(problem @ Problem::Malformed { .. }) => {
                Plain::Activity { activity: None, query, refused: Some(problem.into()) }.into()
            }
            Err(problem) => failed(problem),
        }
    }
}

pub(super) async fn activity(visit: Visit, address: Address) -> Response {
    let page = match read(address).and_then(|address| address.query()) {
        Ok(query) => visit.activity_page(query, None).await,
        Err(problem) => visit.activity_page(ActivityQuery::default(), Some(problem.into())).await,
    };
    visit.show(page).await
}

pub(super) async fn export_activity(visit: Visit, address: Address) -> Response {
    let address = read(address);
    let exported = match &address {
        Ok(address) => exported_activity(&visit, address).await,
        Err(problem) => Err(problem.clone()),
    };
    match exported {
        Ok(file) => file,
        Err(problem) => {
            let query = address.ok().and_then(|address| address.query().ok()).unwrap_or_default();
            let page = visit.activity_page(query, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

async fn exported_activity(visit: &Visit, address: &ActivityAddress) -> Result<Response, Problem> {
    let format = address.format()?;
    let query = ActivityQuery { before: None, ..address.query()? };
    let parts = visit.backend.export_activity(query, format).await?;
    let (kind, name) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "postroom-activity.csv"),
        ExportFormat::Jsonl => ("application/x-ndjson", "postroom-activity.jsonl"),
    };
    let mut response = Response::new(Body::from_stream(parts.map(Ok::<_, Infallible>)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// `GET /api/activity`: a page of it.
pub(super) async fn activity_api(visit: Visit, address: Address, request: Request) -> Response {
    if let Err(refused) = admit(request, &Method::GET, ACTIVITY_KEYS).await {
        return refused;
    }
    let query = match read(address).and_then(|address| address.query()) {
        Ok(query) => query,
        Err(problem) => return api_error(problem),
    };
    match visit.backend.activity(query).await {
        Ok(activity) => axum::Json(activity).into_response(),
        Err(problem) => api_error(problem),
    }
}

/// `GET /api/activity/export`: CSV or JSON lines.
pub(super) async fn export_activity_api(visit: Visit, address: Address, request: Request) -> Response {
    if let Err(refused) = admit(request, &Method::GET, EXPORT_ACTIVITY_KEYS).await {
        return refused;
    }
    let address = match read(address) {
        Ok(address) => address,
        Err(problem) => return api_error(problem),
    };
    exported_activity(&visit, &address).await.unwrap_or_else(api_error)
}

/// The chosen servers as a file, or all.
pub(super) async fn export(visit: Visit, RawQuery(query): RawQuery) -> Response {
    match exported(&visit, query.as_deref()).await {
        Ok(file) => file,
        Err(problem) => {
            let page = visit.list_page(String::new(), 1, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

/// `GET /api/servers/export`: JSON.
pub(super) async fn export_api(visit: Visit, request: Request) -> Response {
    let parts = match admit(request, &Method::GET, EXPORT_KEYS).await {
        Ok((parts, _)) => parts,
        Err(refused) => return refused,
    };
    exported(&visit, parts.uri.query()).await.unwrap_or_else(api_error)
}

/// Without a number everything is meant, so one that can't be read is no number left out.
async fn exported(visit: &Visit, query: Option<&str>) -> Result<Response, Problem> {
    let values =
        |key: &str| query.unwrap_or_default().split('&').filter_map(move |pair| pair.strip_prefix(key)).collect::<Vec<_>>();
    let ids: Vec<EntryId> = numbers(query, "id").into_iter().map(EntryId).collect();
    if ids.len() != values("id=").len() {
        return Err(Problem::Malformed { detail: "an id is a number".into() });
    }
    let secrets = match values("secrets=")[..] {
        [] | ["left_out"] => ExportSecrets::LeftOut,
        ["env"] => ExportSecrets::Env,
        _ => return Err(Problem::Malformed { detail: "“secrets” is env or left_out".into() }),
    };
    let file = visit.backend.export_servers(ids, secrets).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"postroom-servers.json\""),
    ];
    Ok((headers, file).into_response())
}

fn import_page(plan: Option<ImportPlan>, chosen: Option<Vec<usize>>, refused: Option<ApiError>) -> Page {
    Plain::ImportServers { plan, chosen, done: None, refused }.into()
}

pub(super) async fn import(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let count = |key| numbers(query.as_deref(), key).first().copied();
    let done = match (count("added"), count("changed")) {
        (Some(added), Some(changed)) => Some(words::servers_imported(added, changed)),
        _ => None,
    };
    visit.show(Plain::ImportServers { plan: None, chosen: None, done, refused: None }.into()).await
}

/// Shows what a file would change. Nothing is kept.
pub(super) async fn preview(visit: Visit, form: Result<Multipart, MultipartRejection>) -> Response {
    let upload = match Upload::read(form, &["file", "json"]).await {
        Ok(upload) => upload,
        Err(problem) => return visit.show(failed(problem)).await,
    };
    let planned = match upload.file_or("json", words::NO_SERVER_FILE, words::SERVER_FILE_AND_PASTE) {
        Ok(file) => visit.backend.plan_import(file).await.map_err(of_file),
        Err(error) => Err(error),
    };
    let page = match planned {
        Ok(plan) => import_page(Some(plan), None, None),
        Err(error) => import_page(None, None, Some(error)),
    };
    visit.show(page).await
}

/// Takes in what was ticked.
pub(super) async fn confirm(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let text = fields.text("text");
    let chosen: Vec<usize> = fields.numbers("at").into_iter().filter_map(|at| usize::try_from(at).ok()).collect();
    let problem = match visit.backend.import_servers(text.clone(), Some(chosen.clone())).await {
        Ok(imported) => {
            let (added, changed) = (imported.added.len(), imported.changed.len());
            return see_other(&format!("/servers/import?added={added}&changed={changed}"));
        }
        Err(problem) => problem,
    };
    let plan = visit.backend.plan_import(text.into_bytes()).await.ok();
    visit.show(import_page(plan, Some(chosen), Some(problem.into()))).await
}

/// What is wrong with a file stands at its field.
fn of_file(problem: Problem) -> ApiError {
    let is_file = matches!(problem, Problem::NotImportable { .. });
    let mut error = ApiError::from(problem);
    if is_file {
        error.fields.insert("file".into(), error.message.clone());
    }
    error
}

#[derive(Deserialize)]
struct PlanRequest {
    file: String,
}

#[derive(Deserialize)]
struct ImportRequest {
    file: String,
    #[serde(default)]
    only: Option<Vec<usize>>,
}

/// `POST /api/servers/import-plan`: what taking in a file would do.
pub(super) async fn plan_api(visit: Visit, request: Request) -> Response {
    let body = match admit(request, &Method::POST, PLAN_KEYS).await {
        Ok((_, body)) => body,
        Err(refused) => return refused,
    };
    // What can't be read is not quoted: somebody may have put a password into it.
    let Ok(PlanRequest { file }) = serde_json::from_slice(&body) else { return not_text(r#"expected {"file": text}"#) };
    match visit.backend.plan_import(file.into_bytes()).await {
        Ok(plan) => axum::Json(plan).into_response(),
        Err(problem) => api_error(problem),
    }
}

/// `POST /api/servers/import`: takes in a file, or a part of it.
pub(super) async fn import_api(visit: Visit, request: Request) -> Response {
    let body = match admit(request, &Method::POST, IMPORT_KEYS).await {
        Ok((_, body)) => body,
        Err(refused) => return refused,
    };
    let Ok(ImportRequest { file, only }) = serde_json::from_slice(&body) else {
        return not_text(r#"expected {"file": text, "only": [places]}"#);
    };
    match visit.backend.import_servers(file, only).await {
        Ok(imported) => axum::Json(imported).into_response(),
        Err(problem) => api_error(problem),
    }
}

fn not_text(detail: &str) -> Response {
    api_error(Problem::Malformed { detail: detail.into() })
}
