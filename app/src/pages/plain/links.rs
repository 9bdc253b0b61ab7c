//! The download links that stand for attachments.

use domain::error::ApiError;
use domain::field::Field;
use domain::link::{BaseWarning, Download, Language, Link, LinkId, LinkState, LinksPage, LinksQuery};
use domain::smtp_server::{DEFAULT_LINK_DAYS, LINK_DAYS_RANGE};
use domain::submission::SubmissionId;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use crate::components::{ErrorNotice, filter_address, older_and_newest};
use crate::pages::Rights;

/// The page "Links".
pub(super) fn list(
    page: Option<LinksPage>,
    query: LinksQuery,
    typed: Option<(LinkId, String)>,
    refused: Option<ApiError>,
) -> impl IntoView {
    let is_all = query == LinksQuery { before: query.before, ..LinksQuery::default() };
    let warnings = page.as_ref().map(|page| warnings(&page.warnings));
    // A number of days that isn't one stands at its field.
    let (at_field, notice) = match (refused, typed) {
        (Some(error), Some((id, days))) if error.fields.contains_key(Field::LinkDays.key()) => {
            (error.fields.get(Field::LinkDays.key()).cloned().map(|sentence| (id, days, sentence)), None)
        }
        (refused, _) => (None, refused),
    };
    let found = page.map(|page| found(page, &query, is_all, at_field));
    view! {
        <div class="page">
            <div class="title">
                <div>
                    <h1>"Links"</h1>
                    <p class="muted">"Files that recipients download, in the place of attachments that are too big to send."</p>
                </div>
            </div>
            <ErrorNotice error=Signal::stored(notice)/>
            {warnings}
            {filters(query)}
            {found}
        </div>
    }
}

/// Why links may not work, or not safely.
fn warnings(warnings: &[BaseWarning]) -> impl IntoView + use<> {
    let each: Vec<_> =
        warnings.iter().map(|warning| view! { <div class="notice warning"><p>{warning.sentence()}</p></div> }).collect();
    (!each.is_empty()).then_some(each)
}

fn filters(query: LinksQuery) -> impl IntoView {
    let states: Vec<_> = LinkState::ALL
        .into_iter()
        .map(|state| {
            view! { <option value=state.key() selected=query.state == Some(state)>{word(state)}</option> }
        })
        .collect();
    view! {
        <form class="group filters" method="get" action="/links" role="search" aria-label="Filter">
            <div class="field wide">
                <label for="search">"Search"</label>
                <input id="search" name="search" type="search" maxlength="200" autocomplete="off" value=query.search/>
            </div>
            <div class="field">
                <label for="f-state">"State"</label>
                <select id="f-state" name="state"><option value="">"Every state"</option>{states}</select>
            </div>
            <div class="actions"><button>"Filter"</button><a class="button quiet" href="/links">"Show all"</a></div>
        </form>
    }
}

fn found(page: LinksPage, query: &LinksQuery, is_all: bool, at_field: Option<(LinkId, String, String)>) -> impl IntoView + use<> {
    let LinksPage { links, next, total, used, now_ms, .. } = page;
    let pages = older_and_newest("/links", &address(query), next.map(|next| next.0), query.before.is_none());
    let count = match total {
        1 => "1 link is remembered".to_owned(),
        total => format!("{} links are remembered", words::grouped(total)),
    };
    let count = format!("{count}; files take {}.", Language::English.size(used));
    let table = if links.is_empty() {
        let sentence = match (is_all, next) {
            (_, Some(_)) => "Nothing so far; older links are yet to be looked through.",
            (true, None) => "There are no links yet.",
            (false, None) => "Nothing fits. Leave something out, or take another state.",
        };
        let hint = (is_all && next.is_none()).then(|| {
            view! { <p class="muted">"They are made where “Attachment as URL enabled” is on and the files of a message are above its threshold."</p> }
        });
        Either::Left(view! { <div class="empty"><p>{sentence}</p>{hint}</div> {pages} })
    } else {
        let change = Rights::here().change;
        let rows: Vec<_> = links
            .into_iter()
            .map(|link| {
                let typed = at_field.clone().filter(|(id, ..)| *id == link.id).map(|(_, days, sentence)| (days, sentence));
                row(link, now_ms, change, typed)
            })
            .collect();
        Either::Right(view! {
            <div class="activity links">
                <table>
                    <thead><tr>
                        <th scope="col">"File"</th><th scope="col">"Message"</th><th scope="col">"Ends"</th>
                        <th scope="col">"Downloads"</th><th scope="col">"State"</th>
                        <th><span class="hidden">"Change"</span></th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
                {pages}
            </div>
        })
    };
    view! {
        <p class="muted" role="status">{count}</p>
        {table}
    }
}

fn row(link: Link, now_ms: u64, change: bool, typed: Option<(String, String)>) -> impl IntoView {
    let Link { id, message, server, name, size, sender, created_ms, expires_ms, revoked_ms, state, downloads, last, .. } = link;
    let bytes = format!("{} bytes", words::grouped(size));
    let is_live = state == LinkState::Live;
    let state = match state {
        LinkState::Live => view! { <span class="state good">{word(state)}</span> }.into_any(),
        LinkState::Expired => view! { <span class="state neutral">{word(state)}</span> }.into_any(),
        LinkState::Revoked => view! {
            <span class="state warning">{word(state)}</span>
            {revoked_ms.map(|at_ms| view! { <time class="muted" title=words::utc(at_ms)>{words::ago(now_ms, at_ms)}</time> })}
        }
        .into_any(),
    };
    let ends = is_live.then(|| view! { <span class="muted">{Language::English.until(now_ms, expires_ms)}</span> });
    let actions = (change && is_live).then(|| actions(id, &name, typed));
    view! {
        <tr id=format!("link-{id}")>
            <th scope="row"><bdi>{name}</bdi> <span class="help from" title=bytes>{Language::English.size(size)}</span></th>
            <td data-label="Message"><div>
                <span>{from_message(message)} " through " {server}</span>
                <span class="muted">"from " <bdi>{sender}</bdi></span>
                <span class="muted"><time title=words::utc(created_ms)>{words::ago(now_ms, created_ms)}</time></span>
            </div></td>
            <td data-label="Ends"><span>{words::utc(expires_ms)}</span>{ends}</td>
            <td data-label="Downloads"><div>{downloaded(downloads, last, now_ms)}</div></td>
            <td data-label="State"><span>{state}</span></td>
            <td>{actions}</td>
        </tr>
    }
}

/// The message that it is in; a test email is none of an application's.
fn from_message(message: SubmissionId) -> impl IntoView {
    if message == SubmissionId(0) {
        return Either::Left("Test email");
    }
    Either::Right(view! { <a href=format!("/messages/{message}")>"Message " {message.to_string()}</a> })
}

/// How often, and the last ones.
fn downloaded(downloads: u64, last: Vec<Download>, now_ms: u64) -> impl IntoView {
    let mut last = last.into_iter();
    let first = last.next().map(|download| view! { <span class="muted">"last " {at(download, now_ms)}</span> });
    let others: Vec<_> = last.map(|download| view! { <li>{at(download, now_ms)}</li> }).collect();
    let count = others.len() + 1;
    let others = (!others.is_empty())
        .then(|| view! { <details><summary>{format!("last {count}")}</summary><ul class="long">{others}</ul></details> });
    view! { <span>{words::grouped(downloads)}</span> {first} {others} }
}

fn at(download: Download, now_ms: u64) -> impl IntoView {
    let Download { at_ms, address } = download;
    let from = (!address.is_empty()).then(|| view! { " from " <span class="machine">{address}</span> });
    view! { <time title=words::utc(at_ms)>{words::ago(now_ms, at_ms)}</time> {from} }
}

fn actions(id: LinkId, name: &str, typed: Option<(String, String)>) -> impl IntoView + use<> {
    let (revoke, extend) = (format!("Revoke the link to {name}"), format!("Extend the link to {name}"));
    let (open, (days, error)) = (typed.is_some(), typed.unwrap_or((DEFAULT_LINK_DAYS.to_string(), String::new())));
    let (field, error_id) = (format!("days-{id}"), format!("days-{id}-error"));
    let (min, max) = LINK_DAYS_RANGE;
    view! {
        <div class="actions">
            <details open=open>
                <summary aria-label=extend>"Extend"</summary>
                <form class="field" method="post" action=format!("/links/{id}/extend")>
                    <label for=field.clone()>"Days from now"</label>
                    <input id=field name="days" type="number" min=min.to_string() max=max.to_string() required value=days
                        aria-invalid=open.then_some("true") aria-describedby=error_id.clone()/>
                    <p class="error" id=error_id>{(!error.is_empty()).then_some(error)}</p>
                    <button>"Extend"</button>
                </form>
            </details>
            <a class="button" href=format!("/links/{id}/revoke") aria-label=revoke>"Revoke"</a>
        </div>
    }
}

/// The question before a link is revoked.
pub(super) fn revoke(link: Link, refused: Option<ApiError>) -> impl IntoView {
    let Link { id, name, sender, downloads, .. } = link;
    let so_far = match downloads {
        0 => "Nobody has downloaded it yet.".to_owned(),
        1 => "It was downloaded once.".to_owned(),
        count => format!("It was downloaded {} times.", words::grouped(count)),
    };
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/links">"Links"</a></p>
            <h1>"Revoke the link to " <bdi>{name}</bdi> "?"</h1>
            <ErrorNotice error=Signal::stored(refused)/>
            <form method="post" action=format!("/links/{id}/revoke")>
                <p>"Nobody can download the file any more, and it is removed from here. This can't be undone: " <bdi>{sender}</bdi>
                    " would have to send it again. " {so_far}</p>
                <div class="actions">
                    <a class="button" href="/links">"Back"</a>
                    <button class="danger filled">"Revoke the link"</button>
                </div>
            </form>
        </div>
    }
}

const fn word(state: LinkState) -> &'static str {
    match state {
        LinkState::Live => "Live",
        LinkState::Expired => "Expired",
        LinkState::Revoked => "Revoked",
    }
}

/// The filters of a query, for an address.
fn address(query: &LinksQuery) -> String {
    let state = query.state.map(LinkState::key).unwrap_or_default();
    filter_address(&[("search", query.search.as_str()), ("state", state)])
}
