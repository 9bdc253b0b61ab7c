//! Forms posted without the program's help: parse, one [`Backend`](app::backend::Backend) call, then on to the next page, or the
//! same page with what was typed (never a password) and what is wrong.

use app::backend::{Edit, Typed};
use app::pages::{INSPECTED, Look, Page, Submitted, Trusting, encode_query};
use axum::extract::{Form, Path};
use axum::response::Response;
use domain::access::Act;
use domain::entry::{EntryId, Version};
use domain::error::Problem;
use domain::field::Field;
use domain::secret::Secret;
use domain::smtp_server::{PasswordDraft, ServerDraft, ServerPatch, TestDraft};
use domain::trust::NewPin;
use futures::StreamExt as _;

use super::access::not_allowed;
use super::pages::{EntryAddress, failed};
use super::{Visit, see_other};

/// What a form brought, in order.
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    pub(super) fn text(&self, key: &str) -> String {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()).unwrap_or_default()
    }

    pub(super) fn secret(&self, key: &str) -> Secret {
        Secret::new(self.text(key))
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }

    /// Yes or no; none where it is neither.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.text(key).parse().ok()
    }

    /// Every value of a key, in order.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.0.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect()
    }

    pub(super) fn numbers(&self, key: &str) -> Vec<u64> {
        self.texts(key).iter().filter_map(|text| text.parse().ok()).collect()
    }

    pub(super) fn ids(&self, key: &str) -> Vec<EntryId> {
        self.numbers(key).into_iter().map(EntryId).collect()
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

pub(super) type Posted = Form<Vec<(String, String)>>;

pub(super) async fn add(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let name = fields.text(Field::Name.key());
    let patch = ServerPatch { name: Some(name.clone()), ..ServerPatch::default() };
    match visit.backend.create(patch).await {
        Ok(saved) => see_other(&format!("/servers/{}", saved.id)),
        Err(problem) => visit.show(Page::New { name, refused: Some(problem.into()) }).await,
    }
}

pub(super) async fn entry(visit: Visit, Path(id): Path<String>, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let Ok(id) = id.parse().map(EntryId) else {
        return visit.show(failed(Problem::NoSuchPage)).await;
    };
    let draft = fields.draft();
    let password = PasswordDraft {
        password: fields.secret(Field::Password.key()),
        confirm: fields.secret(Field::PasswordConfirm.key()),
        remove: fields.is_set("remove_password"),
    };
    let password_typed = !password.password.is_empty();
    let action = fields.text("action");
    if !matches!(action.as_str(), "check" | "send" | "inspect") && !visit.may(Act::Change) {
        return not_allowed(&visit, "", Act::Change).await;
    }
    let test = TestDraft {
        from: fields.text(Field::TestFrom.key()),
        to: fields.text(Field::TestTo.key()),
        attachment: fields.text(Field::TestAttachment.key()),
        check_only: action == "check",
    };
    let base = Version(fields.number("version").unwrap_or_default());
    let mut submitted =
        Submitted { base, draft: draft.clone(), test: test.clone(), password_typed, refused: None, report: None, look: None };
    let default_was = fields.is_set("default_was").then(|| fields.text("default_was") == "true");
    let edit = Edit::Form(Box::new(Typed { draft, password, default_was }));
    if matches!(action.as_str(), "check" | "send") {
        match visit.backend.test(Some(id), edit, test).await {
            Ok(report) => submitted.report = Some(report),
            Err(problem) => submitted.refused = Some(problem.into()),
        }
    } else if action == "inspect" {
        match visit.backend.inspect(Some(id), edit).await {
            Ok(inspection) => submitted.look = Some(Look::Found { found: Some(Box::new(inspection)) }),
            Err(problem) => submitted.refused = Some(problem.into()),
        }
    } else if let Some(trusting) = Trusting::parse(&action) {
        match trust(&visit, &fields, trusting).await {
            Ok(()) => submitted.look = Some(Look::Trusted),
            Err(problem) => submitted.refused = Some(problem.into()),
        }
    } else {
        // "Save mine over it" names the version that was compared.
        let base = fields.number("current_version").filter(|_| action == "overwrite").map_or(base, Version);
        match visit.backend.save(id, base, edit).await {
            Ok(_) => return see_other(&format!("/servers/{id}?saved")),
            Err(problem) => submitted.refused = Some(problem.into()),
        }
    }
    let page = visit.entry_page(id, Some(submitted), EntryAddress::default()).await;
    visit.show(page).await
}

/// Trusts what was inspected: exactly what the page showed, whatever the server presents by now.
async fn trust(visit: &Visit, fields: &Fields, trusting: Trusting) -> Result<(), Problem> {
    let [host, port, pem, issuer, outlives] = INSPECTED.map(|key| fields.text(key));
    if trusting == Trusting::Issuer {
        return visit.backend.add_authorities(issuer, None).await.map(drop);
    }
    let (Ok(port), Ok(outlives)) = (port.parse(), outlives.parse()) else {
        return Err(Problem::Malformed { detail: "the form doesn't say what was inspected".into() });
    };
    let pin = NewPin { host, port, pem, outlives, replace: trusting == Trusting::Instead };
    visit.backend.pin(pin).await.map(drop)
}

pub(super) async fn trash(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let ids = fields.ids("id");
    let new_default = fields.number(Field::NewDefault.key()).map(EntryId);
    let search = fields.text("search");
    let number = fields.number("page").and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    match visit.backend.trash(ids.clone(), new_default).await {
        Ok(trashed) => {
            let row = trashed.next.map(|id| format!("#server-{id}")).unwrap_or_default();
            match (search.is_empty(), number) {
                (true, 0 | 1) => see_other(&format!("/{row}")),
                _ => see_other(&format!("/?search={}&page={number}{row}", encode_query(&search))),
            }
        }
        Err(problem) => {
            let page = visit.trash_page(ids, search, number, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

pub(super) async fn undo(visit: Visit, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let result = match fields.number("batch") {
        Some(batch) => visit.backend.undo(batch).await,
        None => Err(Problem::Malformed { detail: "the form names nothing to undo".into() }),
    };
    match result {
        Ok(ids) => see_other(&ids.first().map_or_else(|| "/".to_owned(), |id| format!("/#server-{id}"))),
        Err(problem) => {
            let page = visit.list_page(String::new(), 1, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

/// Checks every entry, and then shows the list with what came of it.
pub(super) async fn test_all(visit: Visit) -> Response {
    match visit.backend.test_all(None).await {
        Ok(events) => {
            events.for_each(|_| std::future::ready(())).await;
            see_other("/")
        }
        Err(problem) => {
            let page = visit.list_page(String::new(), 1, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}
