//! The pages. Each reads its data in a resource and shows it; what it does when a button is pressed is the backend's.

mod entry;
mod list;
mod new;
mod not_found;
mod trash;

pub(crate) use entry::EntryPage;
pub(crate) use list::ListPage;
pub(crate) use new::NewPage;
pub(crate) use not_found::NotFound;
pub(crate) use trash::TrashPage;

use domain::error::ApiError;
use leptos::prelude::*;
use leptos_meta::Title;

/// Tells the server which HTTP status the page that it renders has.
fn set_status(status: u16) {
    #[cfg(feature = "ssr")]
    if let Some(page) = use_context::<crate::backend::PageStatus>() {
        (page.0)(status);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = status;
}

/// The status of a page that could not be made.
fn set_status_of<T>(result: &Result<T, ApiError>) {
    if let Err(error) = result {
        set_status(error.error.status());
    }
}

/// A page that could not be made, with the way back.
#[component]
fn Failed(error: ApiError) -> impl IntoView {
    view! {
        <Title text="Not found · Postroom"/>
        <div class="page narrow">
            <h1>"That didn't work"</h1>
            <p>{error.message}</p>
            <p><a class="button" href="/" rel="external">"Mail SMTP servers"</a></p>
        </div>
    }
    .into_any()
}
