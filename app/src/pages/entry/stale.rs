//! Two people saved the same entry: what differs, and which version stays.

use domain::field::Field;
use domain::smtp_server::ServerDraft;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use super::form::Page;

/// The comparison, while there is one.
#[component]
pub(super) fn Stale(page: Page) -> impl IntoView {
    move || {
        let error = page.error.get()?;
        let version = error.current_version?;
        let (theirs, has_password) =
            error.current.as_deref().map_or_else(|| (None, false), |server| (Some(ServerDraft::of(server)), server.has_password));
        let rows = theirs.clone().map(|theirs| move || page.state.draft.with(|mine| differences(mine, &theirs)));
        let keep = move |ev: leptos::ev::MouseEvent| {
            ev.prevent_default();
            page.rebase(version);
            page.error.set(None);
            page.save();
        };
        let theirs_taken = theirs.clone();
        let take = move |ev: leptos::ev::MouseEvent| {
            if let Some(theirs) = theirs_taken.clone() {
                ev.prevent_default();
                page.take(theirs, version, has_password);
            }
        };
        Some(view! {
            <section class="group stale" aria-label="Compare the two versions">
                {rows}
                <input type="hidden" name="current_version" value=version.0.to_string()/>
                <div class="actions">
                    <a class="button" href="" on:click=take>"Take what is stored"</a>
                    <button name="action" value="overwrite" on:click=keep>"Save mine over it"</button>
                </div>
            </section>
        })
    }
}

/// The fields in which the two versions differ.
fn differences(mine: &ServerDraft, theirs: &ServerDraft) -> impl IntoView + use<> {
    let rows: Vec<_> = Field::ALL
        .into_iter()
        .filter_map(|field| Some((field, mine.shown(field)?, theirs.shown(field)?)))
        .filter(|(_, mine, theirs)| mine != theirs)
        .map(|(field, mine, theirs)| {
            view! {
                <tr>
                    <th scope="row">{words::label(field)}</th>
                    <td data-label="Yours">{mine}</td>
                    <td data-label="Stored now">{theirs}</td>
                </tr>
            }
        })
        .collect();
    if rows.is_empty() {
        Either::Left(view! { <p>"Both versions have the same settings; only the password may differ."</p> })
    } else {
        Either::Right(view! {
            <table>
                <thead>
                    <tr><th scope="col">"Field"</th><th scope="col">"Yours"</th><th scope="col">"Stored now"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        })
    }
}
