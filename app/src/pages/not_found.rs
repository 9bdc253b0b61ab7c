//! The page for an address where nothing is.

use domain::error::Problem;
use leptos::prelude::*;

use super::{Failed, set_status};

/// Nothing is here.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    set_status(404);
    view! { <Failed error=Problem::NoSuchPage.into()/> }
}
