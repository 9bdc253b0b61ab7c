//! Adding an entry: its name.

use domain::error::ApiError;
use domain::field::Field;
use domain::name::Name;
use domain::words;
use leptos::prelude::*;
use leptos_meta::Title;

use super::{Failed, set_status};
use crate::components::{ErrorNotice, Help, field_id};
use crate::forms::Submitted;

/// What the page shows: the name in the field, and what was wrong with it.
async fn load() -> Result<(String, Option<ApiError>), ApiError> {
    if let Some(Submitted::New { name, error }) = Submitted::current() {
        set_status(error.error.status());
        return Ok((name, Some(error)));
    }
    #[cfg(feature = "ssr")]
    return Ok((crate::backend::backend()?.suggest_name().await?, None));
    #[cfg(not(feature = "ssr"))]
    Ok(("mail".into(), None))
}

/// The page "Add SMTP server". Its form is posted as it is; the program only says earlier what the server would.
#[component]
pub(crate) fn NewPage() -> impl IntoView {
    let page = Resource::new_blocking(|| (), |()| load());
    view! {
        <Title text="Add SMTP server · Postroom"/>
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok((name, error)) => view! { <NewForm name error/> }.into_any(),
                    Err(error) => view! { <Failed error/> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn NewForm(name: String, error: Option<ApiError>) -> impl IntoView {
    let id = field_id(Field::Name);
    let refused = RwSignal::new(error.as_ref().and_then(|e| e.fields.get(Field::Name.key()).cloned()));
    // What is wrong beyond the name stands above the form.
    let notice = error.filter(|e| e.fields.is_empty());
    let typed = RwSignal::new(name.clone());
    let touched = RwSignal::new(false);
    let sentence = move || {
        refused.get().or_else(|| {
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
            <p class="crumb"><a href="/" rel="external">"Mail SMTP servers"</a></p>
            <h1>"Add SMTP server"</h1>
            <ErrorNotice error=Signal::derive(move || notice.clone())/>
            <form method="post" action="/servers/new" on:submit=submit>
                <div class="field" class:wrong=move || sentence().is_some()>
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
                            refused.set(None);
                        }
                        on:blur=move |_| touched.set(true)
                    />
                    <p class="error" id=format!("{id}-error") role="alert">{sentence}</p>
                    <Help field=Field::Name/>
                </div>
                <div class="actions">
                    <a class="button" href="/" rel="external">"Back"</a>
                    <button class="primary" data-shortcut="save">"Save changes"</button>
                </div>
            </form>
        </div>
    }
    .into_any()
}
