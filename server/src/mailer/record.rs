//! Records a run: hands every event to the sink, secrets removed and foreign bytes made visible by [`super::redact`], and
//! stops recording lines at a limit. Nothing that was said to or by a server reaches the sink on another way.

use domain::transcript::{Event, Finished, Stage, What};
use tokio::time::Instant;

use super::redact::Redactor;

/// The most lines a transcript holds.
const MAX_LINES: usize = 2_000;
/// The most bytes of lines it holds.
const MAX_BYTES: usize = 256 << 10;

/// The record of one run.
pub(super) struct Recorder<'s> {
    sink: &'s mut (dyn FnMut(Event) + Send),
    started: Instant,
    stage: Stage,
    encrypted: bool,
    redactor: Redactor,
    lines: usize,
    bytes: usize,
    full: bool,
}

impl<'s> Recorder<'s> {
    pub(super) fn new(sink: &'s mut (dyn FnMut(Event) + Send)) -> Self {
        let redactor = Redactor::default();
        Self { sink, started: Instant::now(), stage: Stage::Resolve, encrypted: false, redactor, lines: 0, bytes: 0, full: false }
    }

    /// From here on `secret` is shown in no form.
    pub(super) fn hide(&mut self, secret: &[u8]) {
        self.redactor.hide(secret);
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
        self.show_received(&line);
        line
    }

    /// What the server sent of a line that never ended.
    pub(super) fn received_part(&mut self, line: &[u8]) {
        let line = self.redactor.visible_cut(line);
        self.show_received(&line);
    }

    fn show_received(&mut self, line: &str) {
        if self.has_room(line.len()) {
            self.emit(What::Received { stage: self.stage, line: line.to_owned(), encrypted: self.encrypted });
        }
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
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.sink)(Event { what, elapsed_ms });
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
            r.received_part(b"250 canary-7f3a-n");
        });
        let shown = serde_json::to_string(&events).unwrap();
        assert_eq!(shown.matches("[redacted]").count(), 3, "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_transcript_stops_at_its_limits() {
        let many = record(|r| (0..5_000).for_each(|_| drop(r.received(b"250-x"))));
        assert_eq!(many.len(), MAX_LINES + 1);
        assert!(matches!(many[MAX_LINES].what, What::Warning { .. }));
        let big = record(|r| (0..500).for_each(|_| drop(r.received(&[b'x'; 4_000]))));
        assert!(big.len() < 80 && matches!(big[big.len() - 1].what, What::Warning { .. }), "{}", big.len());
    }
}
