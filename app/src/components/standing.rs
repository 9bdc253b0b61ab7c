//! What the tests say of an entry, what its certificates do and how its sign-in stands: a shape, a colour and words.

use domain::certificate::instant_ms;
use domain::oauth::{SignInState, SignInView};
use domain::run::Standing;
use domain::trust::{Expiring, Needed};
use domain::words;
use leptos::prelude::*;

use super::short_name;

/// How an entry stands, at the time `now_ms`.
#[component]
pub(crate) fn StandingView(standing: Standing, now_ms: u64) -> impl IntoView {
    let (class, at_ms, reason) = match &standing {
        Standing::Never => ("state neutral", None, None),
        Standing::Changed => ("state warning", None, None),
        Standing::Verified { at_ms } => ("state good", Some(*at_ms), None),
        Standing::Failing { since_ms, reason, .. } => ("state bad", Some(*since_ms), Some(reason.clone())),
    };
    view! {
        <span class=class title=at_ms.map(words::utc)>{words::standing(&standing, now_ms)}</span>
        {reason.map(|reason| {
            let whole = reason.clone();
            view! { <span class="reason" title=whole>{reason}</span> }
        })}
    }
}

/// The certificates an entry needs that end soon, or have ended.
#[component]
pub(crate) fn ExpiringMarks(expiring: Vec<Expiring>, now_ms: u64) -> impl IntoView {
    expiring
        .into_iter()
        .map(|expiring| {
            let is_over = instant_ms(&expiring.not_after).is_some_and(|end| end < now_ms);
            let class = if is_over { "state bad" } else { "state warning" };
            // A secret has no name, and a certificate without one is said to have none.
            let subject = if expiring.role == Needed::ClientSecret { String::new() } else { short_name(&expiring.subject) };
            let expiring = Expiring { subject, ..expiring };
            view! { <span class=class>{words::expiring(&expiring, now_ms)}</span> }
        })
        .collect::<Vec<_>>()
}

/// How a sign-in at a sign-in service stands. `quiet` says only what somebody has to do something about.
#[component]
pub(crate) fn SignInMark(sign_in: SignInView, now_ms: u64, #[prop(optional)] quiet: bool) -> impl IntoView {
    let class = match sign_in.state() {
        SignInState::Missing => "state warning",
        SignInState::Failing => "state bad",
        SignInState::Works => "state good",
        SignInState::Untried => "state neutral",
    };
    let shown = !quiet || matches!(sign_in.state(), SignInState::Missing | SignInState::Failing);
    shown.then(|| view! { <span class=class>{words::sign_in(&sign_in, now_ms)}</span> })
}
