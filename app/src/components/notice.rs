//! Boxes that say something above a page's content.

use std::collections::BTreeMap;

use domain::error::{ApiError, ErrorKind};
use domain::field::Field;
use domain::smtp_server::ServerDraft;
use domain::words;
use leptos::prelude::*;

use super::field_id;

/// The element id of the notice, for the focus.
pub(crate) const NOTICE: &str = "notice";

/// An error with a link to each field that needs a change, by the label it has with what stands in `draft`.
#[component]
pub(crate) fn ErrorNotice(
    #[prop(into)] error: Signal<Option<ApiError>>,
    #[prop(optional)] draft: Option<RwSignal<ServerDraft>>,
) -> impl IntoView {
    let label = move |field| draft.map_or_else(|| words::label(field), |draft| draft.with(|draft| words::label_with(draft, field)));
    view! {
        <div role="alert" class="alerts" id=NOTICE tabindex="-1" autofocus=error.with_untracked(Option::is_some)>
            {move || {
                error.get().map(|error| {
                    view! {
                        <div class="notice bad">
                            <p class="headline">{error.message}</p>
                            {way_in(error.error)}
                            {links(&error.fields, label)}
                        </div>
                    }
                })
            }}
        </div>
    }
}

/// Where to sign in, or to type the password again, beside a page that isn't to be left.
fn way_in(kind: ErrorKind) -> Option<impl IntoView> {
    let (href, text) = match kind {
        ErrorKind::NotSignedIn => ("/sign-in", "Sign in (new tab)"),
        ErrorKind::ConfirmPassword => ("/confirm", "Confirm your password (new tab)"),
        _ => return None,
    };
    Some(view! { <p><a href=href target="_blank">{text}</a></p> })
}

fn links<L: Fn(Field) -> &'static str>(fields: &BTreeMap<String, String>, label: L) -> Option<impl IntoView + use<L>> {
    let fields: Vec<_> = Field::ALL.into_iter().filter_map(|f| fields.get(f.key()).map(|s| (f, s.clone()))).collect();
    (!fields.is_empty()).then(|| {
        let items: Vec<_> = fields
            .into_iter()
            .map(|(field, sentence)| {
                let target = format!("#{}", field_id(field));
                view! { <li><a href=target>{label(field)}</a>": " {sentence}</li> }
            })
            .collect();
        view! { <ul>{items}</ul> }
    })
}

/// What was trashed just now, with the way to take it back for as long as there is one.
#[component]
pub(crate) fn Undo(action: &'static str, batch: u64, names: Vec<String>, left_ms: u64) -> impl IntoView {
    view! {
        <div role="status" data-left-ms=left_ms.to_string()>
            <form class="notice" method="post" action=action>
                <p>"Trashed " {self::names(&names)} "."</p>
                <input type="hidden" name="batch" value=batch.to_string()/>
                <button>"Undo"</button>
            </form>
        </div>
    }
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(crate) fn names(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}
