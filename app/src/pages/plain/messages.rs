//! What applications sent, and what became of it.

use domain::error::ApiError;
use domain::size::Size;
use domain::submission::{Message, MessagesPage, MessagesQuery};
use domain::transcript::Outcome;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use crate::components::{ErrorNotice, day, filter_address, older_and_newest};

/// The page "Messages".
#[component]
pub(super) fn Messages(found: Option<MessagesPage>, query: MessagesQuery, refused: Option<ApiError>) -> impl IntoView {
    let is_all = query == MessagesQuery { before: query.before, ..MessagesQuery::default() };
    let kept =
        found.as_ref().map(|found| format!(" Remembered for {}; texts and files are not kept.", words::days(found.kept_days)));
    let found = found.map(|found| list(found, &query, is_all));
    view! {
        <div class="page">
            <div class="title">
                <div>
                    <h1>"Messages"</h1>
                    <p class="muted">"What applications sent through the servers here, and what became of it."{kept}</p>
                </div>
                <div class="actions"><a class="button" href="/help/api">"How to send"</a></div>
            </div>
            <ErrorNotice error=Signal::stored(refused)/>
            {filters(query)}
            {found}
        </div>
    }
}

fn filters(query: MessagesQuery) -> impl IntoView {
    let chosen = query.outcome;
    let outcomes: Vec<_> = [
        (Outcome::Sent, "sent", "Sent"),
        (Outcome::Failed, "failed", "Not sent"),
        (Outcome::Unknown, "unknown", "Unknown"),
        (Outcome::Cancelled, "cancelled", "Cancelled"),
    ]
    .into_iter()
    .map(|(outcome, key, text)| view! { <option value=key selected=chosen == Some(outcome)>{text}</option> })
    .collect();
    view! {
        <form class="group filters" method="get" action="/messages" role="search" aria-label="Filter">
            <div class="field wide">
                <label for="search">"Search"</label>
                <input id="search" name="search" type="search" maxlength="200" autocomplete="off" value=query.search/>
            </div>
            <div class="field">
                <label for="f-outcome">"Outcome"</label>
                <select id="f-outcome" name="outcome">
                    <option value="">"All"</option>
                    {outcomes}
                </select>
            </div>
            <div class="field">
                <label for="f-server">"Server"</label>
                <input id="f-server" name="server" maxlength="64" autocomplete="off" value=query.server/>
            </div>
            {day("f-from_day", "from", "From (UTC)", query.from)}
            {day("f-to_day", "to", "To (UTC)", query.to)}
            <div class="actions"><button>"Filter"</button><a class="button quiet" href="/messages">"Show all"</a></div>
        </form>
    }
}

fn list(found: MessagesPage, query: &MessagesQuery, is_all: bool) -> impl IntoView + use<> {
    let MessagesPage { messages, next, total, now_ms, .. } = found;
    let pages = older_and_newest("/messages", &address(query), next.map(|next| next.0), query.before.is_none());
    let count = if total == 1 {
        "1 message is remembered.".to_owned()
    } else {
        format!("{} messages are remembered.", words::grouped(total))
    };
    if messages.is_empty() {
        let empty = match (is_all, next) {
            (true, None) => Either::Left(view! {
                <p>"No application has sent a message yet."</p>
                <p class="muted">
                    "An application sends with " <code>"POST /api/v1/messages"</code> " and a token that may submit. "
                    <a href="/help/api">"How to send"</a>
                </p>
            }),
            (_, Some(_)) => Either::Right(view! { <p>"Nothing so far; older messages are yet to be looked through."</p> }),
            (false, None) => Either::Right(view! { <p>"Nothing fits. Leave something out, or take other days."</p> }),
        };
        return Either::Left(view! { <div class="empty">{empty}</div> {pages} });
    }
    let rows: Vec<_> = messages.into_iter().map(|message| row(message, now_ms)).collect();
    Either::Right(view! {
        <p class="muted" role="status">{count}</p>
        <div class="activity messages">
            <table>
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Message"</th>
                        <th scope="col">"From and to"</th>
                        <th scope="col">"Server"</th>
                        <th scope="col">"Outcome"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            {pages}
        </div>
    })
}

fn row(message: Message, now_ms: u64) -> impl IntoView {
    let href = format!("/messages/{}", message.id);
    let subject = if message.subject.is_empty() { "No subject".to_owned() } else { words::shown(&message.subject, 120) };
    let size = words::rough(Size::from_bytes(message.size));
    let files = match message.files.len() {
        0 => String::new(),
        1 => ", 1 file".into(),
        count => format!(", {count} files"),
    };
    let linked = message.files.iter().any(|file| file.link.is_some());
    let to = match message.recipients.as_slice() {
        [] => String::new(),
        [one] => words::shown(one, 120),
        [first, rest @ ..] => format!("{} and {} more", words::shown(first, 120), rest.len()),
    };
    let (class, text) = state(&message);
    let why = message.ended.as_ref().and_then(|ended| ended.diagnosis.as_ref()).map(|diagnosis| {
        let title = diagnosis.title.clone();
        view! { <span class="reason">{title}</span> }
    });
    let bytes = format!("{} bytes", words::grouped(message.size));
    view! {
        <tr id=format!("message-{}", message.id)>
            <td data-label="When">
                <span><time title=words::utc(message.at_ms)>{words::ago(now_ms, message.at_ms)}</time></span>
                <span class="muted">{words::utc(message.at_ms)}</span>
            </td>
            <th scope="row">
                <a href=href>{subject}</a>
                <span class="help from" title=bytes>{size}{files}{linked.then_some(" as links")}</span>
            </th>
            <td data-label="From and to">
                <span>{words::shown(&message.from, 120)}</span>
                <span class="muted">"to "{to}</span>
            </td>
            <td data-label="Server"><span>{message.server.clone()}</span></td>
            <td data-label="Outcome"><div><span class=class>{text}</span>{why}</div></td>
        </tr>
    }
}

/// How a message stands: a shape, a colour and words.
pub(super) fn state(message: &Message) -> (&'static str, &'static str) {
    let Some(ended) = &message.ended else { return ("state running", "Being sent") };
    match ended.outcome {
        Outcome::Sent | Outcome::Checked if ended.partial => ("state warning", "Sent to some"),
        Outcome::Sent | Outcome::Checked => ("state good", "Sent"),
        Outcome::Failed => ("state bad", "Not sent"),
        Outcome::Unknown => ("state warning", "Unknown"),
        Outcome::Cancelled => ("state neutral", "Cancelled"),
    }
}

/// The filters of a query, for an address.
fn address(query: &MessagesQuery) -> String {
    let MessagesQuery { search, outcome, server, from, to, before: _ } = query;
    let outcome = outcome.map(|outcome| match outcome {
        Outcome::Sent | Outcome::Checked => "sent",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
        Outcome::Cancelled => "cancelled",
    });
    filter_address(&[
        ("search", search.as_str()),
        ("outcome", outcome.unwrap_or_default()),
        ("server", server),
        ("from", from),
        ("to", to),
    ])
}
