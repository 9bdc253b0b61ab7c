//! E-mail addresses: read strictly as RFC 5322 section 3.4 lets one write them, or leniently as real mail has them;
//! written anew, from what was read, for SMTP and for header fields.
//!
//! ```
//! use domain::address::{Mailbox, Strictness};
//!
//! let sender = Mailbox::parse("Jörg <joerg@example.org>", Strictness::Strict)?;
//! assert_eq!(sender.name(), Some("Jörg"));
//! assert_eq!(sender.addr().map(|addr| addr.to_wire()).as_deref(), Some("joerg@example.org"));
//!
//! let error = Mailbox::parse("a,b@example.org", Strictness::Strict).unwrap_err();
//! assert_eq!((error.kind_name(), error.offset), ("unexpected_character", 1));
//! # Ok::<(), domain::address::AddressError>(())
//! ```
//!
//! In a list, `mailto:` is never the name of a group: leniently it is the prefix of a link, so that `mailto:a@example.org;` is
//! one address and a separator.
//!
//! What is refused in either mode can never change an SMTP dialogue or a header: controls, line breaks but for one fold,
//! and what cannot be seen. IDN is left to [`crate::idn`], the sentences for people are in `words`.

mod error;
mod fix;
mod grammar;
mod header;
mod reading;
mod text;
mod unicode;
mod words;

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::error::{AddressError, AddressErrorKind, Place};
pub use self::fix::{Fix, FixKind, suggest};
use self::grammar::{RawAddr, RawMailbox, RawName, Sink};
pub use self::reading::{MAX_SHOWN, Reading, Remark, Spot, Understood};
use self::text::Text;
pub use self::unicode::UNICODE_VERSION;
use crate::idn::{self, MAX_LABEL};

/// Octets of a text that is read, at most. A list for a thousand recipients is about half of it.
pub const MAX_INPUT: usize = 64 * 1024;
/// Octets of a local part, at most (RFC 5321 section 4.5.3.1.1).
pub const MAX_LOCAL_PART: usize = 64;
/// Octets of a domain, at most (RFC 5321 section 4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;
/// Octets of an address, at most: a path has 256 with its angle brackets (RFC 5321 section 4.5.3.1.3).
pub const MAX_ADDRESS: usize = 254;

/// Which syntax is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// What RFC 5322 section 3.4 lets one generate.
    #[default]
    Strict,
    /// Also the obsolete syntax, and what occurs in real mail.
    Lenient,
}

/// How many mailboxes are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Exactly one, as of a sender.
    One,
    /// A list, groups included.
    List,
}

impl Wanted {
    /// Whether `input` is what is wanted.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn validate(self, input: &str, strictness: Strictness) -> Result<(), AddressError> {
        self.read(input, strictness, &mut ())
    }

    fn read(self, input: &str, strictness: Strictness, sink: &mut dyn Sink) -> Result<(), AddressError> {
        let read = if self == Self::One { grammar::mailbox } else { grammar::address_list };
        read(input, strictness, sink).map_err(|fault| AddressError::new(input, fault))
    }
}

/// A list of mailboxes and groups, in order; never without any entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AddressList(Vec<Address>);

/// An entry of an [`AddressList`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// A single mailbox.
    Mailbox(Mailbox),
    /// A named group of mailboxes.
    Group(Group),
}

/// A named group of mailboxes, possibly without any.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Group {
    name: Text,
    members: Vec<Mailbox>,
}

/// A mailbox: an address, and perhaps a name to display.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mailbox {
    name: Option<Text>,
    target: Target,
}

/// Where mail for a [`Mailbox`] goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Target {
    Addr(AddrSpec),
    /// A local part without a domain: read leniently, never written to the wire.
    Bare(Text),
}

/// A local part and a domain: what SMTP can deliver to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AddrSpec {
    /// The local part without quotes, `@` and the domain as it was read.
    text: Text,
    /// Where the `@` is.
    at: usize,
    /// The domain with A-labels, if it has U-labels.
    ascii: Option<Text>,
}

/// A domain name or an address literal, of an [`AddrSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Domain<'a> {
    text: &'a str,
    ascii: Option<&'a str>,
}

/// A mailbox without a domain, where one with a domain is needed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BareName {
    /// The local part.
    pub local: String,
}

impl std::error::Error for BareName {}

impl AddressList {
    /// Reads an address list, groups included.
    ///
    /// # Errors
    /// What is wrong with the first address that is none, and where.
    pub fn parse(input: &str, strictness: Strictness) -> Result<Self, AddressError> {
        let mut reader = Reader::default();
        Wanted::List.read(input, strictness, &mut reader)?;
        Ok(Self(reader.entries))
    }

    /// As [`parse`](Self::parse), without making a value.
    ///
    /// # Errors
    /// The same.
    pub fn validate(input: &str, strictness: Strictness) -> Result<(), AddressError> {
        Wanted::List.validate(input, strictness)
    }

    /// Mailboxes and groups, in order.
    pub fn entries(&self) -> &[Address] {
        &self.0
    }

    /// All mailboxes in order, those of groups included.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.0.iter().flat_map(|entry| match entry {
            Address::Mailbox(mailbox) => std::slice::from_ref(mailbox),
            Address::Group(group) => &group.members,
        })
    }

    /// The value of a header field such as `To`, unfolded, in ASCII but for local parts.
    ///
    /// # Errors
    /// A mailbox without a domain has no place in a header.
    pub fn to_header(&self) -> Result<String, BareName> {
        if let Some(bare) = self.mailboxes().find_map(|mailbox| mailbox.addr().is_none().then(|| mailbox.bare())) {
            return Err(bare);
        }
        let mut out = String::new();
        let written = self.write(&mut out, Form::Header);
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        Ok(out)
    }

    fn write(&self, out: &mut dyn Write, form: Form) -> fmt::Result {
        for (i, entry) in self.0.iter().enumerate() {
            if i > 0 {
                out.write_str(", ")?;
            }
            match entry {
                Address::Mailbox(mailbox) => mailbox.write(out, form, true)?,
                Address::Group(group) => group.write(out, form)?,
            }
        }
        Ok(())
    }
}

impl Group {
    /// The name to display.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The mailboxes, in order.
    pub fn members(&self) -> &[Mailbox] {
        &self.members
    }

    fn write(&self, out: &mut dyn Write, form: Form) -> fmt::Result {
        form.phrase(&self.name, out)?;
        out.write_char(':')?;
        for (i, member) in self.members.iter().enumerate() {
            out.write_str(if i > 0 { ", " } else { " " })?;
            member.write(out, form, true)?;
        }
        out.write_char(';')
    }
}

impl Mailbox {
    /// Reads exactly one mailbox.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(input: &str, strictness: Strictness) -> Result<Self, AddressError> {
        let mut only = Only(None);
        Wanted::One.read(input, strictness, &mut only)?;
        only.0.ok_or(AddressError { kind: AddressErrorKind::Empty, offset: 0, char_offset: 0 })
    }

    /// As [`parse`](Self::parse), without making a value.
    ///
    /// # Errors
    /// The same.
    pub fn validate(input: &str, strictness: Strictness) -> Result<(), AddressError> {
        Wanted::One.validate(input, strictness)
    }

    /// The name to display.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address. None for a bare local name, which nothing can be sent to.
    pub fn addr(&self) -> Option<&AddrSpec> {
        match &self.target {
            Target::Addr(addr) => Some(addr),
            Target::Bare(_) => None,
        }
    }

    /// The address.
    ///
    /// # Errors
    /// The local name, if there is nothing else.
    pub fn require_addr(&self) -> Result<&AddrSpec, BareName> {
        self.addr().ok_or_else(|| self.bare())
    }

    /// What the local part says, without its quotes.
    pub fn local(&self) -> &str {
        match &self.target {
            Target::Addr(addr) => addr.local(),
            Target::Bare(local) => local,
        }
    }

    /// The domain. None for a bare local name.
    pub fn domain(&self) -> Option<Domain<'_>> {
        self.addr().map(AddrSpec::domain)
    }

    /// Whether a server must offer SMTPUTF8 (RFC 6531) to take it.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }

    /// The value of a header field such as `From`, unfolded, in ASCII but for the local part; the name in encoded words
    /// (RFC 2047) where it is not ASCII.
    ///
    /// # Errors
    /// A mailbox without a domain has no place in a header.
    pub fn to_header(&self) -> Result<String, BareName> {
        self.require_addr()?;
        let mut out = String::new();
        let written = self.write(&mut out, Form::Header, false);
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        Ok(out)
    }

    fn bare(&self) -> BareName {
        BareName { local: self.local().to_owned() }
    }

    /// In a list, a bare name stands in angle brackets: else it could be read as part of the next display name.
    fn write(&self, out: &mut dyn Write, form: Form, in_list: bool) -> fmt::Result {
        let bracketed = self.name.is_some() || in_list && matches!(self.target, Target::Bare(_));
        if let Some(name) = &self.name {
            form.phrase(name, out)?;
            out.write_char(' ')?;
        }
        if bracketed {
            out.write_char('<')?;
        }
        match &self.target {
            Target::Addr(addr) => addr.write(out, form)?,
            Target::Bare(local) => header::local_part(local, out)?,
        }
        if bracketed { out.write_char('>') } else { Ok(()) }
    }
}

/// The value of an unstructured header field such as `Subject`, in encoded words (RFC 2047) with a space between them, each of
/// which has its place on a line with a short name before it. Folding is left to whoever writes the message.
pub fn encoded_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let written = header::encoded_words(text, &mut out);
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    out
}

impl From<AddrSpec> for Mailbox {
    fn from(addr: AddrSpec) -> Self {
        Self { name: None, target: Target::Addr(addr) }
    }
}

impl AddrSpec {
    /// Reads a local part, `@` and a domain.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(input: &str, strictness: Strictness) -> Result<Self, AddressError> {
        let raw = grammar::addr_spec(input, strictness).map_err(|fault| AddressError::new(input, fault))?;
        match read_target(&raw) {
            Target::Addr(addr) => Ok(addr),
            Target::Bare(_) => Err(AddressError { kind: AddressErrorKind::MissingAt, offset: 0, char_offset: 0 }),
        }
    }

    /// As [`parse`](Self::parse), without making a value.
    ///
    /// # Errors
    /// The same.
    pub fn validate(input: &str, strictness: Strictness) -> Result<(), AddressError> {
        grammar::addr_spec(input, strictness).map(drop).map_err(|fault| AddressError::new(input, fault))
    }

    /// What the local part says, without its quotes.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain.
    pub fn domain(&self) -> Domain<'_> {
        Domain { text: &self.text[self.at + 1..], ascii: self.ascii.as_deref() }
    }

    /// Whether a server must offer SMTPUTF8 (RFC 6531) to take it: the local part is not ASCII. A domain never asks for
    /// it, as it has A-labels.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }

    /// Mailbox of RFC 5321 section 4.1.2, as it stands between the angle brackets of `MAIL FROM:<…>`: one line, quoted
    /// where it must be, with A-labels (where the feature `idna` is on).
    pub fn to_wire(&self) -> String {
        let mut out = String::with_capacity(self.text.len() + 2);
        let written = self.write(&mut out, Form::Header);
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        out
    }

    fn write(&self, out: &mut dyn Write, form: Form) -> fmt::Result {
        header::local_part(self.local(), out)?;
        out.write_char('@')?;
        out.write_str(match form {
            Form::Header => self.domain().ascii(),
            Form::Display => self.domain().text,
        })
    }
}

impl<'a> Domain<'a> {
    /// As it was read, without comments and white space.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// With A-labels. Without the feature `idna`, U-labels stay.
    pub fn ascii(self) -> &'a str {
        self.ascii.unwrap_or(self.text)
    }

    /// With U-labels where they can be read. Without the feature `idna`, A-labels stay.
    pub fn unicode(self) -> Cow<'a, str> {
        idn::to_unicode(self.ascii())
    }

    /// Whether it has labels beyond ASCII, written either way.
    pub fn is_idn(self) -> bool {
        let ascii = self.ascii();
        !ascii.is_ascii() || ascii.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")))
    }

    /// Whether it is an address literal such as `[192.0.2.1]`.
    pub fn is_literal(self) -> bool {
        self.text.starts_with('[')
    }

    /// Whether it is a single label, such as `localhost`: seldom what is meant.
    pub fn is_single_label(self) -> bool {
        !self.is_literal() && !self.text.contains('.')
    }

    /// Whether the last label is a number, as in `192.0.2.1` without its brackets: never registered. Full-width digits are
    /// digits where they go.
    pub fn is_numeric(self) -> bool {
        let is_digit = |c| matches!(c, '0'..='9' | '\u{ff10}'..='\u{ff19}');
        !self.is_literal() && self.text.rsplit('.').next().is_some_and(|label| label.chars().all(is_digit))
    }
}

/// For people, or for machines?
#[derive(Clone, Copy)]
enum Form {
    Display,
    Header,
}

impl Form {
    fn phrase(self, name: &str, out: &mut dyn Write) -> fmt::Result {
        match self {
            Self::Display => header::phrase(name, out),
            Self::Header => header::encoded_phrase(name, out),
        }
    }
}

/// Makes values of what the grammar reads.
#[derive(Default)]
struct Reader {
    entries: Vec<Address>,
    /// Whether the last entry is a group that is still open.
    in_group: bool,
}

/// Makes a value of the only mailbox.
struct Only(Option<Mailbox>);

impl Sink for Only {
    fn mailbox(&mut self, raw: RawMailbox<'_>) {
        self.0 = Some(read_mailbox(&raw));
    }

    fn group(&mut self, _: &str) {}

    fn end_group(&mut self) {}
}

fn read_mailbox(raw: &RawMailbox<'_>) -> Mailbox {
    let name = match raw.name {
        RawName::None => None,
        RawName::Phrase(phrase) => Some(text::phrase(phrase)),
        RawName::Comment(comment) => Some(text::comment(comment)),
    };
    Mailbox { name: name.filter(|name| !name.trim().is_empty()), target: read_target(&raw.addr) }
}

impl Sink for Reader {
    fn mailbox(&mut self, raw: RawMailbox<'_>) {
        let mailbox = read_mailbox(&raw);
        match self.entries.last_mut() {
            Some(Address::Group(group)) if self.in_group => group.members.push(mailbox),
            _ => self.entries.push(Address::Mailbox(mailbox)),
        }
    }

    fn group(&mut self, name: &str) {
        self.in_group = true;
        self.entries.push(Address::Group(Group { name: text::phrase(name), members: Vec::new() }));
    }

    fn end_group(&mut self) {
        self.in_group = false;
    }
}

fn read_target(raw: &RawAddr<'_>) -> Target {
    let (text, at) = match raw.plain {
        Some(text) => text::plain_addr_spec(text, raw.local),
        None => text::addr_spec(raw.local, raw.domain.map(|domain| domain.text)),
    };
    let Some(domain) = raw.domain else {
        return Target::Bare(text);
    };
    let mut ascii = None;
    if domain.has_u_labels
        && let Ok(Some(labels)) = idn::encode_domain(&text[at + 1..], true)
    {
        ascii = Text::new(labels.into_owned());
    }
    Target::Addr(AddrSpec { text, at, ascii })
}

/// Whether a character beyond ASCII may stand in an address.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii() || unicode::class(c) == unicode::Class::Plain
}

/// The first character of a label that is punctuation or a symbol.
pub(crate) fn symbol(label: &str) -> Option<char> {
    unicode::symbol(label).map(|(_, c)| c)
}

/// As people read it; leniently read again, it is the same value.
impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Form::Display)
    }
}

/// As people read it; leniently read again, it is the same value.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Form::Display, false)
    }
}

/// As people read it; leniently read again, it is the same value.
impl fmt::Display for AddrSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Form::Display)
    }
}

/// As it was read.
impl fmt::Display for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

macro_rules! through_string {
    ($($type:ty),+) => {$(
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        /// Read leniently: what was stored is read again, whichever way it was typed.
        impl TryFrom<String> for $type {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                Self::parse(&text, Strictness::Lenient)
            }
        }

        /// Read strictly.
        impl FromStr for $type {
            type Err = AddressError;

            fn from_str(text: &str) -> Result<Self, AddressError> {
                Self::parse(text, Strictness::Strict)
            }
        }
    )+};
}

through_string!(AddressList, Mailbox, AddrSpec);
