//! Faxes by mail: telephone numbers (E.164), the address that a mail-to-fax gateway wants for one (RFC 3191, RFC 3192), and what
//! kinds of documents it takes. The sentences are in `words`.
//!
//! ```
//! use domain::fax::{FaxSettings, recipient};
//! use domain::host::Host;
//!
//! let settings = FaxSettings { domain: Host::parse("fax.example.com").ok(), ..FaxSettings::default() };
//! let address = recipient("+49 (0)30 / 123456", &settings)?;
//! assert_eq!(address.to_string(), "FAX=+4930123456@fax.example.com");
//! # Ok::<(), domain::fax::FaxError>(())
//! ```

mod country;
mod number;
mod words;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::country::Country;
pub use self::number::{DIGITS, FaxNumber, FaxNumberError, MAX_TYPED};
use crate::address::{AddrSpec, AddressError, Mailbox, Strictness};
use crate::host::Host;
use crate::words::quote;

/// How a fax server's gateway wants a number as an address. What has its default is left out where it is kept, so that a new
/// program finds the fingerprints of an old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaxSettings {
    /// The form of the address.
    #[serde(default, skip_serializing_if = "FaxTemplate::is_default")]
    pub template: FaxTemplate,
    /// The domain of the address. Where an entry has none, [`SmtpServer::fax_settings`](crate::smtp_server::SmtpServer::fax_settings)
    /// puts the SMTP hostname here. An [own template](FaxTemplate::Own) has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Host>,
    /// What is dialled before the number. An own template has its own.
    #[serde(default, skip_serializing_if = "FaxPrefix::is_empty")]
    pub prefix: FaxPrefix,
    /// Whose national numbers are understood; `None` takes only international ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
}

/// The form of a gateway's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaxTemplate {
    /// `FAX=+4930123456@gateway.example` (RFC 3192 section 3). With a prefix it is what RFC 3191 section 2 calls a local phone:
    /// `FAX=0004930123456@…`, without the plus that only global ones have.
    #[default]
    Rfc3192,
    /// `4930123456@fax.example`.
    NumberAtDomain,
    /// Another one.
    Own(OwnTemplate),
}

/// An address with a place for the number in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OwnTemplate(String);

/// What is dialled before the number, such as `0` for an outside line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FaxPrefix(String);

/// The most characters of a prefix: an exit code, a call-by-call code and pauses.
pub const MAX_PREFIX: usize = 16;

/// A number and its address, for people to see what a template does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaxExample {
    /// The number as people write it: `+49 30 123456`.
    pub number: String,
    /// The address.
    pub address: String,
}

/// A document that gateways take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaxDocument {
    /// PDF (ISO 32000).
    Pdf,
    /// TIFF (RFC 2306, RFC 3949).
    Tiff,
}

/// Why there is no address for a fax, or what is wrong with a setting of its gateway. Texts of the user's are shortened and made
/// visible before they get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaxError {
    /// It isn't a number.
    Number(FaxNumberError),
    /// An at-sign stands in it, but it isn't an address; or what a template makes of a number is none.
    Address(AddressError),
    /// It isn't known at which domain.
    NoDomain,
    /// No country has this code.
    UnknownCountry {
        /// What came.
        text: String,
    },
    /// A character that can't be dialled before a number.
    PrefixCharacter {
        /// Which one.
        character: char,
    },
    /// A prefix with too many characters.
    PrefixTooLong {
        /// How many there are.
        length: usize,
    },
    /// A template that gives the same address for every number.
    NoPlaceholder,
    /// Braces around something else than `number` and `e164`.
    UnknownPlaceholder {
        /// What came.
        text: String,
    },
}

impl std::error::Error for FaxError {}

impl From<FaxNumberError> for FaxError {
    fn from(error: FaxNumberError) -> Self {
        Self::Number(error)
    }
}

impl FaxSettings {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The address of a number. It can be read strictly ([`Strictness::Strict`]).
    ///
    /// # Errors
    /// [`FaxError::NoDomain`], or [`FaxError::Address`] where it would be longer than an address can be.
    pub fn address(&self, number: &FaxNumber) -> Result<Mailbox, FaxError> {
        let local = match &self.template {
            FaxTemplate::Own(template) => return Ok(template.fill(number)?.into()),
            FaxTemplate::Rfc3192 if self.prefix.is_empty() => format!("FAX={number}"),
            FaxTemplate::Rfc3192 => format!("FAX={}{}", self.prefix, number.digits()),
            FaxTemplate::NumberAtDomain => format!("{}{}", self.prefix, number.digits()),
        };
        let domain = match self.domain.as_ref().ok_or(FaxError::NoDomain)? {
            Host::Dns(name) => name.clone(),
            // RFC 5321 section 4.1.3.
            Host::Ip(IpAddr::V4(ip)) => format!("[{ip}]"),
            Host::Ip(IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        };
        read(&format!("{local}@{domain}")).map(Into::into)
    }

    /// A number of the country, or of Germany, and its address.
    ///
    /// # Errors
    /// As [`address`](Self::address).
    pub fn example(&self) -> Result<FaxExample, FaxError> {
        let number = format!("+{}", self.country.map_or_else(|| "49 30 123456".to_owned(), Country::example));
        let address = self.address(&FaxNumber::parse(&number, None)?)?;
        Ok(FaxExample { number, address: address.to_string() })
    }

    /// Whether every number gets an address.
    ///
    /// # Errors
    /// As [`address`](Self::address).
    pub fn check(&self) -> Result<(), FaxError> {
        let (_, longest) = DIGITS;
        self.address(&FaxNumber::parse(&format!("+999{}", "1".repeat(longest - 3)), None)?).map(drop)
    }
}

/// The address of whom a message is for: of a number, as [`FaxNumber::parse`] reads it, or an address with a domain as it is, read
/// strictly.
///
/// # Errors
/// Why it is neither, or has no address.
pub fn recipient(text: &str, settings: &FaxSettings) -> Result<Mailbox, FaxError> {
    let text = text.trim();
    if text.contains('@') && number::after_scheme(text).is_none() {
        let mailbox = Mailbox::parse(text, Strictness::Strict).map_err(FaxError::Address)?;
        return if mailbox.addr().is_some() { Ok(mailbox) } else { Err(FaxError::NoDomain) };
    }
    settings.address(&FaxNumber::parse(text, settings.country)?)
}

/// Those of several numbers or addresses, with commas between.
///
/// # Errors
/// As [`recipient`], of the first that is wrong.
pub fn recipients(text: &str, settings: &FaxSettings) -> Result<Vec<Mailbox>, FaxError> {
    text.split(',').map(|text| recipient(text, settings)).collect()
}

/// What a document is, by its first bytes; `None` for what gateways don't take. A name says nothing: whoever sends chooses it. The
/// first 1,024 bytes are enough.
pub fn fax_document(head: &[u8]) -> Option<FaxDocument> {
    // Readers of PDF take its header anywhere in there (ISO 32000-1 annex H.3.4.1, note 12).
    const WITHIN: usize = 1024;
    if [b"II*\0", b"MM\0*"].iter().any(|magic| head.starts_with(*magic)) {
        return Some(FaxDocument::Tiff);
    }
    let head = head.get(..WITHIN).unwrap_or(head);
    head.windows(5).any(|bytes| bytes == b"%PDF-").then_some(FaxDocument::Pdf)
}

impl FaxDocument {
    /// Its media type (RFC 8118, RFC 3302).
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Tiff => "image/tiff",
        }
    }
}

fn read(text: &str) -> Result<AddrSpec, FaxError> {
    AddrSpec::parse(text, Strictness::Strict).map_err(FaxError::Address)
}

impl FaxTemplate {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["rfc3192", "number_at_domain", "own"];

    /// As forms and JSON write it.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Rfc3192 => "rfc3192",
            Self::NumberAtDomain => "number_at_domain",
            Self::Own(_) => "own",
        }
    }

    /// The own one, if it is such.
    pub const fn own(&self) -> Option<&OwnTemplate> {
        match self {
            Self::Own(own) => Some(own),
            Self::Rfc3192 | Self::NumberAtDomain => None,
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl OwnTemplate {
    /// Reads an address with `{number}` (digits only) or `{e164}` (with the plus) in it. White space around it is removed.
    ///
    /// # Errors
    /// [`FaxError::NoPlaceholder`], [`FaxError::UnknownPlaceholder`], or [`FaxError::Address`] where what comes out is no address.
    pub fn parse(text: &str) -> Result<Self, FaxError> {
        let template = Self(text.trim().to_owned());
        // The longest numbers there are. What stands in a comment doesn't count: the addresses must differ.
        let (_, longest) = DIGITS;
        let number = |last: &str| FaxNumber::parse(&format!("+999{}{last}", "1".repeat(longest - 4)), None);
        let (one, other) = (template.fill(&number("1")?)?, template.fill(&number("2")?)?);
        if one == other { Err(FaxError::NoPlaceholder) } else { Ok(template) }
    }

    fn fill(&self, number: &FaxNumber) -> Result<AddrSpec, FaxError> {
        let filled = self.0.replace("{number}", number.digits()).replace("{e164}", &number.to_string());
        if let Some(at) = filled.find(['{', '}']) {
            let rest = filled.get(at..).unwrap_or_default();
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            return Err(FaxError::UnknownPlaceholder { text: quote(rest.get(..end).unwrap_or_default()) });
        }
        read(&filled)
    }

    /// As it was entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FaxPrefix {
    /// Reads digits, `*` and `#`, and `p` and `w` for a pause and for waiting for the tone (RFC 3191 section 2); at most
    /// [`MAX_PREFIX`]. White space around it is removed.
    ///
    /// # Errors
    /// [`FaxError::PrefixCharacter`] or [`FaxError::PrefixTooLong`].
    pub fn parse(text: &str) -> Result<Self, FaxError> {
        let text = text.trim();
        let length = text.chars().count();
        if length > MAX_PREFIX {
            return Err(FaxError::PrefixTooLong { length });
        }
        let lower = text.to_ascii_lowercase();
        match lower.chars().find(|c| !matches!(c, '0'..='9' | '*' | '#' | 'p' | 'w')) {
            Some(character) => Err(FaxError::PrefixCharacter { character }),
            None => Ok(Self(lower)),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FaxPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! kept_as_text {
    ($($type:ty),+) => {$(
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = FaxError;

            fn try_from(text: String) -> Result<Self, FaxError> {
                Self::parse(&text)
            }
        }
    )+};
}

kept_as_text!(OwnTemplate, FaxPrefix);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(template: &str, domain: &str, prefix: &str, country: &str) -> FaxSettings {
        FaxSettings {
            template: match template {
                "rfc3192" => FaxTemplate::Rfc3192,
                "number_at_domain" => FaxTemplate::NumberAtDomain,
                own => FaxTemplate::Own(OwnTemplate::parse(own).unwrap()),
            },
            domain: Host::parse(domain).ok(),
            prefix: FaxPrefix::parse(prefix).unwrap(),
            country: Country::parse(country).ok(),
        }
    }

    #[test]
    fn a_number_becomes_the_address_that_the_gateway_wants() {
        for (template, domain, prefix, address) in [
            ("rfc3192", "gateway.example", "", "FAX=+4930123456@gateway.example"),
            ("rfc3192", "gateway.example", "000", "FAX=0004930123456@gateway.example"),
            ("rfc3192", "gateway.example", "0P*31#w", "FAX=0p*31#w4930123456@gateway.example"),
            ("rfc3192", "192.0.2.1", "", "FAX=+4930123456@[192.0.2.1]"),
            ("rfc3192", "[2001:db8::1]", "", "FAX=+4930123456@[IPv6:2001:db8::1]"),
            ("number_at_domain", "fax.example", "", "4930123456@fax.example"),
            ("number_at_domain", "fax.example", "00", "004930123456@fax.example"),
            ("{number}@fax.example", "unused.example", "", "4930123456@fax.example"),
            ("{e164}@fax.example", "", "", "+4930123456@fax.example"),
            (" fax-{number}.anna@fax.example ", "", "", "fax-4930123456.anna@fax.example"),
            ("anna@{number}.fax.example", "", "", "anna@4930123456.fax.example"),
            ("/fax={e164}/@fax.example", "", "", "/fax=+4930123456/@fax.example"),
            ("\"fax {e164}\"@fax.example", "", "", "\"fax +4930123456\"@fax.example"),
        ] {
            let settings = settings(template, domain, prefix, "");
            let found = recipient("+49 30 123456", &settings).unwrap();
            assert_eq!(found.to_string(), address);
            assert_eq!(found.addr().unwrap().to_wire(), address);
            assert_eq!(settings.check(), Ok(()));
            let json = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<FaxSettings>(&json).unwrap(), settings, "{json}");
        }
        assert_eq!(serde_json::to_string(&FaxSettings::default()).unwrap(), "{}", "fingerprints are made of this");
    }

    #[test]
    fn templates_that_give_no_address_or_always_the_same_are_refused() {
        let refused = |text: &str| OwnTemplate::parse(text).unwrap_err();
        for text in ["fax@fax.example", "(for {number})fax@fax.example", "fax@fax.example(for {e164})"] {
            assert_eq!(refused(text), FaxError::NoPlaceholder, "{text}");
        }
        for (text, found) in [
            ("{nummer}@fax.example", "{nummer}"),
            ("{number}{@fax.example", "{@fax.example"),
            ("{number}}@fax.example", "}"),
            ("{}{number}@fax.example", "{}"),
            ("{NUMBER}@fax.example", "{NUMBER}"),
        ] {
            assert_eq!(refused(text), FaxError::UnknownPlaceholder { text: found.into() });
        }
        let (long, longer) = ("f".repeat(49), "f".repeat(50));
        assert!(OwnTemplate::parse(&format!("{long}{{number}}@fax.example")).is_ok(), "64 octets with the longest number");
        for text in [
            "",
            "{number}",
            "{number}@",
            "@{number}",
            "{number}@fax@example",
            "anna@{e164}.example",
            "a b {number}@fax.example",
            "{number}@fax.example, b@fax.example",
            "{number}@fax.example\r\nBcc: b@fax.example",
            "Fax <{number}@fax.example>",
            &format!("{longer}{{number}}@fax.example"),
            &"{number}".repeat(100_000),
        ] {
            assert!(matches!(refused(text), FaxError::Address(_)), "{text:.40}");
        }
    }

    #[test]
    fn prefixes_are_what_can_be_dialled() {
        for text in ["", "0", " 0 ", "*31#", "0W", "1234567890123456"] {
            assert!(FaxPrefix::parse(text).is_ok(), "{text}");
        }
        for character in ['+', ',', '@', 'x', '\r', '\u{ff10}', ' '] {
            let error = FaxPrefix::parse(&format!("0{character}0")).unwrap_err();
            assert_eq!(error, FaxError::PrefixCharacter { character });
        }
        assert_eq!(FaxPrefix::parse(&"0".repeat(17)), Err(FaxError::PrefixTooLong { length: 17 }));
    }

    #[test]
    fn a_recipient_is_a_number_or_an_address_that_fits() {
        let german = settings("rfc3192", "fax.example", "", "DE");
        for (text, address) in [
            ("fax:+49-30-123456", "FAX=+4930123456@fax.example"),
            ("tel:+49-30-123456", "FAX=+4930123456@fax.example"),
            (" 030 123456 ", "FAX=+4930123456@fax.example"),
            ("FAX=+4930123456@other.example", "FAX=+4930123456@other.example"),
            ("Anna <anna@example.org>", "Anna <anna@example.org>"),
            ("\"tel:a\"@example.org", "\"tel:a\"@example.org"),
        ] {
            assert_eq!(recipient(text, &german).map(|mailbox| mailbox.to_string()), Ok(address.into()), "{text}");
        }
        for text in ["anna", "anna@", "@example.org", "fax:anna@example.org", "a@b.c, d@e.f", "", "+49 30 1@\r\n"] {
            assert!(recipient(text, &german).is_err(), "{text}");
        }
        let nowhere = FaxSettings { domain: None, ..german.clone() };
        assert_eq!(recipient("+49 30 123456", &nowhere), Err(FaxError::NoDomain));
        let several = recipients("030 123456, fax:+43-1-58858,b@example.org", &german).unwrap();
        assert_eq!(several.len(), 3);
        assert_eq!(recipients("030 123456,", &german), Err(FaxError::Number(FaxNumberError::Empty)));
    }

    #[test]
    fn a_domain_that_leaves_no_room_is_found_before_a_number_is() {
        let long = format!("{}.example", vec!["a".repeat(60); 4].join("."));
        for (template, right) in [("rfc3192", false), ("{number}@fax.example", true)] {
            assert_eq!(settings(template, &long, "", "").check().is_ok(), right, "{template}");
        }
    }

    #[test]
    fn examples_are_of_the_country() {
        for (country, number, address) in [
            ("", "+49 30 123456", "4930123456@fax.example"),
            ("US", "+1 212 555 0100", "12125550100@fax.example"),
            ("IT", "+39 06 123456", "3906123456@fax.example"),
            ("BY", "+375 30 1234567", "375301234567@fax.example"),
        ] {
            let example = settings("number_at_domain", "fax.example", "", country).example().unwrap();
            assert_eq!(example, FaxExample { number: number.into(), address: address.into() });
        }
    }

    #[test]
    fn documents_are_told_by_their_bytes() {
        let late = |at: usize| [vec![b' '; at], b"%PDF-1.4\n".to_vec()].concat();
        for (head, document) in [
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3".to_vec(), Some(FaxDocument::Pdf)),
            (late(1019), Some(FaxDocument::Pdf)),
            (late(1020), None),
            (b"II*\0\x08\0\0\0".to_vec(), Some(FaxDocument::Tiff)),
            (b"MM\0*\0\0\0\x08".to_vec(), Some(FaxDocument::Tiff)),
            (b"II+\0".to_vec(), None),
            (b"II*".to_vec(), None),
            (b"PK\x03\x04".to_vec(), None),
            (b"%PDF".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(fax_document(&head), document, "{head:.20?}");
        }
    }
}
