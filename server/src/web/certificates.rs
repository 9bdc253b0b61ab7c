//! Trust: its pages, its forms, and the two routes of the API that server functions have no place for, a file that comes in
//! and one that goes out.

use app::pages::{Page, Plain};
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Form, Multipart, Path, RawQuery, Request};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::entry::{EntryId, Version};
use domain::error::{ApiError, Problem};
use domain::field::{Field, FieldError};
use domain::secret::Secret;
use domain::smtp_server::SecretInput;
use domain::trust::{ClientCertificateError, ImportError, TrustId};
use domain::words;
use http::{Method, header};
use serde::Deserialize;

use super::forms::{Fields, Posted};
use super::pages::{failed, numbers};
use super::upload::Upload;
use super::{Visit, admit, api_error, see_other};

/// The keys of `POST /api/certificates/preview`.
const PREVIEW_KEYS: &[&str] = &["file", "password"];
/// The keys of `GET /api/certificates/export`.
const EXPORT_KEYS: &[&str] = &["id"];

/// How the page of certificates is to look.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// So many authorities were added just now.
    added: Option<u64>,
    /// This row is to be seen whole.
    open: Option<TrustId>,
    /// Every imported authority is ticked.
    all: bool,
}

impl Look {
    fn of(query: &str) -> Self {
        Self {
            added: numbers(Some(query), "added").first().copied(),
            open: numbers(Some(query), "open").first().copied().map(TrustId),
            all: query.split('&').any(|pair| pair == "all"),
        }
    }
}

impl Visit {
    async fn certificates_page(&self, look: Look, refused: Option<ApiError>) -> Page {
        match self.backend.trusted().await {
            Ok(trust) => {
                let done = look.added.map(words::authorities_added);
                Plain::Certificates { trust, done, open: look.open, all_chosen: look.all, refused }.into()
            }
            Err(problem) => failed(problem),
        }
    }

    async fn trash_certificates_page(&self, ids: Vec<TrustId>, refused: Option<ApiError>) -> Page {
        match self.backend.trust_trash_plan(ids).await {
            Ok(plan) => Plain::TrashCertificates { plan, refused }.into(),
            // Nothing to ask about: the page it came from says why.
            Err(problem) => self.certificates_page(Look::default(), Some(refused.unwrap_or_else(|| problem.into()))).await,
        }
    }

    async fn client_certificate_page(&self, id: EntryId, refused: Option<ApiError>) -> Page {
        match self.backend.entry_page(id, None).await {
            Ok(page) => Plain::ClientCertificate { view: Box::new(page.view), refused, now_ms: page.now_ms }.into(),
            Err(problem) => failed(problem),
        }
    }

    /// Shows the page of certificates with what was refused, or leads there.
    async fn done<T>(&self, result: Result<T, Problem>, next: impl FnOnce(T) -> String) -> Response {
        match result {
            Ok(done) => see_other(&next(done)),
            Err(problem) => {
                let page = self.certificates_page(Look::default(), Some(problem.into())).await;
                self.show(page).await
            }
        }
    }
}

pub(super) async fn list(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let page = visit.certificates_page(Look::of(query.as_deref().unwrap_or_default()), None).await;
    visit.show(page).await
}

pub(super) async fn import(visit: Visit) -> Response {
    visit.show(Plain::Import { preview: None, chosen: None, refused: None }.into()).await
}

/// Shows what a file would add. Nothing is kept.
pub(super) async fn preview(visit: Visit, form: Result<Multipart, MultipartRejection>) -> Response {
    let upload = match Upload::read(form, &["file", "pem", "password"]).await {
        Ok(upload) => upload,
        Err(problem) => return visit.show(failed(problem)).await,
    };
    let previewed = match upload.file() {
        Ok(file) => visit.backend.preview(file, upload.secret("password")).await.map_err(of_file),
        Err(error) => Err(error),
    };
    let page = match previewed {
        Ok(preview) => Plain::Import { preview: Some(preview), chosen: None, refused: None },
        Err(error) => Plain::Import { preview: None, chosen: None, refused: Some(error) },
    };
    visit.show(page.into()).await
}

/// Trusts what was ticked.
pub(super) async fn add(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let (pem, chosen) = (fields.text("pem"), fields.texts("sha256"));
    let added = if chosen.is_empty() {
        Err(Problem::NoCertificateChosen)
    } else {
        visit.backend.add_authorities(pem.clone(), Some(chosen.clone())).await
    };
    let problem = match added {
        Ok(ids) => return see_other(&format!("/certificates?added={}", ids.len())),
        Err(problem) => problem,
    };
    let preview = visit.backend.preview(pem.into_bytes(), Secret::default()).await.ok();
    let refused = Some(problem.into());
    visit.show(Plain::Import { preview, chosen: Some(chosen), refused }.into()).await
}

pub(super) async fn trash_question(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let page = visit.trash_certificates_page(ids(query.as_deref()), None).await;
    visit.show(page).await
}

pub(super) async fn trash(visit: Visit, Form(fields): Posted) -> Response {
    let ids: Vec<TrustId> = Fields(fields).numbers("id").into_iter().map(TrustId).collect();
    match visit.backend.trash_trusted(ids.clone()).await {
        Ok(_) => see_other("/certificates"),
        Err(problem) => {
            let page = visit.trash_certificates_page(ids, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

pub(super) async fn undo(visit: Visit, Form(fields): Posted) -> Response {
    let result = match Fields(fields).number("batch") {
        Some(batch) => visit.backend.undo_trusted(batch).await,
        None => Err(Problem::Malformed { detail: "the form names nothing to undo".into() }),
    };
    let place =
        |ids: Vec<TrustId>| ids.first().map_or_else(|| "/certificates".into(), |id| format!("/certificates#certificate-{id}"));
    visit.done(result, place).await
}

pub(super) async fn set_outlives(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let result = match (fields.number("id").map(TrustId), fields.flag("outlives")) {
        (Some(id), Some(outlives)) => visit.backend.set_outlives(id, outlives).await.map(|()| id),
        _ => Err(Problem::Malformed { detail: "the form names no certificate, or not what becomes of it".into() }),
    };
    visit.done(result, |id| format!("/certificates?open={id}#certificate-{id}")).await
}

pub(super) async fn set_system(visit: Visit, Form(fields): Posted) -> Response {
    let result = match Fields(fields).flag("on") {
        Some(on) => visit.backend.set_system_roots(on).await,
        None => Err(Problem::Malformed { detail: "the form doesn't say whether they are trusted".into() }),
    };
    visit.done(result, |()| "/certificates".into()).await
}

/// The chosen certificates as a file, or all.
pub(super) async fn export(visit: Visit, RawQuery(query): RawQuery) -> Response {
    match exported(&visit, query.as_deref()).await {
        Ok(file) => file,
        Err(problem) => {
            let page = visit.certificates_page(Look::default(), Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

/// `GET /api/certificates/export`: PEM.
pub(super) async fn export_api(visit: Visit, request: Request) -> Response {
    let parts = match admit(request, &Method::GET, EXPORT_KEYS).await {
        Ok((parts, _)) => parts,
        Err(refused) => return refused,
    };
    exported(&visit, parts.uri.query()).await.unwrap_or_else(api_error)
}

/// Without a number everything is meant, so one that can't be read is no number left out.
async fn exported(visit: &Visit, query: Option<&str>) -> Result<Response, Problem> {
    let wanted = query.unwrap_or_default().split('&').filter(|pair| pair.starts_with("id=")).count();
    let ids = ids(query);
    if ids.len() != wanted {
        return Err(Problem::Malformed { detail: "an id is a number".into() });
    }
    let pem = visit.backend.export_trusted(ids).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"postroom-certificates.pem\""),
    ];
    Ok((headers, pem).into_response())
}

/// What `POST /api/certificates/preview` takes. All of it may be a secret: a key is refused, and wiped as well.
#[derive(Deserialize)]
struct File {
    /// Base64 (RFC 4648 section 4).
    file: Secret,
    #[serde(default)]
    password: Option<SecretInput>,
}

/// `POST /api/certificates/preview`: what a file would add.
pub(super) async fn preview_api(visit: Visit, request: Request) -> Response {
    let body = match admit(request, &Method::POST, PREVIEW_KEYS).await {
        Ok((_, body)) => body,
        Err(refused) => return refused,
    };
    match previewed(&visit, &body).await {
        Ok(preview) => axum::Json(preview).into_response(),
        Err(problem) => api_error(problem),
    }
}

async fn previewed(visit: &Visit, body: &[u8]) -> Result<domain::trust::Preview, Problem> {
    let malformed = |detail: &str| Problem::Malformed { detail: detail.into() };
    let File { file, password } =
        serde_json::from_slice(body).map_err(|_| malformed(r#"expected {"file": base64, "password": {"value": "…"}}"#))?;
    let password = match password {
        None => Secret::default(),
        Some(SecretInput::Value(password)) => password,
        Some(SecretInput::Env(_)) => return Err(malformed("a password can't be read from the environment here")),
    };
    let file = BASE64_STANDARD.decode(file.expose()).map_err(|_| malformed("`file` is not base64"))?;
    visit.backend.preview(file, password).await
}

pub(super) async fn client_certificate(visit: Visit, Path(id): Path<String>) -> Response {
    let page = match id.parse() {
        Ok(id) => visit.client_certificate_page(EntryId(id), None).await,
        Err(_) => failed(Problem::NoSuchPage),
    };
    visit.show(page).await
}

pub(super) async fn keep_client_certificate(
    visit: Visit,
    Path(id): Path<String>,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let Ok(id) = id.parse().map(EntryId) else {
        return visit.show(failed(Problem::NoSuchPage)).await;
    };
    let upload = match Upload::read(form, &["version", "file", "pem", "password"]).await {
        Ok(upload) => upload,
        Err(problem) => return visit.show(failed(problem)).await,
    };
    let base = Version(upload.number("version").unwrap_or_default());
    let kept = match upload.file() {
        Ok(file) => {
            let file = Some((file, upload.secret("password")));
            visit.backend.set_client_certificate(id, base, file).await.map_err(of_file)
        }
        Err(error) => Err(error),
    };
    changed_client_certificate(&visit, id, kept.err()).await
}

pub(super) async fn remove_client_certificate(visit: Visit, Path(id): Path<String>, Form(fields): Posted) -> Response {
    let Ok(id) = id.parse().map(EntryId) else {
        return visit.show(failed(Problem::NoSuchPage)).await;
    };
    let base = Version(Fields(fields).number("version").unwrap_or_default());
    let removed = visit.backend.set_client_certificate(id, base, None).await.map_err(Into::into);
    changed_client_certificate(&visit, id, removed.err()).await
}

/// Leads back to the entry, or shows the page again with what was refused.
async fn changed_client_certificate(visit: &Visit, id: EntryId, refused: Option<ApiError>) -> Response {
    if refused.is_none() {
        return see_other(&format!("/servers/{id}?saved#f-client_certificate"));
    }
    let page = visit.client_certificate_page(id, refused).await;
    visit.show(page).await
}

/// What is wrong with a file, or with its password, stands at that field; what is wrong otherwise does not.
fn of_file(problem: Problem) -> ApiError {
    let field = match &problem {
        Problem::NotImported(error) => Some(field_of(error)),
        Problem::Invalid(errors) => errors.get(Field::ClientCertificate).map(|error| match error {
            FieldError::ClientCertificate(ClientCertificateError::File(error)) => field_of(error),
            _ => "file",
        }),
        _ => None,
    };
    let mut error = ApiError::from(problem);
    if let Some(field) = field {
        let sentence = error.fields.remove(Field::ClientCertificate.key()).unwrap_or_else(|| error.message.clone());
        error.fields.insert(field.into(), sentence);
    }
    error
}

fn field_of(error: &ImportError) -> &'static str {
    match error {
        ImportError::PasswordMissing { .. } | ImportError::PasswordWrong { .. } => "password",
        _ => "file",
    }
}

/// The ids in an address, in order.
fn ids(query: Option<&str>) -> Vec<TrustId> {
    numbers(query, "id").into_iter().map(TrustId).collect()
}
