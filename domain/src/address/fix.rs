//! One-click fixes for typical slips.
//!
//! A fix follows the error: each step repairs the place it points at, until the text can be read. A fix is offered only
//! if it can be and mail can go to all that is in it, and never applied by itself. No step removes an `@` but a doubled one,
//! or makes one word of two that are not parts of the same address. The words are in [`super::words`].

use serde::{Deserialize, Serialize};

use super::error::{AddressErrorKind as Kind, Place};
use super::grammar::{RawMailbox, Sink};
use super::{AddressError, Strictness, Wanted};

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
    /// Another at-sign becomes `@`.
    AtSign,
    /// A full-width dot becomes `.`.
    Dot,
    /// Typographic quotation marks around a name become `"`.
    QuotationMarks,
    /// Typographic quotation marks around or after an address go.
    StrayMarks,
    /// `mailto:` goes, and what follows a `?`.
    Mailto,
    /// What follows a `?` goes.
    Query,
    /// White space goes, or becomes an ordinary space.
    Spaces,
    /// Invisible characters go.
    Hidden,
    /// Dots too many go.
    Dots,
    /// Commas too many go.
    Commas,
    /// A semicolon at the end goes.
    Semicolon,
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
    /// A doubled `@` becomes one.
    SecondAt,
    /// What was opened gets its end.
    Close,
    /// More than one of these.
    Several,
}

/// Repairs of one text, at most: what has more slips is better typed anew.
const MAX_STEPS: usize = 16;

/// A better text for an address or a list of addresses, if there is one: for what cannot be read, and for what can but
/// looks like a slip.
pub fn suggest(input: &str, strictness: Strictness, wanted: Wanted) -> Option<Fix> {
    let marks = quotation_marks(input);
    let mut what = marks.as_ref().map(|_| FixKind::QuotationMarks);
    let mut text = marks.unwrap_or_else(|| input.to_owned());
    let mut note = |kind| {
        what = Some(match what {
            None => kind,
            Some(FixKind::Mailto) if kind == FixKind::Query => FixKind::Mailto,
            Some(what) if what == kind => kind,
            Some(_) => FixKind::Several,
        });
    };
    // Whoever was reached stays reached, also where only one is wanted: which of several, no fix can know.
    let mut before = Seen::default();
    let reached = Wanted::List.read(input, strictness, &mut before).map_or(0, |()| before.addressed);
    for _ in 0..MAX_STEPS {
        let mut seen = Seen::default();
        let error = wanted.read(&text, strictness, &mut seen).err().or_else(|| seen.comma_within(&text, wanted));
        if let Some(error) = error {
            let (better, kind) = repair(&text, &error)?;
            text = better;
            note(kind);
            continue;
        }
        if let Some((start, length, provider)) = seen.slip {
            let (done, rest) = split(&text, start);
            let better = [done, provider, split(rest, length).1].concat();
            if wanted.validate(&better, strictness).is_ok() {
                text = better;
                note(FixKind::Provider);
            }
        }
        return what.filter(|_| seen.addressed >= reached.max(1) && !seen.bare).map(|what| Fix { replacement: text, what });
    }
    None
}

/// What a text that can be read has in it.
#[derive(Default)]
struct Seen {
    /// How many mailboxes mail can go to.
    addressed: usize,
    /// Whether there are mailboxes without a domain.
    bare: bool,
    /// The first misspelt provider's domain: where it is, its octets, what was meant.
    slip: Option<(usize, usize, &'static str)>,
}

impl Sink for Seen {
    fn mailbox(&mut self, mailbox: RawMailbox<'_>) {
        let Some(domain) = mailbox.addr.domain else {
            self.bare = true;
            return;
        };
        self.addressed += 1;
        if self.slip.is_none() {
            self.slip = provider(domain.text).map(|meant| (domain.start, domain.text.len(), meant));
        }
    }

    fn group(&mut self, _: &str) {}

    fn end_group(&mut self) {}
}

impl Seen {
    /// What is hardly meant as it stands: `a@example,com` leniently is an address and a bare name.
    fn comma_within(&self, text: &str, wanted: Wanted) -> Option<AddressError> {
        let error = wanted.validate(text, Strictness::Strict).err().filter(|_| self.bare)?;
        comma_for_dot(text, error.offset).is_some().then_some(error)
    }
}

/// The text with the place of the error put right.
fn repair(text: &str, error: &AddressError) -> Option<(String, FixKind)> {
    let at = error.offset;
    let (done, rest) = split(text, at);
    let length = rest.chars().next().map_or(0, char::len_utf8);
    let replace = |length: usize, with: &str| [done, with, split(rest, length).1].concat();
    let spaces = rest.len() - rest.trim_ascii_start().len();
    Some(match error.kind {
        Kind::LookAlike { found: '\u{ff20}' | '\u{fe6b}' } => (replace(length, "@"), FixKind::AtSign),
        Kind::TwoAts if done.ends_with('@') => (replace(1, ""), FixKind::SecondAt),
        Kind::UnclosedAngle => ([text.trim_ascii_end(), ">"].concat(), FixKind::Close),
        Kind::UnclosedGroup => ([text.trim_ascii_end(), ";"].concat(), FixKind::Close),
        Kind::LookAlike { found: '\u{3002}' | '\u{ff0e}' | '\u{ff61}' } => (replace(length, "."), FixKind::Dot),
        Kind::LookAlike { found: '\u{ff0c}' } => (replace(length, ","), FixKind::Separator),
        Kind::LookAlike { found: '\u{ff1b}' } => (replace(length, ";"), FixKind::Separator),
        Kind::LookAlike { found } if found.is_whitespace() => {
            let after = split(rest, length).1;
            let edge = done.is_empty() || after.is_empty() || done.ends_with(JOINTS) || after.starts_with(JOINTS);
            (replace(length, if edge { "" } else { " " }), FixKind::Spaces)
        }
        Kind::LookAlike { .. } | Kind::Unseen { .. } | Kind::Unassigned { .. } | Kind::Control { .. } => {
            (replace(length, ""), FixKind::Hidden)
        }
        Kind::LineBreak if rest.trim_ascii().is_empty() => (done.to_owned(), FixKind::Spaces),
        Kind::LineBreak if done.trim_ascii().is_empty() => (rest.trim_ascii_start().to_owned(), FixKind::Spaces),
        Kind::LineBreak => {
            let ends = match Walk::to(text, at).element {
                Element::Complete => true,
                Element::Begun => false,
                Element::Blank => !done.trim_ascii_end().ends_with([',', ';', ':']),
            };
            let (with, kind) = if ends { (", ", FixKind::Separator) } else { (" ", FixKind::Spaces) };
            (replace(spaces, with), kind)
        }
        Kind::Mailto => (replace("mailto:".len(), ""), FixKind::Mailto),
        // The query runs to the end of the link (RFC 6068 section 2); whoever else is in it is not dropped.
        Kind::Unexpected { found: '?', place: Place::Domain } => {
            let (query, after) = split(rest, end_of(rest, b">"));
            (!query.contains('@')).then(|| ([done, after].concat(), FixKind::Query))?
        }
        Kind::Unexpected { found, place: Place::Domain } if is_mark(found) => {
            let (before, word) =
                split(done, done.rfind(|c: char| c.is_whitespace() || "<>,;:()".contains(c)).map_or(0, |at| at + 1));
            ([before, word.trim_start_matches(is_mark), split(rest, length).1].concat(), FixKind::StrayMarks)
        }
        Kind::DomainStartsWithDot
        | Kind::DomainEndsWithDot
        | Kind::DomainDoubleDot
        | Kind::LocalPartStartsWithDot
        | Kind::LocalPartEndsWithDot
        | Kind::LocalPartDoubleDot => (replace(1, ""), FixKind::Dots),
        Kind::EmptyElement | Kind::TrailingSeparator { found: ',' } => (replace(1, "").trim_ascii().to_owned(), FixKind::Commas),
        Kind::TrailingSeparator { .. } => (done.to_owned(), FixKind::Semicolon),
        Kind::Semicolon if split(rest, 1).1.trim_ascii().is_empty() => (done.to_owned(), FixKind::Semicolon),
        Kind::Semicolon => (replace(1, ","), FixKind::Separator),
        Kind::MissingSeparator => ([done.trim_ascii_end(), ", ", rest].concat(), FixKind::Separator),
        Kind::SpaceInLocalPart => {
            let word = word(rest.trim_ascii_start());
            let joined = word.starts_with('.') || done.ends_with('.') && word.contains('@');
            if joined { (spaces > 0).then(|| (replace(spaces, ""), FixKind::Spaces))? } else { angle_brackets(text, at)? }
        }
        Kind::SpaceBesideAt | Kind::SpaceInDomain if spaces > 0 => (replace(spaces, ""), FixKind::Spaces),
        Kind::Unexpected { found: 'a'..='z' | 'A'..='Z' | '0'..='9', place: Place::AfterAddress } => {
            let before = done.trim_ascii_end();
            let unfinished = before.rsplit_once('@').is_some_and(|(_, domain)| !domain.contains('.')) && word(rest).contains('.');
            (unfinished && before.len() < at).then(|| ([before, rest].concat(), FixKind::Spaces))?
        }
        // Further on in a list, it may well be a separator.
        Kind::Unexpected { found: ',', place: Place::LocalPart } if Walk::to(text, at).start == 0 => {
            (replace(1, "."), FixKind::CommaForDot)
        }
        Kind::MissingAt | Kind::MoreThanOne => (comma_for_dot(text, at)?, FixKind::CommaForDot),
        Kind::DotInName | Kind::NameNeedsQuotes { .. } | Kind::Unexpected { place: Place::DisplayName, .. } => {
            (quote_name(text, at)?, FixKind::QuoteName)
        }
        _ => return None,
    })
}

/// What two words next to it are parts of the same address with.
const JOINTS: [char; 3] = ['@', '.', ','];

/// The word at the start of `text`.
fn word(text: &str) -> &str {
    split(text, end_of(text, b" \t\r\n,;<>")).0
}

/// Goes through a text, and knows where the list element that it is in starts.
#[derive(Default)]
struct Walk {
    /// After a `>`, `;` or `:`, or a comma that follows an `@`.
    start: usize,
    element: Element,
    quoted: bool,
    escaped: bool,
    comments: usize,
}

/// What of a list element was seen.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Element {
    /// Nothing but white space and comments.
    #[default]
    Blank,
    Begun,
    /// The `@`, too.
    Complete,
}

impl Walk {
    fn from(start: usize) -> Self {
        Self { start, ..Self::default() }
    }

    fn to(text: &str, at: usize) -> Self {
        let mut walk = Self::from(0);
        split(text, at).0.bytes().enumerate().for_each(|(at, octet)| walk.step(at, octet));
        walk
    }

    /// Whether neither quotes nor a comment are open.
    fn is_outside(&self) -> bool {
        !self.quoted && self.comments == 0
    }

    fn step(&mut self, at: usize, octet: u8) {
        let outside = self.is_outside();
        match octet {
            _ if self.escaped => self.escaped = false,
            b'\\' if !outside => self.escaped = true,
            b'"' if self.comments == 0 => {
                self.quoted = !self.quoted;
                self.begin();
            }
            _ if self.quoted => {}
            b'(' => self.comments += 1,
            b')' => self.comments = self.comments.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if !outside => {}
            b'@' => self.element = Element::Complete,
            b'>' | b';' | b':' => *self = Self::from(at + 1),
            b',' if self.element != Element::Begun => *self = Self::from(at + 1),
            _ => self.begin(),
        }
    }

    fn begin(&mut self) {
        if self.element == Element::Blank {
            self.element = Element::Begun;
        }
    }
}

/// Where the list element around `at` starts.
fn element(text: &str, at: usize) -> usize {
    text.len() - split(text, Walk::to(text, at).start).1.trim_ascii_start().len()
}

/// `J. Doe <j@example.org>` with its quotes; also the name of a group. Comments stay outside.
fn quote_name(text: &str, at: usize) -> Option<String> {
    let (done, rest) = split(text, element(text, at));
    let mut walk = Walk::from(0);
    let mut comments = String::new();
    let mut comment = 0;
    for (at, octet) in rest.bytes().enumerate() {
        let outside = walk.is_outside();
        if outside && matches!(octet, b'<' | b':') {
            let name = super::text::phrase(split(rest, at).0);
            let mut quoted = String::new();
            super::header::quoted(&name, &mut quoted).ok().filter(|()| !name.trim().is_empty())?;
            let space = if octet == b'<' { " " } else { "" };
            return Some([done, &quoted, &comments, space, split(rest, at).1].concat());
        }
        walk.step(at, octet);
        match (outside, walk.comments) {
            (true, 1) => comment = at,
            (false, 0) if octet == b')' => comments.extend([" ", split(split(rest, at + 1).0, comment).1]),
            _ => {}
        }
    }
    None
}

/// `Jo Doe j@example.org` with its brackets.
fn angle_brackets(text: &str, at: usize) -> Option<(String, FixKind)> {
    let (done, rest) = split(text, element(text, at));
    let (named, rest) = split(rest, end_of(rest, b",;"));
    let (name, addr) = named.trim_ascii_end().rsplit_once([' ', '\t', '\n'])?;
    let is_addr = addr.contains('@') && !addr.contains(['"', '(', ')', '<', '>']);
    is_addr.then(|| ([done, name.trim_ascii(), " <", addr, ">", rest].concat(), FixKind::AngleBrackets))
}

/// `a@example,com` and `a@mail,example,com` with their dots, where the error is after the first comma. A domain with a dot
/// is finished, and so is one that ends in a short label.
fn comma_for_dot(text: &str, at: usize) -> Option<String> {
    let is_ldh = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
    let (done, mut rest) = text.split_at_checked(split(text, at).0.rfind(',')?)?;
    let domain = done.rsplit_once('@')?.1;
    let mut better = (!domain.is_empty() && !domain.contains('.') && domain.bytes().all(is_ldh)).then(|| done.to_owned())?;
    let mut joined = false;
    while let Some(next) = rest.strip_prefix(',') {
        let (label, after) = split(next, next.bytes().position(|octet| !is_ldh(octet)).unwrap_or(next.len()));
        if label.is_empty() || !matches!(after.as_bytes().first(), None | Some(b',' | b';' | b'>' | b' ')) {
            break;
        }
        better.extend([".", label]);
        (rest, joined) = (after, true);
        if label.len() <= 3 || label.contains('.') {
            break;
        }
    }
    joined.then(|| better + rest)
}

/// The text before and from `at`; at its end, if it has no such place.
fn split(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Where the first of `ends` stands, or the text ends.
fn end_of(text: &str, ends: &[u8]) -> usize {
    text.bytes().position(|octet| ends.contains(&octet)).unwrap_or(text.len())
}

/// Whether it is a quotation mark, other than `"`.
fn is_mark(c: char) -> bool {
    matches!(c, '«' | '»' | '\u{2018}'..='\u{201f}' | '‹' | '›' | '\u{301d}'..='\u{301f}' | '\u{ff02}')
}

/// The text with `"` for other quotation marks around whole names, if it has any.
fn quotation_marks(text: &str) -> Option<String> {
    let mut walk = Walk::from(0);
    let mut better = String::new();
    let (mut copied, mut last) = (0, None);
    for (at, octet) in text.bytes().enumerate() {
        if matches!(octet, b'<' | b':') && walk.is_outside() && last.replace(walk.start) != Some(walk.start) {
            let before = split(text, at).0;
            let name = split(before, walk.start).1;
            let inner = name.trim().strip_prefix(is_mark).and_then(|name| name.strip_suffix(is_mark));
            if let Some(inner) = inner.filter(|inner| !inner.is_empty() && !inner.contains(['"', '\\', '('])) {
                let blanks = |text: &str| text.len() - text.trim_start().len();
                let (start, end) = (walk.start + blanks(name), name.trim_end().len() + walk.start);
                better.extend([split(split(text, start).0, copied).1, "\"", inner, "\""]);
                copied = end;
            }
        }
        walk.step(at, octet);
    }
    better.push_str(split(text, copied).1);
    (copied > 0).then_some(better)
}

/// Providers so big that a domain one slip away is hardly meant.
const PROVIDERS: [&str; 9] = [
    "gmail.com",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "outlook.com",
    "protonmail.com",
    "t-online.de",
    "yahoo.com",
    "yahoo.co.uk",
];

/// Domains one slip away that exist and take mail.
const NEIGHBOURS: [&str; 4] = ["mail.com", "email.com", "ymail.com", "hotmail.co"];

/// The provider's domain that is meant by one that is a slip away.
fn provider(typed: &str) -> Option<&'static str> {
    let lower = typed.to_ascii_lowercase();
    let meant = PROVIDERS.into_iter().find(|provider| one_slip(&lower, provider))?;
    (!PROVIDERS.contains(&&*lower) && !NEIGHBOURS.contains(&&*lower)).then_some(meant)
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
