//! The list of entries.

mod batch;

use domain::entry::{ListPage, Row, RowServer, UndoOffer};
use domain::error::ApiError;
use domain::field::Field;
use domain::run::Standing;
use domain::stages;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use self::batch::{Batch, Progress, TestAll, Tested};
use super::{Rights, encode_query};
use crate::components::{ErrorNotice, ExpiringMarks, SignInMark, StandingView, Undo};

/// How long typing has to pause before the search runs: milliseconds.
#[cfg(feature = "hydrate")]
const SEARCH_PAUSE_MS: u32 = 200;

/// The page "Mail SMTP servers".
#[component]
pub(super) fn List(search: String, list: ListPage, refused: Option<ApiError>) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| crate::browser::focus_fragment());
    let undo =
        list.undo.clone().map(|UndoOffer { batch, names, left_ms }| view! { <Undo action="/servers/undo" batch names left_ms/> });
    let refused = RwSignal::new(refused);
    let batch = Batch::new();
    let rights = Rights::here();
    let nothing = list.total == 0;
    let found =
        if nothing { Either::Left(view! { <Empty/> }) } else { Either::Right(view! { <Found search list refused batch/> }) };
    view! {
        <div class="page">
            <div class="title">
                <div>
                    <h1>"Mail SMTP servers"</h1>
                    <Progress batch/>
                </div>
                <div class="actions">
                    <TestAll batch refused hidden=nothing || !rights.test/>
                    {rights.change.then(|| view! { <a class="button primary" href="/servers/new" data-shortcut="add">"Add SMTP server"</a> })}
                </div>
            </div>
            <ErrorNotice error=refused/>
            {(!rights.change).then(|| view! { <p class="help">{rights.limits()}</p> })}
            {rights.change.then_some(undo)}
            {found}
            <p class="aside">
                {rights.change.then(|| view! { <a href="/servers/import">"Import"</a> })}
                <a href="/servers/export" hidden=nothing>"Export"</a>
            </p>
        </div>
    }
}

#[component]
fn Empty() -> impl IntoView {
    view! {
        <div class="empty">
            <p>"No mail server is set up yet, so applications here can't send mail."</p>
            <p class="muted">"At hand you need: the server's name, and an account that may send, if the server asks for one."</p>
        </div>
    }
}

/// The search and what it finds.
#[component]
fn Found(search: String, list: ListPage, refused: RwSignal<Option<ApiError>>, batch: Batch) -> impl IntoView {
    // What was searched for, with what it found: they change together.
    let found = RwSignal::new((search.clone(), list));
    view! {
        <SearchForm search found refused/>
        {move || found.with(|(search, list)| results(search, list, batch))}
    }
}

fn results(search: &str, list: &ListPage, batch: Batch) -> impl IntoView + use<> {
    let nothing = (list.matching == 0).then(|| {
        view! {
            <p class="empty">
                "No server has “" {words::quote(search)} "” in its name, host, username or sender. "
                <a href="/">"Show all"</a>
            </p>
        }
    });
    let chosen = RwSignal::new(0_usize);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| chosen.set(crate::browser::count("#servers input[name=id]:checked")));
    let recount = move |_| {
        #[cfg(feature = "hydrate")]
        chosen.set(crate::browser::count("#servers input[name=id]:checked"));
    };
    let several = move || chosen.get() > 1;
    let Rights { test, change } = Rights::here();
    let edit = if change { "Edit" } else { "Open" };
    let now_ms = list.now_ms;
    let rows: Vec<_> = list.rows.iter().cloned().map(|row| view! { <ListRow row now_ms batch/> }).collect();
    let page = list.page;
    view! {
        {nothing}
        <form id="servers" method="get" action="/servers/trash" on:change=recount hidden=list.matching == 0>
            <input type="hidden" name="search" value=search.to_owned()/>
            <input type="hidden" name="page" value=page.to_string()/>
            <table>
                <thead>
                    <tr>
                        <th class="pick"><span class="hidden">"Select"</span></th>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Connects to"</th>
                        <th scope="col">"Signs in as"</th>
                        <th scope="col">"Sender"</th>
                        <th scope="col">"State"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            {pages(page, list.pages, search)}
            <div class="selection" role="group" aria-label="Selected servers">
                <p aria-live="polite">
                    {move || match chosen.get() {
                        0 => "Selected servers".to_owned(),
                        n => format!("{n} selected"),
                    }}
                </p>
                <button formaction="/servers/edit" disabled=several>{edit}</button>
                {test.then(|| view! { <button formaction="/servers/try" disabled=several>"Send test email"</button> })}
                {change.then(|| view! { <button class="danger">"Trash"</button> })}
            </div>
        </form>
    }
}

/// The links to the other pages.
fn pages(page: u32, pages: u32, search: &str) -> Option<impl IntoView + use<>> {
    let link = |to: u32, text: &'static str| {
        let href = format!("/?search={}&page={to}", encode_query(search));
        (1..=pages).contains(&to).then(|| view! { <a class="button quiet" href=href>{text}</a> })
    };
    (pages > 1).then(|| {
        view! {
            <nav class="pages" aria-label="Pages">
                {link(page.saturating_sub(1), "Previous")}
                <span>{format!("Page {page} of {pages}")}</span>
                {link(page + 1, "Next")}
            </nav>
        }
    })
}

#[component]
fn SearchForm(search: String, found: RwSignal<(String, ListPage)>, refused: RwSignal<Option<ApiError>>) -> impl IntoView {
    let count = move || {
        found.with(|(search, list)| match (search.trim().is_empty(), list.total) {
            (true, 1) => "1 server".to_owned(),
            (true, total) => format!("{} servers", words::grouped(total)),
            (false, total) => format!("{} of {} servers", words::grouped(list.matching), words::grouped(total)),
        })
    };
    let type_search = search_while_typing(found, refused);
    view! {
        <form class="search" method="get" action="/" role="search">
            <label class="hidden" for="search">"Search servers"</label>
            <input
                id="search"
                name="search"
                type="search"
                maxlength=domain::entry::MAX_SEARCH.to_string()
                placeholder="Search"
                autocomplete="off"
                value=search
                on:input=type_search
            />
            <button class="quiet no-script">"Search"</button>
            <p class="muted" role="status">{count}</p>
        </form>
    }
}

/// Searches once typing pauses; the address follows, so that a reload shows the same.
#[cfg(feature = "hydrate")]
fn search_while_typing(
    found: RwSignal<(String, ListPage)>,
    refused: RwSignal<Option<ApiError>>,
) -> impl FnMut(leptos::ev::Event) + 'static {
    use gloo_timers::callback::Timeout;

    let pause = StoredValue::new_local(None::<Timeout>);
    let wanted = RwSignal::new(String::new());
    move |ev| {
        let text = event_target_value(&ev);
        wanted.set(text.clone());
        // Replacing the timer cancels the one before.
        pause.set_value(Some(Timeout::new(SEARCH_PAUSE_MS, move || {
            leptos::task::spawn_local(async move {
                let result = crate::api::list_servers(Some(text.clone()), Some(1)).await;
                if wanted.with_untracked(|w| *w != text) {
                    return;
                }
                let address = if text.is_empty() { "/".to_owned() } else { format!("/?search={}", encode_query(&text)) };
                crate::browser::replace_address(&address);
                match result {
                    Ok(list) => {
                        refused.set(None);
                        found.set((text, list));
                    }
                    Err(failure) => refused.set(Some(failure.0)),
                }
            });
        })));
    }
}

/// On the server nobody types.
#[cfg(not(feature = "hydrate"))]
fn search_while_typing(
    _found: RwSignal<(String, ListPage)>,
    _refused: RwSignal<Option<ApiError>>,
) -> impl FnMut(leptos::ev::Event) + 'static {
    |_| {}
}

#[component]
fn ListRow(row: Row, now_ms: u64, batch: Batch) -> impl IntoView {
    let Row { id, name, is_default, server, standing, expiring, sign_in } = row;
    let href = format!("/servers/{id}");
    let select = format!("Select {name}");
    let complete = server.is_some();
    view! {
        <tr id=format!("server-{id}") tabindex="-1">
            <td class="pick"><label class="target"><input type="checkbox" name="id" value=id.to_string() aria-label=select/></label></td>
            <th scope="row">
                <a href=href>{name}</a>
                {is_default.then(|| view! { " " <span class="tag">"default"</span> })}
                {server.as_ref().is_some_and(|s| s.fax).then(|| view! { " " <span class="tag">"fax"</span> })}
            </th>
            {match server {
                Some(server) => Either::Left(view! { <Connection server/> }),
                None => Either::Right(view! { <td></td><td></td><td></td> }),
            }}
            <td data-label="State">
                {if complete {
                    Either::Left(move || state(batch.of(id), &standing, now_ms))
                } else {
                    Either::Right(view! { <span class="state warning">"Not set up yet"</span> })
                }}
                {sign_in.map(|sign_in| view! { <SignInMark sign_in now_ms quiet=true/> })}
                <ExpiringMarks expiring now_ms/>
            </td>
        </tr>
    }
}

/// How an entry stands, or how far its test is.
fn state(tested: Option<Tested>, standing: &Standing, now_ms: u64) -> impl IntoView + use<> {
    match tested {
        Some(Tested::Running(stage)) => {
            Either::Left(view! { <span class="state running">"Testing: " {stages::label(stage)}</span> })
        }
        Some(Tested::Over(standing)) => Either::Right(view! { <StandingView standing now_ms/> }),
        None => Either::Right(view! { <StandingView standing=standing.clone() now_ms/> }),
    }
}

#[component]
fn Connection(server: RowServer) -> impl IntoView {
    let encrypted = words::security(server.starttls);
    let protocol = words::choice(Field::Protocol, &server.protocol);
    view! {
        <td data-label="Connects to">
            <span class="machine">{server.target}</span>
            <span class="muted">{format!("{protocol}, {encrypted}")}</span>
        </td>
        <td data-label="Signs in as"><span>{or_dash(server.username)}</span></td>
        <td data-label="Sender"><span>{or_dash(server.sender)}</span></td>
    }
}

/// Nothing is shown as a dash, so that an empty cell is never a question.
fn or_dash(text: String) -> String {
    if text.is_empty() { "–".into() } else { text }
}
