//! A certificate in a few words.

use domain::certificate::{Certificate, Validity};
use domain::words;
use leptos::prelude::*;

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
