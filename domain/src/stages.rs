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
    let mut begun = 0;
    for event in events {
        match &event.what {
            What::Begun { stage } => {
                begun = event.elapsed_ms;
                rows.push(Row {
                    stage: *stage,
                    label: label(*stage),
                    failed: false,
                    took_ms: 0,
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
            What::Passed { detail, .. } => {
                if let Some(row) = rows.last_mut() {
                    row.detail.clone_from(detail);
                    row.took_ms = event.elapsed_ms.saturating_sub(begun);
                }
            }
            What::Warning { message, .. } => {
                if let Some(row) = rows.last_mut() {
                    row.detail.clone_from(message);
                }
            }
            What::Finished(finished) => {
                if let Some(row) = rows.last_mut() {
                    row.failed = !matches!(finished.outcome, Outcome::Sent | Outcome::Checked);
                    if row.failed {
                        row.took_ms = event.elapsed_ms.saturating_sub(begun);
                    }
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
