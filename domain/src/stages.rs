//! A transcript as the page shows it, while it grows and afterwards: a row a stage, with its time, its detail and its raw
//! lines; and as text, for a support ticket.

use std::fmt::Write as _;

use crate::transcript::{Event, Outcome, Stage, What};

/// One stage of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The stage.
    pub stage: Stage,
    /// It in words, as it stands.
    pub label: &'static str,
    /// How it stands.
    pub mark: Mark,
    /// How long it took, so far: milliseconds.
    pub took_ms: u64,
    /// When it began, from the start of the run: milliseconds.
    pub began_ms: u64,
    /// When the next stage began, for one that did not end well itself.
    ended: Option<u64>,
    /// What to know of it.
    pub detail: String,
    /// What was said.
    pub lines: Vec<Line>,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It goes on.
    Running,
    /// It ended well.
    Passed,
    /// It did not, and the run went on.
    Warned,
    /// The run failed in it, or nobody knows.
    Failed,
    /// The run was cancelled in it.
    Cancelled,
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

impl Row {
    const fn begun(stage: Stage, now: u64) -> Self {
        let (took_ms, began_ms, ended) = (0, now, None);
        Self { stage, label: "", mark: Mark::Running, took_ms, began_ms, ended, detail: String::new(), lines: Vec::new() }
    }
}

/// The rows of a transcript, finished or not.
pub fn rows(events: &[Event]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // Commands that were sent ahead of their stage (RFC 2920).
    let mut ahead: Vec<(Stage, Line)> = Vec::new();
    for event in events {
        let now = event.elapsed_ms;
        match &event.what {
            What::Begun { stage } => {
                if let Some(row) = rows.last_mut().filter(|row| row.ended.is_none()) {
                    row.ended = Some(now);
                }
                let lines = ahead.extract_if(.., |(of, _)| of == stage).map(|(_, line)| line).collect();
                rows.push(Row { lines, ..Row::begun(*stage, now) });
            }
            What::Sent { stage, line, encrypted } | What::Received { stage, line, encrypted } => {
                let sent = matches!(event.what, What::Sent { .. });
                let line = Line { text: line.clone(), sent, encrypted: *encrypted };
                match rows.iter_mut().rfind(|row| row.stage == *stage) {
                    Some(row) => row.lines.push(line),
                    None => ahead.push((*stage, line)),
                }
            }
            What::Passed { stage, detail } => {
                let Some(row) = rows.iter_mut().rfind(|row| row.stage == *stage) else {
                    // It was over before, as connecting is where a connection was kept.
                    rows.push(Row { mark: Mark::Passed, ended: Some(now), detail: detail.clone(), ..Row::begun(*stage, now) });
                    continue;
                };
                row.ended = Some(now);
                // A warning stays one.
                if row.mark == Mark::Running {
                    row.mark = Mark::Passed;
                    row.detail.clone_from(detail);
                }
            }
            What::Warning { message, .. } => {
                if let Some(row) = rows.last_mut() {
                    row.detail.clone_from(message);
                    row.mark = Mark::Warned;
                }
            }
            What::Finished(finished) => {
                let mark = match finished.outcome {
                    Outcome::Sent | Outcome::Checked => None,
                    Outcome::Failed | Outcome::Unknown => Some(Mark::Failed),
                    Outcome::Cancelled => Some(Mark::Cancelled),
                };
                if let Some(row) = rows.iter_mut().rfind(|row| finished.partial && row.stage == Stage::RcptTo) {
                    row.mark = Mark::Warned;
                }
                if let (Some(mark), Some(row)) = (mark, rows.iter_mut().rfind(|row| row.stage == finished.stage)) {
                    row.mark = mark;
                }
                for row in rows.iter_mut().filter(|row| row.mark == Mark::Running) {
                    row.mark = Mark::Passed;
                }
            }
        }
    }
    // What never got a stage of its own stands where it was sent.
    if let Some(row) = rows.last_mut() {
        row.lines.extend(ahead.into_iter().map(|(_, line)| line));
    }
    let now = events.last().map_or(0, |event| event.elapsed_ms);
    for row in &mut rows {
        row.label = if row.mark == Mark::Passed { done(row.stage) } else { label(row.stage) };
        row.took_ms = row.ended.unwrap_or(now).saturating_sub(row.began_ms);
    }
    rows
}

/// A transcript as text: `title`, then each stage with its time and its raw lines, each marked as encrypted or in clear.
pub fn text(title: &str, events: &[Event]) -> String {
    let mut out = String::new();
    let written = write_text(&mut out, title, events);
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    out
}

fn write_text(out: &mut String, title: &str, events: &[Event]) -> std::fmt::Result {
    writeln!(out, "{title}")?;
    for Row { label, mark, took_ms, detail, lines, .. } in rows(events) {
        let how = match mark {
            Mark::Running | Mark::Passed => "",
            Mark::Warned => " (with a warning)",
            Mark::Failed => " FAILED",
            Mark::Cancelled => " CANCELLED",
        };
        write!(out, "\n{label}{how}, {took_ms} ms")?;
        writeln!(out, "{}{detail}", if detail.is_empty() { "" } else { ": " })?;
        for Line { text, sent, encrypted } in lines {
            let (who, way) = (if sent { "C" } else { "S" }, if encrypted { "TLS" } else { "clear" });
            writeln!(out, "  [{way}] {who}: {text}")?;
        }
    }
    let finished = events.iter().rev().find_map(|event| match &event.what {
        What::Finished(finished) => Some(finished),
        _ => None,
    });
    let Some(finished) = finished else { return Ok(()) };
    if let Some(reply) = &finished.reply {
        writeln!(out, "\nThe server's last answer: {reply}")?;
    }
    for recipient in &finished.recipients {
        let how = if recipient.accepted { "accepted" } else { "refused" };
        let reply = recipient.reply.as_ref().map(|reply| format!(": {reply}")).unwrap_or_default();
        writeln!(out, "Recipient {} {how}{reply}", recipient.address)?;
    }
    if let Some(diagnosis) = &finished.diagnosis {
        writeln!(out, "\n{}", diagnosis.title)?;
        for (number, step) in diagnosis.steps.iter().enumerate() {
            writeln!(out, "{}. {step}", number + 1)?;
        }
    }
    Ok(())
}

/// A stage in words.
pub const fn label(stage: Stage) -> &'static str {
    match stage {
        Stage::Token => "Access token",
        Stage::Resolve => "Name look-up",
        Stage::Connect => "Connection",
        Stage::Greeting => "Greeting",
        Stage::Ehlo => "Capabilities",
        Stage::Starttls => "StartTLS",
        Stage::Tls => "Encryption",
        Stage::Auth => "Sign-in",
        Stage::MailFrom => "Sender",
        Stage::RcptTo => "Recipients",
        Stage::Data => "Message",
        Stage::Accepted => "Acceptance",
        Stage::Quit => "Goodbye",
    }
}

/// A stage in words, once it ended well.
pub const fn done(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "Name resolved",
        Stage::Connect => "Connected",
        Stage::Tls => "Encrypted",
        Stage::Accepted => "Accepted",
        _ => label(stage),
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
        let shown: Vec<_> = rows.iter().map(|r| (r.stage, r.mark, r.took_ms, r.lines.len())).collect();
        assert_eq!(
            shown,
            [(Stage::Greeting, Mark::Passed, 4, 1), (Stage::Auth, Mark::Failed, 5, 1), (Stage::Quit, Mark::Passed, 3, 1)]
        );
    }

    #[test]
    fn a_run_that_goes_on_shows_what_it_is_doing_and_for_how_long() {
        let sent = What::Sent { stage: Stage::Ehlo, line: "EHLO me".into(), encrypted: false };
        let mut events = vec![
            event(0, What::Begun { stage: Stage::Greeting }),
            event(3, What::Passed { stage: Stage::Greeting, detail: "x".into() }),
            event(5, What::Begun { stage: Stage::Ehlo }),
            event(9, sent),
        ];
        let marks = |events: &[Event]| rows(events).iter().map(|r| (r.mark, r.began_ms, r.took_ms)).collect::<Vec<_>>();
        assert_eq!(marks(&events), [(Mark::Passed, 0, 3), (Mark::Running, 5, 4)]);
        events.push(event(11, What::Finished(Finished::new(Outcome::Cancelled, Stage::Ehlo))));
        assert_eq!(marks(&events), [(Mark::Passed, 0, 3), (Mark::Cancelled, 5, 6)]);
    }

    #[test]
    fn a_connection_that_was_there_before_is_a_row_of_its_own() {
        let rows = rows(&[
            event(7, What::Passed { stage: Stage::Connect, detail: "kept".into() }),
            event(7, What::Begun { stage: Stage::MailFrom }),
            event(9, What::Finished(Finished::new(Outcome::Sent, Stage::Accepted))),
        ]);
        let shown: Vec<_> = rows.iter().map(|r| (r.stage, r.mark, r.began_ms, r.took_ms, r.detail.as_str())).collect();
        assert_eq!(shown, [(Stage::Connect, Mark::Passed, 7, 0, "kept"), (Stage::MailFrom, Mark::Passed, 7, 2, "")]);
    }

    #[test]
    fn a_command_that_was_sent_ahead_stands_in_its_own_stage() {
        let sent = |stage, line: &str| What::Sent { stage, line: line.into(), encrypted: false };
        let events = [
            event(0, What::Begun { stage: Stage::MailFrom }),
            event(0, sent(Stage::MailFrom, "MAIL")),
            event(0, sent(Stage::RcptTo, "RCPT 1")),
            event(0, sent(Stage::Data, "DATA")),
            event(1, What::Passed { stage: Stage::MailFrom, detail: String::new() }),
            event(1, What::Begun { stage: Stage::RcptTo }),
            event(1, What::Received { stage: Stage::RcptTo, line: "250 ok".into(), encrypted: false }),
        ];
        let shown = |events: &[Event]| {
            let text = |row: &Row| row.lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>().join(" ");
            rows(events).iter().map(|row| (row.label, text(row))).collect::<Vec<_>>()
        };
        let expected = [("Sender", "MAIL".to_owned()), ("Recipients", "RCPT 1 250 ok DATA".to_owned())];
        assert_eq!(shown(&events), expected, "DATA has no row yet");
    }

    #[test]
    fn what_the_run_survived_is_a_warning() {
        let rows = rows(&[
            event(0, What::Begun { stage: Stage::Starttls }),
            event(2, What::Warning { stage: Stage::Starttls, message: "refused".into() }),
            event(2, What::Begun { stage: Stage::Connect }),
            event(4, What::Passed { stage: Stage::Connect, detail: String::new() }),
            event(4, What::Finished(Finished::new(Outcome::Checked, Stage::Connect))),
        ]);
        let shown: Vec<_> = rows.iter().map(|r| (r.mark, r.detail.as_str())).collect();
        assert_eq!(shown, [(Mark::Warned, "refused"), (Mark::Passed, "")]);
    }

    #[test]
    fn the_text_has_every_line_and_says_which_were_encrypted() {
        let events = [
            event(0, What::Begun { stage: Stage::Ehlo }),
            event(1, What::Sent { stage: Stage::Ehlo, line: "EHLO me".into(), encrypted: true }),
            event(2, What::Received { stage: Stage::Ehlo, line: "550 no".into(), encrypted: false }),
            event(2, What::Finished(Finished::new(Outcome::Failed, Stage::Ehlo))),
        ];
        assert_eq!(text("Not sent.", &events), "Not sent.\n\nCapabilities FAILED, 2 ms\n  [TLS] C: EHLO me\n  [clear] S: 550 no\n");
    }
}
