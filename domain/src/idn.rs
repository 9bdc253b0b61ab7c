//! Internationalised domain names: U-labels, as people read them, and A-labels, as DNS and SMTP carry them.
//!
//! The Unicode tables come with the feature `idna`. Without it (in the browser) only the syntax of a name is checked and
//! U-labels stay what they are: whatever is refused without the tables is refused with them, too.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Octets of a label, at most (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;
/// Octets of a host name, at most, without the trailing dot (RFC 1035 section 2.3.4: 255 with lengths and root).
pub const MAX_HOST: usize = 253;

/// Why a name is no host name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdnError {
    /// There is no name.
    Empty,
    /// Two dots in a row, or one at the start.
    EmptyLabel,
    /// A character that no host name has.
    Character(char),
    /// A label starts or ends with a hyphen.
    HyphenAtEdge,
    /// A label is over [`MAX_LABEL`] octets.
    LabelTooLong,
    /// The name is over [`MAX_HOST`] octets.
    TooLong,
    /// The last label has digits only: what was meant is an IPv4 address, and it is none.
    NumericLastLabel,
    /// The name is not allowed by IDNA. Only found with the feature `idna`.
    Idna,
}

impl fmt::Display for IdnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Enter a host name",
            Self::EmptyLabel => "The host name has a dot too many",
            Self::Character(' ') => "A host name has no spaces; remove them",
            Self::Character('_') => "A host name has no underscores",
            Self::Character('/') => "Enter the host name only, without “https://” or a path",
            Self::Character(':') => "Enter the host name only; the port has its own field",
            Self::Character(c) if c.is_control() => "The host name contains a control character; type it anew",
            Self::Character('!'..='~') => {
                return write!(f, "A host name can't contain “{}”", self.character());
            }
            Self::Character(c) => {
                return write!(f, "A host name can't contain the character U+{:04X}", u32::from(*c));
            }
            Self::HyphenAtEdge => "A part of a host name can't start or end with a hyphen",
            Self::LabelTooLong => "A part of the host name is longer than 63 characters",
            Self::TooLong => "The host name is longer than 253 characters",
            Self::NumericLastLabel => "This looks like an IP address, but is none; four numbers from 0 to 255 make one",
            Self::Idna => "The host name contains characters that no domain name can have",
        })
    }
}

impl IdnError {
    fn character(self) -> char {
        if let Self::Character(c) = self { c } else { ' ' }
    }
}

impl core::error::Error for IdnError {}

/// A host name as DNS carries it: A-labels, lower case, no trailing dot. IP addresses are the caller's.
///
/// Without the feature `idna` U-labels are only checked for their syntax, and returned as they are.
///
/// # Errors
/// What is wrong with the name, if it is none.
pub fn host_to_ascii(host: &str) -> Result<String, IdnError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    check(host, false)?;
    let ascii = encode_domain(host, false)?.map_or_else(|| host.to_ascii_lowercase(), |ascii| ascii.to_ascii_lowercase());
    if ascii.len() > MAX_HOST && ascii.is_ascii() {
        return Err(IdnError::TooLong);
    }
    let last = ascii.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(IdnError::NumericLastLabel);
    }
    Ok(ascii)
}

/// A domain as people read it: U-labels for the A-labels that can be read. Without the feature `idna`, as it is.
pub fn to_unicode(domain: &str) -> Cow<'_, str> {
    decode_domain(domain)
}

/// The A-labels of a domain that may have U-labels; None where only the tables could tell.
///
/// `lenient` allows `_` and a hyphen at the edge of a label. An ASCII domain is what it is: nothing is looked up.
pub(crate) fn encode_domain(domain: &str, lenient: bool) -> Result<Option<Cow<'_, str>>, IdnError> {
    if domain.is_ascii() {
        return Ok(Some(Cow::Borrowed(domain)));
    }
    let Some(ascii) = tables::to_ascii(domain)? else {
        return Ok(None);
    };
    check(&ascii, lenient)?;
    Ok(Some(ascii))
}

/// The syntax of a name: labels, their characters and lengths. What is not ASCII passes if it can be seen.
fn check(name: &str, lenient: bool) -> Result<(), IdnError> {
    if name.is_empty() {
        return Err(IdnError::Empty);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(IdnError::EmptyLabel);
        }
        let foreign = |c: &char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => false,
            '_' => !lenient,
            c => c.is_ascii() || !crate::address::is_plain(*c),
        };
        if let Some(c) = label.chars().find(foreign) {
            return Err(IdnError::Character(c));
        }
        if !lenient && (label.starts_with('-') || label.ends_with('-')) {
            return Err(IdnError::HyphenAtEdge);
        }
        if label.is_ascii() && label.len() > MAX_LABEL {
            return Err(IdnError::LabelTooLong);
        }
    }
    Ok(())
}

fn decode_domain(domain: &str) -> Cow<'_, str> {
    let has_a_label = domain.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")));
    if has_a_label { tables::to_unicode(domain) } else { Cow::Borrowed(domain) }
}

#[cfg(feature = "idna")]
mod tables {
    //! UTS 46 with the tables of the crate `idna`; the syntax is checked by [`super::check`].

    use std::borrow::Cow;

    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

    use super::IdnError;

    pub(super) fn to_ascii(domain: &str) -> Result<Option<Cow<'_, str>>, IdnError> {
        Uts46::new()
            .to_ascii(domain.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
            .map(Some)
            .map_err(|_| IdnError::Idna)
    }

    pub(super) fn to_unicode(domain: &str) -> Cow<'_, str> {
        let (text, result) = Uts46::new().to_unicode(domain.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        let readable = result.is_ok() && text.chars().all(|c| c.is_ascii() || crate::address::is_plain(c));
        if readable { text } else { Cow::Borrowed(domain) }
    }
}

#[cfg(not(feature = "idna"))]
mod tables {
    //! No tables: nothing is known of what is not ASCII.

    use std::borrow::Cow;

    use super::IdnError;

    #[expect(clippy::unnecessary_wraps, reason = "the same signature as with the tables")]
    pub(super) fn to_ascii(_: &str) -> Result<Option<Cow<'_, str>>, IdnError> {
        Ok(None)
    }

    pub(super) fn to_unicode(domain: &str) -> Cow<'_, str> {
        Cow::Borrowed(domain)
    }
}
