//! Form fields: label, control, help and error, tied together for everyone (`aria-describedby`, `aria-invalid`).
//!
//! A field speaks after it was left or the form was submitted, and then follows the typing. An address speaks at once, unless
//! typing on could make it right. What the server said about a field stands until the field is changed.

use std::collections::BTreeMap;

use domain::address::Spot;
use domain::diagnosis::Fix;
use domain::error::ApiError;
use domain::field::{Field, FieldError, FieldErrors};
use domain::secret::Secret;
use domain::smtp_server::{PasswordDraft, ServerDraft, TestDraft};
use domain::words;
use leptos::prelude::*;

use super::address::Verdict;

/// How long typing has to pause before an unfinished address counts as a wrong one: milliseconds.
#[cfg(feature = "hydrate")]
const TYPING_PAUSE_MS: u32 = 800;

/// The element id of a field's control.
pub(crate) fn field_id(field: Field) -> String {
    format!("f-{}", field.key())
}

/// Everything a form of an entry holds while one types.
#[derive(Clone, Copy)]
pub(crate) struct FormState {
    pub(crate) draft: RwSignal<ServerDraft>,
    pub(crate) password: RwSignal<PasswordDraft>,
    pub(crate) test: RwSignal<TestDraft>,
    /// Fields that were left once.
    touched: RwSignal<Vec<Field>>,
    /// The address field that is being typed in right now.
    typing: RwSignal<Option<Field>>,
    /// Counts the changes of address fields, to know a pause.
    #[cfg(feature = "hydrate")]
    strokes: StoredValue<u32>,
    /// Whether it was submitted once: then every field speaks.
    pub(crate) submitted: RwSignal<bool>,
    /// What the server said of fields, by key, until they change.
    remote: RwSignal<BTreeMap<String, String>>,
    /// What the browser finds itself.
    local: Memo<FieldErrors>,
    /// Fields that a button changed last: they are marked.
    flashing: RwSignal<&'static [Field]>,
}

impl FormState {
    pub(crate) fn new(draft: ServerDraft, test: TestDraft, error: Option<&ApiError>) -> Self {
        let draft = RwSignal::new(draft);
        let password = RwSignal::new(PasswordDraft::default());
        let test = RwSignal::new(test);
        let local = Memo::new(move |_| {
            let mut errors = draft.with(|d| password.with(|p| d.check(p))).err().unwrap_or_default();
            if let Err(more) = draft.with(|d| test.with(|t| t.check(d))) {
                errors.merge(more);
            }
            errors
        });
        let remote = error.map(|e| e.fields.clone()).unwrap_or_default();
        Self {
            draft,
            password,
            test,
            touched: RwSignal::new(Vec::new()),
            typing: RwSignal::new(None),
            #[cfg(feature = "hydrate")]
            strokes: StoredValue::new(0),
            submitted: RwSignal::new(false),
            remote: RwSignal::new(remote),
            local,
            flashing: RwSignal::new(&[]),
        }
    }

    /// The sentence that stands at a field now.
    pub(crate) fn error_of(self, field: Field) -> Option<String> {
        if let Some(sentence) = self.remote.with(|r| r.get(field.key()).cloned()) {
            return Some(sentence);
        }
        let is_test = matches!(field, Field::TestFrom | Field::TestTo | Field::TestAttachment);
        let speaks = (self.submitted.get() && !is_test) || self.touched.with(|t| t.contains(&field)) || self.address_speaks(field);
        if !speaks {
            return None;
        }
        self.local.with(|errors| errors.get(field).map(|error| words::field_error(field, error)))
    }

    /// Whether a wrong address is one for good, or for as long as typing pauses.
    fn address_speaks(self, field: Field) -> bool {
        if !self.wrong_address(field) || !self.is_typing(field) {
            return self.wrong_address(field);
        }
        let text = self.text(field);
        let strictness = self.draft.with(ServerDraft::strictness);
        self.local.with(|errors| match errors.get(field) {
            Some(FieldError::Address(error)) => {
                field.wanted().is_some_and(|wanted| !error.may_be_unfinished(&text, strictness, wanted))
            }
            _ => false,
        })
    }

    /// Whether an address, or several, stand in the field: a test fax goes to a number.
    pub(super) fn is_address(self, field: Field) -> bool {
        field.is_address() && !(field == Field::TestTo && self.draft.with(ServerDraft::is_fax))
    }

    /// Whether what stands in the field is no address, or no usable one.
    pub(super) fn wrong_address(self, field: Field) -> bool {
        let wrong = |error: &FieldError| matches!(error, FieldError::Address(_) | FieldError::AddressWithoutDomain);
        self.is_address(field)
            && !self.text(field).trim().is_empty()
            && self.local.with(|errors| errors.get(field).is_some_and(wrong))
    }

    /// Whether the field is being typed in right now.
    pub(super) fn is_typing(self, field: Field) -> bool {
        self.typing.get() == Some(field)
    }

    /// The character that the error of an address field is about, while that error stands there.
    pub(super) fn spot_of(self, field: Field) -> Option<Spot> {
        let spoken = self.error_of(field)?;
        let text = self.text(field);
        self.local.with(|errors| match errors.get(field) {
            Some(error @ FieldError::Address(at)) if !text.is_empty() && words::field_error(field, error) == spoken => {
                Some(at.spot(&text))
            }
            _ => None,
        })
    }

    /// How many fields speak of an error after a submit.
    pub(crate) fn wrong_fields(self) -> usize {
        if !self.submitted.get() {
            return 0;
        }
        Field::ALL.into_iter().filter(|field| self.error_of(*field).is_some()).count()
    }

    /// The field was left.
    pub(crate) fn touch(self, field: Field) {
        #[cfg(feature = "hydrate")]
        crate::browser::after_press(move || self.touch_now(field));
        #[cfg(not(feature = "hydrate"))]
        self.touch_now(field);
    }

    fn touch_now(self, field: Field) {
        if self.typing.get_untracked() == Some(field) {
            self.typing.set(None);
        }
        if !self.touched.with_untracked(|t| t.contains(&field)) {
            self.touched.update(|t| t.push(field));
        }
    }

    /// The field was changed: what the server said of it counts no more.
    pub(crate) fn changed(self, field: Field) {
        if self.remote.with_untracked(|r| r.contains_key(field.key())) {
            self.remote.update(|r| {
                r.remove(field.key());
            });
        }
        if self.flashing.with_untracked(|fields| fields.contains(&field)) {
            self.flashing.set(&[]);
        }
    }

    /// What the server said of a submit.
    pub(crate) fn refused(self, error: &ApiError) {
        self.remote.set(error.fields.clone());
    }

    /// Makes the change that a diagnosis proposes, visibly, without saving it.
    pub(crate) fn apply_fix(self, fix: &Fix) {
        let Some(fields) = self.draft.try_update(|draft| draft.apply_fix(fix)) else { return };
        for field in fields {
            self.changed(*field);
        }
        self.flashing.set(fields);
        #[cfg(feature = "hydrate")]
        if let Some(field) = fields.last() {
            crate::browser::focus(field_id(*field));
        }
    }

    /// The server took it: what it said before counts no more.
    pub(crate) fn accepted(self) {
        self.remote.set(BTreeMap::new());
        self.flashing.set(&[]);
    }

    /// The first field with an error, for the focus.
    pub(crate) fn first_error(self) -> Option<Field> {
        Field::ALL.into_iter().find(|field| self.error_of(*field).is_some())
    }

    pub(super) fn text(self, field: Field) -> String {
        match field {
            Field::TestFrom => self.test.with(|t| t.from.clone()),
            Field::TestTo => self.test.with(|t| t.to.clone()),
            Field::TestAttachment => self.test.with(|t| t.attachment.clone()),
            _ => self.draft.with(|d| d.text(field).to_owned()),
        }
    }

    /// Takes over what is being typed.
    fn type_text(self, field: Field, text: String) {
        #[cfg(feature = "hydrate")]
        if field.is_address() {
            let stroke = self.strokes.with_value(|strokes| strokes.wrapping_add(1));
            self.strokes.set_value(stroke);
            self.typing.set(Some(field));
            let paused = move || {
                if self.strokes.try_get_value() == Some(stroke) {
                    self.typing.set(None);
                }
            };
            gloo_timers::callback::Timeout::new(TYPING_PAUSE_MS, paused).forget();
        }
        self.set_text(field, text);
    }

    /// Takes over what was typed or chosen.
    pub(crate) fn set_text(self, field: Field, text: String) {
        match field {
            Field::TestFrom => self.test.update(|t| t.from = text),
            Field::TestTo => self.test.update(|t| t.to = text),
            Field::TestAttachment => self.test.update(|t| t.attachment = text),
            Field::Protocol => self.draft.update(|d| d.choose_protocol(&text)),
            _ => self.draft.update(|d| d.set_text(field, text)),
        }
        self.changed(field);
    }
}

/// The ids a control points to: its help, and its error once there is one.
fn described_by(state: FormState, field: Field) -> impl Fn() -> String + Copy + Send {
    move || {
        let id = field_id(field);
        if state.error_of(field).is_some() { format!("{id}-error {id}-help") } else { format!("{id}-help") }
    }
}

/// The help under a field.
#[component]
pub(crate) fn Help(field: Field) -> impl IntoView {
    view! { <p class="help" id=format!("{}-help", field_id(field))>{words::help(field)}</p> }
}

/// The error under a field. The element is always there, so that nothing jumps for screen readers.
#[component]
fn FieldErrorText(state: FormState, field: Field) -> impl IntoView {
    view! {
        <p class="error" id=format!("{}-error", field_id(field)) aria-live=field.is_address().then_some("polite")>
            {move || state.error_of(field)}
            {move || state.spot_of(field).map(|spot| view! { <span class="hidden">". " {spot.to_string()} "."</span> })}
        </p>
    }
}

/// Marks that the whole field does not apply now: hidden where scripting shows it again in time.
fn class_of(state: FormState, field: Field, base: &'static str) -> impl Fn() -> String {
    move || {
        let mut class = String::from(base);
        if !state.draft.with(|d| d.applies(field)) {
            class.push_str(" inapplicable");
        }
        if state.error_of(field).is_some() {
            class.push_str(" wrong");
        }
        if state.flashing.with(|fields| fields.contains(&field)) {
            class.push_str(" flash");
        }
        class
    }
}

/// A line of text.
#[component]
pub(crate) fn TextField(
    state: FormState,
    field: Field,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] inputmode: Option<&'static str>,
    #[prop(optional)] placeholder: Option<&'static str>,
    #[prop(optional)] required: bool,
    #[prop(optional, into)] note: Option<Signal<String>>,
) -> impl IntoView {
    let id = field_id(field);
    view! {
        <div class=class_of(state, field, "field")>
            <label for=id.clone()>{move || state.draft.with(|d| words::label_with(d, field))} {required.then(|| view! { <span class="muted">" (required)"</span> })}</label>
            <input
                id=id
                name=field.key()
                type=kind
                inputmode=inputmode
                placeholder=placeholder
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-required=required.then_some("true")
                aria-describedby=described_by(state, field)
                aria-invalid=move || state.error_of(field).is_some().then_some("true")
                value=state.text(field)
                prop:value=move || state.text(field)
                on:input=move |ev| state.type_text(field, event_target_value(&ev))
                on:blur=move |_| state.touch(field)
            />
            <FieldErrorText state field/>
            {field.is_address().then(|| view! { <Verdict state field/> })}
            <p class="help" id=format!("{}-help", field_id(field))>{move || state.draft.with(|d| words::help_with(d, field))}</p>
            {note.map(|note| view! { <p class="help note">{move || note.get()}</p> })}
        </div>
    }
}

/// A check box.
#[component]
pub(crate) fn CheckField(state: FormState, field: Field) -> impl IntoView {
    let id = field_id(field);
    view! {
        <div class=class_of(state, field, "field check")>
            <label for=id.clone()>
                <input
                    id=id.clone()
                    name=field.key()
                    type="checkbox"
                    value="true"
                    aria-describedby=described_by(state, field)
                    aria-invalid=move || state.error_of(field).is_some().then_some("true")
                    checked=state.draft.with_untracked(|d| d.flag(field))
                    prop:checked=move || state.draft.with(|d| d.flag(field))
                    on:change=move |ev| {
                        state.draft.update(|d| d.set_flag(field, event_target_checked(&ev)));
                        state.changed(field);
                        state.touch(field);
                    }
                />
                {words::label(field)}
            </label>
            <FieldErrorText state field/>
            <Help field/>
        </div>
    }
}

/// One of a few: radio buttons.
#[component]
pub(crate) fn ChoiceField(state: FormState, field: Field, choices: &'static [&'static str]) -> impl IntoView {
    let id = field_id(field);
    let options: Vec<_> = choices
        .iter()
        .enumerate()
        .map(|(at, value)| {
            // The first one carries the field's id: that is where a link to the field leads.
            let option = if at == 0 { id.clone() } else { format!("{id}-{value}") };
            view! {
                <label for=option.clone()>
                    <input
                        id=option.clone()
                        type="radio"
                        name=field.key()
                        value=*value
                        checked=state.draft.with_untracked(|d| d.text(field) == *value)
                        prop:checked=move || state.draft.with(|d| d.text(field) == *value)
                        on:change=move |_| {
                            state.set_text(field, (*value).to_owned());
                            state.touch(field);
                        }
                    />
                    {words::choice(field, value)}
                </label>
            }
        })
        .collect();
    view! {
        <fieldset class=class_of(state, field, "field choice") aria-describedby=described_by(state, field)>
            <legend>{words::label(field)}</legend>
            <div class="options">{options}</div>
            <FieldErrorText state field/>
            <Help field/>
        </fieldset>
    }
}

/// One of a few: a list to choose from.
#[component]
pub(crate) fn SelectField(state: FormState, field: Field, choices: &'static [&'static str]) -> impl IntoView {
    let id = field_id(field);
    let options: Vec<_> = choices
        .iter()
        .map(|value| {
            view! {
                <option
                    value=*value
                    selected=state.draft.with_untracked(|d| d.text(field) == *value)
                    prop:selected=move || state.draft.with(|d| d.text(field) == *value)
                >
                    {words::choice(field, value)}
                </option>
            }
        })
        .collect();
    view! {
        <div class=class_of(state, field, "field")>
            <label for=id.clone()>{words::label(field)}</label>
            <select
                id=id
                name=field.key()
                aria-describedby=described_by(state, field)
                aria-invalid=move || state.error_of(field).is_some().then_some("true")
                on:change=move |ev| {
                    state.set_text(field, event_target_value(&ev));
                    state.touch(field);
                }
            >
                {options}
            </select>
            <FieldErrorText state field/>
            <Help field/>
        </div>
    }
}

/// A field with a page of its own: what it is now, and the way there.
#[component]
pub(crate) fn LinkField(state: FormState, field: Field, href: String, link: &'static str, children: Children) -> impl IntoView {
    let id = field_id(field);
    view! {
        <div class=class_of(state, field, "field")>
            <p class="label">{words::label(field)}</p>
            <p class="actions">
                <span>{children()}</span>
                <a class="button small" id=id href=href aria-label=format!("{link}: {}", words::label(field))>{link}</a>
            </p>
            <Help field/>
        </div>
    }
}

/// A way to more about a field, where that applies.
#[component]
pub(crate) fn MoreAbout(state: FormState, field: Field, href: String, children: Children) -> impl IntoView {
    view! { <p class=class_of(state, field, "field")><a href=href>{children()}</a></p> }
}

/// The password, its confirmation and its removal. What is stored is never here.
#[component]
pub(crate) fn PasswordFields(state: FormState, #[prop(into)] stored: Signal<bool>) -> impl IntoView {
    let mistaken = untrack(|| [Field::Password, Field::PasswordConfirm].into_iter().any(|field| state.error_of(field).is_some()));
    view! {
        <div class=class_of(state, Field::Password, "password")>
            <p class="stored" hidden=move || !stored.get()>"SMTP password: " <strong>"set"</strong></p>
            <details class="change" class:plain=move || !stored.get() open=move || mistaken || !stored.get()>
                <summary class="button" hidden=move || !stored.get()>"Change password"</summary>
                <SecretInput
                    state
                    field=Field::Password
                    get=|p: &PasswordDraft| p.password.clone()
                    set=|p: &mut PasswordDraft, secret| p.password = secret
                />
                <SecretInput
                    state
                    field=Field::PasswordConfirm
                    get=|p: &PasswordDraft| p.confirm.clone()
                    set=|p: &mut PasswordDraft, secret| p.confirm = secret
                />
            </details>
            <label class="remove" hidden=move || !stored.get()>
                <input
                    id="f-remove_password"
                    type="checkbox"
                    name="remove_password"
                    value="true"
                    prop:checked=move || state.password.with(|p| p.remove)
                    on:change=move |ev| {
                        state.password.update(|p| p.remove = event_target_checked(&ev));
                        state.changed(Field::Password);
                    }
                />
                "Remove password"
            </label>
        </div>
    }
}

#[component]
fn SecretInput(
    state: FormState,
    field: Field,
    get: fn(&PasswordDraft) -> Secret,
    set: fn(&mut PasswordDraft, Secret),
) -> impl IntoView {
    let id = field_id(field);
    view! {
        <div class=class_of(state, field, "field")>
            <label for=id.clone()>{words::label(field)}</label>
            <input
                id=id
                name=field.key()
                type="password"
                autocomplete="new-password"
                aria-describedby=described_by(state, field)
                aria-invalid=move || state.error_of(field).is_some().then_some("true")
                prop:value=move || state.password.with(|p| get(p).expose().to_owned())
                on:input=move |ev| {
                    state.password.update(|p| set(p, Secret::new(event_target_value(&ev))));
                    state.changed(field);
                }
                on:blur=move |_| state.touch(field)
            />
            <FieldErrorText state field/>
            <Help field/>
        </div>
    }
}
