//! Records a run: hands every event to the sink, secrets removed and foreign bytes made visible by [`super::redact`], and
//! stops recording lines at a limit. Nothing that was said to or by a server reaches the sink on another way.

use domain::transcript::{Event, Finished, Stage, What};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::redact::Redactor;

/// The most lines a transcript holds.
const MAX_LINES: usize = 2_000;
/// The most bytes of lines it holds.
const MAX_BYTES: usize = 256 << 10;

/// The record of one run.
pub(crate) struct Recorder<'s> {
    sink: &'s mut (dyn FnMut(Event) + Send),
    started: Instant,
    stage: Stage,
    encrypted: bool,
    redactor: Redactor,
    /// Lines of a reply that is not over: when they came, and what they are.
    held: Vec<(u64, Zeroizing<Vec<u8>>)>,
    lines: usize,
    bytes: usize,
    full: bool,
}

impl<'s> Recorder<'s> {
    pub(super) fn new(sink: &'s mut (dyn FnMut(Event) + Send)) -> Self {
        Self {
            sink,
            started: Instant::now(),
            stage: Stage::Resolve,
            encrypted: false,
            redactor: Redactor::default(),
            held: Vec::new(),
            lines: 0,
            bytes: 0,
            full: false,
        }
    }

    /// From here on `secret` is shown in no form.
    pub(super) fn hide(&mut self, secret: &[u8]) {
        self.redactor.hide(secret);
    }

    /// The same for a text around a secret that is hidden by itself.
    pub(super) fn hide_around(&mut self, text: &[u8]) {
        self.redactor.hide_around(text);
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Another run on the same connection: its time and its limits begin anew.
    pub(super) fn renew(&mut self) {
        self.end_of_reply();
        self.started = Instant::now();
        (self.lines, self.bytes, self.full) = (0, 0, false);
    }

    /// From here on lines are encrypted, or no longer.
    pub(super) fn set_encrypted(&mut self, encrypted: bool) {
        self.end_of_reply();
        self.encrypted = encrypted;
    }

    pub(super) fn begin(&mut self, stage: Stage) {
        self.end_of_reply();
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
        self.end_of_reply();
        let line = self.visible(line.as_bytes());
        if self.has_room(line.len()) {
            self.emit(What::Sent { stage, line, encrypted: self.encrypted });
        }
    }

    /// A line the server sent. It is held until [`Self::end_of_reply`] or until anything else happens: a secret may be spread
    /// over the lines of a reply.
    pub(super) fn received(&mut self, line: &[u8]) {
        self.held.push((self.elapsed_ms(), Zeroizing::new(line.to_vec())));
    }

    /// The lines of the reply, as they may be shown.
    pub(super) fn end_of_reply(&mut self) -> Vec<String> {
        self.show_held(false)
    }

    /// What the server sent of a line that never ended: the reply ends with it.
    pub(super) fn received_part(&mut self, line: &[u8]) {
        self.received(line);
        self.show_held(true);
    }

    fn show_held(&mut self, cut: bool) -> Vec<String> {
        let held = std::mem::take(&mut self.held);
        let lines: Vec<&[u8]> = held.iter().map(|(_, line)| line.as_slice()).collect();
        let shown = self.redactor.visible_reply(&lines, cut);
        for ((elapsed_ms, _), line) in held.iter().zip(&shown) {
            if self.has_room(line.len()) {
                let what = What::Received { stage: self.stage, line: line.clone(), encrypted: self.encrypted };
                (self.sink)(Event { what, elapsed_ms: *elapsed_ms });
            }
        }
        shown
    }

    /// Bytes from outside as text that may be shown.
    pub(super) fn visible(&self, bytes: &[u8]) -> String {
        self.redactor.visible(bytes)
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
        self.end_of_reply();
        let elapsed_ms = self.elapsed_ms();
        (self.sink)(Event { what, elapsed_ms });
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(act: impl FnOnce(&mut Recorder<'_>)) -> Vec<Event> {
        let mut events = Vec::new();
        let mut sink = |event| events.push(event);
        act(&mut Recorder::new(&mut sink));
        events
    }

    #[test]
    fn what_is_hidden_is_hidden_in_every_line_from_then_on() {
        let events = record(|r| {
            r.hide(b"canary-7f3a-not-real");
            r.sent("EHLO canary-7f3a-not-real");
            r.received(b"250 canary-7f3a-not-real");
            r.end_of_reply();
            r.received_part(b"250 canary-7f3a-n");
        });
        let shown = serde_json::to_string(&events).unwrap();
        assert_eq!(shown.matches("[redacted]").count(), 3, "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_reply_is_shown_whole_before_anything_else_is() {
        let events = record(|r| {
            r.hide(b"canary-7f3a-not-real");
            r.received(b"535-canar");
            r.received(b"535 y-7f3");
            r.begin(Stage::Quit);
            r.received(b"221-by");
            r.sent("e");
            r.received(b"221 e");
        });
        let shown = |event: &Event| match &event.what {
            What::Received { stage, line, .. } => format!("{stage:?} < {line}"),
            What::Sent { line, .. } => format!("> {line}"),
            what => format!("{what:?}"),
        };
        let shown: Vec<String> = events.iter().map(shown).collect();
        let expected = ["Resolve < 535-[redacted]", "Resolve < 535 [redacted]", "Begun { stage: Quit }", "Quit < 221-by", "> e"];
        assert_eq!(shown, expected, "what is held at the end is shown by the end that every run has");
    }

    #[test]
    fn a_transcript_stops_at_its_limits() {
        let said = |r: &mut Recorder<'_>, line: &[u8]| {
            r.received(line);
            r.end_of_reply();
        };
        let many = record(|r| (0..5_000).for_each(|_| said(r, b"250-x")));
        assert_eq!(many.len(), MAX_LINES + 1);
        assert!(matches!(many[MAX_LINES].what, What::Warning { .. }));
        let big = record(|r| (0..500).for_each(|_| said(r, &[b'x'; 4_000])));
        assert!(big.len() < 80 && matches!(big[big.len() - 1].what, What::Warning { .. }), "{}", big.len());
    }
}
