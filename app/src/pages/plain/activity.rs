//! Who did what, when and from where.

use domain::activity::{ActivityPage, ActivityQuery, Change, Deed, Line, Subject};
use domain::error::ApiError;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use crate::components::{ErrorNotice, day, filter_address, older_and_newest};

/// So many names of a line are shown at once; the rest unfolds.
const NAMES: usize = 3;

/// The page "Activity".
#[component]
pub(super) fn Activity(activity: Option<ActivityPage>, query: ActivityQuery, refused: Option<ApiError>) -> impl IntoView {
    let export = |format: &str| format!("/activity/export?format={format}&{}", address(&query));
    let (csv, jsonl) = (export("csv"), export("jsonl"));
    let is_all = query == ActivityQuery { before: query.before, ..ActivityQuery::default() };
    let found = activity.map(|activity| found(activity, &query, is_all));
    view! {
        <div class="page">
            <div class="title">
                <div>
                    <h1>"Activity"</h1>
                    <p class="muted">"Who did what, when and from where. Lines are only ever added, and kept for 400 days."</p>
                </div>
                <div class="actions">
                    <a class="button" href=csv>"Export CSV"</a>
                    <a class="button" href=jsonl>"Export JSON lines"</a>
                </div>
            </div>
            <ErrorNotice error=Signal::stored(refused)/>
            {filters(query)}
            {found}
        </div>
    }
}

fn filters(query: ActivityQuery) -> impl IntoView {
    let chosen = query.deed;
    let deeds: Vec<_> = Deed::ALL
        .into_iter()
        .map(|deed| view! { <option value=deed.key() selected=chosen == Some(deed)>{words::deed(deed)}</option> })
        .collect();
    view! {
        <form class="group filters" method="get" action="/activity" role="search" aria-label="Filter">
            <div class="field wide">
                <label for="search">"Search"</label>
                <input id="search" name="search" type="search" maxlength="200" autocomplete="off" value=query.search/>
            </div>
            <div class="field">
                <label for="f-who">"Who"</label>
                <input id="f-who" name="who" maxlength="64" autocomplete="off" value=query.who/>
            </div>
            <div class="field">
                <label for="f-deed">"What"</label>
                <select id="f-deed" name="deed">
                    <option value="">"Everything"</option>
                    {deeds}
                </select>
            </div>
            {day("f-from_day", "from", "From (UTC)", query.from)}
            {day("f-to_day", "to", "To (UTC)", query.to)}
            <div class="actions"><button>"Filter"</button><a class="button quiet" href="/activity">"Show all"</a></div>
        </form>
    }
}

fn found(activity: ActivityPage, query: &ActivityQuery, is_all: bool) -> impl IntoView + use<> {
    let ActivityPage { lines, next, total, now_ms } = activity;
    let pages = older_and_newest("/activity", &address(query), next, query.before.is_none());
    let count = if total == 1 { "1 line is kept.".to_owned() } else { format!("{} lines are kept.", words::grouped(total)) };
    let empty = match (lines.is_empty(), is_all, next) {
        (false, ..) => None,
        (true, true, None) => Some("Nothing was done yet."),
        (true, _, Some(_)) => Some("Nothing so far; older lines are yet to be looked through."),
        (true, false, None) => Some("Nothing fits. Leave something out, or take other days."),
    };
    let rows: Vec<_> = lines.into_iter().map(|line| row(line, now_ms)).collect();
    let table = match empty {
        Some(sentence) => Either::Left(view! { <p class="empty">{sentence}</p> {pages} }),
        None => Either::Right(view! {
            <div class="activity">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"When"</th>
                            <th scope="col">"Who"</th>
                            <th scope="col">"What"</th>
                            <th scope="col">"Details"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
                {pages}
            </div>
        }),
    };
    view! {
        <p class="muted" role="status">{count}</p>
        {table}
    }
}

fn row(line: Line, now_ms: u64) -> impl IntoView {
    let Line { number, at_ms, what } = line;
    let who = match what.who.name() {
        "" => "Nobody known".to_owned(),
        name => name.to_owned(),
    };
    let from = (!what.address.is_empty()).then(|| view! { <span class="machine muted">{what.address.clone()}</span> });
    let count = what.subjects.len();
    let first: Vec<String> = what.subjects.iter().take(NAMES).map(|subject| subject.name.clone()).collect();
    let names = (count > 0).then(|| view! { <span class="names">{first.join(", ")}</span> });
    let more = (count > NAMES).then(|| {
        let all: Vec<_> = what.subjects.iter().map(|Subject { name, .. }| view! { <li>{name.clone()}</li> }).collect();
        view! { <details><summary>{format!("all {count}")}</summary><ul class="long">{all}</ul></details> }
    });
    let changes: Vec<_> = what.changes.into_iter().map(changed).collect();
    let changes = (!changes.is_empty()).then(|| view! { <ul class="changes">{changes}</ul> });
    let detail = (!what.detail.is_empty()).then(|| view! { <span class="muted">{what.detail}</span> });
    view! {
        <tr id=format!("line-{number}")>
            <td data-label="When">
                <span><time title=words::utc(at_ms)>{words::ago(now_ms, at_ms)}</time></span>
                <span class="muted">{words::utc(at_ms)}</span>
            </td>
            <td data-label="Who"><span>{who}</span>{from}</td>
            <td data-label="What"><span>{words::deed(what.deed)}</span></td>
            <td data-label="Details"><div>{names}{more}{changes}{detail}</div></td>
        </tr>
    }
}

/// A field with its value before and now.
pub(super) fn changed(change: Change) -> impl IntoView {
    let Change { field, old, new, secret } = change;
    let label = words::key_label(&field).to_owned();
    let value = |value: Option<String>| value.filter(|text| !text.is_empty()).map_or("–".into(), |text| words::shown(&text, 500));
    let values = if secret {
        Either::Left(view! { <span class="muted">"another one, or none"</span> })
    } else {
        Either::Right(view! {
            <span class="machine">{value(old)}</span>
            <span aria-hidden="true">" → "</span>
            <span class="hidden">" became "</span>
            <span class="machine">{value(new)}</span>
        })
    };
    view! { <li><span class="label">{label}": "</span>{values}</li> }
}

/// The filters of a query, for an address.
fn address(query: &ActivityQuery) -> String {
    let deed = query.deed.map(Deed::key).unwrap_or_default();
    filter_address(&[("search", &query.search), ("who", &query.who), ("deed", &deed), ("from", &query.from), ("to", &query.to)])
}
