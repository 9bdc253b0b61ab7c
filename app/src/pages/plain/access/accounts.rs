//! The accounts of others.

use domain::access::{AccessField, Account, AccountId, INVITATION_MS, Role};
use domain::error::ApiError;
use domain::secret::Secret;
use domain::words;
use leptos::prelude::*;

use super::fields::{Refused, Text, once, roles};
use crate::components::ErrorNotice;

/// The page "Accounts".
pub(super) fn list(
    accounts: Vec<Account>,
    own: AccountId,
    now_ms: u64,
    typed: (String, String),
    refused: Option<ApiError>,
) -> impl IntoView {
    let refused = Refused::new(refused);
    let rows: Vec<_> = accounts.into_iter().map(|account| row(account, own, now_ms)).collect();
    let (name, role) = typed;
    let role = if role.is_empty() { Role::Viewer.key() } else { &role };
    let name = Text { value: name, ..Text::of(AccessField::Name, "Name") }.help("Letters, digits and - _ . @").view(&refused);
    let roles = roles(role, &refused);
    view! {
        <div class="page medium">
            <div class="title"><div>
                <h1>"Accounts"</h1>
                <p class="muted">"Who may sign in here. Applications use tokens."</p>
            </div></div>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <section class="group list" aria-labelledby="g-accounts">
                <h2 id="g-accounts" class="hidden">"All accounts"</h2>
                <table>
                    <thead><tr>
                        <th scope="col">"Name"</th><th scope="col">"Role"</th><th scope="col">"Second factor"</th>
                        <th scope="col">"Last sign-in"</th><th scope="col">"Sessions"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </section>
            <form class="group" method="post" action="/accounts" aria-labelledby="g-add">
                <h2 id="g-add">"Add an account"</h2>
                {name}
                {roles}
                <div class="actions"><button class="primary">"Add account"</button></div>
            </form>
        </div>
    }
}

fn row(account: Account, own: AccountId, now_ms: u64) -> impl IntoView {
    let Account { id, name, role, has_password, second_factor, last_sign_in_ms, invited_until_ms, sessions, .. } = account;
    let waits = invited_until_ms.map(|until| {
        let said = if until > now_ms { format!("link until {}", words::utc(until)) } else { "link too old".to_owned() };
        view! { <span class="help from">{said}</span> }
    });
    let last = match last_sign_in_ms {
        Some(at) => view! { <time title=words::utc(at)>{words::ago(now_ms, at)}</time> }.into_any(),
        None => "never".into_any(),
    };
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/accounts/{id}")>{name}</a>
                {(id == own).then(|| view! { " " <span class="tag">"you"</span> })}
                {(!has_password).then(|| view! { " " <span class="tag">"no password yet"</span> })}
                {waits}
            </th>
            <td data-label="Role"><span>{words::role(role)}</span></td>
            <td data-label="Second factor"><span>{if second_factor { "on" } else { "off" }}</span></td>
            <td data-label="Last sign-in"><span>{last}</span></td>
            <td data-label="Sessions"><span>{sessions.to_string()}</span></td>
        </tr>
    }
}

/// The page of an account.
pub(super) fn one(account: Account, refused: Option<ApiError>) -> impl IntoView {
    let Account { id, name, role, second_factor, .. } = account;
    let refused = Refused::new(refused);
    let roles = roles(role.key(), &refused);
    let factor = second_factor.then(|| {
        view! {
            <div class="field check">
                <label><input type="checkbox" name="second_factor" value="true"/> "Switch its second factor off, too"</label>
                <p class="help">"Where phone and recovery codes are lost. Be sure that it is really them who asks."</p>
            </div>
        }
    });
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/accounts">"Accounts"</a></p>
            <h1>{name.clone()}</h1>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <form class="group" method="post" action=format!("/accounts/{id}/role") aria-labelledby="g-role">
                <h2 id="g-role">"What it may do"</h2>
                {roles}
                <div class="actions"><button class="primary">"Change role"</button></div>
            </form>
            <form class="group" method="post" action=format!("/accounts/{id}/link") aria-labelledby="g-link">
                <h2 id="g-link">"A link for a new password"</h2>
                <p>"The password of before doesn't count any more, and every session of the account ends at once."</p>
                {factor}
                <div class="actions"><button>"Make link"</button></div>
            </form>
            <details class="group remove-certificate">
                <summary>"Remove account"</summary>
                <form method="post" action=format!("/accounts/{id}/remove")>
                    <p>
                        <strong>{name.clone()}</strong>
                        " can't sign in any more, and is signed out everywhere at once. This can't be undone. Tokens it made, and what the activity says of it, stay."
                    </p>
                    <div class="actions"><button class="danger filled">"Remove " {name}</button></div>
                </form>
            </details>
        </div>
    }
}

/// The page with a link.
pub(super) fn link(name: String, link: &Secret, new: bool) -> impl IntoView + use<> {
    let hours = INVITATION_MS / 3_600_000;
    let title = if new { "Account added" } else { "Link made" };
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/accounts">"Accounts"</a></p>
            <h1>{title}</h1>
            <section class="group" aria-labelledby="g-once">
                <h2 id="g-once">"Give this link to " {name} ": it is shown this once"</h2>
                {once("Link", link.expose())}
                <p class="help">{format!("With it a password is chosen. It works once, for {hours} hours. Whoever has it can sign in: don't send it to a list.")}</p>
                <div class="actions"><a class="button primary" href="/accounts">"Done"</a></div>
            </section>
        </div>
    }
}
