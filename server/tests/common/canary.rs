//! A secret that must be seen nowhere, in whatever form, and the nets that it would be caught in.

use std::sync::{Mutex, Once, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Nobody's password, and nobody's token.
pub(crate) const CANARY: &str = "canary-5b1c9e-not-a-password";
/// Who signs in with it.
pub(crate) const USER: &str = "anna@example.com";

/// What CRAM-MD5 answers to [`CHALLENGE`]: with it, anybody could try passwords until one fits.
pub(crate) const CHALLENGE: &str = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";

/// The message of PLAIN.
pub(crate) fn plain() -> String {
    STANDARD.encode(format!("\0{USER}\0{CANARY}"))
}

/// The message of XOAUTH2.
pub(crate) fn xoauth2() -> String {
    STANDARD.encode(format!("user={USER}\u{1}auth=Bearer {CANARY}\u{1}\u{1}"))
}

/// What a spiteful server would repeat: every form in one line.
pub(crate) fn echo() -> String {
    format!("{CANARY} {} {} {}", STANDARD.encode(CANARY), plain(), xoauth2())
}

/// The form of the secret that stands in `text`. Base64 is recognised by decoding, wherever in it the secret lies.
pub(crate) fn found_in(text: &str) -> Option<String> {
    if text.contains(CANARY) {
        return Some(CANARY.to_owned());
    }
    let runs = text.as_bytes().split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'+' && *byte != b'/');
    for run in runs.filter(|run| run.len() >= 12) {
        for from in 0..4 {
            let groups = &run[from..];
            let groups = &groups[..groups.len() / 4 * 4];
            let decoded = STANDARD.decode(groups).unwrap_or_default();
            // A part of it would be enough to give the rest away.
            if CANARY.as_bytes().windows(8).any(|part| decoded.windows(8).any(|found| found == part)) {
                return Some(String::from_utf8_lossy(run).into_owned());
            }
        }
    }
    None
}

/// What was logged in pieces that hold the secret, and how many pieces there were at all.
static LOG: Mutex<(Vec<String>, usize)> = Mutex::new((Vec::new(), 0));

struct Net;

impl std::io::Write for Net {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.1 += 1;
        if found_in(&text).is_some() {
            log.0.push(text.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// From here on every line of the log is looked at, down to the libraries' finest.
pub(crate) fn watch_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| Net).init();
        tracing::info!("watching");
    });
}

/// Fails if anything was caught, or if nothing was looked at.
pub(crate) fn nothing_in_the_log() {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(log.1 > 0, "nobody looks at the log");
    assert_eq!(log.0, [""; 0]);
}

#[test]
fn the_net_catches_every_form() {
    for form in [CANARY.to_owned(), STANDARD.encode(CANARY), plain(), xoauth2(), STANDARD.encode(format!("xy{CANARY}z"))] {
        for text in [form.clone(), format!("535 {form}"), format!("{{\"line\":\"{form}\"}}")] {
            assert!(found_in(&text).is_some(), "{text}");
        }
    }
    assert_eq!(found_in("AUTH PLAIN [credentials], 535 5.7.8 [redacted] Y2FuYXJpZXMgYXJlIGJpcmRz"), None);
}
