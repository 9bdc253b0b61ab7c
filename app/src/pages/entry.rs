//! An entry's page: its fields, saving them, and trying them out.

mod form;
mod report;
mod stale;

use domain::entry::{EntryId, EntryView};
use domain::error::{ApiError, Problem};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::{Failed, set_status, set_status_of};
use crate::api::get_server;
use crate::forms::{Submitted, SubmittedEntry};

/// What the page starts from: what is stored, and what was posted to it.
async fn load(id: Option<EntryId>) -> Result<(EntryView, Option<SubmittedEntry>), ApiError> {
    let submitted = match Submitted::current() {
        Some(Submitted::Entry(entry)) => Some(*entry),
        _ => None,
    };
    let result = match id {
        Some(id) => get_server(id).await.map_err(|failure| failure.0),
        None => Err(Problem::NoSuchPage.into()),
    };
    set_status_of(&result);
    if let Some(error) = submitted.as_ref().and_then(|s| s.error.as_ref()) {
        set_status(error.error.status());
    }
    result.map(|view| (view, submitted))
}

/// The page of one entry.
#[component]
pub(crate) fn EntryPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|p| p.get("id").and_then(|id| id.parse().ok()).map(EntryId));
    let saved = use_query_map().with_untracked(|q| q.get("saved").is_some());
    let page = Resource::new_blocking(move || id, load);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok((view, submitted)) => {
                        let title = format!("{} · Postroom", view.name);
                        view! { <Title text=title/> <form::EntryForm view submitted saved/> }.into_any()
                    }
                    Err(error) => view! { <Failed error/> }.into_any(),
                }
            })}
        </Suspense>
    }
}
