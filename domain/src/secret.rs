//! Secrets: text that is never printed and is wiped when it is dropped. How it is sealed at rest is the server's affair.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password, token or key.
///
/// It has no `Serialize` and its `Debug` prints nothing of it. The memory is wiped on drop. The only way to its text
/// is [`Secret::expose`], so that every use can be found.
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over; nothing is copied.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Call this only where it is sealed, sent to the mail server or compared.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The reader's own error would quote what it found, and that is the secret.
        String::deserialize(deserializer).map(Self).map_err(|_| D::Error::custom("a secret must be text"))
    }
}

/// What happens to a stored secret when its record is saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is removed.
    Clear,
    /// It is replaced.
    Set(Secret),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_nothing_of_a_secret() {
        let change = SecretChange::Set(Secret::new("correct horse".into()));
        assert_eq!(format!("{change:?}"), "Set(Secret(…))");
    }
}
