//! Whatever a peer says: no secret comes through, plain or in base64 with anything around it, whole, in parts, cut off or
//! spread over the lines of a reply; nothing invisible comes through; and what is shown is not much longer than what was said:
//! `cargo +nightly fuzz run -s none redact -- -dict=fuzz/smtp.dict -max_len=600`

#![no_main]

#[path = "../../src/mailer/redact.rs"]
mod redact;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

libfuzzer_sys::fuzz_target!(|input: (&str, &str, u8, Vec<&[u8]>)| {
    let (password, username, cut, pieces) = input;
    if password.len() < redact::MIN_BY_VALUE || password.len() > 64 || username.len() > 32 || pieces.len() > 6 {
        return;
    }
    let mut redactor = redact::Redactor::default();
    let plain = format!("\0{username}\0{password}");
    let bearer = format!("user={username}\u{1}auth=Bearer {password}\u{1}\u{1}");
    redactor.hide(password.as_bytes());
    for text in [&plain, &bearer] {
        redactor.hide_around(text.as_bytes());
    }
    // What the peer says is made of these and of anything else.
    let mut said = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        said.extend_from_slice(piece);
        match at % 5 {
            0 => said.extend_from_slice(password.as_bytes()),
            1 => said.extend_from_slice(STANDARD_NO_PAD.encode(&plain).as_bytes()),
            2 => said.extend_from_slice(STANDARD_NO_PAD.encode(&bearer).as_bytes()),
            3 => said.extend_from_slice(STANDARD_NO_PAD.encode([piece, password.as_bytes(), piece].concat()).as_bytes()),
            _ => {}
        }
    }
    let reply = |lines: &[&[u8]], cut| redactor.visible_reply(lines, cut);
    for shown in [redactor.visible(&said), reply(&[&said], false).remove(0), reply(&[&said], true).remove(0)] {
        holds(&shown, password, said.len());
    }
    // No part of the password that is long enough stands anywhere, unless the mark or the line of ours looks like it.
    let shown = reply(&[&said], false).remove(0);
    for part in password.as_bytes().windows(redact::part_of(password.len())) {
        assert!(!shown.as_bytes().windows(part.len()).any(|shown| shown == part), "{shown:?}");
    }
    // Spread over the lines of a reply: what is left of it, put together, holds no part of it either.
    let size = usize::from(cut) % password.len() + 1;
    let lines: Vec<Vec<u8>> = password.as_bytes().chunks(size).map(|part| [b"535-", part].concat()).collect();
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let shown = reply(&lines, false);
    // What stands at the edges of the pieces is taken for spaces around a text, so only passwords without are looked at.
    let plain_text = password.bytes().all(|byte| byte.is_ascii_graphic());
    let digits = password.bytes().any(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if plain_text && !digits && !redact::REDACTED.bytes().any(|byte| password.as_bytes().contains(&byte)) {
        assert!(shown.iter().all(|line| line == "535-[redacted]"), "{shown:?}");
    }
    // Cut off in the middle of the password or of its base64: less than what goes unnoticed anyway is left of it.
    for whole in [password.to_owned(), STANDARD_NO_PAD.encode(password)] {
        let length = usize::from(cut) % (whole.len() + 1);
        if length >= redact::MIN_BY_VALUE {
            let part = &whole.as_bytes()[..length];
            let shown = reply(&[&[b"535 you said: ", part].concat()], true).remove(0);
            // A secret may look like the end of the mark.
            assert!(redact::REDACTED.as_bytes().ends_with(part) || !shown.as_bytes().ends_with(part), "{shown:?}");
        }
    }
});

fn holds(shown: &str, password: &str, said: usize) {
    assert!(!shown.contains(password), "{shown:?}");
    assert!(!shown.contains(|c: char| c.is_control() || domain::words::is_invisible(c)), "{shown:?}");
    assert!(shown.len() <= 4 * said + redact::REDACTED.len(), "{} bytes of {said}", shown.len());
    // Found independently of how the redactor looks for it: by decoding whatever could be base64, from each place where a
    // group of four may begin.
    let runs = shown.as_bytes().split(|&byte| !byte.is_ascii_alphanumeric() && byte != b'+' && byte != b'/');
    for run in runs.filter(|run| run.len() > password.len()) {
        for from in 0..run.len().min(4) {
            // A single character beyond the groups holds no byte.
            let length = (run.len() - from) / 4 * 4 + [0, 0, 2, 3][(run.len() - from) % 4];
            let decoded = base64::engine::GeneralPurpose::new(
                &base64::alphabet::STANDARD,
                base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
            )
            .decode(&run[from..from + length])
            .unwrap_or_default();
            let leaked = decoded.windows(password.len()).any(|part| part == password.as_bytes());
            assert!(!leaked, "{shown:?}");
        }
    }
}
