//! Internationalised domain names: U-labels, as people read them, and A-labels, as DNS and SMTP carry them.
//!
//! The Unicode tables come with the feature `idna`. Without it (in the browser) only the syntax of a name is checked and
//! U-labels stay what they are: whatever is refused without the tables is refused with them, too. So are the punctuation
//! and the symbols that are easily typed or pasted, which UTS 46 lets pass and RFC 5892 does not.

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

/// A domain with labels beyond ASCII in its other form: with A-labels, or, where it has them, with U-labels. None where it
/// has only one form, or the other can't be found or shown, or is no host name. `to_ascii` finds A-labels:
/// [`host_to_ascii`] with the tables, the browser's own without them.
pub fn other_form(domain: &str, to_ascii: impl Fn(&str) -> Option<String>) -> Option<String> {
    let to_ascii =
        |domain: &str| check(domain, false).ok().and_then(|()| to_ascii(domain)).filter(|ascii| host_to_ascii(ascii).is_ok());
    if !domain.is_ascii() {
        return to_ascii(domain);
    }
    let unicode = decode_domain(domain);
    let is_the_same = !unicode.is_ascii() && to_ascii(&unicode).is_some_and(|ascii| ascii.eq_ignore_ascii_case(domain));
    is_the_same.then(|| unicode.into_owned())
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
    if decode_domain(&ascii).split('.').any(|label| crate::address::symbol(label).is_some()) {
        return Err(IdnError::Idna);
    }
    Ok(Some(ascii))
}

/// Where in a domain that can't be encoded the label stands that can't be; its octets, if there are only too many.
pub(crate) fn bad_label(domain: &str, lenient: bool) -> (usize, Option<usize>) {
    let mut start = 0;
    for label in domain.split('.') {
        match tables::to_ascii(label) {
            Ok(Some(ascii)) if ascii.len() > MAX_LABEL => return (start, Some(ascii.len())),
            Ok(Some(ascii)) if check(&ascii, lenient).is_err() => return (start, None),
            Ok(_) => start += label.len() + 1,
            Err(_) => return (start, None),
        }
    }
    (0, None)
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
        if let Some(c) = label.chars().find(foreign).or_else(|| crate::address::symbol(label)) {
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
    //! No tables: nothing is known of what is not ASCII. A-labels can still be decoded, but not be checked.

    use std::borrow::Cow;

    use super::{IdnError, punycode};

    #[expect(clippy::unnecessary_wraps, reason = "the same signature as with the tables")]
    pub(super) fn to_ascii(_: &str) -> Result<Option<Cow<'_, str>>, IdnError> {
        Ok(None)
    }

    pub(super) fn to_unicode(domain: &str) -> Cow<'_, str> {
        let labels = domain.split('.').map(|label| match label.split_at_checked(4) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("xn--") => punycode::decode(rest),
            _ => Some(label.to_owned()),
        });
        match labels.collect::<Option<Vec<_>>>() {
            Some(labels) => Cow::Owned(labels.join(".")),
            None => Cow::Borrowed(domain),
        }
    }
}

mod punycode {
    //! Punycode (RFC 3492), as far as showing a label needs it.

    /// Code points of a label, at most: each takes an octet of it.
    const MAX: usize = super::MAX_LABEL;

    /// The label that `text`, which follows `xn--`, stands for (RFC 3492 section 6.2). None where it stands for none, or
    /// for one that can't be shown.
    #[cfg_attr(all(feature = "idna", not(test)), expect(dead_code, reason = "the tables decode as well; tests compare"))]
    pub(super) fn decode(text: &str) -> Option<String> {
        let (basic, tail) = text.rsplit_once('-').unwrap_or(("", text));
        let mut label: Vec<char> = basic.to_ascii_lowercase().chars().collect();
        let (mut n, mut i, mut bias) = (128_u32, 0_u32, 72_u32);
        let mut digits = tail.chars().map(|c| match c {
            '0'..='9' => Some(u32::from(c) - u32::from('0') + 26),
            _ => c.to_digit(36).map(|digit| digit - 10),
        });
        let mut next = digits.next();
        while let Some(first) = next {
            let (start, mut weight, mut k) = (i, 1_u32, 36_u32);
            let mut digit = first?;
            let count = u32::try_from(label.len()).ok()? + 1;
            loop {
                i = i.checked_add(digit.checked_mul(weight)?)?;
                let threshold = k.saturating_sub(bias).clamp(1, 26);
                if digit < threshold {
                    break;
                }
                weight = weight.checked_mul(36 - threshold)?;
                k += 36;
                digit = digits.next()??;
            }
            bias = adapt(i - start, count, start == 0);
            n = n.checked_add(i / count)?;
            i %= count;
            let c = char::from_u32(n).filter(|c| !c.is_ascii() && crate::address::is_plain(*c))?;
            if label.len() >= MAX {
                return None;
            }
            label.insert(usize::try_from(i).ok()?, c);
            i += 1;
            next = digits.next();
        }
        Some(label.into_iter().collect())
    }

    /// RFC 3492 section 6.1.
    fn adapt(delta: u32, count: u32, first: bool) -> u32 {
        let mut delta = if first { delta / 700 } else { delta / 2 };
        delta += delta / count;
        let mut k = 0;
        while delta > 455 {
            delta /= 35;
            k += 36;
        }
        k + 36 * delta / (delta + 38)
    }

    #[cfg(test)]
    mod tests {
        use super::decode;

        #[test]
        fn labels_are_decoded_and_nonsense_is_not() {
            for (text, label) in [
                ("bcher-kva", "bücher"),
                ("mnchen-3ya", "münchen"),
                ("fiqs8s", "中国"),
                ("e1afmkfd", "пример"),
                ("r8jz45g", "例え"),
                ("n3h", "☃"),
            ] {
                assert_eq!(decode(text).as_deref(), Some(label), "{text}");
            }
            for text in ["99999999", "a-\u{e9}", "a-b-!", "zz"] {
                assert_eq!(decode(text), None, "{text}");
            }
            assert!(decode(&"a".repeat(5000)).is_none());
        }

        #[test]
        #[cfg(feature = "idna")]
        fn what_the_tables_encode_is_decoded_to_the_same() {
            for label in ["straße-ö", "ελλάδα", "правда", "日本語テスト", "한국어", "ไทย", "हिन्दी", "a-ü-b-ç", "ééééé", "𐍈𐌰"]
            {
                let ascii = super::super::tables::to_ascii(label).unwrap().unwrap().into_owned();
                let decoded = ascii.strip_prefix("xn--").and_then(decode);
                assert_eq!(decoded.as_deref(), Some(label), "{ascii}");
            }
        }
    }
}
