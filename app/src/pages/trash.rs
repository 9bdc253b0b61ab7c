//! The question before entries are trashed.

use domain::entry::{EntryId, TrashPlan};
use domain::error::ApiError;
use domain::field::Field;
use domain::words;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::list::names;
use super::{Failed, set_status, set_status_of};
use crate::components::{ErrorNotice, field_id};
use crate::forms::Submitted;

async fn load(ids: Vec<EntryId>) -> Result<(TrashPlan, Option<ApiError>), ApiError> {
    let refused = match Submitted::current() {
        Some(Submitted::Trash { error }) => Some(error),
        _ => None,
    };
    #[cfg(feature = "ssr")]
    let plan: Result<TrashPlan, ApiError> = match crate::backend::backend() {
        Ok(backend) => backend.trash_plan(ids).await.map_err(Into::into),
        Err(problem) => Err(problem.into()),
    };
    #[cfg(not(feature = "ssr"))]
    let plan: Result<TrashPlan, ApiError> = {
        let _ = ids;
        Err(domain::error::Problem::NothingChosen.into())
    };
    set_status_of(&plan);
    if let Some(error) = &refused {
        set_status(error.error.status());
    }
    plan.map(|plan| (plan, refused))
}

/// The page "Trash servers?". Its form is posted as it is.
#[component]
pub(crate) fn TrashPage() -> impl IntoView {
    let query = use_query_map();
    let ids = query.with_untracked(|q| {
        q.get_all("id").unwrap_or_default().iter().filter_map(|id| id.parse().ok().map(EntryId)).collect::<Vec<_>>()
    });
    let search = query.with_untracked(|q| q.get("search").unwrap_or_default());
    let number = query.with_untracked(|q| q.get("page").unwrap_or_default());
    let plan = Resource::new_blocking(move || ids.clone(), load);
    view! {
        <Title text="Trash servers · Postroom"/>
        <Suspense>
            {move || {
                let (search, number) = (search.clone(), number.clone());
                Suspend::new(async move {
                    match plan.await {
                        Ok((plan, refused)) => view! { <Question plan refused search number/> }.into_any(),
                        Err(error) => view! { <Failed error/> }.into_any(),
                    }
                })
            }}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Question(plan: TrashPlan, refused: Option<ApiError>, search: String, number: String) -> impl IntoView {
    let TrashPlan { going, heirs } = plan;
    let going_names: Vec<String> = going.iter().map(|(_, name)| name.clone()).collect();
    let what = if going.len() == 1 { going_names.concat() } else { format!("{} servers", going.len()) };
    let ids: Vec<_> = going.iter().map(|(id, _)| view! { <input type="hidden" name="id" value=id.to_string()/> }).collect();
    let list: Vec<_> = going_names.iter().map(|name| view! { <li>{name.clone()}</li> }).collect();
    let heir = (!heirs.is_empty()).then(|| {
        let id = field_id(Field::NewDefault);
        let options: Vec<_> = heirs.into_iter().map(|(id, name)| view! { <option value=id.to_string()>{name}</option> }).collect();
        view! {
            <div class="field">
                <label for=id.clone()>{words::label(Field::NewDefault)}</label>
                <select id=id.clone() name="new_default" aria-describedby=format!("{id}-help")>{options}</select>
                <p class="help" id=format!("{id}-help")>"The default server is among them. This one takes its place."</p>
            </div>
        }
    });
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/" rel="external">"Mail SMTP servers"</a></p>
            <h1>"Trash " {what.clone()} "?"</h1>
            <ErrorNotice error=Signal::derive(move || refused.clone())/>
            <form method="post" action="/servers/trash">
                {ids}
                <input type="hidden" name="search" value=search/>
                <input type="hidden" name="page" value=number/>
                <p>"Applications can't send through " {names(&going_names)} " any more. You can undo this for 10 seconds; then the settings and the stored passwords are gone for good."</p>
                {(going.len() > 3).then(|| view! { <ul class="long">{list}</ul> })}
                {heir}
                <div class="actions">
                    <a class="button" href="/" rel="external">"Back"</a>
                    <button class="danger filled">"Trash " {what}</button>
                </div>
            </form>
        </div>
    }.into_any()
}
