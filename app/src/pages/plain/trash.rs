//! The question before entries are trashed.

use domain::entry::{MAX_HEIRS, TrashPlan};
use domain::error::ApiError;
use domain::field::Field;
use domain::words;
use leptos::prelude::*;

use crate::components::{ErrorNotice, field_id, names};

/// The page "Trash …?". Its form is posted as it is.
#[component]
pub(super) fn Trash(plan: TrashPlan, search: String, number: u32, refused: Option<ApiError>) -> impl IntoView {
    let TrashPlan { going, heirs } = plan;
    let going_names: Vec<String> = going.iter().map(|(_, name)| name.clone()).collect();
    let what = if going.len() == 1 { going_names.concat() } else { format!("{} servers", going.len()) };
    let ids: Vec<_> = going.iter().map(|(id, _)| view! { <input type="hidden" name="id" value=id.to_string()/> }).collect();
    let list: Vec<_> = going_names.iter().map(|name| view! { <li>{name.clone()}</li> }).collect();
    let heir = (!heirs.is_empty()).then(|| {
        let id = field_id(Field::NewDefault);
        let help = if heirs.len() < MAX_HEIRS {
            "The default server is among them. This one takes its place."
        } else {
            "The default server is among them. This one takes its place. For one that isn't listed, make it the default first."
        };
        let options: Vec<_> = heirs.into_iter().map(|(id, name)| view! { <option value=id.to_string()>{name}</option> }).collect();
        view! {
            <div class="field">
                <label for=id.clone()>{words::label(Field::NewDefault)}</label>
                <select id=id.clone() name="new_default" aria-describedby=format!("{id}-help")>{options}</select>
                <p class="help" id=format!("{id}-help")>{help}</p>
            </div>
        }
    });
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/">"Mail SMTP servers"</a></p>
            <h1>"Trash " {what.clone()} "?"</h1>
            <ErrorNotice error=Signal::stored(refused)/>
            <form method="post" action="/servers/trash">
                {ids}
                <input type="hidden" name="search" value=search/>
                <input type="hidden" name="page" value=number.to_string()/>
                <p>
                    {format!("Applications can no longer send through {}. ", names(&going_names))}
                    "You can undo this for 10 seconds; then the settings and the stored passwords are gone for good."
                </p>
                {(going.len() > 3).then(|| view! { <ul class="long">{list}</ul> })}
                {heir}
                <div class="actions">
                    <a class="button" href="/">"Back"</a>
                    <button class="danger filled">"Trash " {what}</button>
                </div>
            </form>
        </div>
    }
}
