//! What a certificate says, for reading and comparing. Only the server makes views of it.

use std::fmt::Write as _;

use domain::certificate::{Certificate, fingerprint_words};
use leptos::prelude::*;

use super::{ends, short_name};

/// The most names of a certificate that are listed; the rest is counted.
const MAX_NAMES: usize = 12;

/// Everything worth comparing, and what there is `more` to say of it.
pub(crate) fn facts(certificate: Certificate, now_ms: u64, more: impl IntoView) -> impl IntoView {
    let ends = ends(&certificate, now_ms);
    let Certificate { subject, names, issuer, not_before, not_after, sha256, self_signed, key, .. } = certificate;
    let issuer = if self_signed { "itself".into() } else { issuer };
    let unlisted = names.len().saturating_sub(MAX_NAMES);
    let mut listed = names.into_iter().take(MAX_NAMES).collect::<Vec<_>>().join(", ");
    if unlisted > 0 {
        let _ = write!(listed, " and {unlisted} more");
    }
    let of = format!("SHA-256 of {}", short_name(&subject));
    view! {
        <dl class="facts">
            {fact("Subject", subject)}
            {fact("For", listed)}
            {fact("Issued by", issuer)}
            <div>
                <dt>"Valid"</dt>
                <dd>{date(&not_before)} " to " {date(&not_after)} ", " {ends}</dd>
            </div>
            {fact("Key", key)}
            <div>
                <dt>"SHA-256"</dt>
                <dd>
                    <span class="machine fingerprint">{fingerprint_words(&sha256)}</span>
                    <button type="button" class="quiet small needs-script" data-copy=sha256 title=of>"Copy"</button>
                </dd>
            </div>
            {more}
        </dl>
    }
}

/// A line of the list; none where there is nothing to say.
pub(crate) fn fact(name: &'static str, text: String) -> Option<impl IntoView> {
    (!text.is_empty()).then(|| view! { <div><dt>{name}</dt><dd>{text}</dd></div> })
}

/// The day of an instant, the whole of it on hovering.
fn date(rfc3339: &str) -> impl IntoView + use<> {
    let day = rfc3339.split('T').next().unwrap_or_default();
    let day = if day.is_empty() { "an unknown day" } else { day };
    view! { <time title=rfc3339.to_owned()>{day.to_owned()}</time> }
}

/// `mail.example.com:587`, `[2001:db8::25]:587`.
pub(crate) fn target(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
