//! Certificates as text to take elsewhere (RFC 7468).

use domain::certificate::fingerprint_words;

use super::known::Item;
use super::pem;

/// A certificate.
pub(crate) fn to_pem(der: &[u8]) -> String {
    let mut text = String::new();
    pem::write(&mut text, "CERTIFICATE", der);
    text
}

/// A certificate under lines that name it. Readers of PEM take no notice of them.
pub(super) fn commented(item: &Item) -> String {
    let certificate = &item.certificate;
    let pinned = item.server().map(|server| comment("Only for", &server)).unwrap_or_default();
    let subject = comment("Subject", &certificate.subject);
    let sha256 = comment("SHA-256", &fingerprint_words(&certificate.sha256));
    format!("{subject}{sha256}{pinned}{}\n", to_pem(&item.record.der))
}

/// One line, whatever is in it; and no reader finds a boundary in it, which has five hyphens.
fn comment(label: &str, text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!("# {label}: {}\n", text.replace("--", "- -"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_line_without_a_boundary() {
        for hyphens in 0..40 {
            let hostile = format!("CN=x\r\n{}BEGIN CERTIFICATE{}\u{b}", "-".repeat(hyphens), "-".repeat(hyphens));
            let line = comment("Subject", &hostile);
            assert_eq!(line.matches('\n').count(), 1);
            assert!(line.starts_with("# Subject: CN=x??") && line.ends_with("?\n") && !line.contains("---"), "{line}");
        }
    }
}
