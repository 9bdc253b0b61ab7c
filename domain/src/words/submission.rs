//! The words about messages that applications hand over.

use super::grouped;
use crate::submission::{SubmissionError, SubmissionField};

/// That fields of a submission are wrong.
pub(super) fn wrong(fields: &[(SubmissionField, SubmissionError)]) -> String {
    match fields {
        [(field, why)] => format!("Not sent. {}: {}", field.key(), why.sentence(*field)),
        fields => format!("Not sent: {} fields need a change. Nothing was handed to a mail server.", fields.len()),
    }
}

/// That there is no room for files: within what may be kept of them, or on the disk.
pub(super) fn no_room(quota: Option<u64>) -> String {
    match quota {
        Some(quota) => format!(
            "Not sent: files may take {} bytes here, and there isn't room for these. Revoke links that nobody needs, or raise \
             --attachments-quota.",
            grouped(quota)
        ),
        None => {
            "Not sent: the disk is nearly full, so the files weren't taken. Free some space, or lower --attachments-reserve.".into()
        }
    }
}
