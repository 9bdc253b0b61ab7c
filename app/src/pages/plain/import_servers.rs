//! Taking servers in from a file: looked at before anything is changed.

use domain::error::ApiError;
use domain::exchange::{ImportFate, ImportItem, ImportPlan};
use leptos::either::Either;
use leptos::prelude::*;

use super::activity::changed;
use super::import::upload;
use crate::components::ErrorNotice;

/// The page "Import servers".
#[component]
pub(super) fn ImportServers(
    plan: Option<ImportPlan>,
    chosen: Option<Vec<usize>>,
    done: Option<String>,
    refused: Option<ApiError>,
) -> impl IntoView {
    let again = plan.is_some();
    let at_field = refused.as_ref().map(|error| error.fields.clone()).unwrap_or_default();
    // What stands at a field is not said twice.
    let notice = refused.filter(|error| error.fields.is_empty());
    let done = done.map(|done| {
        view! {
            <p class="notice good" tabindex="-1" autofocus data-address="/servers/import">
                <span class="headline">{done}</span>
                <a href="/">"Look at the list"</a>
            </p>
        }
    });
    let found = plan.map(|plan| view! { <Found plan chosen/> });
    let title = if again { "Another file" } else { "What is to be taken in" };
    let class = if again { "" } else { "primary" };
    view! {
        <div class="page medium">
            <p class="crumb"><a href="/">"Mail SMTP servers"</a></p>
            <div class="title">
                <div>
                    <h1>"Import servers"</h1>
                    <p class="muted">"A server of the same name is changed, any other is added. Passwords are never in the file."</p>
                </div>
            </div>
            <ErrorNotice error=Signal::stored(notice)/>
            {done}
            {found}
            <form class="group" method="post" action="/servers/import" enctype="multipart/form-data" aria-labelledby="g-file">
                <h2 id="g-file">{title}</h2>
                {upload("JSON, as Postroom exports it: all servers, a list of them, or one.", at_field.get("file"))}
                <div class="field">
                    <label for="f-json">"Or paste it"</label>
                    <textarea id="f-json" name="json" rows="5" class="machine" spellcheck="false" autocomplete="off" aria-describedby="f-json-help"></textarea>
                    <p class="help" id="f-json-help">"What it doesn't say stays as it is, or takes its default."</p>
                </div>
                <div class="actions"><button class=class>"Preview"</button></div>
            </form>
        </div>
    }
}

/// What is in the file, and the button that takes it in.
#[component]
fn Found(plan: ImportPlan, chosen: Option<Vec<usize>>) -> impl IntoView {
    let ImportPlan { items, default, text } = plan;
    let count = |of: fn(&ImportFate) -> bool| items.iter().filter(|item| of(&item.fate)).count();
    let added = count(|fate| matches!(fate, ImportFate::Added));
    let changing = count(|fate| matches!(fate, ImportFate::Changed { .. }));
    let refused = count(|fate| matches!(fate, ImportFate::Refused { .. }));
    let unchanged = items.len() - added - changing - refused;
    let summary = summary([added, changing, unchanged, refused]);
    let default = default.map(|name| view! { <p>"The default server from then on: " <strong>{name}</strong> "."</p> });
    let rows: Vec<_> = items.into_iter().map(|item| row(item, chosen.as_deref())).collect();
    let act = if added + changing == 0 {
        Either::Left(view! { <div class="actions"><a class="button" href="/">"Back"</a></div> })
    } else {
        Either::Right(view! {
            <input type="hidden" name="text" value=text/>
            <div class="actions">
                <a class="button" href="/">"Back"</a>
                <button class="primary">"Import what is ticked"</button>
            </div>
        })
    };
    view! {
        <form class="group list selectable preview" method="post" action="/servers/import/confirm" aria-labelledby="g-found">
            <h2 id="g-found" tabindex="-1" autofocus>{summary}</h2>
            {default}
            <ul class="certificates">{rows}</ul>
            {act}
        </form>
    }
}

/// `2 are new, 1 changes, 3 are like this already, 1 can't be taken in.`
fn summary(counts: [usize; 4]) -> String {
    let words = [
        ("is new", "are new"),
        ("changes", "change"),
        ("is like this already", "are like this already"),
        ("can't be taken in", "can't be taken in"),
    ];
    let parts = counts.into_iter().zip(words).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, (one, many))| format!("{count} {}", if count == 1 { one } else { many })).collect();
    format!("{}.", parts.join(", "))
}

fn row(item: ImportItem, chosen: Option<&[usize]>) -> impl IntoView + use<> {
    let ImportItem { at, name, fate, needs_password } = item;
    let acts = matches!(fate, ImportFate::Added | ImportFate::Changed { .. });
    let class = if acts { "" } else { "quiet" };
    let name = if name.is_empty() { format!("Server {} of the file", at + 1) } else { name };
    let tick = acts.then(|| {
        let select = format!("Import {name}");
        let checked = chosen.is_none_or(|chosen| chosen.contains(&at));
        view! { <label class="target"><input type="checkbox" name="at" value=at.to_string() checked=checked aria-label=select/></label> }
    });
    let (words, list) = match fate {
        ImportFate::Added => ("New", None),
        ImportFate::Unchanged => ("Like this already", None),
        ImportFate::Changed { changes } => {
            let changes: Vec<_> = changes.into_iter().map(|change| changed(change).into_any()).collect();
            ("Changes", Some(changes))
        }
        ImportFate::Refused { sentences } => {
            let sentences: Vec<_> = sentences.into_iter().map(|sentence| view! { <li>{sentence}</li> }.into_any()).collect();
            ("Can't be taken in", Some(sentences))
        }
    };
    let list = list.map(|list| view! { <ul class="changes">{list}</ul> });
    let password = needs_password.then(|| view! { <span class="state warning">"Its password has to be entered afterwards"</span> });
    view! {
        <li class=class>
            {tick}
            <div class="summary planned">
                <span class="name">{name}</span>
                <span class="muted">{words} {password}</span>
                {list}
            </div>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_becomes_of_everything() {
        assert_eq!(summary([2, 1, 3, 1]), "2 are new, 1 changes, 3 are like this already, 1 can't be taken in.");
        assert_eq!(summary([1, 0, 0, 0]), "1 is new.");
        assert_eq!(summary([0, 0, 0, 2]), "2 can't be taken in.");
    }
}
