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
    /// What a run that began at `at_ms` with the same settings makes of it. `own_sender` tells whether the mail was from the
    /// entry's own sender. What [`says_nothing`] changes nothing.
    #[must_use]
    pub fn after(self, finished: &Finished, own_sender: bool, at_ms: u64) -> Self {
        if says_nothing(finished, own_sender) {
            return self;
        }
        match finished.outcome {
            Outcome::Sent | Outcome::Checked => Self::Verified { at_ms },
            Outcome::Failed | Outcome::Unknown | Outcome::Cancelled => {
                let since_ms = if let Self::Failing { since_ms, .. } = self { since_ms } else { at_ms };
                let reason = finished.diagnosis.as_ref().map(|diagnosis| diagnosis.title.clone());
                let reason = reason.unwrap_or_else(|| format!("It ended during {}.", finished.stage.words()));
                Self::Failing { since_ms, reason, stage: finished.stage }
            }
        }
    }
}

/// Whether a run says nothing of whether its settings work: somebody cancelled it, it never reached the network because
/// something is missing that the entry needs, or it ended over what is typed for one test only, its sender, its recipients and their mailboxes,
/// and its size. What a server wants of whoever connects, such as a sign-in, it says of the settings, whatever the addresses.
pub fn says_nothing(finished: &Finished, own_sender: bool) -> bool {
    let Finished { outcome, stage, cause, .. } = finished;
    match (outcome, cause) {
        (Outcome::Sent | Outcome::Checked, _) => false,
        (Outcome::Cancelled, _)
        | (
            _,
            Some(
                Cause::Cancelled
                | Cause::TooBig
                | Cause::Smtputf8NotOffered
                | Cause::EightBitMimeNotOffered
                | Cause::AttachmentUnreadable,
            ),
        ) => true,
        (_, Some(cause)) if cause.is_configuration() => true,
        (_, Some(Cause::Rejected)) => {
            let code = finished.reply.as_ref().map_or(0, |reply| reply.code);
            match (finished.diagnosis.as_ref().map_or("", |diagnosis| diagnosis.kind.as_str()), stage) {
                ("relay_denied" | "sign_in_needed" | "encryption_needed" | "basic_auth_gone", _) => false,
                ("too_big" | "mailbox_full", _) => true,
                (_, Stage::RcptTo) => code != 530,
                (_, Stage::MailFrom) | ("sender_not_allowed" | "sender_refused", _) => code != 530 && !own_sender,
                _ => false,
            }
        }
        _ => false,
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
        /// Entries that were not set up or can't be tested as they are, went meanwhile or were cancelled.
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
    use crate::diagnosis::{Diagnosis, Evidence, diagnose};
    use crate::smtp_server::{MinTls, Protocol, StartTls};
    use crate::transcript::{Aim, Reply};

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
            assert_eq!(before.clone().after(finished, true, 9), after, "{before:?} {finished:?}");
        }
    }

    /// A run that ended so, with the diagnosis it really gets.
    fn ended(stage: Stage, cause: Cause, code: u16, enhanced: Option<&str>) -> Finished {
        let reply = (code > 0).then(|| Reply { code, enhanced: enhanced.map(Into::into), text: "no".into() });
        let diagnosis = diagnose(&Evidence {
            stage,
            cause,
            aim: Aim::Send,
            reply: reply.as_ref(),
            host: "mail.test",
            port: 587,
            certified_name: "mail.test",
            min_tls: MinTls::default(),
            protocol: Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false },
            timeout_ms: 10_000,
            signs_in: true,
            encrypted: false,
            starttls_offered: true,
            auth_offered: true,
            downgrade: None,
            certificate: None,
            alone: false,
            pinned: &[],
            system_off: false,
            token: false,
            sizes: None,
            recipients: &[],
            detail: None,
        });
        let outcome = if stage == Stage::Accepted && cause != Cause::Rejected { Outcome::Unknown } else { Outcome::Failed };
        Finished { cause: Some(cause), reply, diagnosis: Some(diagnosis), ..Finished::new(outcome, stage) }
    }

    #[test]
    fn what_says_nothing_of_the_settings_changes_nothing() {
        use Cause::*;
        use Stage::*;
        let rejected = |stage, code, enhanced| ended(stage, Rejected, code, enhanced);
        // Whether it says nothing where the sender was typed for this test, and where it is the entry's own.
        let (never, always, typed) = ((true, true), (false, false), (true, false));
        let table = [
            (Finished::new(Outcome::Cancelled, Data), never),
            (ended(Accepted, Cancelled, 0, None), never),
            (ended(Data, AttachmentUnreadable, 0, None), never),
            // Nothing was opened.
            (ended(Resolve, FaxUnsupported, 0, None), never),
            (ended(Resolve, AzureOauthUnsupported, 0, None), never),
            (ended(Resolve, LinksUnsupported, 0, None), never),
            (ended(Resolve, NoPassword, 0, None), never),
            (ended(Resolve, ControlInCredentials, 0, None), never),
            (ended(Resolve, AddressWithoutDomain, 0, None), never),
            // Recipients.
            (rejected(RcptTo, 550, Some("5.1.1")), never),
            (rejected(RcptTo, 550, None), never),
            (rejected(RcptTo, 450, None), never),
            (rejected(RcptTo, 451, Some("4.7.1")), never),
            (rejected(RcptTo, 452, Some("4.2.2")), never),
            (rejected(Accepted, 552, Some("5.2.2")), never),
            (rejected(RcptTo, 554, Some("5.7.1")), always),
            (rejected(RcptTo, 530, Some("5.7.0")), always),
            (rejected(RcptTo, 530, None), always),
            (ended(RcptTo, Timeout, 0, None), always),
            (ended(RcptTo, Unexpected, 354, None), always),
            // Senders.
            (rejected(MailFrom, 553, Some("5.7.1")), typed),
            (rejected(MailFrom, 550, None), typed),
            (rejected(MailFrom, 451, Some("4.7.1")), typed),
            (rejected(Accepted, 554, Some("5.2.252")), typed),
            (rejected(MailFrom, 530, Some("5.7.0")), always),
            (rejected(MailFrom, 538, None), always),
            (rejected(MailFrom, 550, Some("5.7.30")), always),
            (ended(MailFrom, Closed, 0, None), always),
            (ended(MailFrom, Smtputf8NotOffered, 0, None), never),
            (ended(MailFrom, EightBitMimeNotOffered, 0, None), never),
            // Sizes.
            (ended(MailFrom, TooBig, 0, None), never),
            (rejected(MailFrom, 552, Some("5.3.4")), never),
            (rejected(Accepted, 552, None), never),
            // Everything else is the server's word on the settings.
            (rejected(Auth, 535, None), always),
            (rejected(Accepted, 550, None), always),
            (ended(Accepted, Timeout, 0, None), always),
            (ended(Connect, ConnectionRefused, 0, None), always),
            (Finished::new(Outcome::Failed, Greeting), always),
            (Finished::new(Outcome::Sent, Accepted), always),
            (Finished::new(Outcome::Checked, RcptTo), always),
        ];
        for (finished, nothing) in table {
            let found = (says_nothing(&finished, false), says_nothing(&finished, true));
            assert_eq!(found, nothing, "{:?} {:?} {:?} {:?}", finished.stage, finished.cause, finished.reply, finished.diagnosis);
            for before in [Standing::Never, Standing::Changed, Standing::Verified { at_ms: 5 }, failing(5, "No.", Auth)] {
                assert_eq!(before.clone().after(&finished, true, 9) == before, found.1, "{before:?} {finished:?}");
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
