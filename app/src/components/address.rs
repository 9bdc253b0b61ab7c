//! What stands under an address field while one types: the very character that is wrong, a button that puts it right, or
//! how the text was read.

use domain::address::{Fix, FixKind, Reading, Remark, Spot, Understood, Wanted, suggest};
use domain::field::Field;
use domain::idn;
use domain::smtp_server::ServerDraft;
use leptos::prelude::*;

use super::fields::{FormState, field_id};

/// The longest text that is shown beside the button that would put it into the field: characters.
const MAX_REPLACEMENT: usize = 120;

/// What is to be shown under a field.
#[derive(Clone, Default, PartialEq)]
struct Found {
    spot: Option<Spot>,
    fix: Option<Fix>,
    reading: Option<Reading>,
}

impl Found {
    /// In `field`, where `before` was shown.
    fn now(state: FormState, field: Field, before: Option<&Self>) -> Self {
        let text = state.text(field);
        if text.trim().is_empty() || !state.is_address(field) {
            return Self::default();
        }
        let strictness = state.draft.with(ServerDraft::strictness);
        let silent = state.error_of(field).is_none();
        let wrong = state.wrong_address(field);
        Self {
            spot: state.spot_of(field),
            // What is still being typed is not put right.
            fix: field
                .wanted()
                .filter(|_| !(state.is_typing(field) || wrong && silent))
                .and_then(|wanted| suggest(&text, strictness, wanted)),
            // While a list grows, what was read of it stays: nothing jumps with every comma.
            reading: match (silent, wrong) {
                (false, _) => None,
                (true, true) => before.and_then(|before| before.reading.clone()),
                // A single address that is as it was typed needs no echo; of several, each is told.
                (true, false) => Reading::of(&text, strictness)
                    .filter(|reading| field.wanted() == Some(Wanted::List) || !reading.is_verbatim(&text)),
            },
        }
    }
}

/// The verdict on an address field.
#[component]
pub(super) fn Verdict(state: FormState, field: Field) -> impl IntoView {
    let found = Memo::new(move |before: Option<&Found>| Found::now(state, field, before));
    // The browser's own A-labels come after what the server sent is taken over as it is.
    let is_mounted = RwSignal::new(false);
    Effect::new(move || is_mounted.set(true));
    move || {
        let Found { spot, fix, reading } = found.get();
        let spot = spot.map(|spot| {
            view! { <p class="spot machine" aria-hidden="true"><bdi dir="ltr">{spot.before}</bdi><mark><bdi dir="ltr">{spot.found}</bdi></mark><bdi dir="ltr">{spot.after}</bdi></p> }
        });
        let fix = fix.map(|fix| view! { <FixButton state field fix/> });
        let reading = reading.map(|reading| view! { <ReadAs reading is_mounted/> });
        view! { {spot} {fix} {reading} }
    }
}

/// A better text, a click away.
#[component]
fn FixButton(state: FormState, field: Field, fix: Fix) -> impl IntoView {
    let label = fix.to_string();
    let Fix { replacement, what } = fix;
    let question = (what == FixKind::Provider).then_some("Did you mean ");
    let shown = (replacement.chars().count() <= MAX_REPLACEMENT).then(|| replacement.clone());
    let apply = move |_| {
        state.set_text(field, replacement.clone());
        state.touch(field);
        #[cfg(feature = "hydrate")]
        crate::browser::focus(field_id(field));
    };
    let id = format!("{}-fix", field_id(field));
    view! {
        <p class="suggestion">
            <span id=id.clone()>{question}<bdi dir="ltr" class="machine">{shown}</bdi>{question.map(|_| "?")}</span>
            <button type="button" aria-describedby=id on:click=apply>{label}</button>
        </p>
    }
}

/// How the text was read, a line for each mailbox.
#[component]
fn ReadAs(reading: Reading, is_mounted: RwSignal<bool>) -> impl IntoView {
    let Reading { shown, more, refused_strictly } = reading;
    let lines: Vec<_> = shown.into_iter().map(|understood| view! { <li>{line(understood, is_mounted)}</li> }).collect();
    let more = (more > 0).then(|| view! { <li class="muted">"and " {more} " more"</li> });
    let odd = refused_strictly.map(|error| view! { <p class="help odd">"Read leniently. Strictly: " {error.sentence()} "."</p> });
    view! {
        <ul class="read" aria-label="Read as">{lines} {more}</ul>
        {odd}
    }
}

/// Each part stands for itself: letters that run from right to left move neither what stands beside them nor labels.
fn line(understood: Understood, is_mounted: RwSignal<bool>) -> impl IntoView {
    let Understood { group, name, local, domain, remarks } = understood;
    let how = if domain.is_ascii() { " reads " } else { " is sent as " };
    let at = (!domain.is_empty()).then_some("@");
    let local = if local.is_empty() { "nobody".to_owned() } else { local };
    let shown = domain.clone();
    let other = move || {
        let other = is_mounted.get().then(|| other_form(&domain)).flatten();
        other.map(|other| view! { <span class="muted">{how}</span><bdi dir="ltr" class="machine">{other}</bdi> })
    };
    let remarks: Vec<_> = remarks.into_iter().map(remark).collect();
    view! {
        {group.map(|group| view! { <span class="muted"><bdi>{group}</bdi> ": "</span> })}
        {name.map(|name| view! { <strong><bdi>{name}</bdi></strong> " " })}
        <span class="machine"><bdi dir="ltr">{local}</bdi>{at}<bdi dir="ltr">{shown}</bdi></span>
        {other}
        {remarks}
    }
}

fn remark(remark: Remark) -> impl IntoView {
    view! { " " <span class="tag" title=remark.meaning()>{remark.words()} <span class="hidden">" (" {remark.meaning()} ")"</span></span> }
}

/// A domain with labels beyond ASCII, in its other form: A-labels for U-labels, and the other way round.
fn other_form(domain: &str) -> Option<String> {
    #[cfg(feature = "hydrate")]
    let to_ascii = crate::browser::ascii_domain;
    #[cfg(not(feature = "hydrate"))]
    let to_ascii = |domain: &str| idn::host_to_ascii(domain).ok();
    idn::other_form(domain, to_ascii)
}
