//! The question before trusted certificates are trashed.

use domain::error::ApiError;
use domain::trust::{TrustTrashPlan, Trusted};
use leptos::prelude::*;

use super::certificates::users;
use crate::components::{ErrorNotice, ends, short_name, target};

/// The page "Trash …?" of certificates.
#[component]
pub(super) fn TrashCertificates(plan: TrustTrashPlan, refused: Option<ApiError>) -> impl IntoView {
    let TrustTrashPlan { going, now_ms } = plan;
    let what = match &going[..] {
        [one] => short_name(&one.certificate.subject),
        more => format!("{} certificates", more.len()),
    };
    let in_use = going.iter().filter(|item| !item.used_by.is_empty()).count();
    let consequence = match (in_use, going.len()) {
        (0, 1) => "No server uses it. ",
        (0, _) => "No server uses them. ",
        (_, 1) => "The servers that use it fail from the next connection on, unless what they present is trusted otherwise. ",
        _ => "The servers that use them fail from the next connection on, unless what they present is trusted otherwise. ",
    };
    let ids: Vec<_> = going.iter().map(|item| view! { <input type="hidden" name="id" value=item.id.to_string()/> }).collect();
    let list: Vec<_> = going
        .into_iter()
        .map(|item| {
            let ends = ends(&item.certificate, now_ms);
            let Trusted { certificate, pin, used_by, .. } = item;
            let pin = pin.map(|pin| format!(" for {}", target(&pin.host, pin.port)));
            let used = (!used_by.is_empty()).then(|| view! { <span class="used">"Used by " {users(used_by)}</span> });
            view! { <li><strong>{short_name(&certificate.subject)}</strong> {pin} ", " {ends} {used}</li> }
        })
        .collect();
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/certificates">"Certificates"</a></p>
            <h1>"Trash " {what.clone()} "?"</h1>
            <ErrorNotice error=Signal::stored(refused)/>
            <form method="post" action="/certificates/trash">
                {ids}
                <ul class="long going">{list}</ul>
                <p>{consequence} "You can undo this for 10 seconds."</p>
                <div class="actions">
                    <a class="button" href="/certificates">"Back"</a>
                    <button class="danger filled">"Trash " {what}</button>
                </div>
            </form>
        </div>
    }
}
