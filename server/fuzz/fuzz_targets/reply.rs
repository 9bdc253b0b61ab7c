//! A peer's bytes, in whatever pieces they arrive, lead to the same replies, never to a panic, and to no more memory than
//! the caps allow:
//! `cargo +nightly fuzz run -s none reply -- -dict=fuzz/smtp.dict -max_len=4500` (there is no unsafe code for a sanitizer to
//! watch). The modules are the server's own files: they are pure, so nothing else of it need be built.

#![no_main]

#[path = "../../src/mailer/lines.rs"]
#[expect(dead_code, reason = "the session uses more of it")]
mod lines;
#[path = "../../src/mailer/redact.rs"]
#[expect(dead_code, reason = "the session uses more of it")]
mod redact;
#[path = "../../src/mailer/reply.rs"]
#[expect(dead_code, reason = "the session uses more of it")]
mod reply;

use domain::transcript::{Cause, Reply};

/// What the session reads at once.
const READ: usize = 2 << 10;

libfuzzer_sys::fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (sizes, stream) = input;
    let pieces = sizes.iter().map(|&size| usize::from(size) + 1).chain(std::iter::repeat(READ));
    assert_eq!(read(stream, std::iter::repeat(READ)), read(stream, pieces));
});

/// As `Session::reply` and `Connection::line` do it, until something is wrong or the stream ends.
fn read(mut stream: &[u8], mut pieces: impl Iterator<Item = usize>) -> (Vec<Reply>, Option<Cause>, Vec<u8>) {
    let (mut lines, mut replies) = (lines::Lines::default(), Vec::new());
    let redactor = redact::Redactor::default();
    let mut reader = reply::ReplyReader::default();
    let (mut bytes, mut held) = (0, Vec::new());
    let cause = loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) if stream.is_empty() => break None,
            Ok(None) => {
                let piece = stream.split_off(..pieces.next().unwrap_or(READ).min(stream.len())).unwrap_or_default();
                lines.push(piece);
                continue;
            }
            Err(cause) => break Some(cause),
        };
        assert!(line.len() <= lines::MAX_LINE && line.ends_with(b"\n"));
        bytes += line.len();
        held.push(lines::without_end(&line).to_vec());
        match reader.line(lines::without_end(&line)) {
            Ok(reply::Progress::More) => {}
            Ok(reply::Progress::Done(head)) => {
                let said: Vec<&[u8]> = held.iter().map(Vec::as_slice).collect();
                let reply = head.with_text(&redactor.visible_reply(&said, false));
                assert!((200..600).contains(&reply.code));
                assert!(bytes <= reply::MAX_REPLY && reply.text.len() <= 4 * bytes + redact::REDACTED.len());
                assert!(!reply.text.contains(|c: char| c != '\n' && c.is_control()), "{reply:?}");
                if let Some(id) = reply::queue_id(&reply) {
                    assert!(!id.is_empty() && id.len() <= 128);
                }
                replies.push(reply);
                reader = reply::ReplyReader::default();
                (bytes, held) = (0, Vec::new());
            }
            Err(cause) => break Some(cause),
        }
    };
    // Beyond a fault the rest is not read; how much of it came along depends on the pieces.
    let rest = if cause.is_some() { Vec::new() } else { lines.unfinished() };
    assert!(rest.len() <= lines::MAX_LINE);
    (replies, cause, rest)
}
