//! How an [`Event`] is read: as the one flat object it is in JSON. A reader derived from the enum would first keep every value
//! in a general form, which costs the browser's program more than all the rest of the transcript.

use serde::Deserialize;

use super::{Aim, Cause, Downgrade, Event, Finished, Outcome, RecipientResult, Reply, Security, Stage, What};
use crate::certificate::Certificate;
use crate::diagnosis::Diagnosis;
use crate::trust::TrustedBy;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Begun,
    Sent,
    Received,
    Passed,
    Warning,
    Finished,
}

/// Every key that any event has.
#[derive(Deserialize)]
pub(super) struct FlatEvent {
    event: Kind,
    stage: Stage,
    elapsed_ms: u64,
    #[serde(default)]
    line: String,
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    message: String,
    outcome: Option<Outcome>,
    #[serde(default)]
    aim: Aim,
    #[serde(default)]
    security: Security,
    #[serde(default)]
    upgraded: bool,
    downgrade: Option<Downgrade>,
    reply: Option<Reply>,
    cause: Option<Cause>,
    diagnosis: Option<Diagnosis>,
    #[serde(default)]
    recipients: Vec<RecipientResult>,
    #[serde(default)]
    partial: bool,
    queue_id: Option<String>,
    certificate: Option<Box<Certificate>>,
    trusted_by: Option<Box<TrustedBy>>,
    #[serde(default)]
    pinned: Vec<Certificate>,
}

impl TryFrom<FlatEvent> for Event {
    type Error = &'static str;

    fn try_from(flat: FlatEvent) -> Result<Self, Self::Error> {
        let FlatEvent { stage, line, encrypted, detail, message, .. } = flat;
        let what = match flat.event {
            Kind::Begun => What::Begun { stage },
            Kind::Sent => What::Sent { stage, line, encrypted },
            Kind::Received => What::Received { stage, line, encrypted },
            Kind::Passed => What::Passed { stage, detail },
            Kind::Warning => What::Warning { stage, message },
            Kind::Finished => What::Finished(Finished {
                outcome: flat.outcome.ok_or("a finished event has no outcome")?,
                aim: flat.aim,
                stage,
                security: flat.security,
                upgraded: flat.upgraded,
                downgrade: flat.downgrade,
                reply: flat.reply,
                cause: flat.cause,
                diagnosis: flat.diagnosis,
                recipients: flat.recipients,
                partial: flat.partial,
                queue_id: flat.queue_id,
                certificate: flat.certificate,
                trusted_by: flat.trusted_by,
                pinned: flat.pinned,
            }),
        };
        Ok(Self { what, elapsed_ms: flat.elapsed_ms })
    }
}
