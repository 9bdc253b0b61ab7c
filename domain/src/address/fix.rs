//! One-click fixes for typical slips.
//!
//! A fix follows the error: each step repairs the place it points at, until the text can be read. A fix is offered only
//! if it can be, and never applied by itself. The words are in [`super::words`].

use serde::{Deserialize, Serialize};

use super::error::{AddressErrorKind as Kind, Place};
use super::{AddressError, AddressList, Strictness};

/// A better text for what was typed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fix {
    /// The whole text; it can be read.
    pub replacement: String,
    /// What it changes.
    pub what: FixKind,
}

/// What a [`Fix`] changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FixKind {
    /// Another at-sign becomes `@`, a doubled one becomes one.
    AtSign,
    /// Typographic quotation marks become `"`.
    QuotationMarks,
    /// `mailto:` goes, and what follows a `?`.
    Mailto,
    /// White space and invisible characters go.
    Spaces,
    /// Dots too many go.
    Dots,
    /// Commas too many go.
    Commas,
    /// A comma is put between addresses.
    Separator,
    /// A comma becomes a dot.
    CommaForDot,
    /// A display name gets its quotes.
    QuoteName,
    /// An address gets its angle brackets.
    AngleBrackets,
    /// The domain of a big provider is spelt right.
    Provider,
    /// More than one of these.
    Several,
}

/// Repairs of one text, at most: what has more slips is better typed anew.
const MAX_STEPS: usize = 16;

/// A better text for an address or a list of addresses, if there is one: for what cannot be read, and for what can but
/// looks like a slip.
pub fn suggest(input: &str, strictness: Strictness) -> Option<Fix> {
    let marks = quotation_marks(input);
    let mut what = marks.as_ref().map(|_| FixKind::QuotationMarks);
    let mut text = marks.unwrap_or_else(|| input.to_owned());
    let mut note = |kind| what = Some(if what.is_none_or(|what| what == kind) { kind } else { FixKind::Several });
    for _ in 0..MAX_STEPS {
        if let Some(error) = slip(&text, strictness) {
            let (better, kind) = repair(&text, &error)?;
            text = better;
            note(kind);
        } else {
            if let Some(better) = provider(&text, strictness) {
                text = better;
                note(FixKind::Provider);
            }
            return what.map(|what| Fix { replacement: text, what });
        }
    }
    None
}

/// Why the text cannot be read, or is hardly meant as it stands: `a@example,com` leniently is an address and a bare name.
fn slip(text: &str, strictness: Strictness) -> Option<AddressError> {
    let list = match AddressList::parse(text, strictness) {
        Ok(list) => list,
        Err(error) => return Some(error),
    };
    if list.mailboxes().all(|mailbox| mailbox.addr().is_some()) {
        return None;
    }
    let strict = AddressList::validate(text, Strictness::Strict).err()?;
    comma_for_dot(text, strict.offset).is_some().then_some(strict)
}

/// The text with the place of the error put right.
fn repair(text: &str, error: &AddressError) -> Option<(String, FixKind)> {
    let at = error.offset;
    let (done, rest) = split(text, at);
    let first = rest.chars().next();
    let length = first.map_or(0, char::len_utf8);
    let replace = |length: usize, with: &str| [done, with, split(rest, length).1].concat();
    let spaces = rest.len() - rest.trim_ascii_start().len();
    Some(match error.kind {
        Kind::LookAlike { found: '\u{ff20}' | '\u{fe6b}' } => (replace(length, "@"), FixKind::AtSign),
        Kind::TwoAts if done.ends_with('@') => (replace(1, ""), FixKind::AtSign),
        Kind::LookAlike { .. } | Kind::Unseen { .. } | Kind::Unassigned { .. } | Kind::Control { .. } => {
            (replace(length, ""), FixKind::Spaces)
        }
        Kind::LineBreak if rest.trim_ascii().is_empty() => (done.to_owned(), FixKind::Spaces),
        Kind::LineBreak => {
            let length = rest.len() - rest.trim_ascii_start().len();
            (replace(length, if done.trim_ascii_end().is_empty() { "" } else { ", " }), FixKind::Separator)
        }
        Kind::Mailto => (replace("mailto:".len(), ""), FixKind::Mailto),
        Kind::Unexpected { found: '?', place: Place::Domain } => (replace(end_of(rest, b",;> "), ""), FixKind::Mailto),
        Kind::DomainStartsWithDot
        | Kind::DomainEndsWithDot
        | Kind::DomainDoubleDot
        | Kind::LocalPartStartsWithDot
        | Kind::LocalPartEndsWithDot
        | Kind::LocalPartDoubleDot => (replace(1, ""), FixKind::Dots),
        Kind::EmptyElement => (replace(1, "").trim_ascii().to_owned(), FixKind::Commas),
        Kind::Semicolon if split(rest, 1).1.trim_ascii().is_empty() => (done.to_owned(), FixKind::Commas),
        Kind::Semicolon => (replace(1, ","), FixKind::Separator),
        Kind::MissingSeparator => ([done.trim_ascii_end(), ", ", rest].concat(), FixKind::Separator),
        Kind::SpaceInLocalPart
            if split(text, element(text, at)).1.starts_with(|c: char| c.is_ascii_uppercase() || !c.is_ascii()) =>
        {
            angle_brackets(text, at)?
        }
        Kind::SpaceBesideAt | Kind::SpaceInLocalPart | Kind::SpaceInDomain if spaces > 0 => (replace(spaces, ""), FixKind::Spaces),
        Kind::Unexpected { found: 'a'..='z' | 'A'..='Z' | '0'..='9', place: Place::AfterAddress } => {
            let before = done.trim_ascii_end();
            let unfinished = before.rsplit_once('@').is_some_and(|(_, domain)| !domain.contains('.'));
            (unfinished && before.len() < at).then(|| ([before, rest].concat(), FixKind::Spaces))?
        }
        Kind::Unexpected { found: ',', place: Place::LocalPart } => (replace(1, "."), FixKind::CommaForDot),
        Kind::MissingAt => (comma_for_dot(text, at)?, FixKind::CommaForDot),
        Kind::DotInName | Kind::NameNeedsQuotes { .. } | Kind::Unexpected { place: Place::DisplayName, .. } => {
            (quote_name(text, at), FixKind::QuoteName)
        }
        _ => return None,
    })
}

/// Where the list element around `at` starts: after a `>`, `;` or `:`, or a comma that follows an `@`.
fn element(text: &str, at: usize) -> usize {
    let mut start = 0;
    let mut complete = false;
    for (i, octet) in split(text, at).0.bytes().enumerate() {
        match octet {
            b'@' => complete = true,
            b'>' | b';' | b':' => (start, complete) = (i + 1, false),
            b',' if complete || split(split(text, i).0, start).1.trim_ascii().is_empty() => (start, complete) = (i + 1, false),
            _ => {}
        }
    }
    text.len() - split(text, start).1.trim_ascii_start().len()
}

/// `J. Doe <j@example.org>` with its quotes.
fn quote_name(text: &str, at: usize) -> String {
    let (done, rest) = split(text, element(text, at));
    let (name, addr) = split(rest, end_of(rest, b"<"));
    let name: String = name.trim_ascii().chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    [done, "\"", &name, "\" ", addr].concat()
}

/// `Jo Doe j@example.org` with its brackets.
fn angle_brackets(text: &str, at: usize) -> Option<(String, FixKind)> {
    let (done, rest) = split(text, element(text, at));
    let (named, rest) = split(rest, end_of(rest, b",;"));
    let (name, addr) = named.trim_ascii_end().rsplit_once(' ')?;
    Some(([done, name.trim_ascii(), " <", addr, ">", rest].concat(), FixKind::AngleBrackets))
}

/// `a@example,com` with its dot, where the error is at the end of `com`.
fn comma_for_dot(text: &str, at: usize) -> Option<String> {
    let (done, rest) = split(text, at);
    let (done, label) = done.rsplit_once(',')?;
    let domain = done.rsplit_once('@')?.1;
    let ldh =
        |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'));
    (ldh(label) && ldh(domain)).then(|| [done, ".", label, rest].concat())
}

/// The text before and from `at`; at its end, if it has no such place.
fn split(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Where the first of `ends` stands, or the text ends.
fn end_of(text: &str, ends: &[u8]) -> usize {
    text.bytes().position(|octet| ends.contains(&octet)).unwrap_or(text.len())
}

/// The text with `"` for other quotation marks, if it has any.
fn quotation_marks(text: &str) -> Option<String> {
    const MARKS: [char; 8] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{ab}', '\u{bb}', '\u{ff02}', '\u{301d}'];
    let is_mark = |c| MARKS.contains(&c);
    text.chars().any(is_mark).then(|| text.chars().map(|c| if is_mark(c) { '"' } else { c }).collect())
}

/// Providers so big that a domain one slip away is hardly meant.
const PROVIDERS: [&str; 10] = [
    "gmail.com",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "outlook.com",
    "protonmail.com",
    "t-online.de",
    "yahoo.com",
    "yahoo.co.uk",
];

/// Domains one slip away that exist and take mail.
const NEIGHBOURS: [&str; 8] = ["mail.com", "email.com", "ymail.com", "hotmail.co", "five.com", "love.com", "like.com", "life.com"];

/// The text with the first misspelt provider's domain put right.
fn provider(text: &str, strictness: Strictness) -> Option<String> {
    let list = AddressList::parse(text, strictness).ok()?;
    let (typed, meant) = list.mailboxes().find_map(|mailbox| {
        let typed = mailbox.domain()?.as_str();
        let lower = typed.to_ascii_lowercase();
        let meant = PROVIDERS.iter().find(|provider| one_slip(&lower, provider))?;
        (!PROVIDERS.contains(&&*lower) && !NEIGHBOURS.contains(&&*lower)).then_some((typed, *meant))
    })?;
    let (done, rest) = text.split_once(&["@", typed].concat())?;
    let better = [done, "@", meant, rest].concat();
    AddressList::validate(&better, strictness).is_ok().then_some(better)
}

/// Whether the words differ by one octet added, lost or changed, or by two neighbours swapped.
fn one_slip(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    match (&one.as_bytes()[same..], &other.as_bytes()[same..]) {
        ([a, b, one @ ..], [c, d, other @ ..]) if (a, b) == (d, c) && one == other => true,
        ([_, one @ ..], [_, other @ ..]) if one == other => true,
        ([_, one @ ..], other) if one == other => true,
        (one, [_, other @ ..]) => one == other,
        _ => false,
    }
}
