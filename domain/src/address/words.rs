//! The sentences: short, concrete, and with what to do. The only place that has any.

use std::fmt;

use super::error::{AddressError, AddressErrorKind as Kind, Place};
use super::fix::{Fix, FixKind};
use super::reading::{Remark, Spot};
use super::{BareName, MAX_ADDRESS, MAX_DOMAIN, MAX_INPUT, MAX_LABEL, MAX_LOCAL_PART};

impl AddressError {
    /// What is wrong and what to do, for people; without a full stop, so that it can be part of a longer one.
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}

/// The [sentence](AddressError::sentence).
impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Empty => "Enter an address, such as name@example.com",
            Kind::InputTooLong { .. } => return write!(f, "This is too long; at most {} KiB can be read at once", MAX_INPUT / 1024),
            Kind::MoreThanOne => "Only one address can stand here; remove the others",
            Kind::GroupNotAllowed => "The colon begins a group, which can't stand here; enter a single address",

            Kind::Control { found } => {
                return write!(f, "A control character (U+{:04X}) can't stand in an address; remove it", u32::from(found));
            }
            Kind::LineBreak => "A line break can't stand in an address; remove it",
            Kind::RepeatedFold => "Several line breaks follow each other; leave one, or none",
            Kind::Unseen { found } => {
                return write!(f, "An invisible character (U+{:04X}) stands here; remove it", u32::from(found));
            }
            Kind::Unassigned { found } => {
                return write!(f, "The character U+{:04X} is not assigned in Unicode; remove it", u32::from(found));
            }
            Kind::LookAlike { found: '\u{ff20}' | '\u{fe6b}' } => "This is not an ordinary at-sign; type @",
            Kind::LookAlike { found: '\u{3002}' | '\u{ff0e}' | '\u{ff61}' } => "This is not an ordinary dot; type one",
            Kind::LookAlike { found: '\u{ff0c}' } => "This is not an ordinary comma; type one",
            Kind::LookAlike { found: '\u{ff1b}' } => "This is not an ordinary semicolon; type a comma",
            Kind::LookAlike { found: '\u{fe00}'.. } => "A sign that changes how a character looks can't stand in an address; remove it",
            Kind::LookAlike { .. } => "A special space (copied from a page or document?) can't stand in an address; remove it",

            Kind::Unexpected { found, place } => return unexpected(f, found, place),
            Kind::QuotedPair => "After a backslash, only an ASCII character can follow; remove the backslash",
            Kind::UnclosedQuote => "The quotation mark is never closed; put a second \" where the quoted text ends",
            Kind::UnclosedComment => "The comment is never closed; put a ) where it ends",
            Kind::UnclosedAngle => "The angle bracket is never closed; put a > after the address",
            Kind::UnclosedLiteral => "The square bracket is never closed; put a ] after the IP address",
            Kind::UnclosedGroup => "The colon begins a group that is never closed; put a ; after its last address, or remove the colon",
            Kind::GroupWithoutName => "A group needs a name before its colon, such as Team: name@example.com;",
            Kind::NestedGroup => "A group can't stand within a group; close the first one with a ;",

            Kind::MissingAt => "The @ is missing; write the address as name@example.com",
            Kind::TwoAts => "Two at-signs; an address has exactly one between name and domain",
            Kind::SpaceBesideAt => "No space or comment can stand beside the @; remove it",

            Kind::EmptyLocalPart => "Nothing stands before the @; write the address as name@example.com",
            Kind::EmptyAngle => "Nothing stands between the angle brackets; put the address there",
            Kind::LocalPartStartsWithDot => "The local part starts with a dot; remove it, or put the local part in quotes",
            Kind::LocalPartEndsWithDot => "The local part ends with a dot; remove it, or put the local part in quotes",
            Kind::LocalPartDoubleDot => "Two dots follow each other; remove one, or put the local part in quotes",
            Kind::SpaceInLocalPart => {
                "A space or comment can't stand in the local part; remove it, or put the address in angle brackets: Name <name@example.com>"
            }
            Kind::PartlyQuoted => "The local part must be in quotes as a whole, or not at all: \"a b\"@example.com",
            Kind::LocalPartTooLong { length } => {
                return write!(f, "The local part is {length} octets long; at most {MAX_LOCAL_PART} can stand before the @");
            }

            Kind::EmptyDomain => "The domain is missing; write it after the @, such as example.com",
            Kind::DomainStartsWithDot => "The domain starts with a dot; remove it",
            Kind::DomainEndsWithDot => "The domain ends with a dot; remove it",
            Kind::DomainDoubleDot => "Two dots follow each other in the domain; remove one",
            Kind::SpaceInDomain => "A space or comment can't stand in the domain; remove it",
            Kind::HyphenAtEdge => "A part of the domain starts or ends with a hyphen; remove it",
            Kind::Underscore => "An underscore can't stand in the domain; did you mean a hyphen?",
            Kind::LabelTooLong { length } => {
                return write!(f, "This part of the domain is {length} octets long; at most {MAX_LABEL} are allowed");
            }
            Kind::DomainTooLong { length } => {
                return write!(f, "The domain is {length} octets long; at most {MAX_DOMAIN} are allowed");
            }
            Kind::AddressTooLong { length } => {
                return write!(f, "The address is {length} octets long; at most {MAX_ADDRESS} are allowed");
            }
            Kind::UnknownLiteral => "Square brackets can hold only an IP address, such as [192.0.2.1] or [IPv6:2001:db8::1]",
            Kind::InvalidIdn => "The domain contains characters that no domain name can have; check its spelling",

            Kind::DotInName => "A name with a dot must be in quotes: \"J. Doe\" <name@example.com>",
            Kind::NameNeedsQuotes { found: ',' } => "A name with a comma must be in quotes: \"Doe, Jo\" <name@example.com>",
            Kind::NameNeedsQuotes { found } => {
                return write!(f, "A name with {} must be in quotes: \"Name\" <name@example.com>", Named(found));
            }
            Kind::Route => "A route can't stand before the address; leave only the address in the angle brackets",
            Kind::Mailto => "Leave out “mailto:”; write only the address",
            Kind::EmptyElement => "There is a comma too many; remove it, or add an address",
            Kind::Semicolon => "A semicolon only ends a group; put a comma between addresses",
            Kind::TrailingSeparator { found } => return write!(f, "{:#} can't stand after the only address; remove it", Named(found)),
            Kind::MissingSeparator => "A comma is missing between two addresses; put it here",
        })
    }
}

/// A character where it cannot stand.
fn unexpected(f: &mut fmt::Formatter<'_>, found: char, place: Place) -> fmt::Result {
    let name = Named(found);
    match (place, found) {
        (Place::LocalPart, ',') => f.write_str("A comma can't stand in the local part; put it in quotes: \"a,b\"@example.com"),
        (Place::LocalPart, '(' | ')' | ':' | ';' | '<' | '>' | '[' | ']' | '\\' | '"') => {
            write!(f, "{name:#} can't stand in the local part; remove it, or put the local part in quotes")
        }
        (Place::LocalPart, _) => write!(f, "{name:#} can't stand in the local part; remove it"),
        (Place::Domain, _) => write!(f, "{name:#} can't stand in the domain; remove it"),
        (Place::DisplayName, _) => write!(f, "{name:#} can't stand in a name without quotes; put the name in quotes"),
        (Place::AfterAddress, '>') => f.write_str("There is no < for this angle bracket; remove it"),
        (Place::AfterAddress, _) => {
            write!(f, "{name:#} can't stand after an address; remove it, or put the name first: Name <name@example.com>")
        }
        (Place::InBrackets, _) => f.write_str("Only one address can stand in angle brackets; put a > after it"),
    }
}

/// A character by its name; `{:#}` with a capital letter.
struct Named(char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (name_of(self.0), f.alternate()) {
            (Some(name), true) => write!(f, "A{}", &name[1..]),
            (Some(name), false) => f.write_str(name),
            (None, true) => write!(f, "The character “{}”", self.0),
            (None, false) => write!(f, "the character “{}”", self.0),
        }
    }
}

/// The name of a character that is easily overlooked in quotes; it starts with “a”.
const fn name_of(c: char) -> Option<&'static str> {
    Some(match c {
        ',' => "a comma",
        ';' => "a semicolon",
        ':' => "a colon",
        '.' => "a dot",
        '@' => "an at-sign",
        ' ' => "a space",
        '\t' => "a tab",
        '"' => "a quotation mark",
        '«' | '»' | '\u{2018}'..='\u{201f}' => "a typographic quotation mark",
        '\\' => "a backslash",
        '/' => "a slash",
        '(' | ')' => "a parenthesis",
        '<' | '>' => "an angle bracket",
        '[' | ']' => "a square bracket",
        _ => return None,
    })
}

/// What to do with a name that has no domain.
impl fmt::Display for BareName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "“{}” has no domain; write the whole address, such as {}@example.com", self.local, self.local)
    }
}

impl Remark {
    /// In a few words, beside the address.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NeedsSmtputf8 => "needs SMTPUTF8",
            Self::SingleLabel => "no dot in the domain",
            Self::NumericDomain => "the domain ends in a number",
            Self::Literal => "an IP address",
            Self::Repeated => "stands twice",
        }
    }

    /// What it means, and what to do where something is to be done.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NeedsSmtputf8 => {
                "The part before the @ is not plain ASCII. The server must offer SMTPUTF8 to take it; a test shows whether it does."
            }
            Self::SingleLabel => "Such a domain exists in your own network at best.",
            Self::NumericDomain => "No such domain can be registered. An IP address stands in square brackets: name@[192.0.2.1].",
            Self::Literal => "Mail goes to the machine with this address; many servers refuse that.",
            Self::Repeated => "The same address stands before it.",
        }
    }
}

/// Where it is, for those who don't see the mark.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Many screen readers leave out punctuation, so it is named.
        let mut characters = self.found.chars();
        let only = characters.next().filter(|_| characters.next().is_none());
        match (self.found.as_str(), only.and_then(name_of)) {
            ("", _) => f.write_str("At the end"),
            (_, Some(name)) => write!(f, "Character {}, {name}", self.number),
            (found, None) => write!(f, "Character {}, “{found}”", self.number),
        }
    }
}

/// What the fix does, as the words on its button.
impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.what {
            FixKind::AtSign => "Use an ordinary @",
            FixKind::Dot => "Use an ordinary dot",
            FixKind::QuotationMarks => "Use straight quotation marks",
            FixKind::StrayMarks => "Remove the quotation marks",
            FixKind::Mailto => "Remove “mailto:”",
            FixKind::Query => "Remove what follows the address",
            FixKind::Spaces => "Remove the spaces",
            FixKind::Hidden => "Remove the hidden character",
            FixKind::Dots => "Remove the dot",
            FixKind::Commas => "Remove the comma",
            FixKind::Semicolon => "Remove the semicolon",
            FixKind::Separator => "Put a comma between the addresses",
            FixKind::CommaForDot => "Use a dot instead of the comma",
            FixKind::QuoteName => "Put the name in quotes",
            FixKind::AngleBrackets => "Put the address in angle brackets",
            FixKind::Provider => "Use this domain",
            FixKind::SecondAt => "Remove the second @",
            FixKind::Close => "Add what is missing at the end",
            FixKind::Several => "Correct it",
        })
    }
}
