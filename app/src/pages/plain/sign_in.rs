//! The way to a sign-in service and back: the page that leads there, the one that somebody comes back to, and what is said where nothing
//! came of it.

use domain::diagnosis::Diagnosis;
use domain::entry::EntryId;
use domain::error::ApiError;
use leptos::prelude::*;

use super::{ARRIVED, Arrived};
use crate::components::{ErrorNotice, NOTICE};

/// The page that leads to the sign-in service. A form can't: where forms lead, the policy of our pages says.
pub(super) fn leave(id: EntryId, url: String) -> impl IntoView {
    let host = host(&url).to_owned();
    view! {
        <div class="page narrow">
            <p class="crumb"><a href=format!("/servers/{id}/azure")>"Azure OAuth"</a></p>
            <h1>"Sign in at " {host.clone()}</h1>
            <p>"Sign in there as the mailbox, not as an administrator, within 10 minutes. Afterwards you come back here by yourself."</p>
            <p class="actions">
                <a class="button primary" href=url data-go>"Go to " {host}</a>
                <a class="button" href=format!("/servers/{id}/azure")>"Back"</a>
            </p>
        </div>
    }
}

/// The host of an address, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// The page that somebody comes back to. It comes from another site, so it changes nothing: its form does, which is ours.
pub(super) fn arrive(arrived: Arrived) -> impl IntoView {
    let Arrived { state, code, error, error_description } = arrived;
    let values = [state.expose().to_owned(), code.expose().to_owned(), error, error_description];
    let hidden: Vec<_> =
        ARRIVED.into_iter().zip(values).map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect();
    view! {
        <div class="page narrow" data-address="/oauth/callback">
            <h1>"Finish signing in"</h1>
            <form method="post" action="/oauth/callback" data-submit>
                {hidden}
                <p>"You are back from the sign-in service. One more step keeps the sign-in."</p>
                <div class="actions late"><button class="primary">"Finish signing in"</button></div>
            </form>
        </div>
    }
}

/// A sign-in that came to nothing, with the way back.
pub(super) fn not_arrived(id: Option<EntryId>, error: ApiError) -> impl IntoView {
    let back = match id {
        Some(id) => (format!("/servers/{id}/azure"), "Back to Azure OAuth"),
        None => ("/".to_owned(), "Mail SMTP servers"),
    };
    view! {
        <div class="page narrow" data-address="/oauth/callback">
            <h1>"Not signed in"</h1>
            {refusal(error)}
            <p><a class="button primary" href=back.0>{back.1}</a></p>
        </div>
    }
}

/// Why something was not done. What a sign-in service said comes with what to do.
pub(super) fn refusal(mut error: ApiError) -> impl IntoView {
    match error.diagnosis.take() {
        Some(diagnosis) => view! { <div role="alert" id=NOTICE tabindex="-1" autofocus>{diagnosed(*diagnosis)}</div> }.into_any(),
        None => view! { <ErrorNotice error=Signal::stored(Some(error))/> }.into_any(),
    }
}

/// What a failure means, what was said, and what to do.
pub(super) fn diagnosed(diagnosis: Diagnosis) -> impl IntoView {
    let details = details(&diagnosis);
    let Diagnosis { title, steps, evidence, .. } = diagnosis;
    let steps: Vec<_> = steps.into_iter().map(|step| view! { <li>{step}</li> }).collect();
    view! {
        <div class="notice bad">
            <p class="headline">{title}</p>
            {evidence.map(|evidence| view! { <p class="machine">{evidence}</p> })}
            <ol>{steps}</ol>
            <p class="actions needs-script">
                <button type="button" class="small" data-copy=details aria-label="Copy details">"Copy"</button>
            </p>
        </div>
    }
}

/// All of it as text, for whoever is asked for help.
fn details(diagnosis: &Diagnosis) -> String {
    let mut lines = vec![diagnosis.title.clone()];
    lines.extend(diagnosis.evidence.clone());
    lines.extend(diagnosis.steps.iter().enumerate().map(|(at, step)| format!("{}. {step}", at + 1)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_sign_in_page_is_named_with_its_port() {
        for (url, expected) in [
            ("https://login.microsoftonline.com/x/oauth2/v2.0/authorize?client_id=1", "login.microsoftonline.com"),
            ("http://127.0.0.1:3001?x=a/b", "127.0.0.1:3001"),
            ("https://sso.example.com#x", "sso.example.com"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
