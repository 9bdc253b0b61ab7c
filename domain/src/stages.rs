//! A transcript as the page shows it: a row a stage, with its time, its detail and its raw lines.

use crate::transcript::{Event, Outcome, Stage, What};

/// One stage of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The stage.
    pub stage: Stage,
    /// It in words.
    pub label: &'static str,
    /// Whether the run failed here.
    pub failed: bool,
    /// How long it took: milliseconds.
    pub took_ms: u64,
    began: u64,
    /// When the next stage began, for one that did not end well itself.
    ended: Option<u64>,
    /// What to know of it.
    pub detail: String,
    /// What was said.
    pub lines: Vec<Line>,
}

/// A line of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub text: String,
    /// Whether we sent it.
    pub sent: bool,
    /// Whether it was encrypted on the way.
    pub encrypted: bool,
}

/// The rows of a transcript.
pub fn rows(events: &[Event]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for event in events {
        match &event.what {
            What::Begun { stage } => {
                let began = event.elapsed_ms;
                if let Some(row) = rows.last_mut() {
                    row.ended = Some(began);
                }
                rows.push(Row {
                    stage: *stage,
                    label: label(*stage),
                    failed: false,
                    took_ms: 0,
                    began,
                    ended: None,
                    detail: String::new(),
                    lines: Vec::new(),
                });
            }
            What::Sent { stage, line, encrypted } | What::Received { stage, line, encrypted } => {
                let sent = matches!(event.what, What::Sent { .. });
                // A pipelined command is sent before its stage begins: it waits for its row with the row before.
                let at = rows.iter().rposition(|row| row.stage == *stage).unwrap_or(rows.len().saturating_sub(1));
                if let Some(row) = rows.get_mut(at) {
                    row.lines.push(Line { text: line.clone(), sent, encrypted: *encrypted });
                }
            }
            What::Passed { stage, detail } => {
                if let Some(row) = rows.iter_mut().rfind(|row| row.stage == *stage) {
                    row.detail.clone_from(detail);
                    row.took_ms = event.elapsed_ms.saturating_sub(row.began);
                }
            }
            What::Warning { message, .. } => {
                if let Some(row) = rows.last_mut() {
                    row.detail.clone_from(message);
                }
            }
            What::Finished(finished) => {
                let failed = !matches!(finished.outcome, Outcome::Sent | Outcome::Checked);
                if let Some(row) = rows.iter_mut().rfind(|row| failed && row.stage == finished.stage) {
                    row.failed = true;
                    row.took_ms = row.ended.unwrap_or(event.elapsed_ms).saturating_sub(row.began);
                }
            }
        }
    }
    rows
}

/// A stage in words, once it is over.
pub const fn label(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "Name resolved",
        Stage::Connect => "Connected",
        Stage::Greeting => "Greeting",
        Stage::Ehlo => "Capabilities",
        Stage::Starttls => "StartTLS",
        Stage::Tls => "Encrypted",
        Stage::Auth => "Sign-in",
        Stage::MailFrom => "Sender",
        Stage::RcptTo => "Recipients",
        Stage::Data => "Message",
        Stage::Accepted => "Accepted",
        Stage::Quit => "Goodbye",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Finished;

    fn event(elapsed_ms: u64, what: What) -> Event {
        Event { what, elapsed_ms }
    }

    #[test]
    fn the_stage_that_failed_is_marked_and_not_the_farewell_after_it() {
        let line = |stage, line: &str| What::Received { stage, line: line.into(), encrypted: false };
        let rows = rows(&[
            event(0, What::Begun { stage: Stage::Greeting }),
            event(4, line(Stage::Greeting, "220 x")),
            event(4, What::Passed { stage: Stage::Greeting, detail: "x".into() }),
            event(4, What::Begun { stage: Stage::Auth }),
            event(9, line(Stage::Auth, "535 5.7.8 no")),
            event(9, What::Begun { stage: Stage::Quit }),
            event(12, line(Stage::Quit, "221 bye")),
            event(12, What::Passed { stage: Stage::Quit, detail: String::new() }),
            event(12, What::Finished(Finished::new(Outcome::Failed, Stage::Auth))),
        ]);
        let shown: Vec<_> = rows.iter().map(|r| (r.stage, r.failed, r.took_ms, r.lines.len())).collect();
        assert_eq!(shown, [(Stage::Greeting, false, 4, 1), (Stage::Auth, true, 5, 1), (Stage::Quit, false, 3, 1)]);
    }
}
