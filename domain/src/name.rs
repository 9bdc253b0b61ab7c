//! The name of an entry.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field::FieldError;

/// The most characters a name has.
pub const MAX_NAME: usize = 64;

/// An entry's name: 1–64 of letters, digits, `-`, `_` and `.`; not `.` or `..`. Letters and digits are ASCII: a name
/// is also typed in scripts and URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Reads a name, white space around it removed.
    ///
    /// # Errors
    /// [`FieldError`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FieldError::Required);
        }
        let length = text.chars().count();
        if length > MAX_NAME {
            return Err(FieldError::TooLong { length, max: MAX_NAME });
        }
        if let Some(character) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c))) {
            return Err(FieldError::NameCharacter { character });
        }
        if text == "." || text == ".." {
            return Err(FieldError::NameOnlyDots);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: two names that differ only in case are the same.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The first of `mail`, `mail-2`, `mail-3` … that is not taken. `taken` is asked with the form of [`Name::key`].
    pub fn suggest(mut taken: impl FnMut(&str) -> bool) -> String {
        let mut candidate = String::from("mail");
        let mut number = 1_u64;
        while taken(&candidate) {
            number += 1;
            candidate = format!("mail-{number}");
        }
        candidate
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for (text, name) in [("mail", "mail"), ("  Scan-1_a.b ", "Scan-1_a.b"), ("...", "..."), ("7", "7")] {
            assert_eq!(Name::parse(text).map(|n| n.to_string()), Ok(name.to_owned()), "{text:?}");
        }
        assert!(Name::parse(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        for (text, error) in [
            ("", FieldError::Required),
            (" \t", FieldError::Required),
            (".", FieldError::NameOnlyDots),
            ("..", FieldError::NameOnlyDots),
            ("a b", FieldError::NameCharacter { character: ' ' }),
            ("a/b", FieldError::NameCharacter { character: '/' }),
            ("größe", FieldError::NameCharacter { character: 'ö' }),
            ("a\0b", FieldError::NameCharacter { character: '\0' }),
            ("a\r\nb", FieldError::NameCharacter { character: '\r' }),
        ] {
            assert_eq!(Name::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Name::parse(&"x".repeat(65)), Err(FieldError::TooLong { length: 65, max: 64 }));
    }

    #[test]
    fn the_first_free_name_is_suggested() {
        assert_eq!(Name::suggest(|_| false), "mail");
        assert_eq!(Name::suggest(|n| n == "mail" || n == "mail-2"), "mail-3");
    }
}
