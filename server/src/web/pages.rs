//! Pages: one [`Backend`](app::backend::Backend) call finds what a page shows; `app` shows it.

use app::pages::{EntryData, Page, Plain, Submitted};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, RawQuery};
use axum::response::Response;
use domain::entry::{EntryId, EntryPage, ListQuery};
use domain::error::{ApiError, ErrorKind, Problem};
use domain::run::RunId;
use serde::Deserialize;

use super::{Visit, see_other};

/// What the list's address says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListAddress {
    #[serde(default)]
    search: String,
    #[serde(default)]
    page: String,
}

/// What an entry's address says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EntryAddress {
    /// It was saved just now.
    saved: bool,
    /// A run is to be shown, whether or not its number can be one.
    names_run: bool,
    run: Option<RunId>,
}

impl EntryAddress {
    fn of(query: &str) -> Self {
        let run = query.split('&').find_map(|pair| pair.strip_prefix("run="));
        Self {
            saved: query.split('&').any(|pair| pair == "saved"),
            names_run: run.is_some(),
            run: run.and_then(|run| run.parse().ok()).map(RunId),
        }
    }
}

/// The page that failed to be made.
pub(super) fn failed(problem: Problem) -> Page {
    Plain::Failed(problem.into()).into()
}

impl Visit {
    pub(super) async fn list_page(&self, search: String, page: u32, refused: Option<ApiError>) -> Page {
        match self.backend.list(ListQuery { search: search.clone(), page }).await {
            Ok(list) => Page::List { search, list, refused },
            Err(problem) => failed(problem),
        }
    }

    pub(super) async fn trash_page(&self, ids: Vec<EntryId>, search: String, number: u32, refused: Option<ApiError>) -> Page {
        match self.backend.trash_plan(ids).await {
            Ok(plan) => Plain::Trash { plan, search, number, refused }.into(),
            Err(problem) => failed(problem),
        }
    }

    pub(super) async fn entry_page(&self, id: EntryId, submitted: Option<Submitted>, address: EntryAddress) -> Page {
        match self.backend.entry_page(id, address.run).await {
            Ok(EntryPage { view, runs, shown, now_ms }) => {
                let run_gone = address.names_run && shown.is_none();
                Page::Entry(Box::new(EntryData { view, submitted, saved: address.saved, runs, shown, run_gone, now_ms }))
            }
            Err(problem) => failed(problem),
        }
    }
}

pub(super) async fn list(visit: Visit, address: Result<Query<ListAddress>, QueryRejection>) -> Response {
    let ListAddress { search, page } = address.map(|query| query.0).unwrap_or_default();
    let page = visit.list_page(search, page.parse().unwrap_or(1), None).await;
    visit.show(page).await
}

pub(super) async fn new(visit: Visit) -> Response {
    let page = match visit.backend.suggest_name().await {
        Ok(name) => Page::New { name, refused: None },
        Err(problem) => failed(problem),
    };
    visit.show(page).await
}

pub(super) async fn trash(
    visit: Visit,
    address: Result<Query<ListAddress>, QueryRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let ListAddress { search, page } = address.map(|query| query.0).unwrap_or_default();
    let page = visit.trash_page(ids(query.as_deref()), search, page.parse().unwrap_or(1), None).await;
    visit.show(page).await
}

pub(super) async fn entry(visit: Visit, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let page = match id.parse() {
        Ok(id) => visit.entry_page(EntryId(id), None, EntryAddress::of(query.as_deref().unwrap_or_default())).await,
        Err(_) => failed(Problem::NoSuchPage),
    };
    visit.show(page).await
}

pub(super) async fn edit_chosen(visit: Visit, RawQuery(query): RawQuery) -> Response {
    chosen(&visit, query.as_deref(), "").await
}

pub(super) async fn try_chosen(visit: Visit, RawQuery(query): RawQuery) -> Response {
    chosen(&visit, query.as_deref(), "#try").await
}

/// Leads from the list's selection to the one entry in it.
async fn chosen(visit: &Visit, query: Option<&str>, fragment: &str) -> Response {
    let ids = ids(query);
    if let [id] = ids[..] {
        return see_other(&format!("/servers/{id}{fragment}"));
    }
    let message = if ids.is_empty() {
        "No server was chosen. Tick one, then try again."
    } else {
        "Only one server can be opened at a time. Tick just one, or use its name."
    };
    let refused = ApiError { message: message.into(), ..ApiError::new(ErrorKind::Invalid) };
    let page = visit.list_page(String::new(), 1, Some(refused)).await;
    visit.show(page).await
}

/// The ids in an address, in order.
fn ids(query: Option<&str>) -> Vec<EntryId> {
    numbers(query, "id").into_iter().map(EntryId).collect()
}

/// The numbers that an address gives a key, in order.
pub(super) fn numbers(query: Option<&str>, key: &str) -> Vec<u64> {
    let value = |pair: &str| pair.strip_prefix(key)?.strip_prefix('=')?.parse().ok();
    query.unwrap_or_default().split('&').filter_map(value).collect()
}
