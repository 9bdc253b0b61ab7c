//! What is trusted: this machine's authorities, imported ones, and certificates pinned for one server each.

use domain::certificate::Validity;
use domain::entry::EntryId;
use domain::error::ApiError;
use domain::trust::{SystemRoots, TrustId, TrustPage, TrustUndo, Trusted};
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use crate::components::{ErrorNotice, Undo, ends, fact, facts, names, short_name, target};
use crate::pages::Rights;

/// From so many rows on, ticking each is too much to ask.
const MANY: usize = 10;
/// The most entries that are named where a certificate is used.
const MAX_USERS: usize = 20;

/// The page "Certificates".
#[component]
pub(super) fn Certificates(
    trust: TrustPage,
    done: Option<String>,
    open: Option<TrustId>,
    all_chosen: bool,
    refused: Option<ApiError>,
) -> impl IntoView {
    let TrustPage { system, items, undo, now_ms } = trust;
    let nothing = items.is_empty();
    let change = Rights::here().change;
    let undo = undo.map(|TrustUndo { batch, subjects, left_ms }| {
        let names = subjects.iter().map(|subject| short_name(subject)).collect();
        view! { <Undo action="/certificates/undo" batch names left_ms/> }
    });
    let done = done.map(|done| {
        view! { <p class="notice good" tabindex="-1" autofocus data-address="/certificates"><span class="headline">{done}</span></p> }
    });
    let mut items = items;
    // By the names that are shown, whatever stands before them in the subjects.
    items.sort_by_cached_key(|item| short_name(&item.certificate.subject).to_lowercase());
    let (pins, authorities): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.pin.is_some());
    let switches: Vec<_> = pins.iter().filter_map(switch).collect();
    let rows = |items: Vec<Trusted>, chosen: bool| {
        let row = |item: Trusted| {
            let seen = open == Some(item.id);
            view! { <Row item now_ms seen chosen/> }
        };
        items.into_iter().map(row).collect::<Vec<_>>()
    };
    let imported = match authorities.len() {
        0 => Either::Left(view! { <p class="muted">"None."</p> }),
        count => {
            let all = (count > MANY && !all_chosen)
                .then(|| view! { <a class="button quiet small" href="/certificates?all#authorities">"Select all"</a> });
            Either::Right(view! { {all} <ul class="certificates">{rows(authorities, all_chosen)}</ul> })
        }
    };
    let pinned = match pins.len() {
        0 => Either::Left(view! {
            <p class="muted">"None. A server's own certificate is trusted on the page of that server: “Inspect certificate”."</p>
        }),
        _ => Either::Right(view! { <ul class="certificates">{rows(pins, false)}</ul> }),
    };
    let own = if nothing {
        Either::Left(view! {
            <div class="empty">
                <p>"Nothing is trusted beside the system's authorities."</p>
                <p class="muted">
                    "Add your organisation's own authority here. A single server's certificate is trusted on the page of that server: “Inspect certificate”."
                </p>
            </div>
        })
    } else {
        Either::Right(view! {
            <form class="selectable" method="get" action="/certificates/trash">
                <section class="group list" id="authorities" aria-labelledby="g-authorities">
                    <h2 id="g-authorities">"Imported authorities"</h2>
                    {imported}
                </section>
                <section class="group list" aria-labelledby="g-pinned">
                    <h2 id="g-pinned">"Pinned certificates"</h2>
                    {pinned}
                </section>
                <div class="selection" role="group" aria-label="Selected certificates">
                    <p class="count"></p>
                    <button formaction="/certificates/export">"Export"</button>
                    {change.then(|| view! { <button class="danger">"Trash"</button> })}
                </div>
            </form>
        })
    };
    view! {
        <div class="page certificates-page">
            <div class="title">
                <div>
                    <h1>"Certificates"</h1>
                    <p class="muted">"Which certificates mail servers may present. Changes count from the next connection on."</p>
                </div>
                <div class="actions">
                    {(!nothing).then(|| view! { <a class="button" href="/certificates/export">"Export all"</a> })}
                    {change.then(|| view! { <a class="button primary" href="/certificates/import" data-shortcut="add">"Add certificates"</a> })}
                </div>
            </div>
            <ErrorNotice error=Signal::stored(refused)/>
            {done}
            {(!change).then(|| view! { <p class="help">"Changing what is trusted takes an administrator."</p> })}
            {change.then_some(undo)}
            <System system/>
            {own}
            {switches}
        </div>
    }
}

/// The authorities of this machine, all at once.
#[component]
fn System(system: SystemRoots) -> impl IntoView {
    let SystemRoots { on, count, source, error, used_by } = system;
    let (class, state) = if on { ("state good", "Trusted") } else { ("state warning", "Not trusted") };
    let who: Vec<String> = used_by.iter().map(|(_, name)| name.clone()).collect();
    let consequence = match (on, who.is_empty()) {
        (true, true) => "Without them, only what stands below is accepted.".to_owned(),
        (true, false) => format!("Without them, {} can't connect any more unless what they present is trusted below.", names(&who)),
        (false, _) => "Servers with a certificate of theirs are refused now.".to_owned(),
    };
    let (label, value) = if on { ("Stop trusting them", "false") } else { ("Trust them again", "true") };
    view! {
        <section class="group" aria-labelledby="g-system">
            <h2 id="g-system">"System authorities"</h2>
            <p>
                <span class=class>{state}</span>
                {match count {
                    0 => ": there are none on this machine.".to_owned(),
                    1 => ": the one that comes with this machine.".to_owned(),
                    n => format!(": the {} that come with this machine.", words::grouped(n as u64)),
                }}
                {(!source.is_empty()).then(|| view! { <span class="help from">"From " {source}</span> })}
            </p>
            {error.map(|error| view! {
                <div class="notice warning">
                    <p class="headline">"Some of them couldn't be read."</p>
                    <p class="machine">{error}</p>
                </div>
            })}
            {(!used_by.is_empty()).then(|| view! { <p>"Relied on by " {users(used_by)} "."</p> })}
            {Rights::here().change.then(|| view! {
                <form class="actions" method="post" action="/certificates/system-authorities">
                    <button name="on" value=value>{label}</button>
                    <p class="help">{consequence}</p>
                </form>
            })}
        </section>
    }
}

/// A certificate in a line that opens.
#[component]
fn Row(item: Trusted, now_ms: u64, seen: bool, chosen: bool) -> impl IntoView {
    let Trusted { id, certificate, pin, added_ms, added_by, used_by } = item;
    let subject = short_name(&certificate.subject);
    let ends = ends(&certificate, now_ms);
    let is_over = matches!(certificate.validity(now_ms), Validity::Expired { .. } | Validity::NotYet { .. });
    let (name, beside) = match &pin {
        Some(pin) => (target(&pin.host, pin.port), Some(subject.clone())),
        None => (subject.clone(), None),
    };
    let outlives = pin.as_ref().is_some_and(|pin| pin.outlives);
    let select = format!("Select {name}");
    let who: Vec<String> = used_by.iter().map(|(_, name)| name.clone()).collect();
    let used = if who.is_empty() { "not in use".to_owned() } else { format!("used by {}", names(&who)) };
    let by = if added_by.is_empty() { String::new() } else { format!(", from {added_by}") };
    let for_whom = pin.map(|pin| {
        let (label, says) = if outlives {
            ("Trust it within its dates only", "It is trusted beyond its dates, too.")
        } else {
            ("Trust it beyond its dates", "Outside of its dates it is refused.")
        };
        view! {
            <p class="help">"At " {target(&pin.host, pin.port)} " nothing but what is pinned is accepted. " {says}</p>
            {Rights::here().change.then(|| view! { <p class="actions"><button form=switch_id(id)>{label}</button></p> })}
        }
    });
    let more = view! {
        <div>
            <dt>"Added"</dt>
            <dd><time title=words::utc(added_ms)>{words::ago(now_ms, added_ms)}</time> {by}</dd>
        </div>
        {(!used_by.is_empty()).then(|| view! { <div><dt>"Used by"</dt><dd>{users(used_by)}</dd></div> })}
        {fact("Serial", certificate.serial.clone())}
    };
    view! {
        <li id=format!("certificate-{id}") tabindex="-1" autofocus=seen>
            <label class="target"><input type="checkbox" name="id" value=id.to_string() checked=chosen aria-label=select/></label>
            <details open=seen>
                <summary>
                    <span class="name">{name}</span>
                    <span class="muted">{beside.map(|beside| format!("{beside}, "))} {used}</span>
                    <span class="ends">
                        {ends} {(outlives && is_over).then(|| view! { <span class="help">"trusted all the same"</span> })}
                    </span>
                </summary>
                {facts(certificate, now_ms, more)}
                {for_whom}
            </details>
        </li>
    }
}

/// The form behind the switch in a pin's row: a form can't stand in the one around the rows.
fn switch(item: &Trusted) -> Option<impl IntoView + use<>> {
    let outlives = item.pin.as_ref()?.outlives;
    Some(view! {
        <form id=switch_id(item.id) method="post" action="/certificates/outlives" hidden>
            <input type="hidden" name="id" value=item.id.to_string()/>
            <input type="hidden" name="outlives" value=(!outlives).to_string()/>
        </form>
    })
}

fn switch_id(id: TrustId) -> String {
    format!("outlives-{id}")
}

/// Links to the entries, separated by commas.
pub(super) fn users(used_by: Vec<(EntryId, String)>) -> impl IntoView {
    let more = used_by.len().saturating_sub(MAX_USERS);
    let links: Vec<_> = used_by
        .into_iter()
        .take(MAX_USERS)
        .enumerate()
        .map(|(at, (id, name))| {
            let comma = (at > 0).then_some(", ");
            view! { {comma} <a href=format!("/servers/{id}")>{name}</a> }
        })
        .collect();
    view! { {links} {(more > 0).then(|| format!(" and {more} more"))} }
}
