//! API tokens.

use domain::access::{AccessField, Permit, Role, Token, Verb};
use domain::entry::EntryId;
use domain::error::ApiError;
use domain::secret::Secret;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use super::TypedToken;
use super::fields::{Refused, Text, once, roles};
use crate::components::{ErrorNotice, names};

/// The page "Tokens".
pub(super) fn list(tokens: Vec<Token>, now_ms: u64) -> impl IntoView {
    let body = if tokens.is_empty() {
        Either::Left(view! {
            <div class="empty">
                <p>"No application has a token, so none can use the API."</p>
                <p class="muted">"At hand you need: which application it is for, and what it may do."</p>
            </div>
        })
    } else {
        let rows: Vec<_> = tokens.into_iter().map(|token| row(token, now_ms)).collect();
        Either::Right(view! {
            <section class="group list" aria-labelledby="g-tokens">
                <h2 id="g-tokens" class="hidden">"All tokens"</h2>
                <table>
                    <thead><tr>
                        <th scope="col">"For"</th><th scope="col">"May"</th><th scope="col">"Made"</th>
                        <th scope="col">"Ends"</th><th scope="col">"Last used"</th><th><span class="hidden">"Revoke"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </section>
        })
    };
    view! {
        <div class="page">
            <div class="title">
                <div>
                    <h1>"Tokens"</h1>
                    <p class="muted">"With a token an application uses the API. None can look after accounts, tokens or activity."</p>
                </div>
                <div class="actions"><a class="button primary" href="/tokens/new" data-shortcut="add">"Make a token"</a></div>
            </div>
            {body}
        </div>
    }
}

fn row(token: Token, now_ms: u64) -> impl IntoView {
    let limits = limits(&token);
    let Token { id, name, permit, made_ms, made_by, expires_ms, used_ms, used_from, .. } = token;
    let ends = match expires_ms {
        Some(at) if at <= now_ms => view! { <span class="state warning">"ended " {words::utc(at)}</span> }.into_any(),
        Some(at) => words::utc(at).into_any(),
        None => "never".into_any(),
    };
    let used = match used_ms {
        Some(at) => view! {
            <time title=words::utc(at)>{words::ago(now_ms, at)}</time>
            <span class="help from">{used_from}</span>
        }
        .into_any(),
        None => "never".into_any(),
    };
    let revoke = format!("Revoke {name}");
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td data-label="May"><span>{permit.role.map(words::role)} <span class="help from">{limits}</span></span></td>
            <td data-label="Made"><span>
                <time title=words::utc(made_ms)>{words::ago(now_ms, made_ms)}</time>
                {(!made_by.is_empty()).then(|| view! { <span class="help from">"by " {made_by}</span> })}
            </span></td>
            <td data-label="Ends"><span>{ends}</span></td>
            <td data-label="Last used"><span>{used}</span></td>
            <td><a class="button" href=format!("/tokens/{id}/revoke") aria-label=revoke>"Revoke"</a></td>
        </tr>
    }
}

/// What a token is limited to, in words.
fn limits(token: &Token) -> String {
    let Permit { entries, verbs, .. } = &token.permit;
    let mut said = Vec::new();
    if let Some(verbs) = verbs {
        said.push(format!("only: {}", verbs.iter().map(|verb| words::verb(*verb).to_lowercase()).collect::<Vec<_>>().join(", ")));
    }
    match (entries, token.entry_names.is_empty()) {
        (None, _) => {}
        (Some(_), false) => said.push(format!("only with {}", names(&token.entry_names))),
        (Some(_), true) => said.push("only with servers that are gone".to_owned()),
    }
    said.join("; ")
}

/// The page "Make a token".
pub(super) fn new(servers: Vec<(EntryId, String)>, typed: TypedToken, refused: Option<ApiError>) -> impl IntoView {
    let refused = Refused::new(refused);
    let TypedToken { name, role, chosen_entries, entries, chosen_verbs, verbs, days } = typed;
    let role = if role.is_empty() { Role::Operator.key() } else { &role };
    let name = Text { value: name, focus: true, ..Text::of(AccessField::TokenName, "What it is for") }
        .help("Such as the application's name: history and activity show it.")
        .view(&refused);
    let roles = roles(role, &refused);
    let offered: Vec<_> = servers
        .into_iter()
        .map(|(id, name)| {
            let checked = entries.contains(&id);
            view! { <label><input type="checkbox" name="entries" value=id.to_string() checked=checked/> {name}</label> }
        })
        .collect();
    let verbs: Vec<_> = Verb::ALL
        .into_iter()
        .map(|verb| {
            let checked = verbs.contains(&verb);
            view! { <label><input type="checkbox" name="verbs" value=verb.key() checked=checked/> {words::verb(verb)}</label> }
        })
        .collect();
    let with = ("With", "All servers, later ones too");
    let which = limit(AccessField::TokenEntries, "which", with, chosen_entries, offered, refused.at(AccessField::TokenEntries));
    let what_for = ("For", "All that the role may do");
    let what = limit(AccessField::TokenVerbs, "what", what_for, chosen_verbs, verbs, refused.at(AccessField::TokenVerbs));
    let days = Text { value: days, ..Text::of(AccessField::TokenDays, "Ends after days") }
        .help("1 to 3650. Empty: never; then remember to revoke it.")
        .view(&refused);
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/tokens">"Tokens"</a></p>
            <h1>"Make a token"</h1>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <form class="group" method="post" action="/tokens/new">
                {name}
                {roles}
                {which}
                {what}
                {days}
                <div class="actions">
                    <a class="button" href="/tokens">"Back"</a>
                    <button class="primary">"Make token"</button>
                </div>
            </form>
        </div>
    }
}

/// All, or those that are ticked.
fn limit<V: IntoView + 'static>(
    field: AccessField,
    choice: &'static str,
    (legend, all): (&'static str, &'static str),
    chosen: bool,
    offered: Vec<V>,
    error: Option<String>,
) -> impl IntoView + use<V> {
    let key = field.key();
    view! {
        <fieldset class="field limit" id=format!("f-{key}") aria-describedby=format!("f-{key}-error")>
            <legend>{legend}</legend>
            <label><input type="radio" name=choice value="all" checked=!chosen/> {all}</label>
            <label><input type="radio" name=choice value="chosen" checked=chosen/> "Only these:"</label>
            <div class="ticks">{offered}</div>
            <p class="error" id=format!("f-{key}-error")>{error}</p>
        </fieldset>
    }
}

/// The page with a token.
pub(super) fn made(name: String, token: &Secret, base: &str, sees: bool) -> impl IntoView + use<> {
    let example =
        format!("curl -H 'Authorization: Bearer {}' {base}/api/{}", token.expose(), if sees { "servers" } else { "session" });
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/tokens">"Tokens"</a></p>
            <h1>"Token made"</h1>
            <section class="group" aria-labelledby="g-once">
                <h2 id="g-once">"Give this to " {name} ": it is shown this once"</h2>
                {once("Token", token.expose())}
                <p class="help">"It goes into the header “Authorization”, such as:"</p>
                <pre class="machine example">{example}</pre>
                <div class="actions"><a class="button primary" href="/tokens">"Done"</a></div>
            </section>
        </div>
    }
}

/// The question before a token is revoked.
pub(super) fn revoke(token: Token, refused: Option<ApiError>) -> impl IntoView {
    let Token { id, name, .. } = token;
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/tokens">"Tokens"</a></p>
            <h1>"Revoke the token of " {name.clone()} "?"</h1>
            <ErrorNotice error=Signal::stored(refused)/>
            <form method="post" action=format!("/tokens/{id}/revoke")>
                <p>"Whatever uses it is refused from its next request on. This can't be undone; a new token has to be put in its place."</p>
                <div class="actions">
                    <a class="button" href="/tokens">"Back"</a>
                    <button class="danger filled">"Revoke the token"</button>
                </div>
            </form>
        </div>
    }
}
