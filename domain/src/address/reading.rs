//! What stands in an address field, for showing while it is typed: how it was read, or the character that stands in the
//! way. The words beside it are in [`super::words`].

use std::fmt::Write as _;

use super::{Address, AddressError, AddressErrorKind as Kind, AddressList, Mailbox, Strictness, Wanted, is_plain};

/// Mailboxes shown at most; the rest is counted.
pub const MAX_SHOWN: usize = 20;
/// Characters shown on either side of a mistake, at most.
const CONTEXT: usize = 24;

/// A text that can be read, as it was understood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// The first [`MAX_SHOWN`] mailboxes and empty groups, in order.
    pub shown: Vec<Understood>,
    /// How many mailboxes there are besides.
    pub more: usize,
    /// Why the strict syntax would refuse it, where the lenient one was asked for.
    pub refused_strictly: Option<AddressError>,
}

/// One mailbox, as it was understood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Understood {
    /// The group it is in.
    pub group: Option<String>,
    /// The name to display.
    pub name: Option<String>,
    /// The local part, quoted where it must be. Empty for an empty group.
    pub local: String,
    /// The domain as it was read.
    pub domain: String,
    /// What is worth knowing of it.
    pub remarks: Vec<Remark>,
}

/// What is worth knowing of an address that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remark {
    /// The local part is not ASCII: the server must offer SMTPUTF8 (RFC 6531).
    NeedsSmtputf8,
    /// The domain is a single label, such as `localhost`.
    SingleLabel,
    /// The domain ends in a number.
    NumericDomain,
    /// The domain is an IP address.
    Literal,
    /// The same address stands before it.
    Repeated,
}

impl Reading {
    /// How `text` is read. None where it can't be, or is empty.
    pub fn of(text: &str, strictness: Strictness) -> Option<Self> {
        let list = AddressList::parse(text, strictness).ok()?;
        let refused_strictly =
            if strictness == Strictness::Lenient { AddressList::validate(text, Strictness::Strict).err() } else { None };
        let mut reading = Self { refused_strictly, ..Self::default() };
        for entry in list.entries() {
            match entry {
                Address::Mailbox(mailbox) => reading.add(None, mailbox),
                Address::Group(group) if group.members().is_empty() => {
                    reading.push(|| Understood { group: Some(group.name().into()), ..Understood::default() });
                }
                Address::Group(group) => group.members().iter().for_each(|member| reading.add(Some(group.name()), member)),
            }
        }
        Some(reading)
    }

    /// Whether it says nothing that `text` doesn't say by itself.
    pub fn is_verbatim(&self, text: &str) -> bool {
        let [Understood { group: None, name: None, local, domain, remarks }] = self.shown.as_slice() else { return false };
        let plain = remarks.is_empty() && domain.is_ascii() && self.refused_strictly.is_none();
        plain && text.trim().split_once('@') == Some((local, domain))
    }

    fn add(&mut self, group: Option<&str>, mailbox: &Mailbox) {
        let understood = || {
            let mut local = String::new();
            let written = super::header::local_part(mailbox.local(), &mut local);
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
            let domain = mailbox.domain();
            let remarks = [
                (mailbox.needs_smtputf8(), Remark::NeedsSmtputf8),
                (domain.is_some_and(super::Domain::is_single_label), Remark::SingleLabel),
                (domain.is_some_and(super::Domain::is_numeric), Remark::NumericDomain),
                (domain.is_some_and(super::Domain::is_literal), Remark::Literal),
            ];
            Understood {
                group: group.map(Into::into),
                name: mailbox.name().map(Into::into),
                local,
                domain: domain.map(|domain| domain.as_str().to_owned()).unwrap_or_default(),
                remarks: remarks.into_iter().filter_map(|(holds, remark)| holds.then_some(remark)).collect(),
            }
        };
        self.push(understood);
    }

    fn push(&mut self, understood: impl FnOnce() -> Understood) {
        if self.shown.len() == MAX_SHOWN {
            self.more += 1;
            return;
        }
        let mut understood = understood();
        let same = |other: &Understood| {
            !other.local.is_empty() && other.local == understood.local && other.domain.eq_ignore_ascii_case(&understood.domain)
        };
        if self.shown.iter().any(same) {
            understood.remarks.push(Remark::Repeated);
        }
        self.shown.push(understood);
    }
}

/// The character that an error points at, with what stands around it. What can't be seen, or changes what can, stands as
/// its code point.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spot {
    /// What stands before it, cut to what is needed to find the place.
    pub before: String,
    /// The character; empty at the end of the text.
    pub found: String,
    /// What stands after it, cut as well.
    pub after: String,
    /// Which character it is, from 1.
    pub number: usize,
}

impl AddressError {
    /// The place in `text`, which is what the error was found in.
    pub fn spot(&self, text: &str) -> Spot {
        let (done, rest) = text.split_at_checked(self.offset).unwrap_or((text, ""));
        let mut rest = rest.chars();
        let found = rest.next();
        let skipped = self.char_offset.saturating_sub(CONTEXT);
        let mut before = String::from(if skipped > 0 { "…" } else { "" });
        done.chars().skip(skipped).for_each(|c| visible(c, &mut before));
        let mut after = String::new();
        rest.by_ref().take(CONTEXT).for_each(|c| visible(c, &mut after));
        if rest.next().is_some() {
            after.push('…');
        }
        let mut mark = String::new();
        if let Some(c) = found {
            visible(c, &mut mark);
        }
        Spot { before, found: mark, after, number: self.char_offset + 1 }
    }

    /// Whether the text is wrong only because it is not finished: typing on at its end could make it right.
    pub fn may_be_unfinished(&self, text: &str, strictness: Strictness, wanted: Wanted) -> bool {
        if matches!(self.kind, Kind::UnclosedQuote | Kind::UnclosedComment | Kind::UnclosedLiteral) {
            return true;
        }
        let mut whole = String::with_capacity(text.len() + 16);
        ENDS.iter().any(|end| {
            ["", ";"].iter().any(|close| {
                whole.clear();
                whole.extend([text, end, close]);
                wanted.validate(&whole, strictness).is_ok()
            })
        })
    }
}

/// What may be missing at the end of a text that is being typed: one for each place in the grammar where typing can stop,
/// but for what an error names itself.
const ENDS: [&str; 11] = ["", "x", "@x", "x@x", "x <x@x>", " <x@x>", "<x@x>", ">", "x>", "@x>", "x@x>"];

/// Appends a character so that it can be seen and changes nothing around it.
fn visible(c: char, out: &mut String) {
    if c.is_control() || !is_plain(c) {
        let written = write!(out, "[U+{:04X}]", u32::from(c));
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Strictness; 2] = [Strictness::Strict, Strictness::Lenient];

    fn error(text: &str) -> AddressError {
        AddressList::validate(text, Strictness::Strict).unwrap_err()
    }

    #[test]
    fn a_list_shows_as_it_was_understood() {
        let text = "Jörg <jörg@example.org>, Team: a@localhost, \"b c\"@[192.0.2.1];, Nobody:;, A@LOCALHOST, a@localhost";
        let reading = Reading::of(text, Strictness::Strict).unwrap();
        let lines: Vec<_> = reading
            .shown
            .iter()
            .map(|u| (u.group.as_deref(), u.name.as_deref(), u.local.as_str(), u.domain.as_str(), u.remarks.as_slice()))
            .collect();
        assert_eq!(
            lines,
            [
                (None, Some("Jörg"), "jörg", "example.org", &[Remark::NeedsSmtputf8][..]),
                (Some("Team"), None, "a", "localhost", &[Remark::SingleLabel]),
                (Some("Team"), None, "\"b c\"", "[192.0.2.1]", &[Remark::Literal]),
                (Some("Nobody"), None, "", "", &[]),
                (None, None, "A", "LOCALHOST", &[Remark::SingleLabel]),
                (None, None, "a", "localhost", &[Remark::SingleLabel, Remark::Repeated]),
            ]
        );
        assert_eq!((reading.more, reading.refused_strictly), (0, None));
        for (text, verbatim) in
            [(" a@x.example ", true), ("<a@x.example>", false), ("J <a@x.example>", false), ("a@localhost", false)]
        {
            assert_eq!(Reading::of(text, Strictness::Strict).unwrap().is_verbatim(text), verbatim, "{text}");
        }
    }

    #[test]
    fn a_long_list_is_counted_and_a_lenient_reading_says_what_strict_would() {
        let text = vec!["a@x.example"; MAX_SHOWN + 7].join(", ");
        let reading = Reading::of(&text, Strictness::Strict).unwrap();
        assert_eq!((reading.shown.len(), reading.more), (MAX_SHOWN, 7));

        let odd = "J. Doe <j.@example.org>";
        assert_eq!(Reading::of(odd, Strictness::Strict), None);
        let reading = Reading::of(odd, Strictness::Lenient).unwrap();
        assert_eq!(reading.shown[0].name.as_deref(), Some("J. Doe"));
        assert_eq!(reading.shown[0].local, "\"j.\"");
        assert_eq!(reading.refused_strictly.map(|e| e.kind_name()), Some("dot_in_name"));
        assert_eq!(Reading::of("j@example.org", Strictness::Lenient).unwrap().refused_strictly, None);
    }

    #[test]
    fn the_spot_is_the_very_character() {
        let spot = error("a,b@example.com").spot("a,b@example.com");
        assert_eq!(
            spot,
            Spot { before: "a".into(), found: ",".into(), after: "b@example.com".into(), number: 2 },
            "the comma is marked"
        );
        assert_eq!(spot.to_string(), "Character 2, a comma");
        let spot = error("ä@").spot("ä@");
        assert_eq!((spot.before.as_str(), spot.found.as_str(), spot.number), ("ä@", "", 3), "the end is a place, too");
        assert_eq!(spot.to_string(), "At the end");
    }

    #[test]
    fn nothing_unseen_gets_out_of_a_spot_and_a_long_text_is_cut() {
        let text = format!("{}\u{202e}b\u{0}@example.com{}", "x".repeat(500), "y".repeat(500));
        let spot = error(&text).spot(&text);
        assert_eq!(spot.found, "[U+202E]");
        assert_eq!(spot.to_string(), "Character 501, “[U+202E]”");
        assert_eq!(spot.before, format!("…{}", "x".repeat(CONTEXT)));
        assert!(spot.after.starts_with("b[U+0000]@example.com") && spot.after.ends_with("y…"), "{spot:?}");
        assert_eq!(spot.number, 501);
    }

    #[test]
    fn whoever_types_an_address_is_not_interrupted() {
        let texts = [
            "jo@example.com",
            "Jo Doe <jo@mail.example.com>",
            "\"Doe, Jo\" <jo@example.com>",
            "\"a b\"@example.com (home), x@y.example",
            "Team: a@x.example, B <b@x.example>;, c@y.example",
            "Jo (a name) Doe <jo@[192.0.2.1]>, me@example.org",
            "Jo (a name (nested)) <\"a b\"@[IPv6:2001:db8::1]>",
            "a@example.org ((x) y)",
        ];
        for text in texts {
            for strictness in BOTH {
                for (end, _) in text.char_indices().skip(1) {
                    let typed = &text[..end];
                    let wanted = if text.contains(',') { Wanted::List } else { Wanted::One };
                    if let Err(error) = wanted.validate(typed, strictness) {
                        assert!(error.may_be_unfinished(typed, strictness, wanted), "{typed:?} {strictness:?} {error:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nor_is_whoever_types_a_name_with_a_comma_where_that_is_read() {
        let text = "Doe, Jo. <jo@example.com>";
        for wanted in [Wanted::One, Wanted::List] {
            for end in 1..text.len() {
                let typed = &text[..end];
                let error = wanted.validate(typed, Strictness::Lenient).err();
                assert!(
                    error.is_none_or(|error| error.may_be_unfinished(typed, Strictness::Lenient, wanted)),
                    "{typed:?} {wanted:?}"
                );
            }
        }
    }

    #[test]
    fn what_can_never_become_right_is_said_at_once() {
        for text in
            ["a,b@example.com", "a@@example.com", "a@example..com", "J. Doe <", "mailto:a", "a@x y", "<a@x.example>>", "a@-x"]
        {
            assert!(!error(text).may_be_unfinished(text, Strictness::Strict, Wanted::List), "{text}");
        }
        for text in ["a@x.example,", "a@x.example;", "a@x.example, b@x.example", "a@x.example b", "Team: "] {
            for strictness in BOTH {
                let error = Mailbox::validate(text, strictness).unwrap_err();
                assert!(!error.may_be_unfinished(text, strictness, Wanted::One), "{text}");
            }
        }
    }
}
