//! Records a run: hands every event to the sink, removes secrets, makes foreign bytes visible, and stops recording lines
//! at a limit. Nothing that was said to or by a server reaches the sink on another way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use domain::transcript::{Event, Finished, Stage, What};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The most lines a transcript holds.
const MAX_LINES: usize = 2_000;
/// The most bytes of lines it holds.
const MAX_BYTES: usize = 256 << 10;
/// What stands where a secret was.
pub(super) const REDACTED: &str = "[redacted]";
/// Shorter secrets are only removed by phase: by value they would show up everywhere, and so show themselves.
const MIN_BY_VALUE: usize = 4;

/// The record of one run.
pub(super) struct Recorder<'s> {
    sink: &'s mut (dyn FnMut(Event) + Send),
    started: Instant,
    stage: Stage,
    encrypted: bool,
    secrets: Vec<Zeroizing<Vec<u8>>>,
    lines: usize,
    bytes: usize,
    full: bool,
}

impl<'s> Recorder<'s> {
    pub(super) fn new(sink: &'s mut (dyn FnMut(Event) + Send), password: Option<&Secret>, username: Option<&str>) -> Self {
        let secrets = password.map(|password| needles(password.expose(), username.unwrap_or_default())).unwrap_or_default();
        Self { sink, started: Instant::now(), stage: Stage::Resolve, encrypted: false, secrets, lines: 0, bytes: 0, full: false }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Another run on the same connection: its time and its limits begin anew.
    pub(super) fn renew(&mut self) {
        self.started = Instant::now();
        (self.lines, self.bytes, self.full) = (0, 0, false);
    }

    /// From here on lines are encrypted, or no longer.
    pub(super) fn set_encrypted(&mut self, encrypted: bool) {
        self.encrypted = encrypted;
    }

    pub(super) fn begin(&mut self, stage: Stage) {
        self.stage = stage;
        self.emit(What::Begun { stage });
    }

    pub(super) fn pass(&mut self, detail: impl Into<String>) {
        self.emit(What::Passed { stage: self.stage, detail: detail.into() });
    }

    pub(super) fn warn(&mut self, message: impl Into<String>) {
        self.emit(What::Warning { stage: self.stage, message: message.into() });
    }

    pub(super) fn finish(&mut self, finished: Finished) {
        self.emit(What::Finished(finished));
    }

    /// A line we send.
    pub(super) fn sent(&mut self, line: &str) {
        self.sent_in(self.stage, line);
    }

    /// A line we send ahead of its stage.
    pub(super) fn sent_in(&mut self, stage: Stage, line: &str) {
        let line = self.visible(line.as_bytes());
        if self.has_room(line.len()) {
            self.emit(What::Sent { stage, line, encrypted: self.encrypted });
        }
    }

    /// A line the server sent; the text that may be shown.
    pub(super) fn received(&mut self, line: &[u8]) -> String {
        let line = self.visible(line);
        if self.has_room(line.len()) {
            self.emit(What::Received { stage: self.stage, line: line.clone(), encrypted: self.encrypted });
        }
        line
    }

    /// Bytes from outside as text: secrets removed, controls, broken UTF-8 and invisible characters as escapes.
    pub(super) fn visible(&self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let mut plain = 0;
        let mut at = 0;
        while at < bytes.len() {
            match self.secrets.iter().find(|secret| bytes[at..].starts_with(secret)) {
                Some(secret) => {
                    escape(&bytes[plain..at], &mut out);
                    out.push_str(REDACTED);
                    at += secret.len();
                    plain = at;
                }
                None => at += 1,
            }
        }
        escape(&bytes[plain..], &mut out);
        out
    }

    /// Nothing more fits once a line did not.
    fn has_room(&mut self, bytes: usize) -> bool {
        if self.full {
            return false;
        }
        self.lines += 1;
        self.bytes += bytes;
        self.full = self.lines > MAX_LINES || self.bytes > MAX_BYTES;
        if self.full {
            self.warn("The transcript is full; further lines aren't recorded.");
        }
        !self.full
    }

    fn emit(&mut self, what: What) {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.sink)(Event { what, elapsed_ms });
    }
}

/// The forms in which the password may be seen: plain, in base64 on its own, inside PLAIN's message, and inside any
/// other base64 text (there are three ways it can lie across the groups of three bytes). Long ones first.
fn needles(password: &str, username: &str) -> Vec<Zeroizing<Vec<u8>>> {
    if password.len() < MIN_BY_VALUE {
        return Vec::new();
    }
    let encode = |bytes: &[u8]| Zeroizing::new(STANDARD.encode(bytes).into_bytes());
    let mut all = vec![
        Zeroizing::new(password.as_bytes().to_vec()),
        encode(password.as_bytes()),
        encode(&Zeroizing::new([b"\0", username.as_bytes(), b"\0", password.as_bytes()].concat())),
    ];
    for before in 0..3_usize {
        let shifted = Zeroizing::new([&[0; 2][..before], password.as_bytes()].concat());
        let whole = encode(&shifted);
        // Only the characters that depend on nothing but the password.
        let from = (before * 8).div_ceil(6);
        let to = shifted.len() * 8 / 6;
        if to.saturating_sub(from) >= MIN_BY_VALUE {
            all.push(Zeroizing::new(whole[from..to].to_vec()));
        }
    }
    all.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    all
}

fn escape(bytes: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let written = match c {
                c if c.is_ascii_control() => write!(out, "\\x{:02X}", u32::from(c)),
                c if c.is_control() || is_invisible(c) => write!(out, "{}", c.escape_unicode()),
                c => out.write_char(c),
            };
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        for byte in chunk.invalid() {
            let written = write!(out, "\\x{byte:02X}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
    }
}

/// Zero-width and direction-changing characters: they would make a line look like another.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(password: &str, act: impl FnOnce(&mut Recorder<'_>)) -> Vec<Event> {
        let mut events = Vec::new();
        let mut sink = |event| events.push(event);
        let secret = Secret::new(password.into());
        act(&mut Recorder::new(&mut sink, Some(&secret), Some("anna@example.com")));
        events
    }

    #[test]
    fn the_password_is_removed_in_every_form() {
        let password = "canary-7f3a-not-real";
        for prefix in ["", "x", "xy", "xyz", "user=anna\u{1}pass="] {
            for suffix in ["", "1", "22", "\u{1}\u{1}"] {
                let echoed = STANDARD.encode(format!("{prefix}{password}{suffix}"));
                let events = record(password, |r| {
                    r.received(format!("535 {password} or {echoed}").as_bytes());
                });
                let shown = serde_json::to_string(&events).unwrap();
                assert!(!shown.contains(password), "{shown}");
                // What is left decodes to nothing of the middle of it.
                let core = &echoed[(prefix.len() * 8).div_ceil(6)..(prefix.len() + password.len()) * 8 / 6];
                assert!(!shown.contains(&core[..8]), "{prefix:?} {suffix:?}: {shown}");
            }
        }
    }

    #[test]
    fn what_is_shown_never_holds_a_control_or_the_secret_whatever_stands_around_it() {
        let password = "canary-7f3a-not-real";
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for n in 0..1_500 {
            let mut line: Vec<u8> = (0..3).flat_map(|_| random()).collect();
            if n % 2 == 0 {
                let at = usize::from(random()[0]) % line.len();
                line.splice(at..at, password.bytes());
            }
            lines.push(line);
        }
        let events = record(password, |r| lines.iter().for_each(|line| drop(r.received(line))));
        for event in events {
            let What::Received { line, .. } = event.what else { panic!("{event:?}") };
            assert!(!line.contains(password) && !line.contains(char::is_control) && !line.contains(is_invisible), "{line:?}");
        }
    }

    #[test]
    fn foreign_bytes_are_made_visible() {
        let events = record("-", |r| {
            r.received(b"250 gr\xfc\xdfe \0 \x1b[31m \xc3\xbc \xe2\x80\xae");
        });
        let What::Received { line, .. } = &events[0].what else { panic!("{events:?}") };
        assert_eq!(line, "250 gr\\xFC\\xDFe \\x00 \\x1B[31m ü \\u{202e}");
    }

    #[test]
    fn a_transcript_stops_at_its_limits() {
        let many = record("-", |r| (0..5_000).for_each(|_| drop(r.received(b"250-x"))));
        assert_eq!(many.len(), MAX_LINES + 1);
        assert!(matches!(many[MAX_LINES].what, What::Warning { .. }));
        let big = record("-", |r| (0..500).for_each(|_| drop(r.received(&[b'x'; 4_000]))));
        assert!(big.len() < 80 && matches!(big[big.len() - 1].what, What::Warning { .. }), "{}", big.len());
    }
}
