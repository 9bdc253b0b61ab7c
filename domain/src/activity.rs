//! Activity: who did what, when and from where. What is kept is only ever added to.

use serde::{Deserialize, Serialize};

use crate::access::Who;

/// How long it is kept: days.
pub const KEPT_DAYS: u64 = 400;
/// How many lines a page has.
pub const PAGE: usize = 50;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`words::deed` says it")]
pub enum Deed {
    SignedIn,
    SignInRefused,
    SignInThrottled,
    SignedOut,
    SessionsEnded,
    PasswordConfirmed,
    PasswordChanged,
    PasswordReset,
    SecondFactorOn,
    SecondFactorOff,
    RecoveryCodeUsed,
    RecoveryCodesMade,
    SetupLinkMade,
    AccountAdded,
    AccountChanged,
    AccountRemoved,
    TokenMade,
    TokenRevoked,
    Refused,
    ServerAdded,
    ServerSaved,
    ServersTrashed,
    ServersRestored,
    ServersImported,
    ServersExported,
    TestSent,
    ConnectionChecked,
    AllChecked,
    ClientCertificateChanged,
    MailboxSignedIn,
    MailboxSignedOut,
    CertificatesTrusted,
    CertificatePinned,
    CertificateChanged,
    SystemAuthoritiesChanged,
    CertificatesTrashed,
    CertificatesRestored,
    LinkRevoked,
    LinkExtended,
    ActivityExported,
    KeysRotated,
    BackedUp,
    Restored,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 43] = [
        Self::SignedIn,
        Self::SignInRefused,
        Self::SignInThrottled,
        Self::SignedOut,
        Self::SessionsEnded,
        Self::PasswordConfirmed,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::SecondFactorOn,
        Self::SecondFactorOff,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesMade,
        Self::SetupLinkMade,
        Self::AccountAdded,
        Self::AccountChanged,
        Self::AccountRemoved,
        Self::TokenMade,
        Self::TokenRevoked,
        Self::Refused,
        Self::ServerAdded,
        Self::ServerSaved,
        Self::ServersTrashed,
        Self::ServersRestored,
        Self::ServersImported,
        Self::ServersExported,
        Self::TestSent,
        Self::ConnectionChecked,
        Self::AllChecked,
        Self::ClientCertificateChanged,
        Self::MailboxSignedIn,
        Self::MailboxSignedOut,
        Self::CertificatesTrusted,
        Self::CertificatePinned,
        Self::CertificateChanged,
        Self::SystemAuthoritiesChanged,
        Self::CertificatesTrashed,
        Self::CertificatesRestored,
        Self::LinkRevoked,
        Self::LinkExtended,
        Self::ActivityExported,
        Self::KeysRotated,
        Self::BackedUp,
        Self::Restored,
    ];

    /// As JSON and forms write it.
    pub fn key(self) -> String {
        format!("{self:?}").char_indices().fold(String::new(), |mut key, (at, c)| {
            if c.is_ascii_uppercase() && at > 0 {
                key.push('_');
            }
            key.push(c.to_ascii_lowercase());
            key
        })
    }

    /// What a key names.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.key() == key)
    }
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is: `server`, `certificate`, `account`, `token`, `session`, `link`.
    pub kind: String,
    /// Its id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its name then.
    pub name: String,
}

/// A field that has another value now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its key.
    pub field: String,
    /// The value before, as JSON and forms write it; nothing for a secret or where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The value now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Whether it is a secret: that it was changed is all that is said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// What happened, before it has its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Who did it.
    pub who: Who,
    /// The IP address it came from; empty where there is none.
    pub address: String,
    /// What was done.
    pub deed: Deed,
    /// To what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// What has another value now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What else is to be said: why it was refused, how many there were.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A line of the activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number; each is one more than the one before.
    pub number: u64,
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityQuery {
    /// Text in who, what, address, field or value, whatever the case.
    #[serde(default)]
    pub search: String,
    /// Only what this account, token or command did, by its name.
    #[serde(default)]
    pub who: String,
    /// Only this.
    #[serde(default)]
    pub deed: Option<Deed>,
    /// From this day (`2026-11-26`, UTC) on.
    #[serde(default)]
    pub from: String,
    /// To this day, and all of it.
    #[serde(default)]
    pub to: String,
    /// Only lines with a lower number: the next page.
    #[serde(default)]
    pub before: Option<u64>,
}

/// A page of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityPage {
    /// The lines, newest first.
    pub lines: Vec<Line>,
    /// Where the next page begins ([`ActivityQuery::before`]); `None` at the end.
    pub next: Option<u64>,
    /// How many lines are kept in all.
    pub total: u64,
    /// Now.
    pub now_ms: u64,
}

/// How it is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// RFC 4180, with a header line.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_has_one_key_in_forms_and_json() {
        for deed in Deed::ALL {
            assert_eq!(serde_json::to_string(&deed).unwrap(), format!("\"{}\"", deed.key()));
            assert_eq!(Deed::parse(&deed.key()), Some(deed));
        }
        assert_eq!(Deed::parse("burnt_down"), None);
    }
}
