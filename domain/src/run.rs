//! Runs: the tests of entries as they are kept, and what they say of an entry together ([`Standing`]). What happens in one
//! run is [`crate::transcript`]'s affair.

use serde::{Deserialize, Serialize};

use crate::entry::EntryId;
use crate::transcript::{Cause, Event, Finished, Outcome, Security, Stage, headline};

/// Identifies a run for ever. Later runs have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The most runs that are kept of an entry.
pub const MAX_RUNS: usize = 50;

/// How far a run was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// "Check connection": nothing is sent.
    Check,
    /// "Send test email".
    Send,
}

/// A run in a line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// When it began: milliseconds since 1970.
    pub at_ms: u64,
    /// The IP address that asked for it; empty where nobody knows.
    pub by: String,
    /// How far it was to go.
    pub mode: RunMode,
    /// How it ended.
    pub outcome: Outcome,
    /// The stage it ended in.
    pub stage: Stage,
    /// What protected the connection at the end.
    pub security: Security,
    /// Whether it went on unencrypted although the entry would have liked it to be encrypted.
    pub downgraded: bool,
    /// Whether some recipients were refused although others were accepted.
    #[serde(default)]
    pub partial: bool,
    /// The title of its diagnosis.
    pub title: Option<String>,
    /// How long it took: milliseconds.
    pub took_ms: u64,
    /// The result in one or two sentences.
    pub headline: String,
}

/// A run that is over, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What the history shows.
    pub summary: RunSummary,
    /// Everything that happened; the last event is `finished`.
    pub events: Vec<Event>,
}

impl RunSummary {
    /// The line of a run that `finished` after `took_ms`. `host` is the entry's.
    pub fn of(id: RunId, at_ms: u64, by: String, mode: RunMode, host: &str, finished: &Finished, took_ms: u64) -> Self {
        Self {
            id,
            at_ms,
            by,
            mode,
            outcome: finished.outcome,
            stage: finished.stage,
            security: finished.security,
            downgraded: finished.downgrade.is_some(),
            partial: finished.partial,
            title: finished.diagnosis.as_ref().map(|diagnosis| diagnosis.title.clone()),
            took_ms,
            headline: headline(finished, host),
        }
    }
}

/// What the tests say of an entry as it is saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", from = "FlatStanding")]
pub enum Standing {
    /// It was never tested.
    #[default]
    Never,
    /// It was tested, but not with the settings it has now: not verified since the last change.
    Changed,
    /// The last test with these settings succeeded.
    Verified {
        /// When that began: milliseconds since 1970.
        at_ms: u64,
    },
    /// The last test with these settings failed, or nobody knows.
    Failing {
        /// When the first of an unbroken series of failures began: milliseconds since 1970.
        since_ms: u64,
        /// Why the last one failed, in one sentence.
        reason: String,
        /// Where the last one failed.
        stage: Stage,
    },
}

impl Standing {
    /// What a run that began at `at_ms` with the same settings makes of it. A run that was cancelled, or that ended over what
    /// is no part of these settings, says nothing.
    #[must_use]
    pub fn after(self, finished: &Finished, at_ms: u64) -> Self {
        match (finished.outcome, finished.cause) {
            (Outcome::Cancelled, _) | (_, Some(Cause::LinksUnsupported | Cause::AddressWithoutDomain)) => self,
            (Outcome::Sent | Outcome::Checked, _) => Self::Verified { at_ms },
            (Outcome::Failed | Outcome::Unknown, _) => {
                let since_ms = if let Self::Failing { since_ms, .. } = self { since_ms } else { at_ms };
                let reason = finished.diagnosis.as_ref().map(|diagnosis| diagnosis.title.clone());
                let reason = reason.unwrap_or_else(|| format!("It ended during {}.", finished.stage.words()));
                Self::Failing { since_ms, reason, stage: finished.stage }
            }
        }
    }
}

/// How a [`Standing`] is read: flat, as in JSON (see `transcript::flat`).
#[derive(Deserialize)]
struct FlatStanding {
    state: FlatState,
    #[serde(default)]
    at_ms: u64,
    #[serde(default)]
    since_ms: u64,
    #[serde(default)]
    reason: String,
    stage: Option<Stage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FlatState {
    Never,
    Changed,
    Verified,
    Failing,
}

impl From<FlatStanding> for Standing {
    fn from(flat: FlatStanding) -> Self {
        match flat.state {
            FlatState::Never => Self::Never,
            FlatState::Changed => Self::Changed,
            FlatState::Verified => Self::Verified { at_ms: flat.at_ms },
            FlatState::Failing => {
                Self::Failing { since_ms: flat.since_ms, reason: flat.reason, stage: flat.stage.unwrap_or(Stage::Resolve) }
            }
        }
    }
}

/// The history of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// What it says of the entry.
    pub standing: Standing,
    /// Its last runs, newest first, at most [`MAX_RUNS`].
    pub runs: Vec<RunSummary>,
    /// Now, for "5 minutes ago": milliseconds since 1970.
    pub now_ms: u64,
}

/// What happens while many entries are checked. The last event is `summary`; its absence means that the connection broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", from = "FlatBatchEvent")]
pub enum BatchEvent {
    /// An entry's turn has come.
    Begun {
        /// The entry.
        id: EntryId,
        /// Its name.
        name: String,
        /// Its run.
        run: RunId,
    },
    /// Its run reached a stage.
    Stage {
        /// The entry.
        id: EntryId,
        /// The stage.
        stage: Stage,
    },
    /// Its run is over, and recorded.
    Finished {
        /// The entry.
        id: EntryId,
        /// How it ended.
        outcome: Outcome,
        /// The result in one or two sentences.
        headline: String,
        /// What the tests now say of the entry.
        standing: Standing,
    },
    /// Everything is over.
    Summary {
        /// Entries that work.
        checked: u64,
        /// Entries that don't.
        failed: u64,
        /// Entries that were not set up, went meanwhile or were cancelled.
        skipped: u64,
    },
}

/// How a [`BatchEvent`] is read: flat, as in JSON (see `transcript::flat`).
#[derive(Deserialize)]
struct FlatBatchEvent {
    event: FlatBatchKind,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    run: u64,
    stage: Option<Stage>,
    outcome: Option<Outcome>,
    #[serde(default)]
    headline: String,
    #[serde(default)]
    standing: Standing,
    #[serde(default)]
    checked: u64,
    #[serde(default)]
    failed: u64,
    #[serde(default)]
    skipped: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FlatBatchKind {
    Begun,
    Stage,
    Finished,
    Summary,
}

impl From<FlatBatchEvent> for BatchEvent {
    fn from(flat: FlatBatchEvent) -> Self {
        let id = EntryId(flat.id);
        match flat.event {
            FlatBatchKind::Begun => Self::Begun { id, name: flat.name, run: RunId(flat.run) },
            FlatBatchKind::Stage => Self::Stage { id, stage: flat.stage.unwrap_or(Stage::Resolve) },
            FlatBatchKind::Finished => Self::Finished {
                id,
                outcome: flat.outcome.unwrap_or(Outcome::Failed),
                headline: flat.headline,
                standing: flat.standing,
            },
            FlatBatchKind::Summary => Self::Summary { checked: flat.checked, failed: flat.failed, skipped: flat.skipped },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnosis::Diagnosis;

    fn failed(stage: Stage, title: &str) -> Finished {
        let diagnosis = Some(Diagnosis { title: title.into(), ..Diagnosis::default() });
        Finished { diagnosis, cause: Some(Cause::Rejected), ..Finished::new(Outcome::Failed, stage) }
    }

    fn failing(since_ms: u64, reason: &str, stage: Stage) -> Standing {
        Standing::Failing { since_ms, reason: reason.into(), stage }
    }

    #[test]
    fn a_standing_is_folded_from_the_runs_with_the_same_settings() {
        let sent = Finished::new(Outcome::Sent, Stage::Accepted);
        let refused = failed(Stage::Auth, "No.");
        let table = [
            (Standing::Never, &sent, Standing::Verified { at_ms: 9 }),
            (Standing::Changed, &Finished::new(Outcome::Checked, Stage::Ehlo), Standing::Verified { at_ms: 9 }),
            (Standing::Never, &refused, failing(9, "No.", Stage::Auth)),
            (Standing::Verified { at_ms: 5 }, &refused, failing(9, "No.", Stage::Auth)),
            (failing(5, "Other.", Stage::Greeting), &refused, failing(5, "No.", Stage::Auth)),
            (failing(5, "Other.", Stage::Greeting), &sent, Standing::Verified { at_ms: 9 }),
            (
                Standing::Verified { at_ms: 5 },
                &Finished::new(Outcome::Unknown, Stage::Accepted),
                failing(9, "It ended during the acceptance of the message.", Stage::Accepted),
            ),
        ];
        for (before, finished, after) in table {
            assert_eq!(before.clone().after(finished, 9), after, "{before:?} {finished:?}");
        }
    }

    #[test]
    fn what_says_nothing_of_the_settings_changes_nothing() {
        let links = Finished { cause: Some(Cause::LinksUnsupported), ..Finished::new(Outcome::Failed, Stage::Resolve) };
        for finished in [Finished::new(Outcome::Cancelled, Stage::Data), links] {
            for before in [Standing::Never, Standing::Changed, Standing::Verified { at_ms: 5 }, failing(5, "No.", Stage::Auth)] {
                assert_eq!(before.clone().after(&finished, 9), before);
            }
        }
    }

    #[test]
    fn what_travels_is_flat_json_and_read_back() {
        let standings = [
            (Standing::Never, json!({ "state": "never" })),
            (Standing::Changed, json!({ "state": "changed" })),
            (Standing::Verified { at_ms: 7 }, json!({ "state": "verified", "at_ms": 7 })),
            (
                failing(7, "No.", Stage::MailFrom),
                json!({ "state": "failing", "since_ms": 7, "reason": "No.", "stage": "mail_from" }),
            ),
        ];
        for (standing, expected) in standings {
            let value = serde_json::to_value(&standing).unwrap();
            assert_eq!(value, expected);
            assert_eq!(serde_json::from_value::<Standing>(value).unwrap(), standing);
        }
        let id = EntryId(3);
        let events = [
            (
                BatchEvent::Begun { id, name: "mail".into(), run: RunId(8) },
                json!({ "event": "begun", "id": 3, "name": "mail", "run": 8 }),
            ),
            (BatchEvent::Stage { id, stage: Stage::Tls }, json!({ "event": "stage", "id": 3, "stage": "tls" })),
            (
                BatchEvent::Finished {
                    id,
                    outcome: Outcome::Checked,
                    headline: "Checked.".into(),
                    standing: Standing::Verified { at_ms: 7 },
                },
                json!({
                    "event": "finished", "id": 3, "outcome": "checked", "headline": "Checked.",
                    "standing": { "state": "verified", "at_ms": 7 }
                }),
            ),
            (
                BatchEvent::Summary { checked: 1, failed: 2, skipped: 3 },
                json!({ "event": "summary", "checked": 1, "failed": 2, "skipped": 3 }),
            ),
        ];
        for (event, expected) in events {
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(value, expected);
            assert_eq!(serde_json::from_value::<BatchEvent>(value).unwrap(), event);
        }
    }
}
