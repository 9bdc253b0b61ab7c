//! What the tests say of an entry: a shape, a colour and words.

use domain::run::Standing;
use domain::words;
use leptos::prelude::*;

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
