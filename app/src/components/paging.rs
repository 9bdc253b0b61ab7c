//! Lists that are gone through from the newest to the oldest, and filtered by what stands in the address.

use leptos::prelude::*;

use crate::pages::encode_query;

/// The filters of a list as they stand in its address; those that say nothing are left out.
pub(crate) fn filter_address(filters: &[(&str, &str)]) -> String {
    let said = filters.iter().filter(|(_, text)| !text.is_empty());
    said.map(|(key, text)| format!("{key}={}", encode_query(text))).collect::<Vec<_>>().join("&")
}

/// The ways to what is older than this page of a list, and back to its beginning; nothing where there is neither.
pub(crate) fn older_and_newest(path: &str, filters: &str, next: Option<u64>, is_first: bool) -> Option<impl IntoView + use<>> {
    let older = next.map(|before| view! { <a class="button quiet" href=format!("{path}?{filters}&before={before}")>"Older"</a> });
    let newest = (!is_first).then(|| view! { <a class="button quiet" href=format!("{path}?{filters}")>"Newest"</a> });
    (older.is_some() || newest.is_some()).then(|| view! { <nav class="pages" aria-label="Pages">{newest} {older}</nav> })
}

/// A day to filter by.
pub(crate) fn day(id: &'static str, name: &'static str, label: &'static str, value: String) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input id=id name=name type="date" value=value/>
        </div>
    }
}
