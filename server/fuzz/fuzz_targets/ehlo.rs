//! What is read of an answer to EHLO does not depend on upper and lower case (RFC 5321 section 2.4), is bounded, and never
//! panics: `cargo +nightly fuzz run -s none ehlo -- -dict=fuzz/smtp.dict -max_len=2000`

#![no_main]

#[path = "../../src/mailer/reply.rs"]
#[expect(dead_code, reason = "the session uses more of it")]
mod reply;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let read = |text: &str| reply::Capabilities::of(text.as_bytes());
    let found = read(text);
    assert_eq!(found, read(&text.to_ascii_lowercase()));
    assert_eq!(found, read(&text.to_ascii_uppercase()));
    // Only what stands there, and not in the greeting.
    let upper = text.to_ascii_uppercase();
    let said = upper.split_once('\n').map_or("", |(_, rest)| rest);
    for (offered, keyword) in [
        (found.starttls, "STARTTLS"),
        (found.pipelining, "PIPELINING"),
        (found.eight_bit_mime, "8BITMIME"),
        (found.smtputf8, "SMTPUTF8"),
        (found.size, "SIZE"),
        (!found.auth.is_empty(), "AUTH"),
    ] {
        assert!(!offered || said.contains(keyword), "{keyword} in {text:?}");
    }
    assert!(found.auth.len() <= reply::MAX_MECHANISMS);
    for (at, mechanism) in found.auth.iter().enumerate() {
        assert!(said.contains(mechanism.as_str()) && !found.auth[..at].contains(mechanism));
    }
    assert!(found.size_limit.is_none_or(|limit| limit > 0 && found.size && said.contains(&limit.to_string())));
    assert!(found.words(text).len() <= text.len() + 64);
    // A mechanism that may not be shown is not told.
    assert!(!found.words("").contains("AUTH"));
});
