//! Fingerprints tell whether two texts with secrets in them are the same, without telling what they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::Key;

/// Makes fingerprints: HMAC-SHA256 (RFC 2104) under a key of their own. It stays the same for ever, since fingerprints are
/// stored. (ring keeps it, and doesn't wipe it. It opens nothing.)
pub struct Fingerprints(hmac::Key);

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprints(…)")
    }
}

impl Fingerprints {
    /// Fingerprints under `key`.
    pub fn new(key: &Key) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.bytes()))
    }

    /// The fingerprint of these texts in this order. Nothing of them is copied.
    pub fn of(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // The length keeps the border between two parts where it is.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Fingerprint(bytes)
    }
}

/// Tells whether texts are the same. It never leaves the server: whoever had it and the key could try passwords against it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        STANDARD_NO_PAD.encode(fingerprint.0)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("a fingerprint has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::tests::key;

    #[test]
    fn a_fingerprint_tells_texts_apart_and_is_of_this_key_only() {
        let of = |parts: &[&[u8]]| Fingerprints::new(&key(1)).of(parts);
        let whole = of(&[b"ab", b"c"]);
        assert_eq!(whole, of(&[b"ab", b"c"]));
        let under_another_key = Fingerprints::new(&key(2)).of(&[b"ab", b"c"]);
        for other in [of(&[b"a", b"bc"]), of(&[b"abc"]), of(&[b"ab", b"c", b""]), under_another_key] {
            assert_ne!(whole, other);
        }
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), whole);
        assert!(serde_json::from_str::<Fingerprint>("\"AAAA\"").is_err());
        assert_eq!(format!("{whole:?}{:?}", Fingerprints::new(&key(1))), "Fingerprint(…)Fingerprints(…)");
    }
}
