//! The list of entries.

use domain::entry::{ListPage as Page, Row, RowServer, UndoOffer};
use domain::error::ApiError;
use domain::words;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::{Failed, set_status, set_status_of};
use crate::api::list_servers;
use crate::components::ErrorNotice;
use crate::forms::Submitted;

/// How long typing has to pause before the search runs: milliseconds.
#[cfg(feature = "hydrate")]
const SEARCH_PAUSE_MS: u32 = 200;

async fn load(search: String, page: u32) -> Result<(Page, Option<ApiError>), ApiError> {
    let refused = match Submitted::current() {
        Some(Submitted::List { error }) => Some(error),
        _ => None,
    };
    let result = list_servers(Some(search), Some(page)).await.map_err(|failure| failure.0);
    set_status_of(&result);
    if let Some(error) = &refused {
        set_status(error.error.status());
    }
    result.map(|page| (page, refused))
}

/// The page "Mail SMTP servers".
#[component]
pub(crate) fn ListPage() -> impl IntoView {
    let query = use_query_map();
    let search = Memo::new(move |_| query.with(|q| q.get("search").unwrap_or_default()));
    let number = Memo::new(move |_| query.with(|q| q.get("page").and_then(|p| p.parse::<u32>().ok()).unwrap_or(1)));
    let page = Resource::new_blocking(move || (search.get(), number.get()), |(search, page)| load(search, page));
    view! {
        <Title text="Mail SMTP servers · Postroom"/>
        <Transition>
            {move || Suspend::new(async move {
                match page.await {
                    Ok((page, refused)) => view! { <List page refused search=search.get_untracked()/> }.into_any(),
                    Err(error) => view! { <Failed error/> }.into_any(),
                }
            })}
        </Transition>
    }
    .into_any()
}

#[component]
fn List(page: Page, refused: Option<ApiError>, search: String) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| crate::browser::focus_fragment());
    let undo = page.undo.clone();
    let empty = page.total == 0;
    view! {
        <div class="page">
            <div class="title">
                <div>
                    <h1>"Mail SMTP servers"</h1>
                    <p class="muted">"How applications here send mail."</p>
                </div>
                <a class="button primary" href="/servers/new" rel="external" data-shortcut="add">"Add SMTP server"</a>
            </div>
            <ErrorNotice error=Signal::derive(move || refused.clone())/>
            {undo.map(|offer| view! { <Undo offer/> })}
            {if empty {
                view! { <Empty/> }.into_any()
            } else {
                view! { <Found page search/> }.into_any()
            }}
        </div>
    }
    .into_any()
}

#[component]
fn Empty() -> impl IntoView {
    view! {
        <div class="empty">
            <p>"No mail server is set up yet, so applications here can't send mail."</p>
            <p class="muted">"At hand you need: the server's name, and an account that may send, if the server asks for one."</p>
        </div>
    }
    .into_any()
}

#[component]
fn Found(page: Page, search: String) -> impl IntoView {
    let Page { rows, total, matching, page, pages, .. } = page;
    let found = match (search.trim().is_empty(), total) {
        (true, 1) => "1 server".to_owned(),
        (true, _) => format!("{total} servers"),
        (false, _) => format!("{matching} of {total} servers"),
    };
    let nothing = (matching == 0).then(|| {
        view! {
            <p class="empty">
                "No server has “" {words::quote(&search)} "” in its name, host, username or sender. "
                <a href="/" rel="external">"Show all"</a>
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
    let not_one = move || (chosen.get() > 1).then_some("true");
    let rows: Vec<_> = rows.into_iter().map(|row| view! { <ListRow row/> }).collect();
    let keep_search = (!search.is_empty()).then(|| view! { <input type="hidden" name="search" value=search.clone()/> });
    let keep_page = (page > 1).then(|| view! { <input type="hidden" name="page" value=page.to_string()/> });
    view! {
        <SearchForm search=search.clone() found/>
        {nothing}
        <form id="servers" method="get" action="/servers/trash" on:change=recount hidden={matching == 0}>
            {keep_search}
            {keep_page}
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
            <Pages page pages search/>
            <div class="selection" role="group" aria-label="Selected servers">
                <p aria-live="polite">
                    {move || match chosen.get() {
                        0 => "Selected servers".to_owned(),
                        n => format!("{n} selected"),
                    }}
                </p>
                <button formaction="/servers/edit" disabled=move || not_one().is_some()>"Edit"</button>
                <button formaction="/servers/try" disabled=move || not_one().is_some()>"Send test email"</button>
                <button class="danger">"Trash"</button>
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn SearchForm(search: String, found: String) -> impl IntoView {
    let value = search.clone();
    let type_search = {
        #[cfg(feature = "hydrate")]
        {
            let navigate = leptos_router::hooks::use_navigate();
            let pause = StoredValue::new_local(None::<gloo_timers::callback::Timeout>);
            move |ev| {
                let text = event_target_value(&ev);
                let navigate = navigate.clone();
                let timer = gloo_timers::callback::Timeout::new(SEARCH_PAUSE_MS, move || {
                    let to = if text.is_empty() { "/".to_owned() } else { format!("/?search={}", form_urlencode(&text)) };
                    navigate(&to, leptos_router::NavigateOptions { replace: true, scroll: false, ..Default::default() });
                });
                pause.set_value(Some(timer));
            }
        }
        #[cfg(not(feature = "hydrate"))]
        |_: leptos::ev::Event| {}
    };
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
                value=value
                on:input=type_search
            />
            <button class="quiet no-script">"Search"</button>
            <p class="muted" role="status">{found}</p>
        </form>
    }
    .into_any()
}

#[component]
fn ListRow(row: Row) -> impl IntoView {
    let Row { id, name, is_default, server } = row;
    let href = format!("/servers/{id}");
    let select = format!("Select {name}");
    let complete = server.is_some();
    view! {
        <tr id=format!("server-{id}") tabindex="-1">
            <td class="pick"><label class="target"><input type="checkbox" name="id" value=id.to_string() aria-label=select/></label></td>
            <th scope="row">
                <a href=href rel="external">{name}</a>
                {is_default.then(|| view! { " " <span class="tag">"default"</span> })}
                {server.as_ref().is_some_and(|s| s.fax).then(|| view! { " " <span class="tag">"fax"</span> })}
            </th>
            {server.map_or_else(
                || view! { <td></td><td></td><td></td> }.into_any(),
                |server| view! { <Connection server/> }.into_any(),
            )}
            <td data-label="State">
                {if complete {
                    view! { <span class="state neutral">"Set up"</span> }
                } else {
                    view! { <span class="state warning">"Not set up yet"</span> }
                }}
            </td>
        </tr>
    }.into_any()
}

#[component]
fn Connection(server: RowServer) -> impl IntoView {
    let encrypted = words::security(server.protocol);
    let protocol = server.protocol.key().to_uppercase();
    view! {
        <td data-label="Connects to">
            <span class="machine">{server.target}</span>
            <span class="muted">{protocol} ", " {encrypted}</span>
        </td>
        <td data-label="Signs in as">{or_dash(server.username)}</td>
        <td data-label="Sender">{or_dash(server.sender)}</td>
    }
    .into_any()
}

fn or_dash(text: String) -> impl IntoView {
    if text.is_empty() { view! { <span class="muted">"–"</span> }.into_any() } else { view! { <span>{text}</span> }.into_any() }
}

#[component]
fn Pages(page: u32, pages: u32, search: String) -> impl IntoView {
    let link = move |to: u32, text: &'static str| {
        (1..=pages).contains(&to).then(|| {
            let search = form_urlencode(&search);
            view! { <a class="button quiet" href=format!("/?search={search}&page={to}") rel="external">{text}</a> }
        })
    };
    (pages > 1).then(|| {
        view! {
            <nav class="pages" aria-label="Pages">
                {link(page - 1, "Previous")}
                <span>"Page " {page} " of " {pages}</span>
                {link(page + 1, "Next")}
            </nav>
        }
    })
}

/// What was trashed just now, with the way to take it back.
#[component]
fn Undo(offer: UndoOffer) -> impl IntoView {
    let gone = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    {
        let left = u32::try_from(offer.left_ms).unwrap_or(u32::MAX);
        Effect::new(move |_| gloo_timers::callback::Timeout::new(left, move || gone.set(true)).forget());
    }
    view! {
        <div role="status" hidden=move || gone.get()>
            <form class="notice" method="post" action="/servers/undo">
                <p>"Trashed " {names(&offer.names)} "."</p>
                <input type="hidden" name="batch" value=offer.batch.to_string()/>
                <button>"Undo"</button>
            </form>
        </div>
    }
    .into_any()
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(super) fn names(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

/// Percent-encodes text for a query.
pub(super) fn form_urlencode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
        out
    })
}
