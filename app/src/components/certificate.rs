//! What a certificate says, for reading and comparing.

use std::fmt::Write as _;

use domain::certificate::{Certificate, Validity, fingerprint_words};
use domain::words;
use leptos::prelude::*;

/// The most names of a certificate that are listed; the rest is counted.
const MAX_NAMES: usize = 12;

/// The name that people know a subject by: `mail.example.com` of `CN=mail.example.com, O=Example`.
pub(crate) fn short_name(subject: &str) -> String {
    const BEGINS_ANOTHER: [&str; 6] = [", CN=", ", C=", ", L=", ", ST=", ", O=", ", OU="];
    let name = match subject.split_once("CN=") {
        Some((before, name)) if before.is_empty() || before.ends_with(", ") => {
            let end = BEGINS_ANOTHER.iter().filter_map(|next| name.find(next)).min();
            end.map_or(name, |end| &name[..end])
        }
        _ => subject,
    };
    if name.is_empty() { "Without a name".into() } else { name.into() }
}

/// What its dates mean now: words, and a mark where somebody should do something.
pub(crate) fn ends(certificate: &Certificate, now_ms: u64) -> impl IntoView + use<> {
    let class = match certificate.validity(now_ms) {
        Validity::Expired { .. } => "state bad",
        Validity::NotYet { .. } | Validity::Unknown => "state warning",
        validity if validity.expires_soon() => "state warning",
        Validity::Valid { .. } => "",
    };
    view! { <span class=class>{words::validity(certificate, now_ms)}</span> }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_know_a_subject_by_its_common_name() {
        for (subject, name) in [
            ("CN=mail.example.com, O=Example", "mail.example.com"),
            ("C=US, O=Internet Security Research Group, CN=ISRG Root X1", "ISRG Root X1"),
            ("CN=Example, Ltd., C=DE", "Example, Ltd."),
            ("OU=Root of PCN=1, O=Example", "OU=Root of PCN=1, O=Example"),
            ("O=Example", "O=Example"),
            ("", "Without a name"),
            ("CN=", "Without a name"),
        ] {
            assert_eq!(short_name(subject), name, "{subject}");
        }
    }
}
