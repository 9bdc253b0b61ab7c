//! Certificates as text to take elsewhere (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::certificate::fingerprint_words;

use super::known::Item;

/// Characters of a line of base64.
const WIDTH: usize = 64;

/// A certificate.
pub(crate) fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = String::with_capacity(base64.len() + base64.len() / WIDTH + 64);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(WIDTH));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// A certificate under lines that name it. Readers of PEM take no notice of them.
pub(super) fn commented(item: &Item) -> String {
    let certificate = &item.certificate;
    let pinned = item.server().map(|server| comment("Only for", &server)).unwrap_or_default();
    let subject = comment("Subject", &certificate.subject);
    let sha256 = comment("SHA-256", &fingerprint_words(&certificate.sha256));
    format!("{subject}{sha256}{pinned}{}\n", pem(&item.record.der))
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
