//! Signing in, and what comes before it.

use domain::access::AccessField;
use domain::error::ApiError;
use domain::secret::Secret;
use leptos::prelude::*;

use super::fields::{Refused, Text, new_password};
use crate::backend::Welcome;
use crate::components::ErrorNotice;

/// The page "Sign in".
pub(super) fn sign_in(name: String, next: String, refused: Option<ApiError>) -> impl IntoView {
    // Whoever's name came back goes on at the password.
    let again = !name.is_empty();
    let refused = Refused::new(refused);
    let name = Text { value: name, autocomplete: "username", focus: !again, ..Text::of(AccessField::Name, "Name") };
    let password = Text { focus: again, ..Text::secret(AccessField::Password, "Password", "current-password") };
    let (name, password) = (name.view(&refused), password.view(&refused));
    view! {
        <div class="page narrow">
            <h1>"Sign in"</h1>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <form class="group" method="post" action="/sign-in">
                <input type="hidden" name="next" value=next/>
                {name}
                {password}
                <div class="actions"><button class="primary">"Sign in"</button></div>
            </form>
            <p class="help">"Forgot the password? An administrator can make a new link for you."</p>
        </div>
    }
}

/// The page that asks for the code of the second factor.
pub(super) fn code(next: String, refused: Option<ApiError>) -> impl IntoView {
    let refused = Refused::new(refused);
    let code = Text { focus: true, ..Text::code("Code") }
        .help("The six digits that your app shows now. Without the app, one of your recovery codes: each works once.")
        .view(&refused);
    view! {
        <div class="page narrow">
            <h1>"Enter your code"</h1>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <form class="group" method="post" action="/sign-in/code">
                <input type="hidden" name="next" value=next/>
                {code}
                <div class="actions"><button class="primary">"Sign in"</button></div>
            </form>
            <form method="post" action="/sign-out"><button class="quiet">"Sign in with another name"</button></form>
        </div>
    }
}

/// The page where the cookie didn't come back.
pub(super) fn not_kept(secure: bool) -> impl IntoView {
    let how = if secure {
        "Allow cookies for this site, then sign in again."
    } else {
        "Allow cookies for this site, and open it by https://, or by http://localhost on the machine itself; then sign in again."
    };
    view! {
        <div class="page narrow">
            <h1>"Not signed in"</h1>
            <div class="notice bad"><p class="headline">"The password was right, but your browser didn't keep the sign-in. " {how}</p></div>
            <p><a class="button primary" href="/sign-in">"Sign in"</a></p>
        </div>
    }
}

/// The page that answers a form of somebody who isn't signed in (any more).
pub(super) fn sign_in_first(error: ApiError) -> impl IntoView {
    view! {
        <div class="page narrow">
            <h1>"Not signed in"</h1>
            <p>{error.message}</p>
            <p class="muted">"To keep what you typed: sign in in a new tab, come back here, and reload."</p>
            <p class="actions">
                <a class="button primary" href="/sign-in">"Sign in"</a>
                <a class="button" href="/sign-in" target="_blank">"Sign in (new tab)"</a>
            </p>
        </div>
    }
}

/// The page while there is no account.
pub(super) fn not_set_up() -> impl IntoView {
    view! {
        <div class="page narrow">
            <h1>"No account yet"</h1>
            <p>"The first account is made with the set-up link. Postroom prints it when it starts; look at the end of its output."</p>
            <p>"It can be used for one hour. For a new one, run this on the machine:"</p>
            <p class="machine">"postroom setup-link"</p>
        </div>
    }
}

/// The page that a link leads to.
pub(super) fn welcome(link: &Secret, welcome: Welcome, name: String, refused: Option<ApiError>) -> impl IntoView + use<> {
    let Welcome { name: owner, second_factor } = welcome;
    let refused = Refused::new(refused);
    let first = owner.is_none();
    let title = owner.as_ref().map_or_else(|| "Set up Postroom".to_owned(), |name| format!("Welcome, {name}"));
    let lead = if first {
        "Make the first account. It is an administrator: it can do everything, and add others."
    } else {
        "Choose a password. You are signed in with it at once."
    };
    let who = match owner {
        // For whatever keeps passwords: which name this one belongs to.
        Some(name) => view! { <input type="text" name="name" value=name autocomplete="username" readonly hidden/> }.into_any(),
        None => Text { value: name, autocomplete: "username", focus: true, ..Text::of(AccessField::Name, "Name") }
            .help("With this you sign in. Letters, digits and - _ . @")
            .view(&refused)
            .into_any(),
    };
    let passwords = new_password(&refused, !first);
    view! {
        <div class="page narrow">
            <div class="title"><div>
                <h1>{title}</h1>
                <p class="muted">{lead}</p>
            </div></div>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <form class="group" method="post" action="/welcome">
                <input type="hidden" name="token" value=link.expose().to_owned()/>
                {who}
                {passwords}
                {second_factor.then(|| view! { <p class="help">"Afterwards you are asked for a code of your second factor, as always."</p> })}
                <div class="actions"><button class="primary">{if first { "Create account" } else { "Set password" }}</button></div>
            </form>
        </div>
    }
}

/// The page that asks for the password again. What is to be trusted, and the button that trusts it, stand with the password in the element
/// that the page of an entry takes into its own form.
pub(super) fn confirm(action: String, fields: Vec<(String, String)>, again: bool, refused: Option<ApiError>) -> impl IntoView {
    let hidden = |(name, value): (String, String)| view! { <input type="hidden" name=name value=value/> };
    let (button, fields): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == "action");
    let (looked, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name.starts_with("inspected_"));
    let looked: Vec<_> = looked.into_iter().map(hidden).collect();
    let rest: Vec<_> = rest.into_iter().map(hidden).collect();
    let button = button.into_iter().next().map(|(_, value)| value);
    let error = refused.map(|error| error.fields.into_values().next().unwrap_or(error.message));
    let wrong = error.is_some();
    let then = again.then_some(" Then fill in the form once more: files and passwords aren't kept in between.");
    view! {
        <div class="page narrow">
            <h1>"Confirm your password"</h1>
            <form class="group confirm" method="post" action=action>
                {rest}
                <div id="look">
                    {looked}
                    <div id="verdict" class="notice warning" tabindex="-1">
                        <p>"This needs your password, as you typed it last more than 10 minutes ago." {then}</p>
                    </div>
                    <div class="field" class:wrong=wrong>
                        <label for="f-confirm_password">"Your password"</label>
                        <input
                            id="f-confirm_password"
                            name="confirm_password"
                            type="password"
                            autocomplete="current-password"
                            autofocus
                            data-enter="confirm"
                            aria-required="true"
                            aria-invalid=wrong.then_some("true")
                            aria-describedby="f-confirm_password-error"
                        />
                        <p class="error" id="f-confirm_password-error">{error}</p>
                    </div>
                    <div class="actions">
                        <button class="primary" id="confirm" name=button.is_some().then_some("action") value=button>"Confirm and go on"</button>
                    </div>
                </div>
            </form>
            <p><a class="button" href="/">"Mail SMTP servers"</a></p>
        </div>
    }
}
