//! Forms posted without the program's help: parse, one [`Backend`](app::backend::Backend) call, then on to the next page, or the
//! same page with what was typed (never a password) and what is wrong.

use app::backend::Edit;
use app::forms::{Submitted, SubmittedEntry};
use axum::Router;
use axum::extract::{Form, Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::entry::{EntryId, Version};
use domain::error::{ApiError, ErrorKind, Problem};
use domain::field::Field;
use domain::secret::Secret;
use domain::smtp_server::{PasswordDraft, ServerDraft, ServerPatch, TestDraft};

use super::{Web, see_other};

/// The routes that take forms.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/servers/new", post(add))
        .route("/servers/{id}", post(entry))
        .route("/servers/trash", post(trash))
        .route("/servers/undo", post(undo))
        .route("/servers/edit", get(edit_chosen))
        .route("/servers/try", get(try_chosen))
}

/// What a form brought, in order.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, key: &str) -> String {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()).unwrap_or_default()
    }

    fn secret(&self, key: &str) -> Secret {
        Secret::new(self.text(key))
    }

    fn is_set(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }

    fn ids(&self, key: &str) -> Vec<EntryId> {
        self.0.iter().filter(|(k, _)| k == key).filter_map(|(_, v)| v.parse().ok()).map(EntryId).collect()
    }

    fn draft(&self) -> ServerDraft {
        let mut draft = ServerDraft::new("");
        for field in Field::ALL {
            draft.set_text(field, self.text(field.key()));
            draft.set_flag(field, self.is_set(field.key()));
        }
        draft
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

type Posted = Form<Vec<(String, String)>>;

async fn add(State(web): State<Web>, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let name = fields.text(Field::Name.key());
    let patch = ServerPatch { name: Some(name.clone()), ..ServerPatch::default() };
    match web.backend.create(patch).await {
        Ok(saved) => see_other(&format!("/servers/{}", saved.id)),
        Err(problem) => web.page("/servers/new", Some(Submitted::New { name, error: problem.into() })).await,
    }
}

async fn entry(State(web): State<Web>, Path(id): Path<String>, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let Ok(id) = id.parse().map(EntryId) else {
        return web.page("/nothing-here", None).await;
    };
    let draft = fields.draft();
    let password = PasswordDraft {
        password: fields.secret(Field::Password.key()),
        confirm: fields.secret(Field::PasswordConfirm.key()),
        remove: fields.is_set("remove_password"),
    };
    let password_typed = !password.password.is_empty();
    let action = fields.text("action");
    let test =
        TestDraft { from: fields.text(Field::TestFrom.key()), to: fields.text(Field::TestTo.key()), check_only: action == "check" };
    let mut submitted = SubmittedEntry { draft: draft.clone(), test: test.clone(), password_typed, error: None, report: None };
    let edit = Edit::Form(Box::new(draft), password);
    if matches!(action.as_str(), "check" | "send") {
        match web.backend.test(Some(id), edit, test).await {
            Ok(report) => submitted.report = Some(report),
            Err(problem) => submitted.error = Some(problem.into()),
        }
    } else {
        let base = if action == "overwrite" { fields.number("current_version") } else { fields.number("version") };
        match web.backend.save(id, Version(base.unwrap_or_default()), edit).await {
            Ok(_) => return see_other(&format!("/servers/{id}?saved")),
            Err(problem) => submitted.error = Some(problem.into()),
        }
    }
    web.page(&format!("/servers/{id}"), Some(Submitted::Entry(Box::new(submitted)))).await
}

async fn trash(State(web): State<Web>, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let ids = fields.ids("id");
    let new_default = fields.number(Field::NewDefault.key()).map(EntryId);
    match web.backend.trash(ids.clone(), new_default).await {
        Ok(trashed) => {
            let page = fields.number("page").unwrap_or(1);
            let search = percent(&fields.text("search"));
            let row = trashed.next.map(|id| format!("#server-{id}")).unwrap_or_default();
            match (search.is_empty(), page) {
                (true, 0 | 1) => see_other(&format!("/{row}")),
                _ => see_other(&format!("/?search={search}&page={page}{row}")),
            }
        }
        Err(problem) => {
            let query: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
            let uri = format!("/servers/trash?{}", query.join("&"));
            web.page(&uri, Some(Submitted::Trash { error: problem.into() })).await
        }
    }
}

async fn undo(State(web): State<Web>, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let result = match fields.number("batch") {
        Some(batch) => web.backend.undo(batch).await,
        None => Err(Problem::UndoGone),
    };
    match result {
        Ok(ids) => see_other(&ids.first().map_or_else(|| "/".to_owned(), |id| format!("/#server-{id}"))),
        Err(problem) => web.page("/", Some(Submitted::List { error: problem.into() })).await,
    }
}

async fn edit_chosen(State(web): State<Web>, RawQuery(query): RawQuery) -> Response {
    chosen(&web, query, "").await
}

async fn try_chosen(State(web): State<Web>, RawQuery(query): RawQuery) -> Response {
    chosen(&web, query, "#try").await
}

/// Leads from the list's selection to the one entry in it.
async fn chosen(web: &Web, query: Option<String>, fragment: &str) -> Response {
    let query = query.unwrap_or_default();
    let ids: Vec<u64> = query.split('&').filter_map(|pair| pair.strip_prefix("id=")?.parse().ok()).collect();
    if let [id] = ids[..] {
        return see_other(&format!("/servers/{id}{fragment}"));
    }
    let message = if ids.is_empty() {
        "No server was chosen. Tick one, then try again."
    } else {
        "Only one server can be opened at a time. Tick just one, or use its name."
    };
    let error = ApiError {
        error: ErrorKind::Invalid,
        message: message.into(),
        fields: std::collections::BTreeMap::new(),
        current_version: None,
        current: None,
    };
    web.page("/", Some(Submitted::List { error })).await
}

/// Percent-encodes text for a query.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
