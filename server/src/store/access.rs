//! What is kept of accounts, sessions, tokens and activity. No text by which anybody gets in is among it: digests only.

use domain::access::{AccountId, Permit, Role, SessionId, TokenId};
use serde::{Deserialize, Serialize};

use super::codec;

/// SHA-256 of something that is never kept itself.
pub type Digest = [u8; 32];

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Its name; unique whatever the case.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was added: milliseconds since 1970.
    pub added_ms: u64,
    /// When somebody last signed in with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sign_in_ms: Option<u64>,
    /// Its second factor.
    #[serde(default)]
    pub second_factor: SecondFactor,
    /// How often its second factor was replaced or removed: what was sealed before opens no more.
    #[serde(default)]
    pub generation: u64,
}

/// The second factor of an account. Its secret lies sealed beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SecondFactor {
    /// There is none.
    #[default]
    Off,
    /// A secret was shown, and no code of it given yet.
    Offered,
    /// Codes are asked for.
    On {
        /// The last time step of which a code was taken: none is taken twice (RFC 6238 section 5.2).
        last_step: u64,
        /// The digests of the recovery codes that can still be used.
        #[serde(with = "digests")]
        recovery: Vec<Digest>,
    },
}

/// What a password is checked against: argon2id (RFC 9106), with what it was made with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRecord {
    /// Memory: KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// The salt.
    #[serde(with = "codec::base64")]
    pub salt: Vec<u8>,
    /// What it makes of the password.
    #[serde(with = "codec::base64")]
    pub tag: Vec<u8>,
}

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRecord(…)")
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// When it began.
    pub since_ms: u64,
    /// When it was last used, to the minute.
    pub seen_ms: u64,
    /// When the password was last typed.
    pub confirmed_ms: u64,
    /// Whether the code of the second factor is still to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_code: bool,
    /// The IP address it began from.
    pub address: String,
    /// The browser, as it called itself.
    pub agent: String,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub permit: Permit,
    /// When it was made.
    pub made_ms: u64,
    /// Who made it, by name.
    pub made_by: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<u64>,
    /// From where.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub used_from: String,
}

/// A link by which somebody chooses a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRecord {
    /// Whose; `None` for the first account.
    pub account: Option<AccountId>,
    /// When it ends.
    pub expires_ms: u64,
}

/// Where the activity begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityHead {
    /// The number of the first line that is kept.
    pub first: u64,
    /// The hash of the one before it.
    pub before: Digest,
    /// The number of the next line.
    pub next: u64,
    /// The hash of the last one.
    pub last: Digest,
}

/// A line of the activity as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredLine<'a> {
    /// Its number.
    pub number: u64,
    /// Its hash, which covers the one before.
    pub hash: Digest,
    /// What it says.
    pub json: &'a [u8],
}

/// Digests in JSON: base64.
mod digests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::ser::SerializeSeq as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Digest;

    pub(super) fn serialize<S: Serializer>(digests: &[Digest], serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(digests.len()))?;
        for digest in digests {
            seq.serialize_element(&STANDARD.encode(digest))?;
        }
        seq.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Digest>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let digest = |text: String| STANDARD.decode(text).ok()?.try_into().ok();
        texts.into_iter().map(|text| digest(text).ok_or_else(|| D::Error::custom("a digest isn't one"))).collect()
    }
}
