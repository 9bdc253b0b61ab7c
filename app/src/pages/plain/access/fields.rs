//! The fields of these forms, with what is wrong beside them. What was typed into one for a password or a code is never given back.

use domain::access::{AccessField, Role};
use domain::error::ApiError;
use domain::words;
use leptos::prelude::*;

/// What was refused, split: what stands at fields isn't said twice.
pub(super) struct Refused {
    at: std::collections::BTreeMap<String, String>,
    pub(super) notice: Option<ApiError>,
    /// Whether the first field with an error was made: it has the focus.
    focused: std::cell::Cell<bool>,
}

impl Refused {
    pub(super) fn new(refused: Option<ApiError>) -> Self {
        let at = refused.as_ref().map(|error| error.fields.clone()).unwrap_or_default();
        Self { at, notice: refused.filter(|error| error.fields.is_empty()), focused: std::cell::Cell::new(false) }
    }

    pub(super) fn at(&self, field: AccessField) -> Option<String> {
        self.at.get(field.key()).cloned()
    }

    /// Whether anything was refused at all.
    pub(super) fn any(&self) -> bool {
        self.notice.is_some() || !self.at.is_empty()
    }

    /// Whether a field with this error is the first of its form.
    fn takes_focus(&self, error: Option<&String>) -> bool {
        error.is_some() && !self.focused.replace(true)
    }
}

/// A field of text.
pub(super) struct Text {
    pub(super) field: AccessField,
    pub(super) label: &'static str,
    pub(super) help: String,
    pub(super) kind: &'static str,
    pub(super) autocomplete: &'static str,
    pub(super) value: String,
    pub(super) focus: bool,
}

impl Text {
    pub(super) fn of(field: AccessField, label: &'static str) -> Self {
        Self { field, label, help: String::new(), kind: "text", autocomplete: "off", value: String::new(), focus: false }
    }

    pub(super) fn secret(field: AccessField, label: &'static str, autocomplete: &'static str) -> Self {
        Self { kind: "password", autocomplete, ..Self::of(field, label) }
    }

    pub(super) fn code(label: &'static str) -> Self {
        Self { autocomplete: "one-time-code", ..Self::of(AccessField::Code, label) }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    pub(super) fn view(self, refused: &Refused) -> impl IntoView + use<> {
        let Self { field, label, help, kind, autocomplete, value, focus } = self;
        let key = field.key();
        let error = refused.at(field);
        let focus = if refused.any() { refused.takes_focus(error.as_ref()) } else { focus };
        let wrong = error.is_some();
        let id = format!("f-{key}");
        view! {
            <div class="field" class:wrong=wrong>
                <label for=id.clone()>{label}</label>
                <input
                    id=id.clone()
                    name=key
                    type=kind
                    value=value
                    autocomplete=autocomplete
                    autocapitalize="none"
                    spellcheck="false"
                    autofocus=focus
                    aria-required=(field != AccessField::TokenDays).then_some("true")
                    aria-invalid=wrong.then_some("true")
                    aria-describedby=format!("{id}-error {id}-help")
                />
                <p class="error" id=format!("{id}-error")>{error}</p>
                <p class="help" id=format!("{id}-help")>{help}</p>
            </div>
        }
    }
}

/// A password and the same once more.
pub(super) fn new_password(refused: &Refused, focus: bool) -> impl IntoView + use<> {
    let help = format!("At least {} characters. Several words in a row are fine.", domain::access::MIN_PASSWORD);
    let first = Text { focus, ..Text::secret(AccessField::NewPassword, "New password", "new-password").help(help) };
    let second = Text::secret(AccessField::NewPasswordConfirm, "New password again", "new-password");
    view! { {first.view(refused)} {second.view(refused)} }
}

/// The choice of a role, each with what it may do.
pub(super) fn roles(chosen: &str, refused: &Refused) -> impl IntoView + use<> {
    let error = refused.at(AccessField::Role);
    let options: Vec<_> = Role::ALL
        .into_iter()
        .map(|role| {
            let checked = role.key() == chosen;
            let id = format!("f-role-{}", role.key());
            view! {
                <div class="choice">
                    <label>
                        <input type="radio" name="role" value=role.key() checked=checked aria-describedby=id.clone()/>
                        {words::role(role)}
                    </label>
                    <p class="help" id=id>{words::role_help(role)}</p>
                </div>
            }
        })
        .collect();
    view! {
        <fieldset class="field" id="f-role" aria-describedby="f-role-error">
            <legend>"Role"</legend>
            {options}
            <p class="error" id="f-role-error">{error}</p>
        </fieldset>
    }
}

/// A secret that is shown once, with the button that copies it.
pub(super) fn once(label: &'static str, text: &str) -> impl IntoView + use<> {
    let text = text.to_owned();
    view! {
        <div class="field">
            <span class="label" id="once">{label}</span>
            <div class="once">
                <output class="machine" aria-labelledby="once">{text.clone()}</output>
                <button type="button" class="needs-script" data-copy=text>"Copy"</button>
            </div>
        </div>
    }
}
