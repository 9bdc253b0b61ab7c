//! What only a browser has: focus, storage, leaving the page, keys. All of it through gloo and web-sys; nothing here
//! decides anything about entries.

pub mod stream;

use std::cell::{Cell, RefCell};

use domain::error::{ApiError, ErrorKind};
use domain::field::Field;
use gloo_events::{EventListener, EventListenerOptions};
use gloo_net::http::Request;
use gloo_storage::{LocalStorage, Storage};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlDocument, HtmlElement, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

use crate::api::Failure;

/// A control that was changed before the program ran, and its value then.
struct Early {
    id: String,
    value: String,
    checked: bool,
}

thread_local! {
    static EARLY: RefCell<Vec<Early>> = const { RefCell::new(Vec::new()) };
    /// Whether a pointer is pressed.
    static PRESSED: Cell<bool> = const { Cell::new(false) };
}

/// Watches whether a pointer is pressed, for [`after_press`]; for as long as the page lives.
pub fn watch_presses() {
    for (event, pressed) in [("pointerdown", true), ("pointerup", false), ("pointercancel", false)] {
        EventListener::new_with_options(&document(), event, EventListenerOptions::run_in_capture_phase(), move |_| {
            PRESSED.set(pressed);
        })
        .forget();
    }
}

/// Does `work` once no pointer is pressed. An error that appears when a field is left would otherwise push away the very
/// button that is being pressed, and the press would be lost.
pub fn after_press(work: impl FnOnce() + 'static) {
    if !PRESSED.get() {
        return work();
    }
    EventListener::once(&window(), "pointerup", move |_| {
        // After the click that follows.
        gloo_timers::callback::Timeout::new(0, work).forget();
    })
    .forget();
}

/// Remembers what was typed before the program started; call it before hydrating.
pub fn remember_early_input() {
    let Ok(controls) = document().query_selector_all("main input, main select") else { return };
    let early = (0..controls.length()).filter_map(|at| controls.item(at)).filter_map(|node| early_input(&node)).collect();
    EARLY.with(|cell| *cell.borrow_mut() = early);
}

fn early_input(node: &web_sys::Node) -> Option<Early> {
    if let Some(input) = node.dyn_ref::<HtmlInputElement>() {
        let changed = input.value() != input.default_value() || input.checked() != input.default_checked();
        return changed.then(|| Early { id: input.id(), value: input.value(), checked: input.checked() });
    }
    let select = node.dyn_ref::<HtmlSelectElement>()?;
    Some(Early { id: select.id(), value: select.value(), checked: false })
}

/// Puts back what was typed before the program started, as if it were typed now. Call it when the form is there.
pub fn replay_early_input() {
    for early in EARLY.with(RefCell::take) {
        let Some(element) = document().get_element_by_id(&early.id) else { continue };
        let event = if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
            if matches!(input.type_().as_str(), "checkbox" | "radio") {
                input.set_checked(early.checked);
                if input.type_() == "radio" && !early.checked {
                    continue;
                }
                "change"
            } else {
                input.set_value(&early.value);
                "input"
            }
        } else if let Some(select) = element.dyn_ref::<HtmlSelectElement>() {
            if select.value() == early.value {
                continue;
            }
            select.set_value(&early.value);
            "change"
        } else {
            continue;
        };
        let init = web_sys::EventInit::new();
        init.set_bubbles(true);
        if let Ok(event) = web_sys::Event::new_with_event_init_dict(event, &init) {
            let _ = element.dispatch_event(&event);
        }
    }
}

/// Focuses an element once the page has settled, opening the folded section it is in.
pub fn focus(id: String) {
    request_animation_frame(move || {
        let Some(element) = document().get_element_by_id(&id) else { return };
        let mut folded = element.closest("details:not([open])").ok().flatten();
        while let Some(details) = folded {
            let _ = details.set_attribute("open", "");
            folded = element.closest("details:not([open])").ok().flatten();
        }
        if let Some(element) = element.dyn_ref::<HtmlElement>() {
            let _ = element.focus();
        }
    });
}

/// Opens every folded section that holds a mistake, once the page has settled.
pub fn unfold_mistakes() {
    request_animation_frame(|| {
        let Ok(folded) = document().query_selector_all("details:not([open]):has([aria-invalid='true'])") else { return };
        for details in (0..folded.length()).filter_map(|at| folded.item(at)?.dyn_into::<Element>().ok()) {
            let _ = details.set_attribute("open", "");
        }
    });
}

/// Focuses what the address names after `#`, for keyboards: browsers only scroll there.
pub fn focus_fragment() {
    let hash = window().location().hash().unwrap_or_default();
    if let Some(id) = hash.strip_prefix('#').filter(|id| !id.is_empty()) {
        focus(id.to_owned());
    }
}

/// Lets the browser ask before a page with unsaved changes is left, whatever the way out.
pub fn guard_unsaved(unsaved: Signal<bool>) {
    let options = EventListenerOptions::enable_prevent_default();
    let listener = EventListener::new_with_options(&window(), "beforeunload", options, move |event| {
        if unsaved.get_untracked() {
            event.prevent_default();
        }
    });
    let listener = StoredValue::new_local(listener);
    on_cleanup(move || listener.dispose());
}

/// Switches between light and dark and remembers it.
pub fn toggle_theme() {
    let Some(root) = document().document_element().and_then(|e| e.dyn_into::<HtmlElement>().ok()) else { return };
    let system_dark = window().match_media("(prefers-color-scheme: dark)").ok().flatten().is_some_and(|m| m.matches());
    let dark = root.dataset().get("theme").map_or(system_dark, |theme| theme == "dark");
    let theme = if dark { "light" } else { "dark" };
    let _ = root.dataset().set("theme", theme);
    let _ = LocalStorage::set("theme", theme);
}

/// Whether single letters are shortcuts (WCAG 2.1.4 wants a switch).
pub fn letters_enabled() -> bool {
    LocalStorage::get("letters").unwrap_or(true)
}

/// Switches single-letter shortcuts on or off.
pub fn enable_letters(on: bool) {
    let _ = LocalStorage::set("letters", on);
}

/// Shows the list of shortcuts.
pub fn show_shortcuts() {
    if let Some(dialog) = document().get_element_by_id("shortcuts").and_then(|e| e.dyn_into::<web_sys::HtmlDialogElement>().ok()) {
        let _ = dialog.show_modal();
    }
}

/// Listens to the shortcuts for as long as the page lives.
pub fn install_shortcuts() {
    let options = EventListenerOptions::enable_prevent_default();
    EventListener::new_with_options(&document(), "keydown", options, |event| {
        let Some(event) = event.dyn_ref::<web_sys::KeyboardEvent>() else { return };
        if shortcut(event) {
            event.prevent_default();
        }
    })
    .forget();
}

fn shortcut(event: &web_sys::KeyboardEvent) -> bool {
    let key = event.key();
    // A field may have a button of its own for Enter, within a form that has another one.
    if key == "Enter" {
        let typed_into = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
        return typed_into.and_then(|input| input.dataset().get("enter")).is_some_and(|id| click(&format!("#{id}")));
    }
    if (event.ctrl_key() || event.meta_key()) && key.eq_ignore_ascii_case("s") {
        return click("[data-shortcut='save']");
    }
    if event.ctrl_key() || event.meta_key() || event.alt_key() || is_typing(event) || !letters_enabled() {
        return false;
    }
    match key.as_str() {
        "/" => {
            document().get_element_by_id("search").and_then(|e| e.dyn_into::<HtmlElement>().ok()).is_some_and(|e| e.focus().is_ok())
        }
        "n" => click("[data-shortcut='add']"),
        "t" => click("[data-shortcut='test']"),
        "?" => {
            show_shortcuts();
            true
        }
        _ => false,
    }
}

fn is_typing(event: &web_sys::KeyboardEvent) -> bool {
    let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
    target.is_some_and(|e| e.matches("input:not([type=checkbox]):not([type=radio]), textarea, select, dialog *").unwrap_or(false))
}

fn click(selector: &str) -> bool {
    let found = document().query_selector(selector).ok().flatten().and_then(|e| e.dyn_into::<HtmlElement>().ok());
    found.is_some_and(|element| {
        element.click();
        true
    })
}

/// A domain with A-labels, as the browser itself would look it up. None where it says that this is no domain.
pub fn ascii_domain(domain: &str) -> Option<String> {
    let url = web_sys::Url::new(&format!("http://{domain}/")).ok()?;
    let host = url.hostname();
    (host.split('.').count() == domain.split('.').count()).then_some(host)
}

/// Copies a text; whether it worked. The old way: the new one exists only on pages that came over HTTPS.
pub fn copy(text: &str) -> bool {
    let document = document();
    let Some(area) = document.create_element("textarea").ok().and_then(|e| e.dyn_into::<HtmlTextAreaElement>().ok()) else {
        return false;
    };
    let focused = document.active_element();
    area.set_value(text);
    area.set_class_name("hidden");
    let Some(body) = document.body() else { return false };
    let _ = body.append_child(&area);
    area.select();
    let copied = document.dyn_ref::<HtmlDocument>().is_some_and(|d| d.exec_command("copy").unwrap_or(false));
    area.remove();
    if let Some(element) = focused.and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        let _ = element.focus();
    }
    copied
}

/// Does what elements ask for by attributes, also on pages that have no code of their own here: `data-copy` is a text that a
/// click puts on the clipboard, `data-left-ms` the time after which the element is hidden, `data-address` the address that
/// a reload is to show, `data-go` marks a link that is followed by itself, `data-submit` a form that is posted by itself, and
/// `data-watch` is where to ask how a sign-in with a code stands.
pub fn follow_attributes() {
    EventListener::new(&document(), "click", |event| {
        let button = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
        let Some((button, text)) = button.and_then(|button| button.dataset().get("copy").map(|text| (button, text))) else {
            return;
        };
        button.set_text_content(Some(if copy(&text) { "Copied" } else { "Not copied" }));
        gloo_timers::callback::Timeout::new(COPIED_MS, move || button.set_text_content(Some("Copy"))).forget();
    })
    .forget();
    if let Some((element, left)) = with_data("left-ms").and_then(|(element, left)| Some((element, left.parse().ok()?))) {
        gloo_timers::callback::Timeout::new(left, move || element.set_hidden(true)).forget();
    }
    if let Some((_, address)) = with_data("address") {
        replace_address(&address);
    }
    // In the place of this page: whoever goes back doesn't come here, to be sent on once more.
    if let Some(href) = with_data("go").and_then(|(link, _)| link.get_attribute("href")) {
        let _ = window().location().replace(&href);
    }
    if let Some(form) = with_data("submit").and_then(|(form, _)| form.dyn_into::<web_sys::HtmlFormElement>().ok()) {
        let _ = form.submit();
    }
    if let Some((panel, path)) = with_data("watch") {
        watch_code(panel, path);
    }
    if let Some((bar, left)) = with_data("idle-ms").and_then(|(bar, left)| Some((bar, left.parse().ok()?))) {
        watch_session(bar, left);
    }
}

/// How often it is asked whether somebody typed the code: milliseconds.
const WATCH_MS: u32 = 2_000;

/// Asks at `path` how a sign-in with a code stands, and shows the page anew once it isn't the code of `panel` that is waited for.
fn watch_code(panel: HtmlElement, path: String) {
    let data = |name: &str| panel.get_attribute(&format!("data-{name}")).unwrap_or_default();
    let (code, then) = (data("watched"), data("then"));
    let mut left = data("left").parse::<u64>().unwrap_or_default();
    leptos::task::spawn_local(async move {
        loop {
            TimeoutFuture::new(WATCH_MS).await;
            left = left.saturating_sub(u64::from(WATCH_MS));
            if let Some(shown) = document().get_element_by_id("left") {
                shown.set_text_content(Some(&domain::words::left(left)));
            }
            // Nobody knows: it is asked again.
            let Ok(answer) = Request::get(&path).send().await else { continue };
            let said = answer.text().await.unwrap_or_default();
            // What was answered instead, such as that nobody is signed in any more, the page says.
            if !(answer.ok() && said.contains("\"state\":\"waiting\"") && said.contains(&code)) {
                break;
            }
        }
        if let Ok(Some(status)) = panel.query_selector("[role=status]") {
            status.set_text_content(Some("It isn't waited for any more."));
        }
        let _ = window().location().replace(&then);
    });
}

/// How long before the end of a session the bar says so: milliseconds.
const WARN_MS: u32 = 120_000;

/// Shows the bar shortly before the session ends, `left` milliseconds from now, and says so once it has. Other requests may have kept it
/// going: the server is asked before that is said.
fn watch_session(bar: HtmlElement, mut left: u32) {
    /// How soon a press is seen: milliseconds.
    const GLANCE_MS: u32 = 200;
    let part = |name: &str| bar.query_selector(name).ok().flatten().and_then(|part| part.dyn_into::<HtmlElement>().ok());
    let (Some(text), Some(button), Some(link)) = (part("p"), part("button"), part("a")) else { return };
    let pressed = std::rc::Rc::new(Cell::new(false));
    let press = std::rc::Rc::clone(&pressed);
    EventListener::new(&button, "click", move |_| press.set(true)).forget();
    leptos::task::spawn_local(async move {
        loop {
            TimeoutFuture::new(left.saturating_sub(WARN_MS)).await;
            bar.set_hidden(false);
            let mut waited = 0;
            while waited <= left.min(WARN_MS) + GLANCE_MS && !pressed.take() {
                TimeoutFuture::new(GLANCE_MS).await;
                waited += GLANCE_MS;
            }
            match stay().await {
                Ok(next) => {
                    bar.set_hidden(true);
                    left = next;
                }
                Err(true) => break,
                // Nobody knows: the button is still there.
                Err(false) => left = WARN_MS,
            }
        }
        text.set_text_content(Some("You were signed out. What you typed stays on this page."));
        button.set_hidden(true);
        link.set_hidden(false);
    });
}

/// Keeps the session going: how long it has then. Otherwise whether it is over.
async fn stay() -> Result<u32, bool> {
    let request = Request::post("/api/session/stay").header("content-type", "application/json").body("{}").map_err(|_| false)?;
    let answer = request.send().await.map_err(|_| false)?;
    if !answer.ok() {
        return Err(answer.status() == 401);
    }
    let said = answer.text().await.map_err(|_| false)?;
    let left = said.split("\"idle_left_ms\":").nth(1).unwrap_or_default();
    left.trim_end_matches('}').parse().map_err(|_| false)
}

/// How long a button says that something was copied: milliseconds.
const COPIED_MS: u32 = 3_000;

/// The first element with a `data-` attribute, and what stands in it.
fn with_data(name: &str) -> Option<(HtmlElement, String)> {
    let element = document().query_selector(&format!("[data-{name}]")).ok()??;
    let value = element.get_attribute(&format!("data-{name}"))?;
    Some((element.dyn_into().ok()?, value))
}

/// Whether something was typed into a field, and not a button beside it pressed.
pub fn is_from_input(event: &web_sys::KeyboardEvent) -> bool {
    event.target().is_some_and(|target| target.dyn_into::<HtmlInputElement>().is_ok())
}

/// Whether the element with this id has the focus.
pub fn has_focus(id: &str) -> bool {
    document().active_element().is_some_and(|element| element.id() == id)
}

/// Scrolls as little as it takes to see an element, once the page has settled.
pub fn reveal(id: &'static str) {
    request_animation_frame(move || {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        if let Some(element) = document().get_element_by_id(id) {
            element.scroll_into_view_with_scroll_into_view_options(&options);
        }
    });
}

/// Which button submitted a form: its value.
pub fn submitter_value(event: &web_sys::SubmitEvent) -> String {
    event.submitter().and_then(|e| e.get_attribute("value")).unwrap_or_default()
}

/// What a form holds, to be posted without leaving the page.
pub struct Form {
    action: String,
    typed: web_sys::UrlSearchParams,
}

impl Form {
    /// The form that `event` submits, with the button that did. Passwords stay here.
    pub fn of(event: &web_sys::SubmitEvent) -> Option<Self> {
        let form = event.target()?.dyn_into::<web_sys::HtmlFormElement>().ok()?;
        let data = web_sys::FormData::new_with_form(&form).ok()?;
        let typed = web_sys::UrlSearchParams::new_with_str_sequence_sequence(data.as_ref()).ok()?;
        typed.append("action", &submitter_value(event));
        for secret in [Field::Password, Field::PasswordConfirm] {
            typed.delete(secret.key());
        }
        Some(Self { action: form.get_attribute("action")?, typed })
    }

    /// Posts it, and puts what the page that answers has in the element `place` into the one of this page.
    ///
    /// # Errors
    /// What that page says instead.
    pub async fn post_for(self, place: &str) -> Result<(), Failure> {
        let answer = Request::post(&self.action).body(self.typed).map_err(|_| stream::broken())?.send().await;
        let html = answer.map_err(|_| stream::broken())?.text().await.map_err(|_| stream::broken())?;
        let parser = web_sys::DomParser::new().map_err(|_| stream::broken())?;
        let page = parser.parse_from_string(&html, web_sys::SupportedType::TextHtml).map_err(|_| stream::broken())?;
        let found = page.get_element_by_id(place).map(|element| element.inner_html()).filter(|html| !html.is_empty());
        match (found, document().get_element_by_id(place)) {
            (Some(html), Some(element)) => {
                element.set_inner_html(&html);
                Ok(())
            }
            _ => Err(said(&page).unwrap_or_else(stream::broken)),
        }
    }
}

/// The notice of a page that was refused.
fn said(page: &web_sys::Document) -> Option<Failure> {
    let lines = page.query_selector_all("#notice .headline, #notice li, main > div > .narrow > p:not([class])").ok()?;
    let text = |at| lines.item(at)?.text_content();
    let message = (0..lines.length()).filter_map(text).collect::<Vec<_>>().join(" ");
    (!message.is_empty()).then(|| Failure(ApiError { message, ..ApiError::new(ErrorKind::Invalid) }))
}

/// Changes the address without loading anything, so that a reload shows the same.
pub fn replace_address(path: &str) {
    let _ = window().history().and_then(|h| h.replace_state_with_url(&JsValue::NULL, "", Some(path)));
}

/// How many elements a selector finds.
pub fn count(selector: &str) -> usize {
    document().query_selector_all(selector).map_or(0, |found| found.length() as usize)
}
