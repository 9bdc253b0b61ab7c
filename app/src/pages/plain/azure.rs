//! What has to be set up at Microsoft for an entry with Azure OAuth, in order and with its own values.

use domain::entry::EntryView;
use domain::oauth::{Item, checklist};
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

/// The page "Azure OAuth of …".
#[component]
pub(super) fn Azure(entry: EntryView) -> impl IntoView {
    let EntryView { id, name, server, .. } = entry;
    let azure = server.and_then(|server| server.azure_oauth.map(|azure| (server.username, azure)));
    let content = match azure {
        Some((username, azure)) => {
            let strategy = words::choice(domain::field::Field::AzureStrategy, azure.strategy.key());
            let items = checklist(&username, &azure, "").into_iter().map(item).collect_view();
            Either::Left(view! {
                <p class="muted">"For the strategy “" {strategy} "” and the mailbox " {username} ", as they are saved."</p>
                <ol class="checklist">{items}</ol>
            })
        }
        None => Either::Right(view! {
            <p>"This server doesn't sign in with Azure OAuth. Switch “Azure OAuth enabled” on under “Advanced”, save, and come back."</p>
        }),
    };
    view! {
        <div class="page narrow">
            <p class="crumb"><a href=format!("/servers/{id}")>{name.clone()}</a></p>
            <h1>"Azure OAuth of " {name}</h1>
            <section class="group" aria-labelledby="g-azure">
                <h2 id="g-azure">"What to set up at Microsoft"</h2>
                {content}
            </section>
            <p><a class="button" href=format!("/servers/{id}#try")>"Back to try it"</a></p>
        </div>
    }
}

fn item(Item { text, line }: Item) -> impl IntoView {
    let line = line.map(|line| {
        view! {
            <p class="actions line">
                <code class="machine">{line.clone()}</code>
                <button type="button" class="quiet small needs-script" data-copy=line.clone() title=format!("Copy {line}")>"Copy"</button>
            </p>
        }
    });
    view! { <li><p>{text}</p> {line}</li> }
}
