//! Boxes that say something above a page's content.

use std::collections::BTreeMap;

use domain::error::ApiError;
use domain::field::Field;
use domain::words;
use leptos::prelude::*;

use super::field_id;

/// The element id of the notice, for the focus.
pub(crate) const NOTICE: &str = "notice";

/// An error with a link to each field that needs a change.
#[component]
pub(crate) fn ErrorNotice(#[prop(into)] error: Signal<Option<ApiError>>) -> impl IntoView {
    view! {
        <div role="alert" class="alerts" id=NOTICE tabindex="-1">
            {move || {
                error.get().map(|error| {
                    view! {
                        <div class="notice bad">
                            <p class="headline">{error.message}</p>
                            {links(&error.fields)}
                        </div>
                    }
                })
            }}
        </div>
    }
}

fn links(fields: &BTreeMap<String, String>) -> Option<impl IntoView + use<>> {
    let fields: Vec<_> = Field::ALL.into_iter().filter_map(|f| fields.get(f.key()).map(|s| (f, s.clone()))).collect();
    (!fields.is_empty()).then(|| {
        let items: Vec<_> = fields
            .into_iter()
            .map(|(field, sentence)| {
                let target = format!("#{}", field_id(field));
                view! { <li><a href=target>{words::label(field)}</a>": " {sentence}</li> }
            })
            .collect();
        view! { <ul>{items}</ul> }
    })
}
