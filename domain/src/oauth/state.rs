//! What is known of an entry's sign-in at a sign-in service. No secret is in it.

use serde::{Deserialize, Serialize};

use crate::diagnosis::Diagnosis;

/// What is kept of a sign-in, beside what is sealed. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInNote {
    /// The account that signed in, as the service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When somebody signed in, where somebody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// When the last token was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_ms: Option<u64>,
    /// How long that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until_ms: Option<u64>,
    /// Why none is granted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<SignInFailing>,
}

/// That no token is granted any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInFailing {
    /// Since when; milliseconds since 1970.
    pub since_ms: u64,
    /// What that means, and what to do.
    pub diagnosis: Diagnosis,
}

/// What is shown of an entry's sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInView {
    /// Whether somebody has to sign in, once.
    pub needs_a_person: bool,
    /// What is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<SignInNote>,
}

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInState {
    /// Somebody has to sign in.
    Missing,
    /// No token was asked for yet.
    Untried,
    /// The last token was granted.
    Works,
    /// No token is granted any more.
    Failing,
}

impl SignInView {
    /// How it stands.
    pub fn state(&self) -> SignInState {
        match &self.note {
            Some(note) if note.failing.is_some() => SignInState::Failing,
            Some(note) if self.needs_a_person && note.since_ms.is_none() => SignInState::Missing,
            Some(note) if note.renewed_ms.is_some() => SignInState::Works,
            None if self.needs_a_person => SignInState::Missing,
            _ => SignInState::Untried,
        }
    }
}

/// A code that somebody types at the sign-in service (RFC 8628 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCode {
    /// What is typed.
    pub user_code: String,
    /// Where. It is foreign text, but an address of `https://` (or `http://` on this machine).
    pub verification_url: String,
    /// Until when; milliseconds since 1970.
    pub expires_ms: u64,
    /// How it stands.
    pub state: DeviceState,
}

/// How a sign-in with a device code stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Nobody has typed the code yet.
    Waiting,
    /// Somebody signed in, and it is kept.
    Done,
    /// It came to nothing.
    Failed(Box<Diagnosis>),
}

impl DeviceState {
    /// As JSON writes it.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed(_) => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_missing_untried_working_or_failing() {
        let view = |needs_a_person, note| SignInView { needs_a_person, note }.state();
        let works = SignInNote { since_ms: Some(1), renewed_ms: Some(2), ..SignInNote::default() };
        let failing = SignInFailing { since_ms: 3, diagnosis: Diagnosis::default() };
        assert_eq!(view(true, None), SignInState::Missing);
        assert_eq!(view(false, None), SignInState::Untried);
        assert_eq!(view(true, Some(works.clone())), SignInState::Works);
        assert_eq!(view(true, Some(SignInNote { since_ms: None, ..works.clone() })), SignInState::Missing);
        assert_eq!(view(false, Some(SignInNote { since_ms: None, ..works.clone() })), SignInState::Works);
        assert_eq!(view(true, Some(SignInNote { failing: Some(failing), ..works })), SignInState::Failing);
    }
}
