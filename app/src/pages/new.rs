//! Adding an entry: its name.

use domain::error::ApiError;
use domain::field::Field;
use domain::name::Name;
use domain::words;
use leptos::prelude::*;

use crate::components::{ErrorNotice, Help, field_id};

/// The page "Add SMTP server". Its form is posted as it is; the program only says earlier what the server would.
#[component]
pub(super) fn New(name: String, refused: Option<ApiError>) -> impl IntoView {
    let id = field_id(Field::Name);
    let said = RwSignal::new(refused.as_ref().and_then(|e| e.fields.get(Field::Name.key()).cloned()));
    // What is wrong beyond the name stands above the form.
    let notice = refused.filter(|e| e.fields.is_empty());
    let typed = RwSignal::new(name.clone());
    let touched = RwSignal::new(false);
    let sentence = move || {
        said.get().or_else(|| {
            let error = touched.get().then(|| typed.with(|t| Name::parse(t).err())).flatten();
            error.map(|e| words::field_error(Field::Name, &e))
        })
    };
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        crate::browser::replay_early_input();
        crate::browser::focus(field_id(Field::Name));
    });
    let submit = move |ev: leptos::ev::SubmitEvent| {
        touched.set(true);
        if typed.with_untracked(|t| Name::parse(t).is_err()) {
            ev.prevent_default();
            #[cfg(feature = "hydrate")]
            crate::browser::focus(field_id(Field::Name));
        }
    };
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/">"Mail SMTP servers"</a></p>
            <h1>"Add SMTP server"</h1>
            <ErrorNotice error=Signal::stored(notice)/>
            <form method="post" action="/servers/new" novalidate on:submit=submit>
                <div class=move || if sentence().is_some() { "field wrong" } else { "field" }>
                    <label for=id.clone()>{words::label(Field::Name)}</label>
                    <input
                        id=id.clone()
                        name="name"
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        autofocus
                        aria-required="true"
                        aria-describedby=format!("{id}-error {id}-help")
                        aria-invalid=move || sentence().is_some().then_some("true")
                        value=name
                        prop:value=move || typed.get()
                        on:input=move |ev| {
                            typed.set(event_target_value(&ev));
                            said.set(None);
                        }
                        on:blur=move |_| {
                            #[cfg(feature = "hydrate")]
                            crate::browser::after_press(move || touched.set(true));
                        }
                    />
                    <p class="error" id=format!("{id}-error") role="alert">{sentence}</p>
                    <Help field=Field::Name/>
                </div>
                <div class="actions">
                    <a class="button" href="/">"Back"</a>
                    <button class="primary" data-shortcut="save">"Save changes"</button>
                </div>
            </form>
        </div>
    }
}
